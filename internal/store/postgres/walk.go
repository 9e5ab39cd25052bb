package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

const (
	walkSQL           = `SELECT ` + rowColumns + `, body FROM documents WHERE no > $1 ORDER BY no`
	walkDeliveriesSQL = `SELECT s.name, d.document, d.record, d.status, d.attempts, d.at, d.detail
		FROM subscriptions s JOIN deliveries d ON d.subscription = s.id ORDER BY s.name COLLATE "C", d.document, d.record`
)

// Walk visits every document after that number, in the order of recording.
func (s *Store) Walk(ctx context.Context, after int64, visit func(*pack.Held) error) error {
	rows, err := s.pool.Query(ctx, walkSQL, after)
	if err != nil {
		return fmt.Errorf("reading the documents: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var body pgtype.DriverBytes
		d, err := scanDocument(rows, &body)
		if err != nil {
			return err
		}
		if err := s.expand(ctx, d); err != nil {
			return err
		}
		if body != nil {
			if d.document.Body, err = s.unpack(ctx, body); err != nil {
				return fmt.Errorf("expanding the body of document %s: %w", d.document.ID, err)
			}
		}
		h := &pack.Held{No: d.no, RecordedAt: d.recorded, Document: d.document, Records: d.records}
		if err := visit(h); err != nil {
			return err
		}
	}
	return rows.Err()
}

// WalkDeliveries visits every delivery, by subscription, document and index.
func (s *Store) WalkDeliveries(ctx context.Context, visit func(*store.Delivery) error) error {
	rows, err := s.pool.Query(ctx, walkDeliveriesSQL)
	if err != nil {
		return fmt.Errorf("reading the deliveries: %w", err)
	}
	var d store.Delivery
	var document uuid.UUID
	var index, status int
	_, err = pgx.ForEachRow(rows, []any{&d.Subscription, &document, &index, &status, &d.Attempts, &d.At, &d.Detail}, func() error {
		d.RecordID = pack.Ref{Document: document, Index: index}.String()
		d.Status = store.DeliveryStatus(pack.DeliveryStatuses.Name(status))
		d.At = d.At.UTC()
		return visit(&d)
	})
	if err != nil {
		return fmt.Errorf("reading the deliveries: %w", err)
	}
	return nil
}

// Books returns what was counted and published.
func (s *Store) Books(ctx context.Context) (pack.Books, error) {
	var b pack.Books
	rows, err := s.pool.Query(ctx, `SELECT hour, kind, name, status, n FROM counters ORDER BY hour, kind, name, status`)
	if err == nil {
		b.Sums, err = pgx.CollectRows(rows, pgx.RowToStructByPos[pack.Sum])
	}
	if err != nil {
		return b, fmt.Errorf("reading the sums: %w", err)
	}
	rows, err = s.pool.Query(ctx, `SELECT first, last, at FROM published ORDER BY last`)
	if err == nil {
		b.Published, err = pgx.CollectRows(rows, pgx.RowToStructByPos[pack.Published])
	}
	if err != nil {
		return b, fmt.Errorf("reading what was published: %w", err)
	}
	for i := range b.Published {
		b.Published[i].At = b.Published[i].At.UTC()
	}
	return b, nil
}
