package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ErrUnfinished is returned by DropBefore when something of what is to be dropped
// is still to be published or delivered.
var ErrUnfinished = errors.New("not everything is published and delivered")

// DropBefore forgets the documents whose ids were made in the months (UTC) before
// the one that t is in, with their records, keys and deliveries, and the inquiries of
// those months, and returns the months dropped, e.g. "2026_03". It refuses with ErrUnfinished, and drops nothing,
// when a record of them waits to be published or a delivery waits to be repeated;
// parked deliveries are dropped.
//
// What is dropped is not recognised any more: the same document, or the same
// version of a record, would be recorded as new. Kept documents that repeat a
// dropped one lose their body. The balance keeps its counts. It may be called again
// after it failed half way, and by several hubs.
func (s *Store) DropBefore(ctx context.Context, t time.Time) ([]string, error) {
	keep := monthOf(t)
	bound := firstID(keep.start())
	if err := s.finished(ctx, bound); err != nil {
		return nil, fmt.Errorf("dropping the months before %s: %w", keep.name(), err)
	}
	months, err := s.monthsBefore(ctx, keep)
	if err != nil {
		return nil, err
	}
	if err := s.dropOriginals(ctx, months, bound); err != nil {
		return nil, fmt.Errorf("dropping the originals before %s: %w", keep.name(), err)
	}
	var dropped []string
	for _, m := range months {
		if err := s.dropMonth(ctx, m); err != nil {
			return dropped, fmt.Errorf("dropping the partitions of %s: %w", m.name(), err)
		}
		dropped = append(dropped, m.name())
	}
	if err := s.dropRest(ctx, keep, bound); err != nil {
		return dropped, fmt.Errorf("dropping what is left before %s: %w", keep.name(), err)
	}
	return dropped, nil
}

// finished returns ErrUnfinished when something before bound is not.
func (s *Store) finished(ctx context.Context, bound uuid.UUID) error {
	oldest, err := s.Unpublished(ctx, 1)
	if err != nil {
		return err
	}
	first := int64(0)
	if len(oldest) > 0 {
		first = oldest[0].Seq
	}
	var unpublished, waiting bool
	err = s.pool.QueryRow(ctx, `SELECT $2 > 0 AND EXISTS (SELECT FROM documents WHERE id < $1 AND accepted > 0
			AND no >= (SELECT max(no) FROM documents WHERE no < $2)),
		EXISTS (SELECT FROM deliveries WHERE document < $1 AND status <> 1 AND status = 3)`, bound, first).Scan(&unpublished, &waiting)
	switch {
	case err != nil:
		return fmt.Errorf("looking for what is not finished: %w", err)
	case unpublished:
		return fmt.Errorf("%w: a record waits to be published", ErrUnfinished)
	case waiting:
		return fmt.Errorf("%w: a delivery waits to be repeated", ErrUnfinished)
	}
	return nil
}

// monthsBefore returns the months before one that have partitions, in order.
func (s *Store) monthsBefore(ctx context.Context, keep month) ([]month, error) {
	rows, err := s.pool.Query(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'documents'::regclass`)
	if err != nil {
		return nil, fmt.Errorf("listing the partitions: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("listing the partitions: %w", err)
	}
	var months []month
	for _, name := range names {
		at, err := time.Parse(monthLayout, strings.TrimPrefix(name, "documents_"))
		if m := monthOf(at); err == nil && m < keep {
			months = append(months, m)
		}
	}
	slices.Sort(months)
	return months, nil
}

// dropOriginals deletes the originals before bound, a day at a time so that no
// transaction becomes long.
func (s *Store) dropOriginals(ctx context.Context, months []month, bound uuid.UUID) error {
	from, to := uuid.UUID{}, bound
	if len(months) > 0 {
		to = firstID(months[0].start())
	}
	for {
		if _, err := s.pool.Exec(ctx, "DELETE FROM originals WHERE document >= $1 AND document < $2", from, to); err != nil {
			return err
		}
		if to == bound {
			return nil
		}
		from, to = to, firstID(time.UnixMilli(millisOf(to)).UTC().AddDate(0, 0, 1))
	}
}

func (s *Store) dropMonth(ctx context.Context, m month) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := s.lockPartitions(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, fmt.Sprintf("DROP TABLE IF EXISTS documents_%[1]s, keys_%[1]s, deliveries_%[1]s", m.name()))
		return err
	})
}

// dropRest deletes what is in no month's partition, and what nothing refers to any
// more. The last batch published stays: it is the watermark.
func (s *Store) dropRest(ctx context.Context, keep month, bound uuid.UUID) error {
	b := &pgx.Batch{}
	b.Queue("DELETE FROM documents_other WHERE id < $1", bound)
	b.Queue("DELETE FROM keys_other WHERE month < $1", int(keep))
	b.Queue("DELETE FROM deliveries_other WHERE document < $1", bound)
	b.Queue("DELETE FROM inquiries WHERE id < $1", bound)
	b.Queue("DELETE FROM published WHERE last < (SELECT min(no) FROM documents) AND last < (SELECT max(last) FROM published)")
	b.Queue("DELETE FROM spans WHERE (span + 1) << $1 <= (SELECT min(no) FROM documents)", spanBits)
	return s.pool.SendBatch(ctx, b).Close()
}
