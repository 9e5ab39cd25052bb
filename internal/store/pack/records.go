package pack

import (
	"encoding/binary"
	"errors"
	"time"

	"tongqu/internal/record"
	"tongqu/internal/store"
)

// Statuses gives each status a small number, from 1: its place in the list.
type Statuses []string

// The statuses that are stored as numbers. A skipped delivery is not stored.
var (
	DocumentStatuses = Statuses{
		string(store.DocumentAccepted), string(store.DocumentPartial), string(store.DocumentRejected), string(store.DocumentDuplicate),
	}
	RecordStatuses   = Statuses{string(record.Accepted), string(record.Rejected), string(record.Duplicate)}
	DeliveryStatuses = Statuses{string(store.DeliveryDelivered), string(store.DeliveryParked), string(store.DeliveryWaiting)}
)

// Code returns the number of a status, 0 for one that is none.
func (s Statuses) Code(status string) int {
	for i := range s {
		if s[i] == status {
			return i + 1
		}
	}
	return 0
}

// Name undoes Code; it is empty for a number that is none.
func (s Statuses) Name(code int) string {
	if code < 1 || code > len(s) {
		return ""
	}
	return s[code-1]
}

// AppendRecords writes what a document's records say, in order: everything but
// what the document says already and what the store makes of them.
func AppendRecords(dst []byte, records []record.Record) []byte {
	for i := range records {
		r := &records[i]
		dst = binary.AppendUvarint(dst, uint64(r.Index)) //nolint:gosec // counted from 1
		dst = AppendBytes(dst, r.Type)
		dst = binary.AppendUvarint(dst, uint64(len(r.Keys)))
		for _, k := range r.Keys {
			dst = AppendBytes(dst, k.Name)
			dst = AppendBytes(dst, k.Value)
		}
		version, versioned := Version(r)
		if versioned {
			dst = append(dst, 1)
			dst = binary.AppendVarint(dst, version)
		} else {
			dst = append(dst, 0)
		}
		dst = AppendBytes(dst, r.Action)
		dst = appendOptional(dst, r.Body)
		dst = appendOptional(dst, r.Errors)
	}
	return dst
}

// Version is a record's version in microseconds; false when it has none.
func Version(r *record.Record) (int64, bool) {
	if r.Version.IsZero() {
		return 0, false
	}
	return r.Version.UnixMicro(), true
}

// AppendBytes writes the length of b and b.
func AppendBytes[T ~string | ~[]byte](dst []byte, b T) []byte {
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

// ReadRecords undoes AppendRecords; n is the number of records. They share b.
func ReadRecords(b []byte, n int) ([]record.Record, error) {
	c := cursor{rest: b}
	records := make([]record.Record, n)
	for i := range records {
		r := &records[i]
		r.Index = int(c.uvarint()) //nolint:gosec // AppendRecords wrote an int
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
