package relay

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"tongqu/internal/bus"
	"tongqu/internal/bus/embedded"
	"tongqu/internal/record"
	"tongqu/internal/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// patience bounds the waits of tests; reaching it is a failure.
const patience = 30 * time.Second

// memory is an outbox in memory.
type memory struct {
	mu        sync.Mutex
	records   []record.Record
	published map[string]bool
	recorded  chan struct{}
	fail      func(call string) error // nil: never
}

var _ store.Outbox = (*memory)(nil)

func newMemory() *memory {
	return &memory{published: map[string]bool{}, recorded: make(chan struct{}, 1)}
}

// record adds n records over 7 keys and signals them.
func (m *memory) record(n int) {
	m.add(n)
	select {
	case m.recorded <- struct{}{}:
	default:
	}
}

func (m *memory) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range n {
		r := order()
		r.Seq = int64(len(m.records) + 1)
		r.Index = int(r.Seq)
		r.ID = record.ID(documentID, r.Index)
		r.Keys = []record.Key{{Name: "order", Value: fmt.Sprint("单-", r.Seq%7)}}
		r.Body = fmt.Appendf(nil, `{"n":%d}`, r.Seq)
		m.records = append(m.records, r)
	}
}

func (m *memory) failing(call string) error {
	if m.fail == nil {
		return nil
	}
	return m.fail(call)
}

func (m *memory) Unpublished(_ context.Context, limit int) ([]record.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("Unpublished"); err != nil {
		return nil, err
	}
	var batch []record.Record
	for _, r := range m.records {
		if !m.published[r.ID] && len(batch) < limit {
			batch = append(batch, r)
		}
	}
	return batch, nil
}

func (m *memory) MarkPublished(_ context.Context, batch []record.Record, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("MarkPublished"); err != nil {
		return err
	}
	for _, r := range batch {
		m.published[r.ID] = true
	}
	return nil
}

func (m *memory) Recorded() <-chan struct{} { return m.recorded }

func (m *memory) unpublished() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.records) - len(m.published)
}

// through lets a publisher's calls be changed.
type through func(ctx context.Context, batch []bus.Message) error

func (p through) Publish(ctx context.Context, batch []bus.Message) error { return p(ctx, batch) }

func quick() Settings {
	s := NewDefaultSettings()
	s.RetryBase, s.RetryMax = time.Millisecond, 20*time.Millisecond
	return s
}

// run runs the relay until stop, again when it is stuck.
func run(t *testing.T, r *Relay) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		err := r.Run(ctx)
		for errors.Is(err, ErrStuck) {
			err = r.Run(ctx)
		}
		ended <- err
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return stop
}

func openBus(t *testing.T, dir string) (*embedded.Broker, *bus.Kafka) {
	t.Helper()
	broker, err := embedded.Start(embedded.Config{Dir: dir}, zap.NewNop())
	require.NoError(t, err)
	k, err := bus.New(broker.BusConfig(), zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, k.Close())
		require.NoError(t, broker.Close())
	})
	require.NoError(t, k.EnsureTopics(t.Context(), []string{record.Topic("trade.order.v1")}))
	return broker, k
}

// receive returns the first n distinct records that are on the bus, and checks
// that each key's first appearances are in the order of recording.
func receive(t *testing.T, k *bus.Kafka, n int) []record.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var mu sync.Mutex
	var got []record.Record
	seen, last := map[string]bool{}, map[string]int64{}
	var wrong error
	err := k.Subscribe(ctx, t.Name(), []string{record.Topic("trade.order.v1")}, func(_ context.Context, batch []bus.Message) error {
		mu.Lock()
		defer mu.Unlock()
		for i := range batch {
			r, err := FromMessage(&batch[i])
			if err != nil {
				wrong = errors.Join(wrong, err)
				continue
			}
			if seen[r.ID] {
				continue
			}
			seen[r.ID] = true
			if key := r.Keys[0].Value; r.Seq > last[key] {
				last[key] = r.Seq
			} else {
				wrong = errors.Join(wrong, fmt.Errorf("key %s: %d after %d", key, r.Seq, last[key]))
			}
			got = append(got, r)
		}
		if len(got) >= n {
			cancel()
		}
		return nil
	}, nil)
	require.NoError(t, err)
	require.NoError(t, wrong)
	require.Len(t, got, n)
	return got
}

