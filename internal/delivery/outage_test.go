package delivery

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/bus"
	"tongqu/internal/circuit"
	"tongqu/internal/store"
)

// pipes is a network without a network: connections are pipes, so that virtual
// time passes while both ends wait.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// bubble is a test in virtual time: a hub and a subscriber at the other end of pipes.
type bubble struct {
	*testing.T
	hub *hub
	w   *worker
	sub *subscriber
}

func inBubble(t *testing.T, subscription string, test func(bubble)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		network := newPipes()
		sub := serve(t, network)
		h := newHub(t, dir, nil, "id: orders, "+subscription+sub.to())
		transport := &http.Transport{DialContext: network.dial}
		t.Cleanup(transport.CloseIdleConnections)
		h.client.Transport = transport
		w := h.workers["orders"]
		w.circuit = circuit.New(h.settings.RetryBase, h.settings.RetryLimit, func() float64 { return 1 }) // the most that full jitter gives
		test(bubble{t, h, w, sub})
	})
}

func TestOutageKeepsOrderAndLosesNothing(t *testing.T) {
	inBubble(t, "batch: 2, ", func(b bubble) {
		h, w, sub := b.hub, b.w, b.sub
		sub.onPush(status(http.StatusServiceUnavailable))
		batch := h.orders(b.T, "A1", "A2", "A3", "A4", "A5")
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- w.handle(b.Context(), batch) }()

		time.Sleep(10 * time.Second) //nolint:forbidigo // virtual time
		synctest.Wait()
		state, ok := h.State("orders")
		require.True(b, ok)
		require.Equal(b, circuit.Open, state.Circuit)
		require.Equal(b, 4, state.Attempts, "after 0, 1, 3 and 7 seconds")
		require.Equal(b, "503 Service Unavailable", state.LastError)
		require.WithinDuration(b, start.Add(15*time.Second), state.NextAttempt, 0)
		for _, m := range batch[:2] {
			got := h.delivery(b.T, m)
			require.Equal(b, store.DeliveryWaiting, got.Status)
			require.Equal(b, 1, got.Attempts, "saved once, when the waiting began")
			require.Equal(b, "DELIVERY_UNREACHABLE 503 Service Unavailable", got.Detail)
		}
		require.Empty(b, h.delivery(b.T, batch[2]).Status, "the next ones were not tried")

		sub.onPush(nil)
		require.NoError(b, <-done)
		require.Equal(b, 15*time.Second, time.Since(start))
		pushes, taken := sub.got()
		require.Equal(b, []string{"A1", "A2", "A3", "A4", "A5"}, taken)
		require.Equal(b, "5", pushes[4].header.Get(AttemptHeader))
		require.Equal(b, pushes[0].header.Get(IdempotencyHeader), pushes[4].header.Get(IdempotencyHeader))
		require.Equal(b, store.Delivery{
			Subscription: "orders", RecordID: batch[0].Header("ce_id"), Status: store.DeliveryDelivered, Attempts: 5,
			At: time.Now().UTC(), Detail: "200 OK",
		}, h.delivery(b.T, batch[0]))
		require.Equal(b, 1, h.delivery(b.T, batch[4]).Attempts)
		state, _ = h.State("orders")
		require.Equal(b, circuit.Closed, state.Circuit)
	})
}

