package postgres

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

func limitOf(limit int) int {
	if limit <= 0 {
		return defaultLimit
	}
	return min(limit, maxLimit)
}

// A cursor is the number of the last item, written in base 36 after a letter
// that says of which listing and direction it is.
const (
	cursorOldest    = "o"
	cursorNewest    = "n"
	cursorDocuments = "d"
)

func formatCursor(kind string, no int64) string { return kind + strconv.FormatInt(no, 36) }

// parseCursor returns the number to go on after; start without a cursor.
func parseCursor(kind, cursor string, start int64) (int64, error) {
	if cursor == "" {
		return start, nil
	}
	digits, ok := strings.CutPrefix(cursor, kind)
	no, err := strconv.ParseInt(digits, 36, 64)
	if !ok || err != nil || no < 0 {
		return 0, badCursor(cursor)
	}
	return no, nil
}

func badCursor(cursor string) error {
	return fault.New(fault.BadRequest, fault.Place{Path: "cursor"}, cursor, "cursor")
}

// optional is nil, which does not restrict, for a zero value.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	s = pack.ValidText(s)
	return &s
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Records implements store.Reader. A cursor that is none gives a fault BAD_REQUEST.
func (s *Store) Records(ctx context.Context, q store.Query) (store.Page[record.Record], error) {
	kind, start := cursorOldest, int64(0)
	if q.Newest {
		kind, start = cursorNewest, math.MaxInt64
	}
	after, err := parseCursor(kind, q.Cursor, start)
	if err != nil {
		return store.Page[record.Record]{}, err
	}
	limit := limitOf(q.Limit)
	var items []record.Record
	collect := func(r record.Record) bool {
		items = append(items, r)
		return len(items) <= limit
	}
	if q.Key != (record.Key{}) {
		err = s.recordsOfKey(ctx, q, after, limit, collect)
	} else {
		err = s.recordsBySpan(ctx, q, after, collect)
	}
	if err != nil {
		return store.Page[record.Record]{}, fmt.Errorf("listing records: %w", err)
	}
	page := store.Page[record.Record]{Items: items}
	if len(items) > limit {
		page.Items = items[:limit]
		page.Next = formatCursor(kind, items[limit-1].Seq)
	}
	return page, nil
}

// Seqs of a key's records, and with each the document it belongs to. Several seqs
// may be of one document.
const ofKeySQL = `SELECT k.seq, ` + rowColumns + ` FROM (SELECT seq FROM keys WHERE hash = $1 AND %s LIMIT $3) k
		CROSS JOIN LATERAL (SELECT * FROM documents WHERE no < k.seq ORDER BY no DESC LIMIT 1) d ORDER BY %s`

var (
	ofKeyUpSQL   = fmt.Sprintf(ofKeySQL, "seq > $2 ORDER BY seq", "k.seq")
	ofKeyDownSQL = fmt.Sprintf(ofKeySQL, "seq < $2 ORDER BY seq DESC", "k.seq DESC")
)

// recordsOfKey yields the records that the keys name, until yield is false.
func (s *Store) recordsOfKey(ctx context.Context, q store.Query, after int64, limit int, yield func(record.Record) bool) error {
	query := ofKeyUpSQL
	if q.Newest {
		query = ofKeyDownSQL
	}
	for {
		found, more := 0, true
		rows, err := s.pool.Query(ctx, query, keyHash(q.Key), after, limit+1)
		if err != nil {
			return err
		}
		for more && rows.Next() {
			found++
			if more, err = s.ofKey(ctx, rows, &q, &after, yield); err != nil {
				rows.Close()
				return err
			}
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return err
		}
		if !more || found <= limit {
			return nil
		}
	}
}

func (s *Store) ofKey(ctx context.Context, rows pgx.Rows, q *store.Query, after *int64, yield func(record.Record) bool) (bool, error) {
	d, err := scanDocument(seqFirst{rows, after})
	if err != nil {
		return false, err
	}
	if err := s.expand(ctx, d); err != nil {
		return false, err
	}
	r, ok := d.record(*after)
	if !ok {
		return true, nil // dropped since
	}
	return !matches(r, q) || yield(*r), nil
}

// seqFirst are rows that have a seq before the columns of a document.
type seqFirst struct {
	pgx.Rows
	seq *int64
}

func (r seqFirst) Scan(dst ...any) error { return r.Rows.Scan(append([]any{r.seq}, dst...)...) }

// matches reports whether a record is one that q asks for.
func matches(r *record.Record, q *store.Query) bool {
	switch {
	case q.Type != "" && r.Type != q.Type && record.Family(r.Type) != q.Type,
		q.Agency != "" && r.Agency != q.Agency,
		q.Status != "" && r.Status != q.Status,
		!q.From.IsZero() && r.ReceivedAt.Before(q.From),
		!q.To.IsZero() && !r.ReceivedAt.Before(q.To):
		return false
	}
	return q.Key == (record.Key{}) || slices.Contains(r.Keys, q.Key)
}

// where is what rows of spans and documents are asked for alike.
type where struct {
	agency   *string
	types    *string // a pattern
	status   int     // of documents; 0 for all
	record   int     // status of records; 0 for all
	from, to *time.Time
}

