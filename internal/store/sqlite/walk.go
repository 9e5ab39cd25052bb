package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

const (
	walkSQL           = `SELECT ` + rowColumns + `, body FROM documents WHERE no > ? ORDER BY no`
	walkDeliveriesSQL = `SELECT s.name, d.document, d.record, d.status, d.attempts, d.at, d.detail
		FROM subscriptions AS s JOIN deliveries AS d ON d.subscription = s.id ORDER BY s.name, d.document, d.record`
)

// Walk visits every document after that number, in the order of recording.
func (s *Store) Walk(ctx context.Context, after int64, visit func(*pack.Held) error) error {
	rows, err := s.read.QueryContext(ctx, walkSQL, after)
	if err != nil {
		return fmt.Errorf("reading the documents: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var body sql.RawBytes
		d, verdicts, content, err := scanDocument(rows, &body)
		if err != nil {
			return err
		}
		if err := d.unpack(s.codec, verdicts, content); err != nil {
			return fmt.Errorf("reading the records of document %s: %w", d.document.ID, err)
		}
		if body != nil {
			if d.document.Body, err = s.codec.Unpack(body); err != nil {
				return fmt.Errorf("expanding the body of document %s: %w", d.document.ID, err)
			}
		}
		h := &pack.Held{No: d.no, RecordedAt: time.UnixMicro(d.recorded).UTC(), Document: d.document, Records: d.records}
		if err := visit(h); err != nil {
			return err
		}
	}
	return rows.Err()
}

// WalkDeliveries visits every delivery, by subscription, document and index.
func (s *Store) WalkDeliveries(ctx context.Context, visit func(*store.Delivery) error) error {
	rows, err := s.read.QueryContext(ctx, walkDeliveriesSQL)
	if err != nil {
		return fmt.Errorf("reading the deliveries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var d store.Delivery
		var document sql.RawBytes
		var index, status int
		var at int64
		if err := rows.Scan(&d.Subscription, &document, &index, &status, &d.Attempts, &at, &d.Detail); err != nil {
			return fmt.Errorf("reading a delivery: %w", err)
		}
		if len(document) != len(uuid.UUID{}) {
			return fmt.Errorf("a delivery to %s is damaged", d.Subscription)
		}
		d.RecordID = pack.Ref{Document: uuid.UUID(document), Index: index}.String()
		d.Status = store.DeliveryStatus(pack.DeliveryStatuses.Name(status))
		d.At = time.UnixMicro(at).UTC()
		if err := visit(&d); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Books returns what was counted and published.
func (s *Store) Books(ctx context.Context) (pack.Books, error) {
	var b pack.Books
	rows, err := s.read.QueryContext(ctx, `SELECT hour, kind, name, status, n FROM counters ORDER BY hour, kind, name, status`)
	if err != nil {
		return b, fmt.Errorf("reading the sums: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c pack.Sum
		if err := rows.Scan(&c.Hour, &c.Kind, &c.Name, &c.Status, &c.N); err != nil {
			return b, fmt.Errorf("reading the sums: %w", err)
		}
		b.Sums = append(b.Sums, c)
	}
	if err := rows.Err(); err != nil {
		return b, fmt.Errorf("reading the sums: %w", err)
	}
	batches, err := s.read.QueryContext(ctx, `SELECT first, last, at FROM published ORDER BY last`)
	if err != nil {
		return b, fmt.Errorf("reading what was published: %w", err)
	}
	defer batches.Close()
	for batches.Next() {
		var p pack.Published
		var at int64
		if err := batches.Scan(&p.First, &p.Last, &at); err != nil {
			return b, fmt.Errorf("reading what was published: %w", err)
		}
		p.At = time.UnixMicro(at).UTC()
		b.Published = append(b.Published, p)
	}
	return b, batches.Err()
}
