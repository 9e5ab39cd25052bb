package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

const countSQL = `INSERT INTO counters AS c (hour, kind, name, status, n)
	SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::bigint[])
	ON CONFLICT (hour, kind, name, status) DO UPDATE SET n = c.n + excluded.n`

const (
	countDocuments  = "document"
	countRecords    = "record"
	countPublished  = "published"
	countDeliveries = "delivery"
)

// counter names one sum of the balance; hour 0 is the sum of all hours.
type counter struct {
	hour         int64
	kind         string
	name, status string
}

// counters are sums that are to change by so much.
type counters map[counter]int64

// add adds n to a sum under the hour of at, and to the sum of all hours.
func (c counters) add(at time.Time, kind, name, status string, n int) {
	if n == 0 {
		return
	}
	name = pack.ValidText(name)
	c[counter{hour(at), kind, name, status}] += int64(n)
	c[counter{0, kind, name, status}] += int64(n)
}

func hour(t time.Time) int64 { return t.UnixMicro() / time.Hour.Microseconds() }

func (c counters) queue(b *pgx.Batch) {
	var hours, sums []int64
	var kinds, names, statuses []string
	for k, n := range c {
		if n != 0 {
			hours, kinds, names = append(hours, k.hour), append(kinds, k.kind), append(names, k.name)
			statuses, sums = append(statuses, k.status), append(sums, n)
		}
	}
	if len(hours) > 0 {
		b.Queue(countSQL, hours, kinds, names, statuses, sums)
	}
}

// Balance implements store.Reader. A day is the 24 hours, give or take a change
// of the clocks, of day's date in day's zone, to the full hour: received then for
// documents and records, brought to their present state then for deliveries.
// Documents that were dropped stay counted.
func (s *Store) Balance(ctx context.Context, day time.Time) (store.Balance, error) {
	from, to := int64(0), int64(1)
	if !day.IsZero() {
		y, m, d := day.Date()
		from = hour(time.Date(y, m, d, 0, 0, 0, 0, day.Location()))
		to = hour(time.Date(y, m, d+1, 0, 0, 0, 0, day.Location()))
	}
	b := store.Balance{Subscriptions: map[string]store.DeliveryBalance{}}
	rows, err := s.pool.Query(ctx,
		`SELECT kind, CASE kind WHEN 'delivery' THEN name ELSE '' END AS who, status, sum(n)::bigint FROM counters
		WHERE hour >= $1 AND hour < $2 GROUP BY kind, who, status`, from, to)
	if err != nil {
		return b, fmt.Errorf("reading the balance: %w", err)
	}
	var kind, name, status string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&kind, &name, &status, &n}, func() error {
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
		return nil
	})
	if err != nil {
		return b, fmt.Errorf("reading the balance: %w", err)
	}
	b.Unpublished = b.Records.Accepted - b.Published
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
