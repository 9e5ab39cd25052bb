// Package record holds the canonical record: one order, one payment, one
// declaration, as every room of the hub passes it on after translation.
package record

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Status says what became of a record at intake.
type Status string

// The three things a record of a received document can become.
const (
	Accepted  Status = "accepted"
	Rejected  Status = "rejected"
	Duplicate Status = "duplicate"
)

// Action is what the sender wants done with the business object (CEB appType:
// 1 新增, 2 变更, 3 删除).
type Action string

// The actions a sender can report.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// Key is one business key: a name from the canonical type's x-keys and its value.
type Key struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ByName returns the keys as people read them: a name's value, or the list of
// its values where it has several (the containers of a declaration).
func ByName(keys []Key) map[string]any {
	named := make(map[string]any, len(keys))
	for _, k := range keys {
		switch before := named[k.Name].(type) {
		case nil:
			named[k.Name] = k.Value
		case string:
			named[k.Name] = []string{before, k.Value}
		case []string:
			named[k.Name] = append(before, k.Value)
		}
	}
	return named
}

// Record is one canonical thing that a document held.
type Record struct {
	// ID is DOCUMENT-ID.INDEX and never changes, however often the record is published.
	ID string
	// Seq is the store's own number, growing in the order of recording; 0 before recording.
	Seq int64
	// DocumentID is the id of the document the record came in.
	DocumentID string
	// Index is the place in the document, counted from 1.
	Index int
	// Type is the canonical type with its version, e.g. "trade.order.v1".
	Type string
	// Agency is the code of the agency that provided it.
	Agency string
	// Keys are the business keys, the identity first. All but the identity may have several values.
	Keys []Key
	// Version orders the states of one business object: the sender's own time.
	// Zero when the type has none; then the order of recording decides.
	Version time.Time
	// Action is what the sender reported; Create when the type has no such field.
	Action Action
	// Status is what became of it at intake.
	Status Status
	// DuplicateOf is the id of the first record when Status is Duplicate.
	DuplicateOf string
	// ReceivedAt is when the document came in, UTC.
	ReceivedAt time.Time
	// Body is the canonical JSON, compact, keys in schema order.
	Body []byte
	// Errors is a JSON array of faults (rejections and flags), or nil.
	Errors []byte
}

// NewDocumentID returns a new id that sorts by time (UUID version 7, RFC 9562).
func NewDocumentID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("making a document id: %w", err)
	}
	return id.String(), nil
}

// ID joins a document id and the index of a record in it, counted from 1.
func ID(documentID string, index int) string {
	return documentID + "." + strconv.Itoa(index)
}

// SplitID undoes ID. ok is false when id is not a record id.
func SplitID(id string) (documentID string, index int, ok bool) {
	documentID, n, found := strings.Cut(id, ".")
	if !found || uuid.Validate(documentID) != nil {
		return "", 0, false
	}
	index, err := strconv.Atoi(n)
	if err != nil || index < 1 {
		return "", 0, false
	}
	return documentID, index, true
}

// Identity is the first business key, by which versions of one business object
// are told apart from other objects; ok is false when the type has no keys.
func (r *Record) Identity() (Key, bool) {
	if len(r.Keys) == 0 {
		return Key{}, false
	}
	return r.Keys[0], true
}

const topicPrefix = "tongqu."

// Topic is the Kafka topic of a canonical type: "tongqu." and the type without
// its version ("trade.order.v1" → "tongqu.trade.order").
func Topic(canonicalType string) string {
	return topicPrefix + Family(canonicalType)
}

// FamilyOf is the canonical type, without its version, of a topic: "tongqu.trade.order" → "trade.order".
func FamilyOf(topic string) string { return strings.TrimPrefix(topic, topicPrefix) }

// Family is a canonical type without its version: "trade.order.v1" → "trade.order".
func Family(canonicalType string) string {
	if i := strings.LastIndex(canonicalType, ".v"); i > 0 {
		if _, err := strconv.Atoi(canonicalType[i+2:]); err == nil {
			return canonicalType[:i]
		}
	}
	return canonicalType
}
