package bustest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/bus"
)

// lateTopic subscribes to a topic that another instance makes afterwards.
func lateTopic(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, nil)
	first := topic(t, k)
	late := first + ".late"
	s := newSink()
	subscribe(t, k, first, []string{first, late}, s.take)
	require.NoError(t, open(t, b, nil).EnsureTopics(t.Context(), []string{late}))
	publish(t, k, numbered(late, 0, 50, 5))
	s.wait(t, "all messages", atLeast(50))
}

func resume(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, nil)
	name := topic(t, k)
	publish(t, k, numbered(name, 0, 500, 11))

	one := newSink()
	stop := subscribe(t, k, name, []string{name}, one.take)
	one.wait(t, "the first half", atLeast(200))
	stop()
	publish(t, k, numbered(name, 500, 1000, 11))

	other := open(t, b, nil)
	two := newSink()
	subscribe(t, other, name, []string{name}, two.take)
	got := len(one.messages())
	all := two.wait(t, "the rest", atLeast(1000-got))
	require.Len(t, all, 1000-got, "an orderly stop commits all that was handled")
	requireOrder(t, append(one.messages(), all...))
	require.Equal(t, 1000, distinct(append(one.messages(), all...)))
}

func members(t *testing.T, b Broker) {
	t.Helper()
	producer := open(t, b, nil)
	name := topic(t, producer)
	both := newSink()
	var partitions [2]sync.Map
	handler := func(i int) bus.Handler {
		return func(ctx context.Context, batch []bus.Message) error {
			partitions[i].Store(batch[0].Partition, true)
			return both.take(ctx, batch)
		}
	}
	count := func(i int) (n int) {
		partitions[i].Range(func(any, any) bool { n++; return true })
		return n
	}
	var stops [2]func()
	sent := 0
	more := func() {
		publish(t, producer, numbered(name, sent, sent+100, 50))
		sent += 100
		both.wait(t, "the new messages", atLeast(sent))
	}
	stops[0] = subscribe(t, open(t, b, nil), name, []string{name}, handler(0))
	more()
	require.Equal(t, 4, count(0), "a lone member has all partitions")

	stops[1] = subscribe(t, open(t, b, nil), name, []string{name}, handler(1))
	for start := time.Now(); count(1) < 2; {
		require.Less(t, time.Since(start), patience, "the second member got no share")
		more()
	}
	partitions[0].Clear()
	more()
	require.Equal(t, 2, count(0))
	require.Equal(t, 2, count(1))

	stops[0]()
	for start := time.Now(); count(1) < 4; {
		require.Less(t, time.Since(start), patience, "the second member did not take over")
		more()
	}
	require.Equal(t, sent, distinct(both.messages()))
}

func handlerError(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, nil)
	name := topic(t, k)
	publish(t, k, numbered(name, 0, 50, 1))
	s := newSink()
	var tries [][]bus.Message
	subscribe(t, k, name, []string{name}, func(ctx context.Context, batch []bus.Message) error {
		if len(tries) < 3 {
			tries = append(tries, batch)
			return errors.New("not now")
		}
		return s.take(ctx, batch)
	})
	all := s.wait(t, "all messages", atLeast(50))
	require.Len(t, all, 50)
	for _, batch := range tries {
		require.Equal(t, tries[0], batch, "the same batch comes again")
	}
	require.Equal(t, tries[0][0], all[0])
}

func handlerPanic(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, nil)
	name := topic(t, k)
	publish(t, k, numbered(name, 0, 10, 1))
	s := newSink()
	var once sync.Once
	subscribe(t, k, name, []string{name}, func(ctx context.Context, batch []bus.Message) error {
		once.Do(func() { panic("a bug") })
		return s.take(ctx, batch)
	})
	require.Len(t, s.wait(t, "all messages", atLeast(10)), 10)
}