const (
	// Spans that may hold what is asked for; a bit set of a status that is 0 for all.
	spansSQL = `SELECT DISTINCT span FROM spans
		WHERE ($1::text IS NULL OR agency = $1) AND ($2::text IS NULL OR types LIKE $2)
		AND ($3::integer = 0 OR documents & (1 << $3) <> 0) AND ($4::integer = 0 OR records & (1 << $4) <> 0)
		AND ($5::timestamptz IS NULL OR latest >= $5) AND ($6::timestamptz IS NULL OR earliest < $6)`
	spansUpSQL   = spansSQL + ` AND span >= $7 ORDER BY span`
	spansDownSQL = spansSQL + ` AND span <= $7 ORDER BY span DESC`

	inSpanSQL = `SELECT ` + rowColumns + ` FROM documents
		WHERE ($1::text IS NULL OR agency = $1) AND ($2::text IS NULL OR types LIKE $2)
		AND ($3::integer = 0 OR status = $3) AND CASE $4::integer WHEN 0 THEN 1 WHEN 1 THEN accepted WHEN 2 THEN rejected ELSE duplicates END > 0
		AND ($5::timestamptz IS NULL OR received >= $5) AND ($6::timestamptz IS NULL OR received < $6)`
	inSpanUpSQL   = inSpanSQL + ` AND no >= $7 AND no < $8 ORDER BY no LIMIT $9`
	inSpanDownSQL = inSpanSQL + ` AND no >= $7 AND no < $8 ORDER BY no DESC LIMIT $9`
)

// partOfSpan is how many documents are asked for at once: who wants a few does not
// pay for a whole span.
const partOfSpan = 200

func (w *where) args(more ...any) []any {
	return append([]any{w.agency, w.types, w.status, w.record, w.from, w.to}, more...)
}

// recordsBySpan yields the records beyond after, until yield is false.
func (s *Store) recordsBySpan(ctx context.Context, q store.Query, after int64, yield func(record.Record) bool) error {
	w := where{agency: optional(q.Agency), from: optionalTime(q.From), to: optionalTime(q.To), record: pack.RecordStatuses.Code(string(q.Status))}
	if q.Status != "" && w.record == 0 {
		return nil
	}
	if q.Type != "" {
		w.types = optional("% " + record.Family(q.Type) + "%") // may find too much: matches has the last word
	}
	from := after
	if !q.Newest && after > 0 {
		// The document of the record to go on after begins before it.
		err := s.pool.QueryRow(ctx, "SELECT coalesce(max(no), $1) FROM documents WHERE no < $1", after).Scan(&from)
		if err != nil {
			return fmt.Errorf("looking for record %d: %w", after, err)
		}
	}
	return s.documentsBySpan(ctx, &w, from, q.Newest, func(d *row) (bool, error) {
		if err := s.expand(ctx, d); err != nil {
			return false, err
		}
		for i := range d.records {
			if q.Newest {
				i = len(d.records) - 1 - i
			}
			r := &d.records[i]
			beyond := r.Seq > after
			if q.Newest {
				beyond = r.Seq < after
			}
			if beyond && matches(r, &q) && !yield(*r) {
				return false, nil
			}
		}
		return true, nil
	})
}

// documentsBySpan goes through the documents that w finds, from document no from
// (or, newest first, from the last before from) on, until yield returns false.
func (s *Store) documentsBySpan(ctx context.Context, w *where, from int64, newest bool, yield func(d *row) (bool, error)) error {
	spans, query := spansUpSQL, inSpanUpSQL
	if newest {
		spans, query = spansDownSQL, inSpanDownSQL
	}
	rows, err := s.pool.Query(ctx, spans, w.args(from>>spanBits)...)
	if err != nil {
		return fmt.Errorf("looking for spans: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("looking for spans: %w", err)
	}
	for _, span := range list {
		low, high := span<<spanBits, (span+1)<<spanBits
		if newest {
			high = min(high, from)
		} else {
			low = max(low, from)
		}
		for low < high {
			n, last, more, err := s.documentsIn(ctx, query, w.args(low, high, partOfSpan), yield)
			if err != nil || !more {
				return err
			}
			if n < partOfSpan {
				break
			}
			if newest {
				high = last
			} else {
				low = last + 1
			}
		}
	}
	return nil
}

// documentsIn goes through the n documents that a query finds, of which last is
// the last one. more is false when yield returned false.
func (s *Store) documentsIn(ctx context.Context, query string, args []any, yield func(d *row) (bool, error)) (n int, last int64, more bool, err error) {
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return 0, 0, false, fmt.Errorf("looking for documents: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		d, err := scanDocument(rows)
		if err != nil {
			return 0, 0, false, err
		}
		n, last = n+1, d.no
		if more, err := yield(d); err != nil || !more {
			return n, last, false, err
		}
	}
	return n, last, true, rows.Err()
}

// Documents implements store.Reader. A cursor that is none gives a fault BAD_REQUEST.
func (s *Store) Documents(ctx context.Context, q store.DocumentQuery) (store.Page[store.Document], error) {
	from, err := parseCursor(cursorDocuments, q.Cursor, math.MaxInt64)
	if err != nil {
		return store.Page[store.Document]{}, err
	}
	w := where{agency: optional(q.Agency), from: optionalTime(q.From), to: optionalTime(q.To), status: pack.DocumentStatuses.Code(string(q.Status))}
	if q.Status != "" && w.status == 0 {
		return store.Page[store.Document]{}, nil
	}
	limit := limitOf(q.Limit)
	page := store.Page[store.Document]{}
	var last int64
	err = s.documentsBySpan(ctx, &w, from, true, func(d *row) (bool, error) {
		if len(page.Items) == limit {
			page.Next = formatCursor(cursorDocuments, last)
			return false, nil
		}
		page.Items = append(page.Items, d.document)
		last = d.no
		return true, nil
	})
	if err != nil {
		return store.Page[store.Document]{}, fmt.Errorf("listing documents: %w", err)
	}
	return page, nil
}
