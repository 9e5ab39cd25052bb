package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"

	"tongqu/internal/store"
)

const insertDictionarySQL = `INSERT INTO dictionaries (id, message, content) VALUES (?, ?, ?)`

// A packed blob begins with a byte that says how: S2 with a dictionary has the
// dictionary's number next.
const (
	packedRaw        = 0
	packedS2         = 1
	packedDictionary = 2
)

// dictionaryPart bounds what a dictionary takes of a document and of its records.
const dictionaryPart = 16 << 10

// codec compresses with S2. Messages of one kind are alike in most of their
// bytes, but small; so the first of a kind becomes the dictionary of the later
// ones, which makes them several times smaller. Safe for concurrent use.
type codec struct {
	mu        sync.RWMutex
	byMessage map[string]*dictionary
	byID      map[uint64]*dictionary
}

type dictionary struct {
	id   uint64
	dict *s2.Dict
}

func loadCodec(ctx context.Context, db *sql.DB) (*codec, error) {
	rows, err := db.QueryContext(ctx, `SELECT id, message, content FROM dictionaries`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	c := &codec{byMessage: map[string]*dictionary{}, byID: map[uint64]*dictionary{}}
	for rows.Next() {
		d := &dictionary{}
		var message string
		var content []byte
		if err := rows.Scan(&d.id, &message, &content); err != nil {
			return nil, err
		}
		if d.dict = s2.NewDict(content); d.dict == nil {
			return nil, fmt.Errorf("dictionary %d is damaged", d.id)
		}
		c.put(message, d)
	}
	return c, rows.Err()
}

func (c *codec) put(message string, d *dictionary) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byMessage[message] = d
	c.byID[d.id] = d
}

// message names the kind of a document; empty when no adapter knew it.
func message(d *store.Document) string {
	if d.Adapter == "" {
		return ""
	}
	return d.Adapter + "/" + d.Message
}

// dictionary returns the dictionary of a kind of message, or nil.
func (c *codec) dictionary(message string) *dictionary {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byMessage[message]
}

// pack compresses b, with d unless that is nil.
func (d *dictionary) pack(b []byte) []byte {
	room := make([]byte, 1+binary.MaxVarintLen64+max(len(b), s2.MaxEncodedLen(len(b))))
	head := room[:1]
	var packed []byte
	if d == nil {
		head[0] = packedS2
		packed = s2.Encode(room[1:], b)
	} else {
		head[0] = packedDictionary
		head = binary.AppendUvarint(head, d.id)
		packed = d.dict.Encode(room[len(head):], b)
	}
	if len(packed) >= len(b) {
		return append(append(room[:0], packedRaw), b...)
	}
	return append(head, packed...) // in place: packed follows head in room
}

// maxBlob is the longest value that SQLite takes.
const maxBlob = 1e9

var errDamaged = errors.New("damaged blob")

// unpack undoes pack; what it returns does not share b.
func (c *codec) unpack(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, errDamaged
	}
	switch how, b := b[0], b[1:]; how {
	case packedRaw:
		return bytes.Clone(b), nil
	case packedS2:
		if n, err := s2.DecodedLen(b); err != nil || n > maxBlob {
			return nil, errDamaged
		}
		return s2.Decode(nil, b)
	case packedDictionary:
		id, n := binary.Uvarint(b)
		c.mu.RLock()
		d := c.byID[id]
		c.mu.RUnlock()
		if n <= 0 || d == nil {
			return nil, errDamaged
		}
		if n, err := s2.DecodedLen(b[n:]); err != nil || n > maxBlob {
			return nil, errDamaged
		}
		return d.dict.Decode(nil, b[n:])
	}
	return nil, errDamaged
}

// learn makes a dictionary of an accepted document whose kind has none.
func (tx *transaction) learn(in *incoming) error {
	name := message(&in.entry.Document)
	if name == "" || in.document.Accepted == 0 || in.dictionary != nil || tx.learned[name] || tx.w.codec.dictionary(name) != nil {
		return nil
	}
	records, body := appendRecords(nil, in.entry.Records), in.entry.Document.Body
	dict := s2.MakeDict(slices.Concat(records[:min(len(records), dictionaryPart)], body[:min(len(body), dictionaryPart)]), nil)
	if dict == nil {
		return nil // too small to be of use
	}
	id := tx.w.dictionaries + 1 + uint64(len(tx.learned))
	if err := tx.exec(tx.w.insertDictionary, id, name, dict.Bytes()); err != nil {
		return fmt.Errorf("writing a dictionary: %w", err)
	}
	if tx.learned == nil {
		tx.learned = map[string]bool{}
	}
	tx.learned[name] = true
	tx.after = append(tx.after, func() {
		tx.w.dictionaries = max(tx.w.dictionaries, id)
		tx.w.codec.put(name, &dictionary{id, dict})
	})
	return nil
}
