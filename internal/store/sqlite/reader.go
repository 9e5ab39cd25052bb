package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"tongqu/internal/record"
	"tongqu/internal/store"
)

// queries are the readers' statements.
type queries struct {
	documentByID, body, documentAt *sql.Stmt
	keyBlocks                      *sql.Stmt
	unpublished, publishedAt       *sql.Stmt
	delivery, settled              *sql.Stmt
}

func newQueries(ctx context.Context, db *sql.DB) (*queries, error) {
	q := &queries{}
	for _, p := range []struct {
		stmt  **sql.Stmt
		query string
	}{
		{&q.documentByID, `SELECT ` + rowColumns + ` FROM documents WHERE id = ?`},
		{&q.body, `SELECT body FROM documents WHERE id = ?`},
		{&q.documentAt, documentAtSQL},
		{&q.keyBlocks, keyBlocksSQL},
		{&q.unpublished, unpublishedSQL},
		{&q.publishedAt, publishedAtSQL},
		{&q.delivery, deliverySQL},
		{&q.settled, settledSQL},
	} {
		var err error
		if *p.stmt, err = db.PrepareContext(ctx, p.query); err != nil { //nolint:sqlclosecheck // closing the pool closes them
			return nil, fmt.Errorf("preparing %q: %w", p.query, err)
		}
	}
	return q, nil
}

// Document implements store.Reader. The body of a duplicate is the first document's.
func (s *Store) Document(ctx context.Context, id string) (store.Document, error) {
	d, err := s.row(ctx, id)
	if err != nil {
		return store.Document{}, err
	}
	o := d.document
	bodyOf := o.ID
	if o.DuplicateOf != "" {
		bodyOf = o.DuplicateOf
	}
	owner, err := uuid.Parse(bodyOf)
	if err != nil {
		return store.Document{}, fmt.Errorf("document id %q: %w", bodyOf, err)
	}
	var packed []byte
	if err := s.queries.body.QueryRowContext(ctx, owner[:]).Scan(&packed); err != nil {
		return store.Document{}, fmt.Errorf("reading the body of document %s: %w", bodyOf, err)
	}
	if o.Body, err = s.codec.Unpack(packed); err != nil {
		return store.Document{}, fmt.Errorf("expanding the body of document %s: %w", bodyOf, err)
	}
	return o, nil
}

// row returns a document without its body, and its records; store.ErrNotFound.
func (s *Store) row(ctx context.Context, id string) (*row, error) {
	u, err := uuid.Parse(id)
	if err != nil {
		return nil, fmt.Errorf("document %q: %w", id, store.ErrNotFound)
	}
	d, err := oneRow(ctx, s.queries.documentByID, s.codec, u[:])
	if err != nil {
		return nil, fmt.Errorf("document %s: %w", id, err)
	}
	return d, nil
}

// DocumentRecords implements store.Reader.
func (s *Store) DocumentRecords(ctx context.Context, id string) ([]record.Record, error) {
	d, err := s.row(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.records, nil
}

// RecordByID implements store.Reader.
func (s *Store) RecordByID(ctx context.Context, id string) (record.Record, error) {
	_, r, err := s.recordByID(ctx, id)
	if err != nil {
		return record.Record{}, err
	}
	return *r, nil
}

func (s *Store) recordByID(ctx context.Context, id string) (*row, *record.Record, error) {
	document, index, ok := record.SplitID(id)
	if !ok {
		return nil, nil, fmt.Errorf("record %q: %w", id, store.ErrNotFound)
	}
	d, err := s.row(ctx, document)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(d.records, func(r record.Record) bool { return r.Index == index })
	if i < 0 {
		return nil, nil, fmt.Errorf("record %s: %w", id, store.ErrNotFound)
	}
	return d, &d.records[i], nil
}

// Timeline implements store.Reader.
func (s *Store) Timeline(ctx context.Context, recordID string) ([]store.Event, error) {
	d, r, err := s.recordByID(ctx, recordID)
	if err != nil {
		return nil, err
	}
	events := []store.Event{
		{At: r.ReceivedAt, What: "received", Who: r.Agency},
		{At: time.UnixMicro(d.recorded).UTC(), What: "recorded", Detail: string(r.Status)},
	}
	if r.DuplicateOf != "" {
		events[1].Detail += " of " + r.DuplicateOf
	}
	if r.Status == record.Accepted {
		var at int64
		err := s.queries.publishedAt.QueryRowContext(ctx, r.Seq, r.Seq).Scan(&at)
		if err == nil {
			events = append(events, store.Event{At: time.UnixMicro(at).UTC(), What: "published"})
		} else if !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("looking for the publication of %s: %w", recordID, err)
		}
	}
	deliveries, err := s.recordDeliveries(ctx, recordID, store.DeliveryQuery{})
	if err != nil {
		return nil, err
	}
	for _, v := range deliveries {
		events = append(events, store.Event{At: v.At, What: string(v.Status), Who: v.Subscription, Detail: v.Detail, Attempts: v.Attempts})
	}
	slices.SortStableFunc(events, func(a, b store.Event) int { return a.At.Compare(b.At) })
	return events, nil
}

// Balance implements store.Reader. A day is the 24 hours, give or take a change
// of the clocks, of day's date in day's zone, to the full hour: received then for
// documents and records, brought to their present state then for deliveries.
func (s *Store) Balance(ctx context.Context, day time.Time) (store.Balance, error) {
	from, to := int64(0), int64(1)
	if !day.IsZero() {
		y, m, d := day.Date()
		from = hour(time.Date(y, m, d, 0, 0, 0, 0, day.Location()).UnixMicro())
		to = hour(time.Date(y, m, d+1, 0, 0, 0, 0, day.Location()).UnixMicro())
	}
	b := store.Balance{Subscriptions: map[string]store.DeliveryBalance{}}
	rows, err := s.read.QueryContext(ctx,
		`SELECT kind, CASE kind WHEN 'delivery' THEN name ELSE '' END AS who, status, sum(n) FROM counters
		WHERE hour >= ? AND hour < ? GROUP BY kind, who, status`, from, to)
	if err != nil {
		return b, fmt.Errorf("reading the balance: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var kind, name, status string
		var n int64
		if err := rows.Scan(&kind, &name, &status, &n); err != nil {
			return b, fmt.Errorf("reading the balance: %w", err)
		}
		switch kind {
		case countDocuments:
			add(&b.Documents, status, n)
		case countRecords:
			add(&b.Records, status, n)
		case countPublished:
			b.Published += n
		case countDeliveries:
			b.Subscriptions[name] = delivered(b.Subscriptions[name], status, n)
		}
	}
	b.Unpublished = b.Records.Accepted - b.Published
	if err := rows.Err(); err != nil {
		return b, fmt.Errorf("reading the balance: %w", err)
	}
	return b, nil
}

// add adds n to a count; documents and records have the same three words.
func add(c *store.Counts, status string, n int64) {
	c.Received += n
	switch record.Status(status) {
	case record.Accepted:
		c.Accepted += n
	case record.Rejected:
		c.Rejected += n
	case record.Duplicate:
		c.Duplicates += n
	}
}

func delivered(b store.DeliveryBalance, status string, n int64) store.DeliveryBalance {
	switch store.DeliveryStatus(status) {
	case store.DeliveryDelivered:
		b.Delivered += n
	case store.DeliveryParked:
		b.Parked += n
	case store.DeliveryWaiting:
		b.Waiting += n
	case store.DeliverySkipped:
		b.Skipped += n
	}
	return b
}
