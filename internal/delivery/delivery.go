// Package delivery takes records from the bus to the subscriptions: filtered,
// masked, in the format the subscriber wants, in order, as often as it takes.
package delivery

import (
	"context"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"tongqu/internal/adapter"
	"tongqu/internal/backoff"
	"tongqu/internal/bus"
	"tongqu/internal/circuit"
	"tongqu/internal/directory"
	"tongqu/internal/store"
	"tongqu/internal/wire"
)

// Encoder writes canonical records (compact JSON each) as one document of a
// format, in the envelopes that it names. An error that carries faults says what
// the format cannot express.
type Encoder func(format string, bodies [][]byte, tr adapter.Transfer) (adapter.Encoded, error)

// Settings are how delivery behaves.
type Settings struct {
	// Folder is where relative folders of file endpoints lie.
	Folder string
	// Timeout bounds one HTTP request whose endpoint has none of its own.
	Timeout time.Duration
	// RetryBase and RetryLimit are the back-off with full jitter: a random time up
	// to RetryBase, doubled per failed attempt, up to RetryLimit.
	RetryBase, RetryLimit time.Duration
	// BatchBytes bounds the bodies of one batch; a larger record goes alone.
	BatchBytes int
	// Limits bound the records that are parsed.
	Limits wire.Limits
}

// NewDefaultSettings returns settings that suit subscribers on the government network.
func NewDefaultSettings() Settings {
	return Settings{
		Timeout: 30 * time.Second, RetryBase: time.Second, RetryLimit: 5 * time.Minute,
		BatchBytes: 4 << 20, Limits: wire.NewDefaultLimits(),
	}
}

func (s *Settings) folder(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.Folder, name)
}

// Rooms are the parts of the hub that delivery works with.
type Rooms struct {
	Rules
	Store   store.Store
	Bus     bus.Subscriber
	Log     *zap.Logger
	Metrics *Metrics
}

// Rules say what is delivered and how it is written. They may be replaced while
// delivery runs, see Use.
type Rules struct {
	Directory *directory.Directory
	// Masks are the masks by canonical type with version. Of a type that has none,
	// nothing goes to a subscription that needs masking.
	Masks  map[string]*directory.Masker
	Encode Encoder
}

// Delivery delivers to all subscriptions of a directory.
type Delivery struct {
	rooms    Rooms
	settings Settings
	client   *http.Client
	rules    atomic.Pointer[Rules]

	changing sync.Mutex         // one Use at a time
	mu       sync.Mutex         // guards what follows
	workers  map[string]*worker // by subscription id
	start    func(*worker)      // nil while Run does not run
}

// New makes the delivery to all subscriptions of the directory. Close it at last.
func New(r Rooms, s Settings) *Delivery {
	d := &Delivery{rooms: r, settings: s, client: newClient(), workers: map[string]*worker{}}
	d.rules.Store(&r.Rules)
	for _, sub := range r.Directory.Subscriptions() {
		d.workers[sub.ID] = d.newWorker(sub)
	}
	return d
}

func (d *Delivery) newWorker(sub *directory.Subscription) *worker {
	d.rooms.Metrics.expect(sub.ID)
	return &worker{
		rooms: &d.rooms, rules: &d.rules, settings: &d.settings, subscription: sub, sender: d.newSender(sub),
		circuit: circuit.New(d.settings.RetryBase, d.settings.RetryLimit, rand.Float64),
	}
}

// Use puts other rules in force. What is being sent ends by those it began with.
// A subscription that stayed the same goes on undisturbed; one that is gone stops,
// a new one begins, and one that changed stops and begins again where it was.
// The topics of new ones have to exist, or be on their way.
func (d *Delivery) Use(r Rules) {
	d.changing.Lock()
	defer d.changing.Unlock()
	wanted := map[string]*directory.Subscription{}
	for _, sub := range r.Directory.Subscriptions() {
		wanted[sub.ID] = sub
	}
	d.rules.Store(&r)
	var stopped []*worker
	d.mu.Lock()
	for id, w := range d.workers {
		if sub := wanted[id]; sub != nil && reflect.DeepEqual(sub, w.subscription) {
			delete(wanted, id)
			continue
		}
		if w.stop != nil {
			w.stop()
		}
		delete(d.workers, id)
		d.rooms.Metrics.forget(id)
		stopped = append(stopped, w)
	}
	d.mu.Unlock()
	for _, w := range stopped {
		if w.done != nil {
			<-w.done // two workers of one subscription would share its partitions
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, sub := range wanted {
		w := d.newWorker(sub)
		d.workers[id] = w
		if d.start != nil {
			d.start(w)
		}
	}
}

// Group is the consumer group of a subscription.
func Group(subscription string) string { return "tongqu.delivery." + subscription }

// Run delivers until ctx ends. Each subscription goes its own way: none waits
// for another.
func (d *Delivery) Run(ctx context.Context) error {
	var running sync.WaitGroup
	d.mu.Lock()
	d.start = func(w *worker) {
		own, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		w.stop, w.done = stop, done
		running.Go(func() {
			defer close(done)
			defer stop()
			d.consume(own, w)
		})
	}
	for _, w := range d.workers {
		d.start(w)
	}
	d.mu.Unlock()
	<-ctx.Done()
	d.mu.Lock()
	d.start = nil
	d.mu.Unlock()
	running.Wait()
	return nil
}

func (d *Delivery) worker(subscription string) (*worker, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w, ok := d.workers[subscription]
	return w, ok
}

// consume subscribes for a worker, again when the bus gives up before ctx ends.
func (d *Delivery) consume(ctx context.Context, w *worker) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		err := d.rooms.Bus.Subscribe(ctx, Group(w.subscription.ID), w.subscription.Topics(), w.handle, w.missed)
		if err == nil || ctx.Err() != nil {
			return
		}
		d.rooms.Log.Error("consuming", zap.String("subscription", w.subscription.ID), zap.Error(err))
		if backoff.Wait(ctx, backoff.Delay(attempt, d.settings.RetryBase, d.settings.RetryLimit, rand.Float64)) != nil {
			return
		}
	}
}

// State returns how the subscription is doing; false when there is none of that id.
func (d *Delivery) State(subscription string) (circuit.State, bool) {
	w, ok := d.worker(subscription)
	if !ok {
		return circuit.State{}, false
	}
	return w.circuit.Current(), true
}

// Close lets go of the connections to the subscribers. Call it when Run and
// Resend have returned.
func (d *Delivery) Close() { d.client.CloseIdleConnections() }
