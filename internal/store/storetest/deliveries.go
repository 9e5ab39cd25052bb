package storetest

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/store"
)

func testDeliveries(t *testing.T, open Opener) {
	t.Helper()
	t.Run("keep their last state, delivered for ever", func(t *testing.T) {
		place := t.TempDir()
		s := open(t, place)
		e := recorded(t, s, "customs", 1)
		id := e.Records[0].ID
		for i, step := range []struct {
			save, want store.DeliveryStatus
			settled    bool
		}{
			{store.DeliveryWaiting, store.DeliveryWaiting, false},
			{store.DeliveryParked, store.DeliveryParked, true},
			{store.DeliveryWaiting, store.DeliveryWaiting, false},
			{store.DeliveryParked, store.DeliveryParked, true},
			{store.DeliveryDelivered, store.DeliveryDelivered, true},
			{store.DeliveryParked, store.DeliveryDelivered, true},
			{store.DeliverySkipped, store.DeliveryDelivered, true},
		} {
			require.NoError(t, s.SaveDeliveries(t.Context(), []store.Delivery{
				{Subscription: "tax", RecordID: id, Status: step.save, Attempts: i, At: Start.Add(time.Duration(i) * time.Hour), Detail: "x"},
			}))
			if i == 3 {
				require.NoError(t, s.Close())
				s = open(t, place)
			}
			page, err := s.Deliveries(t.Context(), store.DeliveryQuery{RecordID: id})
			require.NoError(t, err)
			require.Len(t, page.Items, 1)
			require.Equal(t, step.want, page.Items[0].Status, "step %d", i)
			require.Equal(t, min(i, 4), page.Items[0].Attempts)
			settled, err := s.Settled(t.Context(), "tax", []string{id})
			require.NoError(t, err)
			require.Equal(t, step.settled, settled[id], "step %d", i)
			b, err := s.Balance(t.Context(), time.Time{})
			require.NoError(t, err)
			require.Equal(t, int64(1), b.Subscriptions["tax"].Delivered+b.Subscriptions["tax"].Parked+b.Subscriptions["tax"].Waiting)
		}
		settled, err := s.Settled(t.Context(), "fx", []string{id})
		require.NoError(t, err)
		require.Empty(t, settled)
		require.NoError(t, s.Close())
	})

	t.Run("that are skipped are counted, and no longer due", func(t *testing.T) {
		s := opened(t, open)
		e := recorded(t, s, "customs", 1, 2, 3)
		save := func(i int, status store.DeliveryStatus) {
			require.NoError(t, s.SaveDeliveries(t.Context(), []store.Delivery{
				{Subscription: "tax", RecordID: e.Records[i].ID, Status: status, At: Start},
			}))
		}
		save(0, store.DeliverySkipped)
		save(1, store.DeliveryWaiting)
		save(1, store.DeliverySkipped)
		save(2, store.DeliveryWaiting)
		b, err := s.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Equal(t, map[string]store.DeliveryBalance{"tax": {Waiting: 1, Skipped: 2}}, b.Subscriptions)
	})

	t.Run("are saved all or none", func(t *testing.T) {
		s := opened(t, open)
		e := recorded(t, s, "customs", 1)
		err := s.SaveDeliveries(t.Context(), []store.Delivery{
			{Subscription: "tax", RecordID: e.Records[0].ID, Status: store.DeliveryDelivered, At: Start},
			{Subscription: "tax", RecordID: "nonsense", Status: store.DeliveryDelivered, At: Start},
		})
		require.ErrorIs(t, err, store.ErrUnavailable)
		page, err := s.Deliveries(t.Context(), store.DeliveryQuery{})
		require.NoError(t, err)
		require.Empty(t, page.Items)
	})

	t.Run("are listed by what is asked for", func(t *testing.T) {
		s := opened(t, open)
		subscriptions := []string{"fx", "tax", "ciq"}
		states := []store.DeliveryStatus{store.DeliveryDelivered, store.DeliveryParked, store.DeliveryWaiting}
		var all []store.Delivery
		for n := range 20 {
			e := recorded(t, s, "customs", 3*n, 3*n+1, 3*n+2)
			for i, r := range e.Records {
				for j, subscription := range subscriptions {
					if (n+i+j)%4 > 0 {
						all = append(all, store.Delivery{
							Subscription: subscription, RecordID: r.ID, Status: states[(n+i*j)%3],
							Attempts: n, At: Start.Add(time.Duration(n) * time.Second), Detail: strconv.Itoa(n),
						})
					}
				}
			}
		}
		require.NoError(t, s.SaveDeliveries(t.Context(), all))
		for _, subscription := range append(subscriptions, "", "nobody") {
			for _, status := range append(states, "", store.DeliverySkipped) {
				for _, limit := range []int{0, 1, 7, 1000} {
					var want []store.Delivery
					for _, d := range all {
						if (subscription == "" || d.Subscription == subscription) && (status == "" || d.Status == status) {
							want = append(want, d)
						}
					}
					got := listDeliveries(t, s, store.DeliveryQuery{Subscription: subscription, Status: status, Limit: limit})
					require.ElementsMatch(t, want, got)
					require.True(t, slices.IsSortedFunc(got, func(a, b store.Delivery) int { return a.At.Compare(b.At) }), "oldest first")
				}
			}
		}
		page, err := s.Deliveries(t.Context(), store.DeliveryQuery{RecordID: all[0].RecordID, Subscription: all[0].Subscription})
		require.NoError(t, err)
		require.Equal(t, all[:1], page.Items)
		_, err = s.Deliveries(t.Context(), store.DeliveryQuery{Cursor: "nonsense"})
		require.Error(t, err)
	})
}

func listDeliveries(t *testing.T, s store.Store, q store.DeliveryQuery) []store.Delivery {
	t.Helper()
	var all []store.Delivery
	for {
		page, err := s.Deliveries(t.Context(), q)
		require.NoError(t, err)
		all = append(all, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
		require.NotEmpty(t, page.Items)
	}
}
