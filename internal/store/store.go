// Package store is the hub's memory and its source of truth: documents as they
// came, the records in them, their business keys, what was published and what
// became of every delivery. Implementations are in sqlite and postgres; the
// suite in storetest holds for each of them.
package store

import (
	"context"
	"errors"
	"time"

	"tongqu/internal/record"
)

// ErrNotFound is returned for an id that the store does not hold.
var ErrNotFound = errors.New("not found")

// ErrUnavailable wraps every failure to write: nothing of the call was kept.
var ErrUnavailable = errors.New("store unavailable")

// DocumentStatus says what became of a document as a whole.
type DocumentStatus string

// A document is partial when some of its records were accepted and some rejected.
const (
	DocumentAccepted  DocumentStatus = "accepted"
	DocumentPartial   DocumentStatus = "partial"
	DocumentRejected  DocumentStatus = "rejected"
	DocumentDuplicate DocumentStatus = "duplicate"
)

// Document is the bytes an agency sent, and what is known of them.
type Document struct {
	ID      string
	Agency  string
	Adapter string // empty when no adapter knew it
	Message string // the adapter's message, e.g. CEB311Message
	Door    string // http, file
	Name    string // file name, or empty
	// ReceivedAt is UTC, to the microsecond.
	ReceivedAt time.Time
	SHA256     [32]byte
	Size       int
	Body       []byte
	Status     DocumentStatus
	// DuplicateOf is the id of the first document with the same bytes from the
	// same agency of which at least one record was accepted.
	DuplicateOf string
	Accepted    int
	Rejected    int
	Duplicates  int
	// Errors is a JSON array of the faults that belong to no single record, or nil.
	Errors []byte
}

// Entry is one document and its records, recorded together or not at all.
type Entry struct {
	Document Document
	Records  []record.Record
}

// Recorder records what came in.
type Recorder interface {
	// Record keeps e durably (fsync) before it returns nil; concurrent calls share
	// commits. In the same transaction it recognises duplicates and settles e:
	//
	//   - the same agency sent the same bytes before and a record of them was
	//     accepted: each accepted record that was not rejected then becomes Duplicate
	//     of the first document's record with that index; when none is left the
	//     document is a Duplicate, its DuplicateOf is set, and the body is not stored
	//     again;
	//   - an accepted record whose identity key and Version equal a recorded one's
	//     becomes a Duplicate of it (Version zero never matches);
	//   - one whose Version is older than the newest recorded one's of the same type
	//     and identity is Rejected with fault DUPLICATE_STALE in its Errors;
	//   - otherwise it is a new version, in order.
	//
	// Record fills Seq, Status, DuplicateOf and Errors of the records and Status,
	// DuplicateOf and the counts of the document. An error means nothing was kept
	// and wraps ErrUnavailable.
	Record(ctx context.Context, e *Entry) error
}

// Outbox is the way of the accepted records to the bus, in the order of recording.
type Outbox interface {
	// Unpublished returns the oldest accepted records that are not marked published.
	Unpublished(ctx context.Context, limit int) ([]record.Record, error)
	// MarkPublished marks records that Unpublished returned, from the oldest on and
	// leaving none out, as one batch.
	MarkPublished(ctx context.Context, batch []record.Record, at time.Time) error
	// Recorded has a value soon after new accepted records are committed.
	Recorded() <-chan struct{}
}

// Page is one page of a listing. Next is empty on the last page; handing it back
// goes on after the last item, never skipping or repeating one, whatever was
// recorded meanwhile.
type Page[T any] struct {
	Items []T
	Next  string
}

// Query selects records; zero fields do not restrict.
type Query struct {
	Type   string // canonical type with or without version
	Key    record.Key
	Agency string
	Status record.Status
	From   time.Time // received at or after
	To     time.Time // received before
	// Newest turns the order: newest first instead of oldest first.
	Newest bool
	Cursor string
	Limit  int // 0 is 100; at most 1000
}

// DocumentQuery selects documents; zero fields do not restrict. Newest first.
type DocumentQuery struct {
	Agency string
	Status DocumentStatus
	From   time.Time
	To     time.Time
	Cursor string
	Limit  int
}

// Reader reads what was recorded.
type Reader interface {
	// Document returns a document with its body; ErrNotFound.
	Document(ctx context.Context, id string) (Document, error)
	// DocumentRecords returns all records of a document, by index.
	DocumentRecords(ctx context.Context, id string) ([]record.Record, error)
	// Documents lists documents without their bodies.
	Documents(ctx context.Context, q DocumentQuery) (Page[Document], error)
	// RecordByID returns one record; ErrNotFound.
	RecordByID(ctx context.Context, id string) (record.Record, error)
	// Records lists records.
	Records(ctx context.Context, q Query) (Page[record.Record], error)
	// Timeline returns what happened to a record, oldest first: received,
	// recorded, published, and each delivery.
	Timeline(ctx context.Context, recordID string) ([]Event, error)
	// Balance counts what was received and delivered; a zero day means all days.
	Balance(ctx context.Context, day time.Time) (Balance, error)
}

