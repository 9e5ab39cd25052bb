package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tongqu/internal/store"
)

const (
	inquiryColumns = `id, agency, resource, purpose, at, took, status, source, outcome, cached_from, fingerprint, request, answer, errors`

	saveInquirySQL = `INSERT INTO inquiries (` + inquiryColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET (took, status, source, outcome, cached_from, fingerprint, answer, errors) =
		(excluded.took, excluded.status, excluded.source, excluded.outcome, excluded.cached_from, excluded.fingerprint, excluded.answer, excluded.errors)`

	inquiriesSQL = `SELECT ` + inquiryColumns + ` FROM inquiries WHERE id < ?1
		AND (?2 IS NULL OR resource = ?2) AND (?3 IS NULL OR status = ?3) AND (?4 IS NULL OR at >= ?4) AND (?5 IS NULL OR at < ?5)`
	inquiriesAllSQL    = inquiriesSQL + ` AND ?7 IS NULL ORDER BY id DESC LIMIT ?6`
	inquiriesAgencySQL = inquiriesSQL + ` AND agency = ?7 ORDER BY id DESC LIMIT ?6`

	agencyAnswerSQL = `SELECT ` + inquiryColumns + ` FROM inquiries WHERE fingerprint = ?
		AND source = 'agency' AND status = 'answered' AND at >= ? AND outcome IN (SELECT value FROM json_each(?)) ORDER BY id DESC LIMIT 1`

	walkInquiriesSQL = `SELECT ` + inquiryColumns + ` FROM inquiries ORDER BY id`
)

// SaveInquiries implements store.Inquiries.
func (s *Store) SaveInquiries(ctx context.Context, batch []store.Inquiry) error {
	ids := make([]uuid.UUID, len(batch))
	size := 0
	for i := range batch {
		q := &batch[i]
		var err error
		if ids[i], err = uuid.Parse(q.ID); err != nil {
			return fmt.Errorf("%w: inquiry %q: %w", store.ErrUnavailable, q.ID, err)
		}
		size += 256 + len(q.Request) + len(q.Answer) + len(q.Errors)
	}
	return s.writer.do(ctx, size, func(tx *transaction) error {
		for i := range batch {
			q := &batch[i]
			err := tx.exec(tx.w.saveInquiry, ids[i][:], q.Agency, q.Resource, q.Purpose, q.At.UnixMicro(), q.Took.Microseconds(),
				string(q.Status), string(q.Source), q.Outcome, q.CachedFrom, q.Fingerprint, q.Request, q.Answer, q.Errors)
			if err != nil {
				return fmt.Errorf("saving inquiry %s: %w", q.ID, err)
			}
		}
		return nil
	})
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
	query := inquiriesAllSQL
	if q.Agency != "" {
		query = inquiriesAgencySQL
	}
	limit := limitOf(q.Limit)
	rows, err := s.read.QueryContext(ctx, query, before[:], optional(q.Resource), optional(string(q.Status)), micros(q.From), micros(q.To), limit+1, optional(q.Agency))
	if err != nil {
		return store.Page[store.Inquiry]{}, fmt.Errorf("listing inquiries: %w", err)
	}
	defer rows.Close()
	var page store.Page[store.Inquiry]
	for rows.Next() {
		if len(page.Items) == limit {
			page.Next = page.Items[limit-1].ID
			break
		}
		i, err := scanInquiry(rows)
		if err != nil {
			return store.Page[store.Inquiry]{}, fmt.Errorf("listing inquiries: %w", err)
		}
		page.Items = append(page.Items, i)
	}
	return page, rows.Err()
}

// AgencyAnswer implements store.Inquiries.
func (s *Store) AgencyAnswer(ctx context.Context, fingerprint []byte, since time.Time, outcomes []string) (store.Inquiry, error) {
	list, err := json.Marshal(outcomes)
	if err != nil {
		return store.Inquiry{}, fmt.Errorf("looking for an answer: %w", err)
	}
	q, err := scanInquiry(s.read.QueryRowContext(ctx, agencyAnswerSQL, fingerprint, since.UnixMicro(), string(list)))
	if errors.Is(err, sql.ErrNoRows) {
		return store.Inquiry{}, store.ErrNotFound
	}
	if err != nil {
		return store.Inquiry{}, fmt.Errorf("looking for an answer: %w", err)
	}
	return q, nil
}

// WalkInquiries visits every inquiry, the oldest first.
func (s *Store) WalkInquiries(ctx context.Context, visit func(*store.Inquiry) error) error {
	rows, err := s.read.QueryContext(ctx, walkInquiriesSQL)
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

func scanInquiry(row interface{ Scan(dst ...any) error }) (store.Inquiry, error) {
	var q store.Inquiry
	var id uuid.UUID
	var at, took int64
	err := row.Scan(&id, &q.Agency, &q.Resource, &q.Purpose, &at, &took, &q.Status, &q.Source, &q.Outcome, &q.CachedFrom,
		&q.Fingerprint, &q.Request, &q.Answer, &q.Errors)
	q.ID, q.At, q.Took = id.String(), time.UnixMicro(at).UTC(), time.Duration(took)*time.Microsecond
	return q, err
}
