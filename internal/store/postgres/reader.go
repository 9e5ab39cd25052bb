package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tongqu/internal/record"
	"tongqu/internal/store"
)

const (
	documentByIDSQL = `SELECT ` + rowColumns + ` FROM documents WHERE id = $1`

	// The body of a duplicate is the first document's.
	documentAndBodySQL = `SELECT ` + rowColumns + `, coalesce(body, (SELECT f.body FROM documents f WHERE f.id = d.duplicate_of))
		FROM documents d WHERE id = $1`

	// The document that a seq belongs to.
	documentAtSQL = `SELECT ` + rowColumns + ` FROM documents WHERE no < $1 ORDER BY no DESC LIMIT 1`

	publishedAtSQL = `SELECT at FROM (SELECT first, at FROM published WHERE last >= $1 ORDER BY last LIMIT 1) p WHERE first <= $1`
)

// Document implements store.Reader. The body of a duplicate is the first
// document's; it is nil when that was dropped.
func (s *Store) Document(ctx context.Context, id string) (store.Document, error) {
	var packed []byte
	d, err := s.row(ctx, documentAndBodySQL, id, &packed)
	if err != nil || packed == nil {
		return documentOf(d), err
	}
	if d.document.Body, err = s.unpack(ctx, packed); err != nil {
		return store.Document{}, fmt.Errorf("expanding the body of document %s: %w", id, err)
	}
	return d.document, nil
}

func documentOf(d *row) store.Document {
	if d == nil {
		return store.Document{}
	}
	return d.document
}

// row returns a document by id, and its records; store.ErrNotFound.
func (s *Store) row(ctx context.Context, query, id string, more ...any) (*row, error) {
	u, err := uuid.Parse(id)
	if err != nil {
		return nil, fmt.Errorf("document %q: %w", id, store.ErrNotFound)
	}
	d, err := s.oneRow(ctx, query, []any{u}, more...)
	if err != nil {
		return nil, fmt.Errorf("document %s: %w", id, err)
	}
	return d, nil
}

// DocumentRecords implements store.Reader.
func (s *Store) DocumentRecords(ctx context.Context, id string) ([]record.Record, error) {
	d, err := s.row(ctx, documentByIDSQL, id)
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
	d, err := s.row(ctx, documentByIDSQL, document)
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
		{At: d.recorded, What: "recorded", Detail: string(r.Status)},
	}
	if r.DuplicateOf != "" {
		events[1].Detail += " of " + r.DuplicateOf
	}
	if r.Status == record.Accepted {
		var at time.Time
		err := s.pool.QueryRow(ctx, publishedAtSQL, r.Seq).Scan(&at)
		if err == nil {
			events = append(events, store.Event{At: at.UTC(), What: "published"})
		} else if !errors.Is(err, pgx.ErrNoRows) {
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
