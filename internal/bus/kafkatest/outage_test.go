package kafkatest_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"tongqu/internal/bus"
	"tongqu/internal/bus/kafkatest"
)

// outages takes brokers away under load and gives them back. Publisher and
// subscribers go on by themselves; afterwards every acknowledged message is
// accounted for by its number.
func outages(t *testing.T, c *kafkatest.Cluster) {
	t.Helper()
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, c *kafkatest.Cluster, l *load)
	}{
		{"a broker is lost and comes back", func(t *testing.T, c *kafkatest.Cluster, l *load) {
			t.Helper()
			victim := (c.Controller(t) + 1) % 3
			require.Contains(t, c.Leaders(t, l.topic), victim)
			c.Kill(victim)
			l.progress(t, "without the broker")
			require.NotContains(t, c.Leaders(t, l.topic), victim)
			c.Repair(t)
		}},
		{"the active controller is lost and comes back", func(t *testing.T, c *kafkatest.Cluster, l *load) {
			t.Helper()
			victim := c.Controller(t)
			c.Kill(victim)
			l.progress(t, "without the controller")
			require.NotEqual(t, victim, c.Controller(t))
			c.Repair(t)
		}},
		{"the group's coordinator is lost and comes back", func(t *testing.T, c *kafkatest.Cluster, l *load) {
			t.Helper()
			victim := c.Coordinator(t, l.topic)
			c.Kill(victim)
			l.progress(t, "without the coordinator")
			c.Repair(t)
		}},
		{"a broker hangs and goes on", func(t *testing.T, c *kafkatest.Cluster, l *load) {
			t.Helper()
			c.Freeze(t, 0) // the first one in everybody's list
			l.progress(t, "with a broker that hangs")
			k := open(t, l.config())
			require.NoError(t, k.Ready(t.Context()))
			newTopic(t, k)
			l.awaitShare(t)
			l.progress(t, "with a third member")
			c.Repair(t)
		}},
		{"two of three brokers are lost and come back", func(t *testing.T, c *kafkatest.Cluster, l *load) {
			t.Helper()
			c.Kill(0, 1)
			l.fails(t)
			acked := l.count()
			l.fails(t)
			require.Equal(t, acked, l.count(), "one broker is not enough to acknowledge")
			c.Repair(t)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Cleanup(func() { c.Repair(t) })
			l := startLoad(t, c)
			l.progress(t, "before")
			tt.run(t, c, l)
			l.progress(t, "afterwards")
			l.account(t)
		})
	}
}

// rebalances lets members join and leave while a handler is in the middle of a
// batch. What was handled only in part comes again.
func rebalances(t *testing.T, c *kafkatest.Cluster) {
	t.Helper()
	l := startLoad(t, c)
	l.progress(t, "with two members")
	for range 3 {
		busy, ended := make(chan struct{}, 100), make(chan struct{}, 100)
		leave := l.join(t, func(ctx context.Context, batch []bus.Message) error {
			l.take(batch[:len(batch)/2])
			busy <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return ctx.Err()
		})
		<-busy
		leaveToo := l.join(t, l.handle)
		<-ended // the newcomer's share was taken from all
		<-busy
		leave()
		leaveToo()
	}
	l.progress(t, "with two members again")
	l.account(t)
	require.Positive(t, l.duplicates, "no batch was interrupted")
}

// load publishes to a topic, and consumes it with a group of its name.
type load struct {
	c      *kafkatest.Cluster
	topic  string
	change chan struct{} // replaced and closed whenever a number below changes

	mu         sync.Mutex
	acked      int // messages 0..acked-1 are acknowledged
	failures   int // refused batches
	got        []int
	seen       map[int]bool
	whole      int // messages 0..whole-1 were received
	duplicates int
	last       time.Time
	pause      time.Duration // the longest without a new message

	stop func()
}

const loadKeys = 40

