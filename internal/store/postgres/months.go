package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/zap"
)

// Partitions are made for the last month, this one and monthsAhead more.
const monthsAhead = 3

// upkeepPeriod is how often a hub looks whether partitions are missing.
const upkeepPeriod = time.Hour

// ddlTimeout bounds how long a change of partitions waits for readers: others wait
// behind it.
const ddlTimeout = "3s"

// monthLayout is how a partition's name ends.
const monthLayout = "2006_01"

// month is a month of UTC, as year·100 + month.
type month int

func monthOf(t time.Time) month {
	y, m, _ := t.UTC().Date()
	return month(y*100 + int(m))
}

// monthOfID is the month in which an id of version 7 was made.
func monthOfID(id uuid.UUID) month { return monthOf(time.UnixMilli(millisOf(id))) }

func millisOf(id uuid.UUID) int64 {
	return int64(binary.BigEndian.Uint64(id[:8]) >> 16)
}

func (m month) start() time.Time {
	return time.Date(int(m)/100, time.Month(int(m)%100), 1, 0, 0, 0, 0, time.UTC)
}

func (m month) add(n int) month { return monthOf(m.start().AddDate(0, n, 0)) }

// name is the ending of the names of its partitions.
func (m month) name() string { return m.start().Format(monthLayout) }

// firstID is smaller than every id made at t or later, and not smaller than those
// made before.
func firstID(t time.Time) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(t.UnixMilli())<<16)
	return id
}

// keepUp makes the partitions of coming months until the store closes.
func (s *Store) keepUp() {
	tick := time.NewTicker(upkeepPeriod)
	defer tick.Stop()
	for {
		select {
		case <-s.closing.Done():
			return
		case now := <-tick.C:
			if err := s.ensureMonths(s.closing, now); err != nil && s.closing.Err() == nil {
				s.log.Warn("making the partitions of coming months", zap.Error(err))
			}
		}
	}
}

// ensureMonths makes the partitions that are missing around now.
func (s *Store) ensureMonths(ctx context.Context, now time.Time) error {
	for i := -1; i <= monthsAhead; i++ {
		if err := s.ensureMonth(ctx, monthOf(now).add(i)); err != nil {
			return err
		}
	}
	return nil
}

// ensureMonth makes the partitions of a month unless they are there. A month of
// which there are documents already, recorded by a hub with a wrong clock, stays in
// the partitions for all other ones.
func (s *Store) ensureMonth(ctx context.Context, m month) error {
	there, err := s.hasMonth(ctx, s.pool, m)
	if err != nil || there {
		return err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := s.lockPartitions(ctx, tx); err != nil {
			return err
		}
		if there, err := s.hasMonth(ctx, tx, m); err != nil || there {
			return err
		}
		_, err := tx.Exec(ctx, monthDDL(m))
		return err
	})
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "23514" { // check_violation: the default partition has rows of it
		s.log.Warn("a month's documents are not partitioned: there were some before it came", zap.String("month", m.name()))
		return nil
	}
	if err != nil {
		return fmt.Errorf("making the partitions of %s: %w", m.name(), err)
	}
	return nil
}

// lockPartitions keeps other hubs from changing partitions until tx ends.
func (s *Store) lockPartitions(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, $2), set_config('lock_timeout', $3, true)", s.locks, lockUpkeep, ddlTimeout)
	return err
}

// querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func (*Store) hasMonth(ctx context.Context, q querier, m month) (bool, error) {
	var there bool
	// to_regclass would not do: after waiting for the lock it may still answer from
	// a cache that does not know what the other hub made.
	err := q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1 AND relnamespace = current_schema()::regnamespace)",
		"documents_"+m.name()).Scan(&there)
	if err != nil {
		return false, fmt.Errorf("looking for the partition of %s: %w", m.name(), err)
	}
	return there, nil
}

// monthDDL makes the partitions by attaching tables, which readers need not wait
// for. A row of a document is a few kB and not worth moving out of its page.
func monthDDL(m month) string {
	from, to := firstID(m.start()), firstID(m.add(1).start())
	return fmt.Sprintf(`
CREATE TABLE documents_%[1]s (LIKE documents INCLUDING STORAGE) WITH (toast_tuple_target = 4080);
ALTER TABLE documents ATTACH PARTITION documents_%[1]s FOR VALUES FROM ('%[2]s') TO ('%[3]s');
CREATE TABLE keys_%[1]s (LIKE keys);
ALTER TABLE keys ATTACH PARTITION keys_%[1]s FOR VALUES IN (%[4]d);
CREATE TABLE deliveries_%[1]s (LIKE deliveries);
ALTER TABLE deliveries ATTACH PARTITION deliveries_%[1]s FOR VALUES FROM ('%[2]s') TO ('%[3]s');`,
		m.name(), from, to, m)
}
