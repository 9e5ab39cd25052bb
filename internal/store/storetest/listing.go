package storetest

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/record"
	"tongqu/internal/store"
)

func testListing(t *testing.T, open Opener) {
	t.Helper()
	t.Run("gives what is asked for, page by page", func(t *testing.T) {
		s := opened(t, open)
		var records []record.Record
		var documents []store.Document
		for n := range 60 {
			e := NewEntry([]string{"customs", "platform", "tax"}[n%3], n, n+1000, n%7)
			e.Records[1].Type = "trade.payment.v1"
			e.Records[0].Status = []record.Status{record.Accepted, record.Rejected}[n%5/4]
			recordEntry(t, s, e)
			records = append(records, e.Records...)
			e.Document.Body = nil
			documents = append(documents, e.Document)
		}
		at := func(n int) time.Time { return Start.Add(time.Duration(n) * time.Millisecond) }
		for _, q := range []store.Query{
			{},
			{Type: "trade.order.v1"},
			{Type: "trade.order"},
			{Type: "trade"},
			{Type: "trade.order.v9"},
			{Agency: "tax"},
			{Agency: "nobody"},
			{Status: record.Duplicate},
			{Status: record.Rejected, Agency: "platform"},
			{Status: "nonsense"},
			{From: at(20)},
			{To: at(20)},
			{From: at(10), To: at(30), Type: "trade.payment", Agency: "customs", Status: record.Accepted},
			{Key: record.Key{Name: "orderNo", Value: orderNo(3)}},
			{Key: record.Key{Name: "orderNo", Value: orderNo(3)}, Status: record.Accepted},
			{Key: record.Key{Name: "order", Value: orderNo(3)}},
			{Key: record.Key{Name: "orderNo", Value: orderNo(1003)}, Type: "trade.payment.v1"},
		} {
			for _, limit := range []int{1, 3, 100} {
				var want []record.Record
				for _, r := range records {
					if answers(&r, &q) {
						want = append(want, r)
					}
				}
				q.Limit = limit
				require.Equal(t, want, list(t, s, q), "%+v", q)
				q.Newest = true
				slices.Reverse(want)
				require.Equal(t, want, list(t, s, q), "%+v", q)
				q.Newest = false
			}
		}
		slices.Reverse(documents)
		for _, q := range []store.DocumentQuery{
			{},
			{Agency: "tax"},
			{Status: store.DocumentPartial},
			{Status: store.DocumentAccepted, Agency: "customs"},
			{Status: "nonsense"},
			{From: at(10), To: at(20)},
		} {
			for _, limit := range []int{1, 7, 0} {
				var want []store.Document
				for _, d := range documents {
					if (q.Agency == "" || d.Agency == q.Agency) && (q.Status == "" || d.Status == q.Status) &&
						(q.From.IsZero() || !d.ReceivedAt.Before(q.From)) && (q.To.IsZero() || d.ReceivedAt.Before(q.To)) {
						want = append(want, d)
					}
				}
				q.Limit = limit
				require.Equal(t, want, listDocuments(t, s, q), "%+v", q)
			}
		}
	})

	t.Run("neither skips nor repeats while documents come in", func(t *testing.T) {
		s := opened(t, open)
		for n := range 100 {
			recorded(t, s, "customs", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			for n := 100; ; n++ {
				if err := s.Record(context.WithoutCancel(ctx), NewEntry("customs", n)); err != nil || ctx.Err() != nil {
					ended <- err
					return
				}
			}
		}()
		for range 5 {
			oldest := list(t, s, store.Query{Limit: 9, To: Start.Add(100 * time.Millisecond)})
			require.Len(t, oldest, 100)
			newest := list(t, s, store.Query{Limit: 9, Newest: true})
			require.GreaterOrEqual(t, len(newest), 100)
			for i := range newest[1:] {
				// Seqs of one-record documents are evenly spaced: a gap would be a skipped record.
				require.Equal(t, newest[0].Seq-newest[1].Seq, newest[i].Seq-newest[i+1].Seq)
			}
			documents := listDocuments(t, s, store.DocumentQuery{Limit: 9})
			ids := map[string]bool{}
			for _, d := range documents {
				ids[d.ID] = true
			}
			require.Len(t, ids, len(documents))
			require.Equal(t, oldest[0].DocumentID, documents[len(documents)-1].ID)
		}
		cancel()
		require.NoError(t, <-ended)
	})

	t.Run("finds a record by each of a key's many values", func(t *testing.T) {
		s := opened(t, open)
		e := NewEntry("customs", 1)
		for n := range 500 {
			e.Records[0].Keys = append(e.Records[0].Keys, record.Key{Name: "containerNo", Value: "CONT" + strconv.Itoa(n)})
		}
		recordEntry(t, s, e)
		for n := range 500 {
			q := store.Query{Key: record.Key{Name: "containerNo", Value: "CONT" + strconv.Itoa(n)}, Limit: 10}
			require.Equal(t, e.Records, list(t, s, q))
		}
	})

	t.Run("refuses a cursor that is none", func(t *testing.T) {
		s := opened(t, open)
		for range 3 {
			recorded(t, s, "customs", 1)
		}
		oldest, err := s.Records(t.Context(), store.Query{Limit: 1})
		require.NoError(t, err)
		require.NotEmpty(t, oldest.Next)
		_, err = s.Records(t.Context(), store.Query{Cursor: oldest.Next, Newest: true})
		require.Error(t, err, "a cursor of the other direction")
		for _, cursor := range []string{"nonsense!", "o-1", "o", "x1"} {
			_, err = s.Records(t.Context(), store.Query{Cursor: cursor})
			require.Error(t, err, cursor)
			_, err = s.Documents(t.Context(), store.DocumentQuery{Cursor: cursor})
			require.Error(t, err, cursor)
		}
	})
}

// answers says what a query means.
func answers(r *record.Record, q *store.Query) bool {
	return (q.Type == "" || q.Type == r.Type || q.Type == record.Family(r.Type)) &&
		(q.Key == record.Key{} || slices.Contains(r.Keys, q.Key)) &&
		(q.Agency == "" || r.Agency == q.Agency) &&
		(q.Status == "" || r.Status == q.Status) &&
		(q.From.IsZero() || !r.ReceivedAt.Before(q.From)) &&
		(q.To.IsZero() || r.ReceivedAt.Before(q.To))
}

func list(t *testing.T, s store.Store, q store.Query) []record.Record {
	t.Helper()
	var all []record.Record
	for {
		page, err := s.Records(t.Context(), q)
		require.NoError(t, err)
		all = append(all, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
		require.Len(t, page.Items, q.Limit)
	}
}

func listDocuments(t *testing.T, s store.Store, q store.DocumentQuery) []store.Document {
	t.Helper()
	var all []store.Document
	for {
		page, err := s.Documents(t.Context(), q)
		require.NoError(t, err)
		all = append(all, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
		require.NotEmpty(t, page.Items)
	}
}
