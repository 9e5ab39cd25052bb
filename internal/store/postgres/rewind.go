package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tongqu/internal/record"
)

const (
	// The first document received since; a span without one is passed over.
	firstSinceSQL = `SELECT no FROM documents WHERE no >= (SELECT min(span) FROM spans WHERE latest >= $1) << $2
		AND received >= $1 ORDER BY no LIMIT 1`

	// The published records by agency and hour; the last document may be published in part.
	publishedSinceSQL = `SELECT agency, date_bin('1 hour', received, timestamptz 'epoch') AS hour, sum(accepted)::bigint
		FROM documents WHERE accepted > 0 AND no >= $1 AND no < $2 GROUP BY agency, hour`
	lastPublishedSQL = `SELECT ` + rowColumns + ` FROM documents WHERE accepted > 0 AND no >= $1 AND no < $2 ORDER BY no DESC LIMIT 1`

	dropPublishedSQL = `DELETE FROM published WHERE first >= $1`
	cutPublishedSQL  = `UPDATE published SET last = $1 WHERE first < $1 AND last >= $1`
)

// Rewind implements store.Store. A batch that another hub is publishing meanwhile
// is published again with the others.
func (s *Store) Rewind(ctx context.Context, since time.Time) (int64, error) {
	c := &change{rewind: &since}
	err := s.progress.do(ctx, c, 0)
	return c.rewound, err
}

// rewindTo takes back what was published of the documents since c.rewind.
func (s *Store) rewindTo(ctx context.Context, conn *pgx.Conn, b *pgx.Batch, sums counters, c *change, watermark *int64) error {
	var from int64
	err := conn.QueryRow(ctx, firstSinceSQL, *c.rewind, spanBits).Scan(&from)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && from > *watermark) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for the first document to publish again: %w", err)
	}
	if c.rewound, err = s.uncount(ctx, conn, sums, from, *watermark); err != nil {
		return fmt.Errorf("counting what is to be published again: %w", err)
	}
	b.Queue(dropPublishedSQL, from)
	b.Queue(cutPublishedSQL, from)
	*watermark = from
	return nil
}

// uncount takes the published records of the documents from that number on out of
// the sums, and returns how many they are.
func (s *Store) uncount(ctx context.Context, conn *pgx.Conn, sums counters, from, watermark int64) (records int64, err error) {
	uncount := func(agency string, at time.Time, n int64) {
		sums.add(at, countPublished, agency, "published", -int(n))
		records += n
	}
	rows, err := conn.Query(ctx, publishedSinceSQL, from, watermark)
	if err != nil {
		return 0, err
	}
	var agency string
	var at time.Time
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&agency, &at, &n}, func() error {
		uncount(agency, at, n)
		return nil
	})
	if err != nil {
		return 0, err
	}
	rows, err = conn.Query(ctx, lastPublishedSQL, from, watermark)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		d, err := scanDocument(rows)
		if err != nil {
			return 0, err
		}
		if err := s.expand(ctx, d); err != nil {
			return 0, err
		}
		for i := range d.records {
			if r := &d.records[i]; r.Status == record.Accepted && r.Seq > watermark {
				uncount(r.Agency, r.ReceivedAt, -1)
			}
		}
	}
	return records, rows.Err()
}
