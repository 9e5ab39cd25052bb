package delivery

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tongqu/internal/bus"
	"tongqu/internal/bus/embedded"
	"tongqu/internal/circuit"
	"tongqu/internal/store"
)

// newBus starts a broker and returns the bus on it, with the topics of orders.
func newBus(t *testing.T) *bus.Kafka {
	t.Helper()
	k, _ := newBroker(t)
	return k
}

// newBroker returns the broker, too.
func newBroker(t *testing.T) (*bus.Kafka, *embedded.Broker) {
	t.Helper()
	broker, err := embedded.Start(embedded.Config{Dir: t.TempDir()}, zap.NewNop())
	require.NoError(t, err)
	config := broker.BusConfig()
	config.CommitInterval = 10 * time.Millisecond
	k, err := bus.New(config, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, k.Close())
		require.NoError(t, broker.Close())
	})
	require.NoError(t, k.EnsureTopics(t.Context(), []string{"tongqu.trade.order"}))
	return k, broker
}

func onBus(k *bus.Kafka) func(*Rooms, *Settings) {
	return func(r *Rooms, s *Settings) {
		r.Bus = k
		s.RetryBase, s.RetryLimit = time.Millisecond, 20*time.Millisecond
	}
}

// run starts the delivery; the function it returns ends it and waits.
func (h *hub) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

const wait, tick = 20 * time.Second, 5 * time.Millisecond

// One subscriber is down while the other takes everything; then it comes back and
// gets it all, in the order of each business object.
func TestOneSubscribersOutageIsNotTheOthers(t *testing.T) {
	k := newBus(t)
	up, down := newSubscriber(t), newSubscriber(t)
	down.onPush(status(http.StatusServiceUnavailable))
	h := newHub(t, t.TempDir(), onBus(k), "id: up, batch: 10, "+up.to(), "id: down, "+down.to())
	var all []bus.Message
	last := map[string]int{}
	for i := range 60 {
		no := fmt.Sprintf("A%d-%d", i%7, i) // seven objects, and which state
		m := h.order(t, no)
		m.Key = fmt.Sprintf("A%d", i%7)
		all = append(all, m)
	}
	require.NoError(t, k.Publish(t.Context(), all))
	h.run(t)
	require.Eventually(t, func() bool {
		_, taken := up.got()
		state, _ := h.State("down")
		return len(taken) == len(all) && state.Attempts >= 5
	}, wait, tick)
	_, taken := down.got()
	require.Empty(t, taken)
	state, _ := h.State("up")
	require.Equal(t, circuit.Closed, state.Circuit)

	down.onPush(nil)
	require.Eventually(t, func() bool {
		balance, err := h.store.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		return balance.Subscriptions["down"] == store.DeliveryBalance{Delivered: 60} && balance.Subscriptions["up"] == store.DeliveryBalance{Delivered: 60}
	}, wait, tick)
	_, taken = down.got()
	require.Len(t, taken, len(all))
	for _, no := range taken {
		var object, i int
		_, err := fmt.Sscanf(no, "A%d-%d", &object, &i)
		require.NoError(t, err)
		key := no[:2]
		require.GreaterOrEqual(t, i, last[key], "%s came after %d", no, last[key])
		last[key] = i + 1
	}
}

// The hub dies between the subscriber's taking a record and its own knowing so.
// The next one sends it again under the same name, by which the subscriber knows
// it; after that it is settled for good.
func TestRestartBetweenSendAndCommit(t *testing.T) {
	k := newBus(t)
	sub := newSubscriber(t)
	dir := t.TempDir()
	var mu sync.Mutex
	seen := map[string]int{}
	died := make(chan struct{}, 10)
	idempotent := func(w http.ResponseWriter, p push) {
		mu.Lock()
		defer mu.Unlock()
		key := p.header.Get(IdempotencyHeader)
		if seen[key]++; seen[key] > 1 {
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte(`{"title":"duplicate"}`))
		}
	}
	sub.onPush(func(w http.ResponseWriter, p push) {
		idempotent(w, p)
		died <- struct{}{}
		panic(http.ErrAbortHandler) // taken, but the answer never arrives
	})

	var m bus.Message
	t.Run("first", func(t *testing.T) {
		h := newHub(t, dir, onBus(k), "id: orders, "+sub.to())
		m = h.order(t, "A1")
		require.NoError(t, k.Publish(t.Context(), []bus.Message{m}))
		stop := h.run(t)
		<-died
		stop()
		require.NotEqual(t, store.DeliveryDelivered, h.delivery(t, m).Status)
	})
	sub.onPush(idempotent)
	t.Run("second", func(t *testing.T) {
		h := newHub(t, dir, onBus(k), "id: orders, "+sub.to())
		stop := h.run(t)
		require.Eventually(t, func() bool { return h.delivery(t, m).Status == store.DeliveryDelivered }, wait, tick)
		stop()
		require.Equal(t, "409 Conflict: duplicate", h.delivery(t, m).Detail)
	})
	pushes, _ := sub.got()
	t.Run("third", func(t *testing.T) {
		h := newHub(t, dir, onBus(k), "id: orders, "+sub.to())
		h.run(t)
		next := h.order(t, "A2")
		require.NoError(t, k.Publish(t.Context(), []bus.Message{m, next})) // the relay may publish twice, too
		require.Eventually(t, func() bool { return h.delivery(t, next).Status == store.DeliveryDelivered }, wait, tick)
	})
	again, _ := sub.got()
	require.Len(t, again, len(pushes)+1, "only the new one")
	for _, p := range again {
		require.NotEmpty(t, p.header.Get("ce-id"))
	}
}

// What one instance delivered the consumer group knows: Lag is 0.
func TestDeliveredIsCommitted(t *testing.T) {
	k := newBus(t)
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), onBus(k), "id: orders, batch: 3, "+sub.to())
	require.NoError(t, k.Publish(t.Context(), h.orders(t, "A1", "A2", "A3", "A4", "A5")))
	h.run(t)
	require.Eventually(t, func() bool {
		lag, err := k.Lag(t.Context(), Group("orders"), []string{"tongqu.trade.order"})
		require.NoError(t, err)
		balance, err := h.store.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		return lag["tongqu.trade.order"] == 0 && balance.Subscriptions["orders"].Delivered == 5
	}, wait, tick)
}
