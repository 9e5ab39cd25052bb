package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"tongqu/internal/record"
)

const (
	unpublishedSQL = `SELECT ` + rowColumns + ` FROM documents WHERE no > ? ORDER BY no`
	publishedAtSQL = `SELECT at FROM (SELECT first, at FROM published WHERE last >= ? ORDER BY last LIMIT 1) WHERE first <= ?`

	insertPublishedSQL = `INSERT INTO published (last, first, at) VALUES (?, ?, ?)`
)

// outbox is how far the records went to the bus. There is one writer, so seq
// order is commit order, and a single number says which records are published.
type outbox struct {
	mu        sync.Mutex
	published int64    // the seq of the last published record
	scanFrom  int64    // no document before it has an unpublished record
	handed    []handed // what Unpublished returned, oldest first
}

// handed is the seq of a record and the number of its document.
type handed struct{ seq, no int64 }

func loadOutbox(ctx context.Context, db *sql.DB) (*outbox, error) {
	o := &outbox{}
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(last), 0) FROM published`).Scan(&o.published); err != nil {
		return nil, err
	}
	err := db.QueryRowContext(ctx, `SELECT coalesce(max(no), 0) FROM documents WHERE no <= ?`, o.published).Scan(&o.scanFrom)
	return o, err
}

// Recorded implements store.Outbox.
func (s *Store) Recorded() <-chan struct{} { return s.recorded }

// Unpublished implements store.Outbox.
func (s *Store) Unpublished(ctx context.Context, limit int) ([]record.Record, error) {
	s.outbox.mu.Lock()
	published, from := s.outbox.published, s.outbox.scanFrom
	s.outbox.mu.Unlock()

	rows, err := s.queries.unpublished.QueryContext(ctx, from-1)
	if err != nil {
		return nil, fmt.Errorf("reading the outbox: %w", err)
	}
	defer rows.Close()
	var batch []record.Record
	var given []handed
	last := from
	for len(batch) < limit && rows.Next() {
		d, verdicts, content, err := scanDocument(rows)
		if err != nil {
			return nil, fmt.Errorf("reading the outbox: %w", err)
		}
		last = d.no
		if d.document.Accepted == 0 {
			continue
		}
		if err := d.unpack(s.codec, verdicts, content); err != nil {
			return nil, fmt.Errorf("reading the outbox at document %s: %w", d.document.ID, err)
		}
		for _, r := range d.records {
			if r.Status == record.Accepted && r.Seq > published && len(batch) < limit {
				batch = append(batch, r)
				given = append(given, handed{r.Seq, d.no})
			}
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the outbox: %w", err)
	}
	s.outbox.hand(given, published, last)
	return batch, nil
}

// hand remembers what was given out. The next look starts where the first of it
// was found, or at the last document looked at when nothing was.
func (o *outbox) hand(given []handed, published, last int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if published != o.published {
		return // marked meanwhile: what was handed to the marker is what counts
	}
	if len(given) > 0 {
		last = given[0].no
	}
	o.scanFrom = max(o.scanFrom, last)
	if len(given) > len(o.handed) {
		o.handed = given
	}
}

var errNotOldest = errors.New("the batch does not begin with the oldest unpublished record or leaves one out")

// MarkPublished implements store.Outbox. The batch must be the beginning of what
// Unpublished returned since the last mark; a part of it in the middle is refused.
func (s *Store) MarkPublished(ctx context.Context, batch []record.Record, at time.Time) error {
	if len(batch) == 0 {
		return nil
	}
	type group struct {
		agency string
		hour   int64
	}
	counts := map[group]int{}
	for i := range batch {
		counts[group{batch[i].Agency, hour(batch[i].ReceivedAt.UnixMicro())}]++
	}
	first, last := batch[0].Seq, batch[len(batch)-1].Seq
	o := s.outbox
	return s.writer.do(ctx, 0, func(tx *transaction) error {
		if !o.begins(batch) {
			return fmt.Errorf("marking records %d to %d as published: %w", first, last, errNotOldest)
		}
		if err := tx.exec(tx.w.insertPublished, last, first, at.UnixMicro()); err != nil {
			return fmt.Errorf("marking records as published: %w", err)
		}
		for g, n := range counts {
			tx.count(g.hour*time.Hour.Microseconds(), countPublished, g.agency, "published", n)
		}
		tx.after = append(tx.after, func() { o.advance(len(batch), last) })
		return nil
	})
}

// begins reports whether batch is the beginning of what was handed out.
func (o *outbox) begins(batch []record.Record) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(batch) > len(o.handed) {
		return false
	}
	for i := range batch {
		if batch[i].Seq != o.handed[i].seq {
			return false
		}
	}
	return true
}

func (o *outbox) advance(n int, last int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.published = last
	o.scanFrom = o.handed[n-1].no // it may hold more
	o.handed = o.handed[n:]
}