// blockedHandler blocks one partition for longer than the session timeout: the
// other ones go on, and no other member gets the blocked one.
func blockedHandler(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, nil)
	name := topic(t, k)
	s := newSink()
	blocked := make(chan int, 1)
	var once sync.Once
	release := make(chan struct{})
	subscribe(t, k, name, []string{name}, func(ctx context.Context, batch []bus.Message) error {
		first := false
		once.Do(func() { first = true })
		if first {
			blocked <- batch[0].Partition
			select {
			case <-release:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return s.take(ctx, batch)
	})
	publish(t, k, numbered(name, 0, 1, 1))
	stuck := <-blocked
	start := time.Now()
	sent := 1
	for time.Since(start) < 8*time.Second { // the session timeout is 6 s
		publish(t, k, numbered(name, sent, sent+100, 40))
		sent += 100
		s.wait(t, "the other partitions", func(all []bus.Message) bool {
			parts := map[int]bool{}
			for _, m := range all {
				parts[m.Partition] = true
			}
			return len(parts) == 3 && !parts[stuck]
		})
	}
	close(release)
	all := s.wait(t, "all messages", atLeast(sent))
	require.Len(t, all, sent, "a rebalance would have brought some twice")
	requireOrder(t, all)
}

func stopDuringHandler(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, nil)
	name := topic(t, k)
	publish(t, k, numbered(name, 0, 10, 1))
	running := make(chan struct{})
	stop := subscribe(t, k, name, []string{name}, func(ctx context.Context, _ []bus.Message) error {
		close(running)
		<-ctx.Done()
		return ctx.Err()
	})
	<-running
	start := time.Now()
	stop()
	require.Less(t, time.Since(start), 5*time.Second)

	s := newSink()
	subscribe(t, k, name, []string{name}, s.take)
	require.Len(t, s.wait(t, "all messages", atLeast(10)), 10, "what was not handled is not committed")
}

func lag(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, nil)
	name, idle := topic(t, k), topic(t, k)
	publish(t, k, numbered(name, 0, 100, 10))
	var got map[string]int64
	var err error
	require.Eventually(t, func() bool { // a coordinator may take its time to be one
		got, err = k.Lag(t.Context(), name, []string{name, idle})
		return err == nil
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, map[string]int64{name: 100, idle: 0}, got, "a group that never committed lacks all")

	s := newSink()
	stop := subscribe(t, k, name, []string{name}, s.take)
	s.wait(t, "all messages", atLeast(100))
	require.Eventually(t, func() bool {
		got, err := k.Lag(t.Context(), name, []string{name})
		return err == nil && got[name] == 0
	}, patience, 10*time.Millisecond, "commits come by themselves")
	stop()
	publish(t, k, numbered(name, 100, 130, 10))
	got, err = k.Lag(t.Context(), name, []string{name})
	require.NoError(t, err)
	require.EqualValues(t, 30, got[name])
	require.NoError(t, k.Ready(t.Context()))
}

// restart stops the broker under a publisher and a subscriber. Both go on by
// themselves; nothing acknowledged is lost and each key keeps its order.
func restart(t *testing.T, b Broker) {
	t.Helper()
	if b.Restart == nil {
		t.Skip("this broker cannot be restarted by the test")
	}
	k := open(t, b, nil)
	name := topic(t, k)
	s := newSink()
	subscribe(t, k, name, []string{name}, s.take)
	publish(t, k, numbered(name, 0, 100, 10))
	s.wait(t, "the messages before", atLeast(100))

	var sent atomic.Int64
	sent.Store(100)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			from := int(sent.Load())
			publish(t, k, numbered(name, from, from+50, 10)) // again and again until it succeeds
			sent.Add(50)
		}
	})
	for range 3 {
		s.wait(t, "messages between restarts", atLeast(int(sent.Load())+50))
		b.Restart(t)
	}
	s.wait(t, "messages after the last restart", atLeast(int(sent.Load())+50))
	close(stop)
	wg.Wait()
	all := s.wait(t, "all messages", atLeast(int(sent.Load())))
	requireOrder(t, all)
	require.Equal(t, int(sent.Load()), distinct(all))
	require.NoError(t, k.Ready(t.Context()))
}