func TestRelayCarriesEverythingInOrder(t *testing.T) {
	_, k := openBus(t, t.TempDir())
	outbox := newMemory()
	s := quick()
	s.Batch = 100
	outbox.record(350)
	r := New(outbox, k, s, zaptest.NewLogger(t))
	run(t, r)
	receive(t, k, 350)
	for range 5 {
		outbox.record(37)
	}
	require.Eventually(t, func() bool { return outbox.unpublished() == 0 && r.State().Published == 535 }, patience, 5*time.Millisecond)
	state := r.State()
	require.Zero(t, state.Failures)
	require.NoError(t, state.LastError)
	require.Zero(t, state.Behind(time.Now()))
}

func TestRelayOutlivesTheBroker(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "broker")
	broker, k := openBus(t, dir)
	addr := broker.Addrs()[0]
	outbox := newMemory()
	outbox.record(50)
	r := New(outbox, k, quick(), zaptest.NewLogger(t))
	run(t, r)
	require.Eventually(t, func() bool { return outbox.unpublished() == 0 }, patience, 5*time.Millisecond)

	require.NoError(t, broker.Close())
	outbox.record(50)
	require.Eventually(t, func() bool { return r.State().Failures > 0 }, patience, 5*time.Millisecond)
	state := r.State()
	require.Error(t, state.LastError)
	require.Equal(t, order().ReceivedAt, state.Oldest)
	require.Equal(t, time.Minute, state.Behind(state.Oldest.Add(time.Minute)))
	require.Equal(t, 50, outbox.unpublished())

	again, err := embedded.Start(embedded.Config{Dir: dir, Listen: addr}, zap.NewNop())
	require.NoError(t, err)
	defer func() { require.NoError(t, again.Close()) }()
	receive(t, k, 100)
	require.Eventually(t, func() bool { return outbox.unpublished() == 0 && r.State().Failures == 0 }, patience, 5*time.Millisecond)
}

// TestRelayRepeatsABatchFromItsStart breaks every other publication after part
// of the batch went out.
func TestRelayRepeatsABatchFromItsStart(t *testing.T) {
	_, k := openBus(t, t.TempDir())
	outbox := newMemory()
	calls := 0
	broken := through(func(ctx context.Context, batch []bus.Message) error {
		if calls++; calls%2 == 0 {
			return k.Publish(ctx, batch)
		}
		if err := k.Publish(ctx, batch[:len(batch)/2]); err != nil {
			return err
		}
		return errors.New("broken off")
	})
	s := quick()
	s.Batch = 30
	outbox.record(200)
	run(t, New(outbox, broken, s, zaptest.NewLogger(t)))
	receive(t, k, 200)
	require.Eventually(t, func() bool { return outbox.unpublished() == 0 }, patience, 5*time.Millisecond)
}

func TestRelayAfterACrashPublishesTheSameIDs(t *testing.T) {
	_, k := openBus(t, t.TempDir())
	outbox := newMemory()
	outbox.record(20)
	crashed := make(chan struct{})
	outbox.fail = func(call string) error {
		if call == "MarkPublished" {
			select {
			case <-crashed:
			default:
				close(crashed)
			}
			return errors.New("no disk")
		}
		return nil
	}
	stop := run(t, New(outbox, k, quick(), zaptest.NewLogger(t)))
	<-crashed
	stop()
	outbox.mu.Lock()
	outbox.fail = nil
	outbox.mu.Unlock()
	outbox.record(5)
	run(t, New(outbox, k, quick(), zaptest.NewLogger(t)))
	receive(t, k, 25)
}