// Event is one step of a record's way.
type Event struct {
	At time.Time `json:"at"`
	// What is received, recorded, published, delivered, parked, waiting.
	What string `json:"what"`
	// Who is the agency or the subscription.
	Who      string `json:"who,omitempty"`
	Detail   string `json:"detail,omitempty"`
	Attempts int    `json:"attempts,omitempty"`
}

// Balance proves that nothing was dropped: Received = Accepted + Rejected +
// Duplicates (documents and records alike), and for every subscription
// Due = Delivered + Parked + Waiting.
type Balance struct {
	Documents     Counts                     `json:"documents"`
	Records       Counts                     `json:"records"`
	Published     int64                      `json:"published"`
	Unpublished   int64                      `json:"unpublished"`
	Subscriptions map[string]DeliveryBalance `json:"subscriptions"`
}

// Counts of received things by what became of them. A partial document counts as accepted.
type Counts struct {
	Received   int64 `json:"received"`
	Accepted   int64 `json:"accepted"`
	Rejected   int64 `json:"rejected"`
	Duplicates int64 `json:"duplicates"`
}

// DeliveryBalance counts one subscription's deliveries. Skipped records were
// seen but not due (filtered out).
type DeliveryBalance struct {
	Delivered int64 `json:"delivered"`
	Parked    int64 `json:"parked"`
	Waiting   int64 `json:"waiting"`
	Skipped   int64 `json:"skipped"`
}

// DeliveryStatus says how far a delivery came.
type DeliveryStatus string

// A waiting delivery is retried by itself; a parked one on command.
const (
	DeliveryDelivered DeliveryStatus = "delivered"
	DeliveryParked    DeliveryStatus = "parked"
	DeliveryWaiting   DeliveryStatus = "waiting"
	DeliverySkipped   DeliveryStatus = "skipped"
)

// Delivery is one record on its way to one subscription.
type Delivery struct {
	Subscription string
	RecordID     string
	Status       DeliveryStatus
	Attempts     int
	At           time.Time
	// Detail is the subscriber's answer or the reason, never personal data.
	Detail string
}

// DeliveryQuery selects deliveries, oldest first; zero fields do not restrict.
type DeliveryQuery struct {
	Subscription string
	Status       DeliveryStatus
	RecordID     string
	Cursor       string
	Limit        int
}

// Deliveries is the book of deliveries.
type Deliveries interface {
	// Settled returns those of the ids whose delivery to the subscription is
	// delivered or parked. Skipped ones are counted, not remembered: whoever skipped
	// a record will skip it again.
	Settled(ctx context.Context, subscription string, ids []string) (map[string]bool, error)
	// SaveDeliveries writes the state of deliveries, all or none, durably. A later
	// state of the same subscription and record replaces the earlier one, but
	// delivered is final.
	SaveDeliveries(ctx context.Context, batch []Delivery) error
	// Deliveries lists deliveries.
	Deliveries(ctx context.Context, q DeliveryQuery) (Page[Delivery], error)
}

// Leases let one of the hubs on a store do what only one may do at a time.
type Leases interface {
	// Lease runs work while this hub holds the lease of that name. It waits for the
	// lease as long as another hub holds it; it ends work's context when it could not
	// keep the lease, before another hub has it, and waits for it again once work has
	// returned. Otherwise it returns what work returns, or nil when ctx ends before.
	// MarkPublished with work's context fails when another hub has taken the lease since.
	Lease(ctx context.Context, name string, work func(ctx context.Context) error) error
	// Attend runs work while this hub reaches the store: when it has not for some
	// seconds it ends work's context, so that other hubs can do what is left, and once
	// work has returned and the store answers it runs work again. Otherwise it returns
	// what work returns, or nil when ctx ends before.
	Attend(ctx context.Context, work func(ctx context.Context) error) error
}

// Store is all of it.
type Store interface {
	Recorder
	Outbox
	Reader
	Deliveries
	Inquiries
	Leases
	// Rewind takes back that the records of the documents received since were
	// published, so that Unpublished gives them again, and returns how many they are.
	// It is for a bus that lost its messages; call it before the relay runs. Consumers
	// know the records by their ids, and what was delivered is not delivered again.
	Rewind(ctx context.Context, since time.Time) (int64, error)
	// Ready returns nil when the store can write.
	Ready(ctx context.Context) error
	Close() error
}
