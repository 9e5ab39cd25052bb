package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tongqu/internal/record"
)

const (
	rewindSpanSQL  = `SELECT coalesce(min(span), -1) FROM spans WHERE latest >= ?`
	rewindFromSQL  = `SELECT no FROM documents WHERE no >= ? AND received >= ? ORDER BY no LIMIT 1`
	rewindCountSQL = `SELECT no, agency, received, accepted FROM documents WHERE no >= ? AND no < ? AND accepted > 0`
	rewindCutSQL   = `UPDATE published SET last = ? WHERE first < ? AND last >= ?`
	rewindDropSQL  = `DELETE FROM published WHERE first >= ?`
)

// Rewind implements store.Store.
func (s *Store) Rewind(ctx context.Context, since time.Time) (int64, error) {
	var records int64
	err := s.writer.do(ctx, 0, func(tx *transaction) error {
		published := s.outbox.watermark()
		from, err := tx.firstSince(since)
		if err != nil || from < 0 || from > published {
			return err
		}
		if records, err = tx.uncount(from, published); err != nil {
			return err
		}
		for _, q := range []struct {
			sql  string
			args []any
		}{{rewindDropSQL, []any{from}}, {rewindCutSQL, []any{from, from, from}}} {
			if _, err := tx.w.conn.ExecContext(tx.w.ctx, q.sql, q.args...); err != nil {
				return fmt.Errorf("rewinding the outbox: %w", err)
			}
		}
		tx.after = append(tx.after, func() { s.outbox.rewind(from) })
		return nil
	})
	return records, err
}

// firstSince returns the number of the first document received since, -1 for none.
func (tx *transaction) firstSince(since time.Time) (int64, error) {
	at := since.UnixMicro()
	var span, no int64
	if err := tx.w.conn.QueryRowContext(tx.w.ctx, rewindSpanSQL, at).Scan(&span); err != nil || span < 0 {
		return -1, err
	}
	switch err := tx.w.conn.QueryRowContext(tx.w.ctx, rewindFromSQL, span<<spanBits, at).Scan(&no); {
	case errors.Is(err, sql.ErrNoRows):
		return -1, nil
	case err != nil:
		return -1, fmt.Errorf("looking for the first document to publish again: %w", err)
	}
	return no, nil
}

// uncount takes the published records of the documents from that number on out of
// the sums, and returns how many they are.
func (tx *transaction) uncount(from, published int64) (int64, error) {
	rows, err := tx.w.conn.QueryContext(tx.w.ctx, rewindCountSQL, from, published)
	if err != nil {
		return 0, fmt.Errorf("counting what is to be published again: %w", err)
	}
	defer rows.Close()
	type group struct {
		agency   string
		received int64
		accepted int
	}
	var groups []group
	last := from
	for rows.Next() {
		var g group
		if err := rows.Scan(&last, &g.agency, &g.received, &g.accepted); err != nil {
			return 0, fmt.Errorf("counting what is to be published again: %w", err)
		}
		groups = append(groups, g)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(groups) == 0 {
		return 0, err
	}
	// The last document may be published in part.
	d, err := oneRow(tx.w.ctx, tx.w.documentAt, tx.w.codec, last+1)
	if err != nil {
		return 0, err
	}
	for _, r := range d.records {
		if r.Status == record.Accepted && r.Seq > published {
			groups[len(groups)-1].accepted--
		}
	}
	var records int64
	for _, g := range groups {
		tx.count(g.received, countPublished, g.agency, "published", -g.accepted)
		records += int64(g.accepted)
	}
	return records, nil
}

// watermark is the seq of the last published record.
func (o *outbox) watermark() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.published
}

// rewind makes the document of that number the first with unpublished records.
func (o *outbox) rewind(from int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.published, o.scanFrom, o.handed = from, from, nil
}
