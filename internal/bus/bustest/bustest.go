// Package bustest is the suite that every broker must pass together with
// package bus: the embedded one, and any Kafka.
package bustest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"tongqu/internal/bus"
)

// patience bounds every wait of the suite; reaching it is a failure.
const patience = 60 * time.Second

// Broker is what the suite runs against.
type Broker struct {
	// Config reaches the broker.
	Config bus.Config
	// Restart stops the broker and starts it again on the same data and address;
	// nil when it cannot be restarted, then those tests are left out.
	Restart func(t *testing.T)
}

// Run runs the suite; start is called for every test and may give all the same
// broker: the test that restarts it runs alone, after the others.
func Run(t *testing.T, start func(t *testing.T) Broker) {
	t.Helper()
	tests := []struct {
		name string
		test func(t *testing.T, b Broker)
	}{
		{"order per key", orderPerKey},
		{"contents round trip", contents},
		{"a lane longer than a batch", longLane},
		{"too large", tooLarge},
		{"nothing to publish and unknown topics", odd},
		{"placement as in Java", placement},
		{"a topic made later", lateTopic},
		{"resume", resume},
		{"members share and take over", members},
		{"handler error", handlerError},
		{"handler panic", handlerPanic},
		{"blocked handler", blockedHandler},
		{"stop during a handler", stopDuringHandler},
		{"lag", lag},
		{"expired messages are told", gaps},
	}
	t.Run("together", func(t *testing.T) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				tt.test(t, start(t))
			})
		}
	})
	t.Run("restart", func(t *testing.T) { restart(t, start(t)) })
}

// open returns a bus with the suite's short intervals.
func open(t *testing.T, b Broker, change func(c *bus.Config)) *bus.Kafka {
	t.Helper()
	c := b.Config
	c.Partitions = 4
	c.HeartbeatInterval = 200 * time.Millisecond
	c.SessionTimeout = 6 * time.Second
	c.CommitInterval = 20 * time.Millisecond
	if change != nil {
		change(&c)
	}
	k, err := bus.New(c, zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

// topic creates a topic of its own for the test.
func topic(t *testing.T, k *bus.Kafka) string {
	t.Helper()
	name := "tongqu.test." + strconv.FormatUint(rand.Uint64(), 36) //nolint:gosec // a name, no secret
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, k.EnsureTopics(ctx, []string{name}))
	return name
}

// numbered returns messages from..to-1 over the given number of keys; the value
// is the number, and grows within each key.
func numbered(topic string, from, to, keys int) []bus.Message {
	batch := make([]bus.Message, 0, to-from)
	for i := from; i < to; i++ {
		batch = append(batch, bus.Message{
			Topic: topic, Key: fmt.Sprintf("单号-%d", i%keys), Value: []byte(strconv.Itoa(i)), Time: time.Now(),
		})
	}
	return batch
}

func publish(t *testing.T, k *bus.Kafka, batch []bus.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := k.Publish(ctx, batch)
		if err == nil {
			return
		}
		require.NoError(t, ctx.Err(), "publishing: %v", err)
	}
}

// sink collects what members receive.
type sink struct {
	mu      sync.Mutex
	all     []bus.Message
	batches [][]bus.Message
	more    chan struct{}
}

func newSink() *sink { return &sink{more: make(chan struct{}, 1)} }

// take is a Handler.
func (s *sink) take(_ context.Context, batch []bus.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, batch...)
	s.batches = append(s.batches, batch)
	select {
	case s.more <- struct{}{}:
	default:
	}
	return nil
}

func (s *sink) messages() []bus.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]bus.Message(nil), s.all...)
}

// wait blocks until done holds for what came so far.
func (s *sink) wait(t *testing.T, what string, done func(all []bus.Message) bool) []bus.Message {
	t.Helper()
	limit := time.After(patience)
	for {
		all := s.messages()
		if done(all) {
			return all
		}
		select {
		case <-s.more:
		case <-limit:
			require.FailNow(t, "waited too long for "+what, "%d messages came", len(all))
		}
	}
}

// distinct counts different values.
func distinct(all []bus.Message) int {
	seen := map[string]bool{}
	for _, m := range all {
		seen[string(m.Value)] = true
	}
	return len(seen)
}

func atLeast(n int) func([]bus.Message) bool {
	return func(all []bus.Message) bool { return distinct(all) >= n }
}

// requireOrder checks that within each key the first appearances grow.
func requireOrder(t *testing.T, all []bus.Message) {
	t.Helper()
	last := map[string]int{}
	seen := map[string]bool{}
	for _, m := range all {
		if seen[string(m.Value)] {
			continue
		}
		seen[string(m.Value)] = true
		n, err := strconv.Atoi(string(m.Value))
		require.NoError(t, err)
		if before, ok := last[m.Key]; ok {
			require.Greater(t, n, before, "key %s", m.Key)
		}
		last[m.Key] = n
	}
}

// subscribe runs a member until stop is called, which waits for its end.
func subscribe(t *testing.T, k *bus.Kafka, group string, topics []string, h bus.Handler) (stop func()) {
	t.Helper()
	return subscribeTold(t, k, group, topics, h, nil)
}

// subscribeTold runs one that is told of gaps.
func subscribeTold(t *testing.T, k *bus.Kafka, group string, topics []string, h bus.Handler, missed bus.GapHandler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Subscribe(ctx, group, topics, h, missed) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(patience):
			require.FailNow(t, "Subscribe did not end")
		}
	})
	t.Cleanup(stop)
	return stop
}
