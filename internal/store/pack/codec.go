// Package pack is how the stores write documents and their records into rows:
// the records of a document as one value, what became of them as another, both
// compressed with a dictionary a kind of message.
package pack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"

	"tongqu/internal/store"
)

// A packed value begins with a byte that says how: S2 with a dictionary has the
// dictionary's number next.
const (
	packedRaw        = 0
	packedS2         = 1
	packedDictionary = 2
)

// dictionaryPart bounds what a dictionary takes of a document and of its records.
const dictionaryPart = 16 << 10

// maxValue is the longest value that a column of any of the databases takes.
const maxValue = 1e9

// ErrDamaged is returned for a value that Pack did not write.
var ErrDamaged = errors.New("damaged value")

// ErrNoDictionary is returned for a value whose dictionary the codec does not have.
var ErrNoDictionary = errors.New("unknown dictionary")

// Codec compresses with S2. Messages of one kind are alike in most of their
// bytes, but small; so the first of a kind becomes the dictionary of the later
// ones, which makes them several times smaller. Safe for concurrent use.
type Codec struct {
	mu     sync.RWMutex
	byKind map[string]*Dictionary
	byID   map[uint64]*Dictionary
}

// Dictionary compresses documents of one kind; nil compresses without one.
type Dictionary struct {
	id   uint64
	dict *s2.Dict
}

// NewCodec returns a codec without dictionaries.
func NewCodec() *Codec {
	return &Codec{byKind: map[string]*Dictionary{}, byID: map[uint64]*Dictionary{}}
}

// OpenDictionary returns the dictionary of that number and content.
func OpenDictionary(id uint64, content []byte) (*Dictionary, error) {
	dict := s2.NewDict(content)
	if dict == nil {
		return nil, fmt.Errorf("dictionary %d: %w", id, ErrDamaged)
	}
	return &Dictionary{id, dict}, nil
}

// Put makes d the dictionary of a kind of document.
func (c *Codec) Put(kind string, d *Dictionary) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byKind[kind] = d
	c.byID[d.id] = d
}

// Len is the number of dictionaries.
func (c *Codec) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.byID)
}

// Dictionary returns the dictionary of a kind of document, or nil.
func (c *Codec) Dictionary(kind string) *Dictionary {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byKind[kind]
}

// Kind names the kind of a document; empty when no adapter knew it.
func Kind(d *store.Document) string {
	if d.Adapter == "" {
		return ""
	}
	return d.Adapter + "/" + d.Message
}

// NewDictionary makes the content of a dictionary from the first document of its
// kind; nil when that is too small to be of use.
func NewDictionary(e *store.Entry) []byte {
	records, body := AppendRecords(nil, e.Records), e.Document.Body
	dict := s2.MakeDict(slices.Concat(records[:min(len(records), dictionaryPart)], body[:min(len(body), dictionaryPart)]), nil)
	if dict == nil {
		return nil
	}
	return dict.Bytes()
}

// Pack compresses b.
func (d *Dictionary) Pack(b []byte) []byte {
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

// Unpack undoes Pack; what it returns does not share b.
func (c *Codec) Unpack(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, ErrDamaged
	}
	switch how, b := b[0], b[1:]; how {
	case packedRaw:
		return bytes.Clone(b), nil
	case packedS2:
		if n, err := s2.DecodedLen(b); err != nil || n > maxValue {
			return nil, ErrDamaged
		}
		return s2.Decode(nil, b)
	case packedDictionary:
		id, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, ErrDamaged
		}
		c.mu.RLock()
		d := c.byID[id]
		c.mu.RUnlock()
		if d == nil {
			return nil, fmt.Errorf("%w %d", ErrNoDictionary, id)
		}
		if n, err := s2.DecodedLen(b[n:]); err != nil || n > maxValue {
			return nil, ErrDamaged
		}
		return d.dict.Decode(nil, b[n:])
	}
	return nil, ErrDamaged
}
