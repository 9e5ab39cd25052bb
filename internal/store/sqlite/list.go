package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

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

// micros is t for a comparison; nil does not restrict.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
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

// recordsOfKey yields the records that the key index names, until yield is false.
func (s *Store) recordsOfKey(ctx context.Context, q store.Query, after int64, limit int, yield func(record.Record) bool) error {
	for {
		refs, err := s.index.page(ctx, s.queries.keyBlocks, keyHash(q.Key), after, limit+1, q.Newest)
		if err != nil {
			return err
		}
		var d *row
		for _, seq := range refs {
			after = seq
			if d == nil || seq <= d.no || seq > d.no+int64(len(d.records)) {
				if d, err = oneRow(ctx, s.queries.documentAt, s.codec, seq); err != nil {
					return err
				}
			}
			r, ok := d.record(seq)
			if !ok {
				return fmt.Errorf("record %d is missing", seq)
			}
			if matches(r, &q) && !yield(*r) {
				return nil
			}
		}
		if len(refs) <= limit {
			return nil
		}
	}
}

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
	agency   any
	types    any // a pattern
	status   int // of documents; 0 for all
	record   int // status of records; 0 for all
	from, to any
}

const (
	// Spans that may hold what is asked for; a bit set of a status that is 0 for all.
	spansSQL = `SELECT DISTINCT span FROM spans
		WHERE (?1 IS NULL OR agency = ?1) AND (?2 IS NULL OR types LIKE ?2)
		AND (?3 = 0 OR documents & (1 << ?3)) AND (?4 = 0 OR records & (1 << ?4))
		AND (?5 IS NULL OR latest >= ?5) AND (?6 IS NULL OR earliest < ?6)`
	spansUpSQL   = spansSQL + ` AND span >= ?7 ORDER BY span`
	spansDownSQL = spansSQL + ` AND span <= ?7 ORDER BY span DESC`

	inSpanSQL = `SELECT ` + rowColumns + ` FROM documents
		WHERE (?1 IS NULL OR agency = ?1) AND (?2 IS NULL OR types LIKE ?2)
		AND (?3 = 0 OR status = ?3) AND CASE ?4 WHEN 0 THEN 1 WHEN 1 THEN accepted WHEN 2 THEN rejected ELSE duplicates END
		AND (?5 IS NULL OR received >= ?5) AND (?6 IS NULL OR received < ?6)`
	inSpanUpSQL   = inSpanSQL + ` AND no >= ?7 AND no < ?8 ORDER BY no`
	inSpanDownSQL = inSpanSQL + ` AND no >= ?7 AND no < ?8 ORDER BY no DESC`
)

func (w *where) args(more ...any) []any {
	return append([]any{w.agency, w.types, w.status, w.record, w.from, w.to}, more...)
}

func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// recordsBySpan yields the records beyond after, until yield is false.
func (s *Store) recordsBySpan(ctx context.Context, q store.Query, after int64, yield func(record.Record) bool) error {
	w := where{agency: optional(q.Agency), from: micros(q.From), to: micros(q.To), record: pack.RecordStatuses.Code(string(q.Status))}
	if q.Status != "" && w.record == 0 {
		return nil
	}
	if q.Type != "" {
		w.types = "% " + record.Family(q.Type) + "%" // may find too much: matches has the last word
	}
	// The document of the record to go on after begins before it.
	from := after
	if !q.Newest && after > 0 {
		d, err := oneRow(ctx, s.queries.documentAt, s.codec, after)
		if err != nil {
			return err
		}
		from = d.no
	}
	return s.documentsBySpan(ctx, &w, from, q.Newest, func(d *row, verdicts, content sql.RawBytes) (bool, error) {
		if err := d.unpack(s.codec, verdicts, content); err != nil {
			return false, fmt.Errorf("document %s: %w", d.document.ID, err)
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
func (s *Store) documentsBySpan(ctx context.Context, w *where, from int64, newest bool,
	yield func(d *row, verdicts, content sql.RawBytes) (bool, error),
) error {
	spans, query := spansUpSQL, inSpanUpSQL
	if newest {
		spans, query = spansDownSQL, inSpanDownSQL
	}
	list, err := s.spans(ctx, spans, w.args(from>>spanBits))
	if err != nil {
		return err
	}
	for _, span := range list {
		low, high := span<<spanBits, (span+1)<<spanBits
		if newest {
			high = min(high, from)
		} else {
			low = max(low, from)
		}
		more, err := s.documentsIn(ctx, query, w.args(low, high), yield)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (s *Store) spans(ctx context.Context, query string, args []any) ([]int64, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("looking for spans: %w", err)
	}
	defer rows.Close()
	var list []int64
	for rows.Next() {
		var span int64
		if err := rows.Scan(&span); err != nil {
			return nil, fmt.Errorf("looking for spans: %w", err)
		}
		list = append(list, span)
	}
	return list, rows.Err()
}

func (s *Store) documentsIn(ctx context.Context, query string, args []any,
	yield func(d *row, verdicts, content sql.RawBytes) (bool, error),
) (bool, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return false, fmt.Errorf("looking for documents: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		d, verdicts, content, err := scanDocument(rows)
		if err != nil {
			return false, err
		}
		if more, err := yield(d, verdicts, content); err != nil || !more {
			return false, err
		}
	}
	return true, rows.Err()
}

// Documents implements store.Reader. A cursor that is none gives a fault BAD_REQUEST.
func (s *Store) Documents(ctx context.Context, q store.DocumentQuery) (store.Page[store.Document], error) {
	from, err := parseCursor(cursorDocuments, q.Cursor, math.MaxInt64)
	if err != nil {
		return store.Page[store.Document]{}, err
	}
	w := where{agency: optional(q.Agency), from: micros(q.From), to: micros(q.To), status: pack.DocumentStatuses.Code(string(q.Status))}
	if q.Status != "" && w.status == 0 {
		return store.Page[store.Document]{}, nil
	}
	limit := limitOf(q.Limit)
	page := store.Page[store.Document]{}
	var last int64
	err = s.documentsBySpan(ctx, &w, from, true, func(d *row, _, _ sql.RawBytes) (bool, error) {
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
