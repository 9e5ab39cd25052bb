package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/store"
)

func testSettling(t *testing.T, open Opener) {
	t.Helper()
	t.Run("the same bytes again are a duplicate", func(t *testing.T) {
		s := opened(t, open)
		first := recorded(t, s, "customs", 1, 2)
		second := again(t, first)
		second.Records[1].Status = record.Rejected
		third := again(t, first)
		for _, e := range []*store.Entry{second, third} {
			recordEntry(t, s, e)
			require.Equal(t, store.DocumentDuplicate, e.Document.Status)
			require.Equal(t, first.Document.ID, e.Document.DuplicateOf)
			require.Equal(t, first.Records[0].ID, e.Records[0].DuplicateOf)
			require.Positive(t, e.Records[0].Seq)
			d, err := s.Document(t.Context(), e.Document.ID)
			require.NoError(t, err)
			require.Equal(t, e.Document, d, "with the body of the first")
			records, err := s.DocumentRecords(t.Context(), e.Document.ID)
			require.NoError(t, err)
			require.Equal(t, e.Records, records)
		}
		require.Equal(t, []record.Status{record.Duplicate, record.Rejected}, statuses(second))
		require.Equal(t, []record.Status{record.Duplicate, record.Duplicate}, statuses(third))
		require.Equal(t, [3]int{0, 1, 1}, [3]int{second.Document.Accepted, second.Document.Rejected, second.Document.Duplicates})
	})

	t.Run("the same bytes of another agency are not", func(t *testing.T) {
		s := opened(t, open)
		first := NewEntry("customs", 1)
		first.Records[0].Version = time.Time{}
		recordEntry(t, s, first)
		other := again(t, first)
		other.Document.Agency, other.Records[0].Agency = "tax", "tax"
		recordEntry(t, s, other)
		require.Equal(t, store.DocumentAccepted, other.Document.Status)
	})

	t.Run("a rejected document can be sent again", func(t *testing.T) {
		s := opened(t, open)
		first := NewEntry("customs", 1)
		first.Records[0].Status = record.Rejected
		recordEntry(t, s, first)
		require.Equal(t, store.DocumentRejected, first.Document.Status)

		second := again(t, first)
		second.Records[0].Status = record.Accepted
		recordEntry(t, s, second)
		require.Equal(t, store.DocumentAccepted, second.Document.Status)

		third := again(t, first)
		third.Records[0].Status = record.Accepted
		recordEntry(t, s, third)
		require.Equal(t, second.Document.ID, third.Document.DuplicateOf)
	})

	t.Run("a record rejected before is judged anew", func(t *testing.T) {
		s := opened(t, open)
		first := NewEntry("customs", 1, 2)
		first.Records[1].Status = record.Rejected
		recordEntry(t, s, first)
		require.Equal(t, store.DocumentPartial, first.Document.Status)

		second := again(t, first)
		second.Records[0].Status, second.Records[1].Status = record.Accepted, record.Accepted
		recordEntry(t, s, second)
		require.Equal(t, []record.Status{record.Duplicate, record.Accepted}, statuses(second))
		require.Equal(t, first.Records[0].ID, second.Records[0].DuplicateOf)
		require.Equal(t, store.DocumentAccepted, second.Document.Status)
		require.Empty(t, second.Document.DuplicateOf)

		third := again(t, first)
		third.Records[0].Status, third.Records[1].Status = record.Accepted, record.Accepted
		recordEntry(t, s, third)
		require.Equal(t, []record.Status{record.Duplicate, record.Duplicate}, statuses(third))
		require.Equal(t, second.Records[1].ID, third.Records[1].DuplicateOf)
		require.Equal(t, store.DocumentDuplicate, third.Document.Status)
	})

	t.Run("the same version in other bytes is a duplicate record", func(t *testing.T) {
		s := opened(t, open)
		first := recorded(t, s, "customs", 1)
		second := recorded(t, s, "platform", 1)
		require.Equal(t, store.DocumentDuplicate, second.Document.Status)
		require.Empty(t, second.Document.DuplicateOf)
		require.Equal(t, first.Records[0].ID, second.Records[0].DuplicateOf)
		d, err := s.Document(t.Context(), second.Document.ID)
		require.NoError(t, err)
		require.Equal(t, second.Document, d)
	})

	t.Run("versions go on, older ones are stale", func(t *testing.T) {
		s := opened(t, open)
		v := func(n int) time.Time { return Start.Add(time.Duration(n) * time.Second) }
		send := func(n int) *store.Entry {
			e := atVersion(NewEntry("customs", 1), v(n))
			recordEntry(t, s, e)
			return e
		}
		first, third := send(1), send(3)
		require.Equal(t, []record.Status{record.Accepted}, statuses(third))

		flagged := atVersion(NewEntry("customs", 1), v(2))
		flagged.Records[0].Errors = []byte(`[{"code":"RULE_SUM","severity":"flag","zh":"…","en":"…"}]`)
		recordEntry(t, s, flagged)
		require.Equal(t, store.DocumentRejected, flagged.Document.Status)
		require.Equal(t, []fault.Code{fault.RuleSum, fault.DuplicateStale}, codes(t, flagged.Records[0].Errors))
		require.Contains(t, string(flagged.Records[0].Errors), third.Records[0].ID)
		got, err := s.RecordByID(t.Context(), flagged.Records[0].ID)
		require.NoError(t, err)
		require.Equal(t, flagged.Records[0], got)

		require.Equal(t, first.Records[0].ID, send(1).Records[0].DuplicateOf, "an old version that is known is a duplicate")
		require.Equal(t, []record.Status{record.Rejected}, statuses(send(0)))
		require.Equal(t, []record.Status{record.Rejected}, statuses(send(2)), "a stale record is not remembered")
		require.Equal(t, []record.Status{record.Accepted}, statuses(send(4)))
		for n := 5; n < 60; n += 2 {
			require.Equal(t, []record.Status{record.Accepted}, statuses(send(n)))
		}
		require.Equal(t, third.Records[0].ID, send(3).Records[0].DuplicateOf)
		require.Equal(t, []record.Status{record.Rejected}, statuses(send(30)))
	})

	t.Run("records without a version are never duplicates", func(t *testing.T) {
		s := opened(t, open)
		recorded(t, s, "customs", 1)
		for range 2 {
			e := atVersion(NewEntry("customs", 1), time.Time{})
			recordEntry(t, s, e)
			require.Equal(t, []record.Status{record.Accepted}, statuses(e))
		}
		e := NewEntry("customs", 1)
		recordEntry(t, s, e)
		require.Equal(t, []record.Status{record.Duplicate}, statuses(e))
	})

	t.Run("records of other types and names are others", func(t *testing.T) {
		s := opened(t, open)
		recorded(t, s, "customs", 1)
		for _, c := range []struct {
			name, canonicalType, key string
			want                     record.Status
		}{
			{"another type", "trade.payment.v1", "order", record.Accepted},
			{"another key", "trade.order.v1", "list", record.Accepted},
			{"another version of the type", "trade.order.v2", "order", record.Duplicate},
		} {
			e := NewEntry("customs", 1)
			e.Records[0].Type, e.Records[0].Keys[0].Name = c.canonicalType, c.key
			recordEntry(t, s, e)
			require.Equal(t, []record.Status{c.want}, statuses(e), c.name)
		}
		e := NewEntry("customs", 1)
		e.Records[0].Keys = nil
		recordEntry(t, s, e)
		require.Equal(t, []record.Status{record.Accepted}, statuses(e), "no keys")
	})

	t.Run("within one document", func(t *testing.T) {
		s := opened(t, open)
		e := NewEntry("customs", 1, 1, 2, 1, 1)
		e.Records[3].Version = e.Records[0].Version.Add(-time.Second)
		e.Records[4].Version = e.Records[0].Version.Add(time.Second)
		recordEntry(t, s, e)
		require.Equal(t, []record.Status{record.Accepted, record.Duplicate, record.Accepted, record.Rejected, record.Accepted}, statuses(e))
		require.Equal(t, e.Records[0].ID, e.Records[1].DuplicateOf)
		require.Equal(t, store.DocumentPartial, e.Document.Status)
	})

	t.Run("at the same moment one of many is accepted", func(t *testing.T) {
		s := opened(t, open)
		const callers, orders = 16, 20
		entries := make([][]*store.Entry, orders)
		for n := range entries {
			whole := NewEntry("customs", n)
			for c := range callers {
				if c%2 == 0 {
					entries[n] = append(entries[n], again(t, whole))
				} else {
					entries[n] = append(entries[n], NewEntry("customs", n))
				}
			}
		}
		var wg sync.WaitGroup
		errs := make([]error, callers)
		for c := range callers {
			wg.Go(func() {
				for n := range entries {
					if err := s.Record(t.Context(), entries[n][c]); err != nil {
						errs[c] = err
					}
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		for n := range entries {
			var accepted []string
			for _, e := range entries[n] {
				if e.Records[0].Status == record.Accepted {
					accepted = append(accepted, e.Records[0].ID)
				}
			}
			require.Len(t, accepted, 1)
			for _, e := range entries[n] {
				if e.Records[0].Status != record.Accepted {
					require.Equal(t, record.Duplicate, e.Records[0].Status)
					require.Equal(t, accepted[0], e.Records[0].DuplicateOf)
				}
			}
		}
	})
}