func TestRelayCarriesALargeBodyByReference(t *testing.T) {
	_, k := openBus(t, t.TempDir())
	outbox := newMemory()
	outbox.record(10)
	for _, i := range []int{3, 7} {
		outbox.records[i].Body = make([]byte, 2_000_000)
	}
	r := New(outbox, k, quick(), zaptest.NewLogger(t))
	run(t, r)
	for _, got := range receive(t, k, 10) {
		if large := got.Seq == 4 || got.Seq == 8; large {
			require.Nil(t, got.Body)
		} else {
			require.Equal(t, fmt.Sprintf(`{"n":%d}`, got.Seq), string(got.Body))
		}
	}
	require.NoError(t, r.State().LastError, "it is no failure")
}

func TestRelayMarksWithoutPublishingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outbox := newMemory()
		outbox.record(3)
		marks := 0
		outbox.fail = func(call string) error {
			if call == "MarkPublished" {
				if marks++; marks < 4 {
					return errors.New("no disk")
				}
			}
			return nil
		}
		var sent []bus.Message
		r := New(outbox, through(func(_ context.Context, batch []bus.Message) error {
			sent = append(sent, batch...)
			return nil
		}), NewDefaultSettings(), zap.NewNop())
		stop := run(t, r)
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		require.Len(t, sent, 3)
		require.Zero(t, outbox.unpublished())
		require.EqualValues(t, 3, r.State().Published)
		stop()
	})
}

// TestRelayTimes checks when the relay looks at the outbox.
func TestRelayTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outbox := newMemory()
		var at []time.Duration
		start := time.Now()
		r := New(outbox, through(func(_ context.Context, batch []bus.Message) error {
			at = append(at, time.Since(start))
			if len(at) == 1 {
				return errors.New("once")
			}
			return nil
		}), Settings{Batch: 10, Tick: time.Second, Linger: 20 * time.Millisecond, RetryBase: time.Nanosecond, RetryMax: time.Nanosecond}, zap.NewNop())
		stop := run(t, r)
		synctest.Wait()
		outbox.record(25)
		time.Sleep(100 * time.Millisecond) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		for i := range at {
			at[i] = at[i].Round(time.Millisecond)
		}
		linger := 20 * time.Millisecond
		require.Equal(t, []time.Duration{linger, linger, linger, linger}, at, "one failure, then full batches at once and the rest")

		outbox.add(1)                       // and the signal is lost
		time.Sleep(1100 * time.Millisecond) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		require.Zero(t, outbox.unpublished(), "the tick finds it")
		stop()
	})
}

func TestRelaySurvivesAnOutboxThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outbox := newMemory()
		var calls []string
		outbox.fail = func(call string) error {
			if calls = append(calls, call); len(calls) < 20 {
				return errors.New("no disk")
			}
			return nil
		}
		r := New(outbox, through(func(context.Context, []bus.Message) error { return nil }), NewDefaultSettings(), zap.NewNop())
		stop := run(t, r)
		start := time.Now()
		outbox.record(1)
		for outbox.unpublished() > 0 {
			time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
			synctest.Wait()
		}
		require.Less(t, time.Since(start), 20*10*time.Second, "no pause is longer than the limit")
		require.Zero(t, r.State().Failures)
		stop()
	})
}

// TestRelayThatIsStuckLeavesItsWork has a relay give up, and later go on where it was.
func TestRelayThatIsStuckLeavesItsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outbox := newMemory()
		outbox.record(3)
		away := errors.New("no brokers")
		r := New(outbox, through(func(context.Context, []bus.Message) error { return away }), NewDefaultSettings(), zap.NewNop())
		start := time.Now()
		err := r.Run(t.Context())
		require.ErrorIs(t, err, ErrStuck)
		require.ErrorIs(t, err, away)
		require.LessOrEqual(t, time.Since(start), 5*time.Second)
		require.Equal(t, 3, outbox.unpublished())
		require.NoError(t, r.State().LastError, "what waits is another hub's now")
		away = nil
		stop := run(t, r)
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		require.Zero(t, outbox.unpublished())
		stop()
	})
}
