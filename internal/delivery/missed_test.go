package delivery

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/bus"
	"tongqu/internal/bus/bustest"
	"tongqu/internal/bus/embedded"
	"tongqu/internal/circuit"
	"tongqu/internal/store"
)

// expire deletes all messages of a broker's topic of orders.
func expire(t *testing.T, b *embedded.Broker) {
	t.Helper()
	bustest.Expire(t, b.BusConfig().Brokers, "tongqu.trade.order", map[int]int64{0: -1, 1: -1})
}

// states publishes n states of orders, of which there are seven.
func (h *hub) states(t *testing.T, k *bus.Kafka, n int) {
	t.Helper()
	var batch []bus.Message
	for range n {
		m := h.orderOf(t, fmt.Sprintf("A%d", h.records%7), fmt.Sprintf("%03d", h.records))
		batch = append(batch, m)
	}
	require.NoError(t, k.Publish(t.Context(), batch))
}

// delivered waits until so many are delivered, and nothing is open.
func (h *hub) delivered(t *testing.T, n int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		balance, err := h.store.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		return balance.Subscriptions["orders"] == store.DeliveryBalance{Delivered: n}
	}, wait, tick)
}

// inOrder fails unless the states from..to-1 were taken, once each, and those of
// one order in their order. What stands first is the number of the state.
func inOrder(t *testing.T, taken []string, from, to int) {
	t.Helper()
	last := map[int]string{}
	for _, no := range taken {
		var state int
		_, err := fmt.Sscanf(no, "%03d", &state)
		require.NoError(t, err)
		require.Greater(t, no, last[state%7], "%v", taken)
		last[state%7] = no
	}
	var want []string
	for i := from; i < to; i++ {
		want = append(want, fmt.Sprintf("%03d", i))
	}
	slices.Sort(taken)
	require.Equal(t, want, taken)
}

// A subscriber is away until Kafka has nothing left of what it missed, and the hub
// is stopped for a while, too. It gets all of it, before what came after.
func TestExpiredRecordsComeFromTheStore(t *testing.T) {
	k, broker := newBroker(t)
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), onBus(k), "id: orders, batch: 3, "+sub.to())
	stop := h.run(t)
	h.states(t, k, 30)
	h.delivered(t, 30)
	sub.onPush(status(http.StatusServiceUnavailable))
	h.states(t, k, 40)
	require.Eventually(t, func() bool {
		state, _ := h.State("orders")
		return state.Circuit != circuit.Closed
	}, wait, tick)
	stop()
	expire(t, broker)
	h.states(t, k, 20)
	h.run(t)
	require.Eventually(t, func() bool {
		state, _ := h.State("orders")
		return state.Attempts > 3
	}, wait, tick)
	sub.onPush(nil)
	h.delivered(t, 90)
	_, taken := sub.got()
	inOrder(t, taken, 0, 90)
}

// A Kafka that lost everything, the groups' places too, is replaced by an empty one.
func TestLostKafkaIsMadeUpFromTheStore(t *testing.T) {
	sub := newSubscriber(t)
	dir := t.TempDir()
	t.Run("before", func(t *testing.T) {
		k, _ := newBroker(t)
		h := newHub(t, dir, onBus(k), "id: orders, "+sub.to())
		h.run(t)
		h.states(t, k, 50)
		h.delivered(t, 50)
	})
	k, _ := newBroker(t)
	h := newHub(t, dir, onBus(k), "id: orders, "+sub.to())
	h.records = 50
	lost, _ := newBroker(t)
	h.states(t, lost, 25)
	h.run(t)
	h.delivered(t, 75)
	_, taken := sub.got()
	inOrder(t, taken, 0, 75)
}

// A new subscription begins with what Kafka holds.
func TestNewSubscriptionGetsNothingThatExpired(t *testing.T) {
	k, broker := newBroker(t)
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), onBus(k), "id: orders, "+sub.to())
	h.states(t, k, 20)
	expire(t, broker)
	h.states(t, k, 20)
	h.run(t)
	h.delivered(t, 20)
	_, taken := sub.got()
	inOrder(t, taken, 20, 40)
}
