package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tongqu/internal/record"
)

const (
	watermarkSQL = `SELECT coalesce(max(last), 0) AS last FROM published`

	// From the document on that holds the last published record, which may hold more,
	// up to the one that completes the batch.
	unpublishedSQL = `SELECT p.last, ` + rowColumns + ` FROM (` + watermarkSQL + `) p
		CROSS JOIN LATERAL (SELECT coalesce(max(no), 0) AS first FROM documents WHERE accepted > 0 AND no <= p.last) f
		CROSS JOIN LATERAL (SELECT max(no) AS upto
			FROM (SELECT no, sum(CASE WHEN no > f.first THEN accepted ELSE 0 END) OVER (ORDER BY no ROWS UNBOUNDED PRECEDING) - accepted AS before
				FROM (SELECT no, accepted FROM documents WHERE accepted > 0 AND no >= f.first ORDER BY no LIMIT $1 + 1) few) sums
			WHERE before < $1) u
		CROSS JOIN LATERAL (SELECT * FROM documents WHERE accepted > 0 AND no >= f.first AND no <= u.upto) d
		ORDER BY no`

	insertPublishedSQL = `INSERT INTO published (last, first, at) VALUES ($1, $2, $3)`
)

// outbox is what this hub was given to publish. A single number in the database,
// the watermark, says which records are published: the order of the numbers is the
// order of the commits, so that none can appear below it later.
type outbox struct {
	mu     sync.Mutex
	from   int64   // the watermark when it was given
	handed []int64 // the seqs that Unpublished returned, oldest first
}

// Recorded implements store.Outbox. It tells of other hubs' records too.
func (s *Store) Recorded() <-chan struct{} { return s.recorded }

// Unpublished implements store.Outbox.
func (s *Store) Unpublished(ctx context.Context, limit int) ([]record.Record, error) {
	rows, err := s.pool.Query(ctx, unpublishedSQL, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the outbox: %w", err)
	}
	defer rows.Close()
	var published int64
	var batch []record.Record
	var handed []int64
	for rows.Next() {
		d, err := scanDocument(seqFirst{rows, &published})
		if err != nil {
			return nil, fmt.Errorf("reading the outbox: %w", err)
		}
		if len(batch) == limit {
			continue
		}
		if err := s.expand(ctx, d); err != nil {
			return nil, fmt.Errorf("reading the outbox: %w", err)
		}
		for _, r := range d.records {
			if r.Status == record.Accepted && r.Seq > published && len(batch) < limit {
				batch, handed = append(batch, r), append(handed, r.Seq)
			}
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the outbox: %w", err)
	}
	s.outbox.mu.Lock()
	defer s.outbox.mu.Unlock()
	if len(s.outbox.handed) == 0 || len(handed) == 0 || handed[0] != s.outbox.handed[0] || len(handed) > len(s.outbox.handed) {
		s.outbox.handed = handed
	}
	s.outbox.from = published
	return batch, nil
}

var errNotOldest = fmt.Errorf("%w: the batch does not begin with the oldest unpublished record or leaves one out", errRefused)

// MarkPublished implements store.Outbox. The batch must be the beginning of what
// Unpublished returned; what is marked already, by a call that was not answered or
// by another hub, is passed over, and so is a batch from before a Rewind, which is
// published again. Called with the context of a lease, it fails when
// another hub has taken the lease since.
func (s *Store) MarkPublished(ctx context.Context, batch []record.Record, at time.Time) error {
	if len(batch) == 0 {
		return nil
	}
	return s.progress.do(ctx, &change{published: batch, publishedAt: at, fence: fenceOf(ctx)}, 0)
}

// mark marks the batch of a change, at the watermark that the transaction found.
func (s *Store) mark(b *pgx.Batch, sums counters, c *change, watermark *int64) error {
	batch := c.published
	for len(batch) > 0 && batch[0].Seq <= *watermark {
		batch = batch[1:]
	}
	if len(batch) == 0 {
		return nil
	}
	first, last := batch[0].Seq, batch[len(batch)-1].Seq
	switch begins, rewound := s.outbox.begins(batch, *watermark); {
	case rewound:
		return nil
	case !begins:
		return fmt.Errorf("marking records %d to %d as published: %w", first, last, errNotOldest)
	}
	b.Queue(insertPublishedSQL, last, first, c.publishedAt)
	for i := range batch {
		sums.add(batch[i].ReceivedAt, countPublished, batch[i].Agency, "published", 1)
	}
	*watermark = last
	return nil
}

// begins reports whether batch is the beginning of what was handed out beyond the
// watermark, or the watermark is now before all that was handed out.
func (o *outbox) begins(batch []record.Record, watermark int64) (begins, rewound bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if watermark < o.from {
		return false, true
	}
	handed := o.handed
	for len(handed) > 0 && handed[0] <= watermark {
		handed = handed[1:]
	}
	if len(batch) > len(handed) {
		return false, false
	}
	for i := range batch {
		if batch[i].Seq != handed[i] {
			return false, false
		}
	}
	return true, false
}