// startLoad starts one publisher and two members.
func startLoad(t *testing.T, c *kafkatest.Cluster) *load {
	t.Helper()
	l := &load{c: c, change: make(chan struct{}), seen: map[int]bool{}, last: time.Now()}
	k := open(t, l.config())
	l.topic = newTopic(t, k)
	for range 2 {
		l.join(t, l.handle)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	l.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(l.stop)
	wg.Go(func() { l.publish(ctx, k) })
	return l
}

func (l *load) config() bus.Config {
	cfg := l.c.Config(kafkatest.Plain)
	cfg.Partitions = 6
	cfg.SessionTimeout = 6 * time.Second
	return cfg
}

// publish sends batch after batch, each again until it is acknowledged.
func (l *load) publish(ctx context.Context, k *bus.Kafka) {
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for from := 0; ctx.Err() == nil; from += 50 {
		batch := numbered(l.topic, from, from+50, loadKeys)
		for {
			err := k.Publish(context.WithoutCancel(ctx), batch)
			if err == nil {
				l.update(func() { l.acked += len(batch) })
				break
			}
			l.update(func() { l.failures++ })
		}
		<-pace.C
	}
}

// join adds a member until leave is called.
func (l *load) join(t *testing.T, h bus.Handler) (leave func()) {
	t.Helper()
	k, err := bus.New(l.config(), zaptest.NewLogger(t))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = k.Subscribe(ctx, l.topic, []string{l.topic}, h, nil) })
	leave = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		require.NoError(t, k.Close())
	})
	t.Cleanup(leave)
	return leave
}

// handle takes a batch one message after the other, until ctx ends.
func (l *load) handle(ctx context.Context, batch []bus.Message) error {
	for i := range batch {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.take(batch[i : i+1])
	}
	return nil
}

func (l *load) take(batch []bus.Message) {
	l.update(func() {
		for _, m := range batch {
			n, err := strconv.Atoi(string(m.Value))
			if err != nil {
				panic(err)
			}
			if l.seen[n] {
				l.duplicates++
				continue
			}
			l.seen[n] = true
			l.got = append(l.got, n)
			l.pause = max(l.pause, time.Since(l.last))
			l.last = time.Now()
		}
		for l.seen[l.whole] {
			l.whole++
		}
	})
}

// awaitShare adds a member and waits until it got messages.
func (l *load) awaitShare(t *testing.T) {
	t.Helper()
	some := false
	l.join(t, func(ctx context.Context, batch []bus.Message) error {
		l.update(func() { some = true })
		return l.handle(ctx, batch)
	})
	l.await(t, "a share for another member", func() bool { return some })
}

func (l *load) update(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	close(l.change)
	l.change = make(chan struct{})
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked
}

// await waits until the condition holds; it is asked under the lock.
func (l *load) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(patience)
	for {
		l.mu.Lock()
		ok, change := holds(), l.change
		acked, got := l.acked, len(l.got)
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-change:
		case <-limit:
			require.FailNow(t, "waited too long: "+what, "%d acknowledged, %d received", acked, got)
		}
	}
}

// progress waits until 2000 messages more are acknowledged and all of these received.
func (l *load) progress(t *testing.T, what string) {
	t.Helper()
	goal := l.count() + 2000
	l.await(t, what, func() bool { return l.acked >= goal && l.whole >= goal })
}

// fails waits until a batch is refused.
func (l *load) fails(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	before := l.failures
	l.mu.Unlock()
	l.await(t, "a refusal", func() bool { return l.failures > before })
}

// account ends the load and settles it: everything acknowledged was received,
// nothing that was never sent, and each key's messages first came in order.
func (l *load) account(t *testing.T) {
	t.Helper()
	l.stop()
	l.await(t, "the rest", func() bool { return l.whole >= l.acked })
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Len(t, l.got, l.acked, "received without having been sent")
	byKey := make([][]int, loadKeys)
	for _, n := range l.got {
		byKey[n%loadKeys] = append(byKey[n%loadKeys], n)
	}
	for key, numbers := range byKey {
		require.True(t, slices.IsSorted(numbers), "key %d", key)
	}
	t.Logf("%d messages acknowledged and received, %d came twice; %d batches refused first; longest pause %v",
		l.acked, l.duplicates, l.failures, l.pause.Round(10*time.Millisecond))
}
