package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"

	"tongqu/internal/record"
	"tongqu/internal/store"
)

// statuses gives each status a small number, from 1.
type statuses []string

var (
	documentStatuses = statuses{
		string(store.DocumentAccepted), string(store.DocumentPartial), string(store.DocumentRejected), string(store.DocumentDuplicate),
	}
	recordStatuses   = statuses{string(record.Accepted), string(record.Rejected), string(record.Duplicate)}
	deliveryStatuses = statuses{string(store.DeliveryDelivered), string(store.DeliveryParked), string(store.DeliveryWaiting)}
)

// code returns 0 for a status that is none.
func (s statuses) code(status string) int {
	for i := range s {
		if s[i] == status {
			return i + 1
		}
	}
	return 0
}

func (s statuses) name(code int) string {
	if code < 1 || code > len(s) {
		return ""
	}
	return s[code-1]
}

// appendRecords writes what a document's records say, in order: everything but
// what the document says already and what the store makes of them.
func appendRecords(dst []byte, records []record.Record) []byte {
	for i := range records {
		r := &records[i]
		dst = binary.AppendUvarint(dst, uint64(r.Index)) //nolint:gosec // counted from 1
		dst = appendBytes(dst, r.Type)
		dst = binary.AppendUvarint(dst, uint64(len(r.Keys)))
		for _, k := range r.Keys {
			dst = appendBytes(dst, k.Name)
			dst = appendBytes(dst, k.Value)
		}
		version, versioned := versionOf(r)
		if versioned {
			dst = append(dst, 1)
			dst = binary.AppendVarint(dst, version)
		} else {
			dst = append(dst, 0)
		}
		dst = appendBytes(dst, r.Action)
		dst = appendOptional(dst, r.Body)
		dst = appendOptional(dst, r.Errors)
	}
	return dst
}

// versionOf is a record's version in microseconds; false when it has none.
func versionOf(r *record.Record) (int64, bool) {
	if r.Version.IsZero() {
		return 0, false
	}
	return r.Version.UnixMicro(), true
}

func appendBytes[T ~string | ~[]byte](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// appendOptional keeps nil apart from empty.
func appendOptional(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(b))+1)
	return append(dst, b...)
}

// readRecords undoes appendRecords.
func readRecords(b []byte, n int) ([]record.Record, error) {
	c := cursor{rest: b}
	records := make([]record.Record, n)
	for i := range records {
		r := &records[i]
		r.Index = int(c.uvarint()) //nolint:gosec // appendRecords wrote an int
		r.Type = string(c.bytes())
		if keys := c.uvarint(); keys > 0 && !c.bad {
			if keys > uint64(len(c.rest)) {
				c.bad = true
				break
			}
			r.Keys = make([]record.Key, keys)
			for k := range r.Keys {
				r.Keys[k] = record.Key{Name: string(c.bytes()), Value: string(c.bytes())}
			}
		}
		if c.byte() == 1 {
			r.Version = time.UnixMicro(c.varint()).UTC()
		}
		r.Action = record.Action(c.bytes())
		r.Body = c.optional()
		r.Errors = c.optional()
	}
	if c.bad || len(c.rest) > 0 {
		return nil, errors.New("damaged records")
	}
	return records, nil
}

// verdict is what the store made of a record.
type verdict struct {
	status record.Status
	// of is the record that a duplicate repeats.
	of recordRef
	// errors replace the record's own when it came too late; else nil.
	errors []byte
}

// recordRef is a record id in 16 bytes and a number.
type recordRef struct {
	document uuid.UUID
	index    int
}

func (r recordRef) String() string { return record.ID(r.document.String(), r.index) }

// The first byte of a verdict.
const (
	verdictAccepted  = 'A'
	verdictRejected  = 'R'
	verdictDuplicate = 'D'
	verdictStale     = 'S'
)

func appendVerdicts(dst []byte, verdicts []verdict) []byte {
	for i := range verdicts {
		v := &verdicts[i]
		switch {
		case v.status == record.Accepted:
			dst = append(dst, verdictAccepted)
		case v.status == record.Duplicate:
			dst = append(dst, verdictDuplicate)
			dst = append(dst, v.of.document[:]...)
			dst = binary.AppendUvarint(dst, uint64(v.of.index)) //nolint:gosec // counted from 1
		case v.errors != nil:
			dst = append(dst, verdictStale)
			dst = appendBytes(dst, v.errors)
		default:
			dst = append(dst, verdictRejected)
		}
	}
	return dst
}

// readVerdicts writes the verdicts into the records they are of.
func readVerdicts(b []byte, records []record.Record) error {
	c := cursor{rest: b}
	for i := range records {
		r := &records[i]
		switch c.byte() {
		case verdictAccepted:
			r.Status = record.Accepted
		case verdictRejected:
			r.Status = record.Rejected
		case verdictDuplicate:
			r.Status = record.Duplicate
			ref := recordRef{document: uuid.UUID(c.take(16))}
			ref.index = int(c.uvarint()) //nolint:gosec // appendVerdicts wrote an int
			r.DuplicateOf = ref.String()
		case verdictStale:
			r.Status = record.Rejected
			r.Errors = bytes.Clone(c.bytes())
		default:
			c.bad = true
		}
	}
	if c.bad || len(c.rest) > 0 {
		return errors.New("damaged verdicts")
	}
	return nil
}

// cursor reads packed values; after the first that is not there, bad is set and
// all that follow are zero.
type cursor struct {
	rest []byte
	bad  bool
}

// take returns the next n bytes, n zero bytes when there are fewer and n is small.
func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.bad, c.rest = true, nil
		return make([]byte, min(n, 16))
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) byte() byte { return c.take(1)[0] }

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.rest)
	if n <= 0 {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) bytes() []byte { return c.take(c.uvarint()) }

func (c *cursor) optional() []byte {
	n := c.uvarint()
	if n == 0 {
		return nil
	}
	return c.take(n - 1)
}
