package storetest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/record"
	"tongqu/internal/store"
)

func testBalance(t *testing.T, open Opener) {
	t.Helper()
	t.Run("counts by the day, in the zone of the day", func(t *testing.T) {
		s := opened(t, open)
		china := time.FixedZone("UTC+8", 8*60*60)
		midnight := time.Date(2026, 3, 9, 0, 0, 0, 0, china)
		for n, at := range []time.Time{midnight.Add(-time.Microsecond), midnight, midnight.Add(24*time.Hour - time.Microsecond), midnight.Add(24 * time.Hour)} {
			e := NewEntry("customs", n)
			e.Document.ReceivedAt = at.UTC()
			e.Records[0].ReceivedAt = at.UTC()
			recordEntry(t, s, e)
			require.NoError(t, s.SaveDeliveries(t.Context(), []store.Delivery{
				{Subscription: "tax", RecordID: e.Records[0].ID, Status: store.DeliveryWaiting, At: midnight.Add(-time.Hour)},
				{Subscription: "tax", RecordID: e.Records[0].ID, Status: store.DeliveryDelivered, At: at},
			}))
		}
		batch, err := s.Unpublished(t.Context(), 2)
		require.NoError(t, err)
		require.NoError(t, s.MarkPublished(t.Context(), batch, midnight))

		b, err := s.Balance(t.Context(), midnight.Add(7*time.Hour))
		require.NoError(t, err)
		require.Equal(t, store.Balance{
			Documents: store.Counts{Received: 2, Accepted: 2}, Records: store.Counts{Received: 2, Accepted: 2},
			Published: 1, Unpublished: 1, Subscriptions: map[string]store.DeliveryBalance{"tax": {Delivered: 2}},
		}, b)
		all, err := s.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Equal(t, store.Counts{Received: 4, Accepted: 4}, all.Documents)
		require.Equal(t, int64(2), all.Published)
		none, err := s.Balance(t.Context(), midnight.AddDate(1, 0, 0))
		require.NoError(t, err)
		require.Zero(t, none.Documents)
	})

	t.Run("adds up whatever happens at the same time", func(t *testing.T) {
		s := opened(t, open)
		const callers, each = 8, 30
		var wg sync.WaitGroup
		errs := make(chan error, 3*callers*each)
		for c := range callers {
			wg.Go(func() {
				for n := range each {
					e := NewEntry("customs", n, n*c)
					if n%3 == 0 {
						e.Records[0].Status = record.Rejected
					}
					errs <- s.Record(t.Context(), e)
					var batch []store.Delivery
					for i, status := range []store.DeliveryStatus{store.DeliveryWaiting, store.DeliveryParked, store.DeliveryDelivered, store.DeliverySkipped} {
						batch = append(batch, store.Delivery{Subscription: "tax", RecordID: e.Records[i%2].ID, Status: status, At: Start})
					}
					errs <- s.SaveDeliveries(t.Context(), batch)
					errs <- s.Ready(t.Context())
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			require.NoError(t, err)
		}
		b, err := s.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Equal(t, int64(callers*each), b.Documents.Received)
		require.Equal(t, b.Documents.Received, b.Documents.Accepted+b.Documents.Rejected+b.Documents.Duplicates)
		require.Equal(t, int64(2*callers*each), b.Records.Received)
		require.Equal(t, b.Records.Received, b.Records.Accepted+b.Records.Rejected+b.Records.Duplicates)
		require.Equal(t, b.Records.Accepted, b.Unpublished)
		listed := 0
		for _, d := range listDeliveries(t, s, store.DeliveryQuery{Limit: 1000}) {
			require.Equal(t, store.DeliveryDelivered, d.Status)
			listed++
		}
		require.Equal(t, int64(listed), b.Subscriptions["tax"].Delivered)
		require.Zero(t, b.Subscriptions["tax"].Waiting+b.Subscriptions["tax"].Parked)
	})
}

func testLife(t *testing.T, open Opener) {
	t.Helper()
	t.Run("what was recorded is there after a restart", func(t *testing.T) {
		place := t.TempDir()
		s := open(t, place)
		e := recorded(t, s, "customs", 1, 2)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close(), "closing again")
		for _, err := range []error{
			s.Record(t.Context(), NewEntry("customs", 3)), s.Ready(t.Context()),
			s.SaveDeliveries(t.Context(), []store.Delivery{{Subscription: "tax", RecordID: e.Records[0].ID, Status: store.DeliveryParked}}),
		} {
			require.ErrorIs(t, err, store.ErrUnavailable)
		}

		s = open(t, place)
		records, err := s.DocumentRecords(t.Context(), e.Document.ID)
		require.NoError(t, err)
		require.Equal(t, e.Records, records)
		next := recorded(t, s, "customs", 3)
		require.Greater(t, next.Records[0].Seq, e.Records[1].Seq)
		require.NoError(t, s.Close())
	})

	t.Run("a call that fails keeps nothing and harms no other", func(t *testing.T) {
		s := opened(t, open)
		taken := recorded(t, s, "customs", 0)
		const callers = 24
		entries := make([]*store.Entry, callers)
		errs := make([]error, callers)
		for c := range entries {
			entries[c] = NewEntry("customs", c+1)
			if c%4 == 0 {
				entries[c] = withID(entries[c], taken.Document.ID) // an id that is there already
			}
		}
		var wg sync.WaitGroup
		for c := range entries {
			wg.Go(func() { errs[c] = s.Record(t.Context(), entries[c]) })
		}
		wg.Wait()
		for c, e := range entries {
			if c%4 == 0 {
				require.ErrorIs(t, errs[c], store.ErrUnavailable)
				require.Empty(t, e.Document.Status)
				continue
			}
			require.NoError(t, errs[c])
			d, err := s.Document(t.Context(), e.Document.ID)
			require.NoError(t, err)
			require.Equal(t, e.Document, d)
		}
		for c := range entries {
			e := recorded(t, s, "platform", c+1)
			want := record.Duplicate
			if c%4 == 0 {
				want = record.Accepted
			}
			require.Equal(t, want, e.Records[0].Status)
		}
		b, err := s.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Equal(t, int64(1+callers*3/4+callers), b.Documents.Received)
	})

	t.Run("records that do not belong together are refused", func(t *testing.T) {
		s := opened(t, open)
		for name, spoil := range map[string]func(e *store.Entry){
			"an id that is none": func(e *store.Entry) { e.Document.ID = "nonsense" },
			"an id in capitals": func(e *store.Entry) {
				*e = *withID(e, strings.ToUpper(e.Document.ID))
			},
			"another document's records": func(e *store.Entry) { e.Records[1].DocumentID = "nonsense" },
			"another record's id":        func(e *store.Entry) { e.Records[1].ID = e.Records[0].ID },
			"an index twice":             func(e *store.Entry) { e.Records[1] = e.Records[0] },
		} {
			e := NewEntry("customs", 1, 2)
			spoil(e)
			require.ErrorIs(t, s.Record(t.Context(), e), store.ErrUnavailable, name)
		}
		b, err := s.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Zero(t, b.Documents)
	})

	t.Run("a call whose context has ended keeps nothing", func(t *testing.T) {
		s := opened(t, open)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.Record(ctx, NewEntry("customs", 1))
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.ErrorIs(t, err, context.Canceled)
		b, err := s.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Zero(t, b.Documents)
	})

	t.Run("contexts that end at any moment leave no doubt", func(t *testing.T) {
		s := opened(t, open)
		var wg sync.WaitGroup
		const callers = 100
		entries := make([]*store.Entry, callers)
		errs := make([]error, callers)
		for c := range entries {
			entries[c] = NewEntry("customs", c)
		}
		for c := range entries {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(c*20)*time.Microsecond)
				defer cancel()
				errs[c] = s.Record(ctx, entries[c])
			})
		}
		wg.Wait()
		for c, e := range entries {
			_, err := s.Document(t.Context(), e.Document.ID)
			if errs[c] == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, errs[c], store.ErrUnavailable)
				require.ErrorIs(t, err, store.ErrNotFound)
			}
		}
	})
}