func TestPartitionsWaitTogether(t *testing.T) {
	inBubble(t, "", func(b bubble) {
		h, w, sub := b.hub, b.w, b.sub
		sub.onPush(status(http.StatusBadGateway))
		var all sync.WaitGroup
		for _, no := range []string{"A1", "B1", "C1", "D1"} {
			batch := h.orders(b.T, no)
			all.Go(func() { require.NoError(b, w.handle(b.Context(), batch)) })
		}
		time.Sleep(2900 * time.Millisecond) //nolint:forbidigo // virtual time
		synctest.Wait()
		pushes, _ := sub.got()
		require.LessOrEqual(b, len(pushes), 5, "all four once, then one tries for all")
		require.Equal(b, 2, w.circuit.Current().Attempts)
		sub.onPush(nil)
		all.Wait()
		_, taken := sub.got()
		require.ElementsMatch(b, []string{"A1", "B1", "C1", "D1"}, taken)
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	inBubble(t, "", func(b bubble) {
		h, w, sub := b.hub, b.w, b.sub
		sub.onPush(func(rw http.ResponseWriter, _ push) {
			rw.Header().Set("Retry-After", "120")
			rw.WriteHeader(http.StatusTooManyRequests)
			sub.onPush(nil)
		})
		start := time.Now()
		require.NoError(b, w.handle(b.Context(), h.orders(b.T, "A1")))
		require.Equal(b, 2*time.Minute, time.Since(start))
		_, taken := sub.got()
		require.Equal(b, []string{"A1"}, taken)
	})
}

func TestSlowSubscriberTimesOut(t *testing.T) {
	inBubble(t, "", func(b bubble) {
		h, w, sub := b.hub, b.w, b.sub
		release := make(chan struct{})
		sub.onPush(func(rw http.ResponseWriter, _ push) {
			sub.onPush(nil)
			<-release
			rw.WriteHeader(http.StatusInternalServerError)
		})
		m := h.order(b.T, "A1")
		start := time.Now()
		require.NoError(b, w.handle(b.Context(), []bus.Message{m}))
		close(release)
		require.Equal(b, 11*time.Second, time.Since(start), "the endpoint's timeout and the first back-off")
		require.Equal(b, "no answer within 10s", w.circuit.Current().LastError)
		require.Equal(b, 2, h.delivery(b.T, m).Attempts)
	})
}

// The hub stops while it waits: at once, and what was delivered is saved.
func TestStopWhileWaiting(t *testing.T) {
	inBubble(t, "", func(b bubble) {
		h, w, sub := b.hub, b.w, b.sub
		sub.onPush(func(http.ResponseWriter, push) { sub.onPush(status(http.StatusServiceUnavailable)) })
		batch := h.orders(b.T, "A1", "A2", "A3")
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- w.handle(ctx, batch) }()
		time.Sleep(time.Hour) //nolint:forbidigo // virtual time
		synctest.Wait()
		before := time.Now()
		cancel()
		require.ErrorIs(b, <-done, context.Canceled)
		require.Zero(b, time.Since(before))
		require.Equal(b, store.DeliveryDelivered, h.delivery(b.T, batch[0]).Status)
		require.Equal(b, store.DeliveryWaiting, h.delivery(b.T, batch[1]).Status)

		// The bus hands the batch in again: the first is not sent twice.
		sub.onPush(nil)
		require.NoError(b, w.handle(b.Context(), batch))
		_, taken := sub.got()
		require.Equal(b, []string{"A1", "A2", "A3"}, taken)
	})
}

// The hub stops while a request is under way.
func TestStopWhileSending(t *testing.T) {
	inBubble(t, "", func(b bubble) {
		h, w, sub := b.hub, b.w, b.sub
		ctx, cancel := context.WithCancel(b.Context())
		release := make(chan struct{})
		sub.onPush(func(rw http.ResponseWriter, _ push) {
			cancel()
			<-release
			rw.WriteHeader(http.StatusInternalServerError)
		})
		batch := h.orders(b.T, "A1")
		require.ErrorIs(b, w.handle(ctx, batch), context.Canceled)
		close(release)
		state, _ := h.State("orders")
		require.Equal(b, circuit.Closed, state.Circuit, "that is not the subscriber's doing")
		require.Empty(b, h.delivery(b.T, batch[0]).Status)
	})
}

// A subscriber that breaks off in the middle of its answer has answered.
func TestAnswerCutShort(t *testing.T) {
	inBubble(t, "", func(b bubble) {
		h, w, sub := b.hub, b.w, b.sub
		sub.onPush(func(rw http.ResponseWriter, _ push) {
			rw.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(rw, "half")
		})
		m := h.order(b.T, "A1")
		require.NoError(b, w.handle(b.Context(), []bus.Message{m}))
		require.Equal(b, store.DeliveryDelivered, h.delivery(b.T, m).Status)
	})
}
