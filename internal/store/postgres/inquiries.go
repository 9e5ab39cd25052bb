package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

const (
	inquiryColumns = `id, agency, resource, purpose, at, took, status, source, outcome, cached_from, fingerprint, request, answer, errors`

	saveInquirySQL = `INSERT INTO inquiries (` + inquiryColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (id) DO UPDATE SET (took, status, source, outcome, cached_from, fingerprint, answer, errors) =
		(excluded.took, excluded.status, excluded.source, excluded.outcome, excluded.cached_from, excluded.fingerprint, excluded.answer, excluded.errors)`

	inquiriesSQL = `SELECT ` + inquiryColumns + ` FROM inquiries WHERE id < $1 AND ($2::text IS NULL OR agency = $2)
		AND ($3::text IS NULL OR resource = $3) AND ($4::text IS NULL OR status = $4)
		AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6) ORDER BY id DESC LIMIT $7`

	agencyAnswerSQL = `SELECT ` + inquiryColumns + ` FROM inquiries WHERE fingerprint = $1
		AND source = 'agency' AND status = 'answered' AND at >= $2 AND outcome = ANY($3) ORDER BY id DESC LIMIT 1`

	walkInquiriesSQL = `SELECT ` + inquiryColumns + ` FROM inquiries ORDER BY id`
)

// SaveInquiries implements store.Inquiries.
func (s *Store) SaveInquiries(ctx context.Context, batch []store.Inquiry) error {
	b := &pgx.Batch{}
	for i := range batch {
		q := &batch[i]
		id, err := uuid.Parse(q.ID)
		if err != nil {
			return fmt.Errorf("%w: inquiry %q: %w", store.ErrUnavailable, q.ID, err)
		}
		b.Queue(saveInquirySQL, id, q.Agency, q.Resource, pack.ValidText(q.Purpose), q.At, q.Took.Microseconds(), string(q.Status), string(q.Source),
			pack.ValidText(q.Outcome), q.CachedFrom, q.Fingerprint, q.Request, q.Answer, q.Errors)
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, b).Close() })
	if err != nil {
		return fmt.Errorf("%w: saving inquiries: %w", store.ErrUnavailable, err)
	}
	return nil
}

// Inquiries implements store.Inquiries. A cursor that is none gives a fault BAD_REQUEST.
func (s *Store) Inquiries(ctx context.Context, q store.InquiryQuery) (store.Page[store.Inquiry], error) {
	before := uuid.Max
	if q.Cursor != "" {
		var err error
		if before, err = uuid.Parse(q.Cursor); err != nil {
			return store.Page[store.Inquiry]{}, badCursor(q.Cursor)
		}
	}
	limit := limitOf(q.Limit)
	rows, err := s.pool.Query(ctx, inquiriesSQL, before, optional(q.Agency), optional(q.Resource), optional(string(q.Status)),
		optionalTime(q.From), optionalTime(q.To), limit+1)
	if err != nil {
		return store.Page[store.Inquiry]{}, fmt.Errorf("listing inquiries: %w", err)
	}
	items, err := pgx.CollectRows(rows, scanInquiry)
	if err != nil {
		return store.Page[store.Inquiry]{}, fmt.Errorf("listing inquiries: %w", err)
	}
	page := store.Page[store.Inquiry]{Items: items}
	if len(items) > limit {
		page.Items, page.Next = items[:limit], items[limit-1].ID
	}
	return page, nil
}

// AgencyAnswer implements store.Inquiries.
func (s *Store) AgencyAnswer(ctx context.Context, fingerprint []byte, since time.Time, outcomes []string) (store.Inquiry, error) {
	rows, err := s.pool.Query(ctx, agencyAnswerSQL, fingerprint, since, outcomes)
	if err != nil {
		return store.Inquiry{}, fmt.Errorf("looking for an answer: %w", err)
	}
	q, err := pgx.CollectExactlyOneRow(rows, scanInquiry)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Inquiry{}, store.ErrNotFound
	}
	if err != nil {
		return store.Inquiry{}, fmt.Errorf("looking for an answer: %w", err)
	}
	return q, nil
}

// WalkInquiries visits every inquiry, the oldest first.
func (s *Store) WalkInquiries(ctx context.Context, visit func(*store.Inquiry) error) error {
	rows, err := s.pool.Query(ctx, walkInquiriesSQL)
	if err != nil {
		return fmt.Errorf("reading the inquiries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		q, err := scanInquiry(rows)
		if err != nil {
			return fmt.Errorf("reading an inquiry: %w", err)
		}
		if err := visit(&q); err != nil {
			return err
		}
	}
	return rows.Err()
}

func scanInquiry(row pgx.CollectableRow) (store.Inquiry, error) {
	var q store.Inquiry
	var id uuid.UUID
	var took int64
	err := row.Scan(&id, &q.Agency, &q.Resource, &q.Purpose, &q.At, &took, &q.Status, &q.Source, &q.Outcome, &q.CachedFrom,
		&q.Fingerprint, &q.Request, &q.Answer, &q.Errors)
	q.ID, q.At, q.Took = id.String(), q.At.UTC(), time.Duration(took)*time.Microsecond
	return q, err
}
