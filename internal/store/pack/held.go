package pack

import (
	"strings"
	"time"
	"unicode/utf8"

	"tongqu/internal/record"
	"tongqu/internal/store"
)

// Held is a document as a store holds it, for moving from one store to another.
type Held struct {
	// No is the store's number of the document; its records have the next ones.
	No         int64
	RecordedAt time.Time
	// Document has its body, but a duplicate none: that is the first document's.
	Document store.Document
	Records  []record.Record
}

// Last is the last number that the document takes.
func (h *Held) Last() int64 { return h.No + int64(len(h.Records)) }

// Books are what a store has counted and published.
type Books struct {
	Sums      []Sum
	Published []Published
}

// Sum is one sum of the balance. Hour counts from 1970; hour 0 has the sum of all.
type Sum struct {
	Hour               int64
	Kind, Name, Status string
	N                  int64
}

// Published is one batch of records, by their seqs, that went to the bus.
type Published struct {
	First, Last int64
	At          time.Time
}

// ValidText is v without what PostgreSQL takes in no text: bytes that are not
// UTF-8 and zeros. A file name may have such.
func ValidText(v string) string {
	if utf8.ValidString(v) && strings.IndexByte(v, 0) < 0 {
		return v
	}
	return strings.ReplaceAll(strings.ToValidUTF8(v, "\uFFFD"), "\x00", "\uFFFD")
}
