package bus_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap/zaptest"

	"tongqu/internal/bus"
)

// TestBrokerThatHangsIsPassedOver has one address that takes connections and
// never answers, first in the list.
func TestBrokerThatHangsIsPassedOver(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	cfg := config(broker(t))
	cfg.Brokers = append([]string{l.Addr().String()}, cfg.Brokers...)
	k := open(t, cfg, zaptest.NewLogger(t))
	require.NoError(t, k.Ready(t.Context()))
	for k.Publish(t.Context(), messages(0, 10, 5)) != nil {
		require.NoError(t, t.Context().Err())
	}
	consume(t, k, 10)
}

// TestFormerMemberLeavesTheGroup takes the coordinator away for a moment, so
// that a member has to join under another name. The group does not wait for the
// former one until its session expires.
func TestFormerMemberLeavesTheGroup(t *testing.T) {
	c := broker(t, kfake.SeedTopics(1, "t"))
	var lost atomic.Bool
	var refused atomic.Int64
	c.ControlKey(int16(kmsg.Heartbeat), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !lost.Load() {
			return nil, nil, false
		}
		res := r.ResponseKind().(*kmsg.HeartbeatResponse)
		res.ErrorCode = kerr.NotCoordinator.Code
		return res, nil, true
	})
	c.ControlKey(int16(kmsg.FindCoordinator), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !lost.Load() {
			return nil, nil, false
		}
		refused.Add(1)
		res := r.ResponseKind().(*kmsg.FindCoordinatorResponse)
		res.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return res, nil, true
	})
	cfg := config(c)
	cfg.SessionTimeout = 5 * time.Minute
	k := open(t, cfg, zaptest.NewLogger(t))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	got := make(chan bus.Message, 10)
	wg.Go(func() {
		_ = k.Subscribe(ctx, "g", []string{"t"}, func(_ context.Context, batch []bus.Message) error {
			for _, m := range batch {
				got <- m
			}
			return nil
		}, nil)
	})
	receive := func() {
		select {
		case <-got:
		case <-time.After(patience):
			require.FailNow(t, "waited too long")
		}
	}
	require.NoError(t, k.Publish(t.Context(), messages(0, 1, 1)))
	receive()
	lost.Store(true)
	require.Eventually(t, func() bool { return refused.Load() > 3 }, patience, time.Millisecond)
	lost.Store(false)
	require.NoError(t, k.Publish(t.Context(), messages(1, 2, 1)))
	receive()
}
