// Package delivery takes records from the bus to the subscriptions: filtered,
// masked, in the format the subscriber wants, in order, as often as it takes.
package delivery

import (
	"context"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
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

// Encoder writes canonical records (compact JSON each) as one document of the
// format ADAPTER/MESSAGE. An error that carries faults says what the format
// cannot express.
type Encoder func(format string, bodies [][]byte) (adapter.Encoded, error)

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
	Directory *directory.Directory
	Store     store.Store
	Bus       bus.Subscriber
	// Masks are the masks by canonical type with version. Of a type that has none,
	// nothing goes to a subscription that needs masking.
	Masks   map[string]*directory.Masker
	Encode  Encoder
	Log     *zap.Logger
	Metrics *Metrics
}

// Delivery delivers to all subscriptions of a directory.
type Delivery struct {
	rooms    Rooms
	settings Settings
	client   *http.Client
	workers  map[string]*worker // by subscription id; fixed
}

// New makes the delivery to all subscriptions of the directory. Close it at last.
func New(r Rooms, s Settings) *Delivery {
	d := &Delivery{rooms: r, settings: s, client: newClient(), workers: map[string]*worker{}}
	for _, sub := range r.Directory.Subscriptions() {
		w := &worker{
			rooms: &d.rooms, settings: &d.settings, subscription: sub, sender: d.newSender(sub),
			circuit: circuit.New(s.RetryBase, s.RetryLimit, rand.Float64),
		}
		d.workers[sub.ID] = w
		r.Metrics.expect(sub.ID)
	}
	return d
}

// Group is the consumer group of a subscription.
func Group(subscription string) string { return "tongqu.delivery." + subscription }

// Topics are the topics that Run consumes; they have to exist.
func (d *Delivery) Topics() []string {
	seen := map[string]bool{}
	var topics []string
	for _, s := range d.rooms.Directory.Subscriptions() {
		for _, t := range s.Topics() {
			if !seen[t] {
				seen[t] = true
				topics = append(topics, t)
			}
		}
	}
	return topics
}

// Run delivers until ctx ends. Each subscription goes its own way: none waits
// for another.
func (d *Delivery) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, w := range d.workers {
		running.Go(func() { d.consume(ctx, w) })
	}
	running.Wait()
	return nil
}

// consume subscribes for a worker, again when the bus gives up before ctx ends.
func (d *Delivery) consume(ctx context.Context, w *worker) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		err := d.rooms.Bus.Subscribe(ctx, Group(w.subscription.ID), w.subscription.Topics(), w.handle)
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
	w, ok := d.workers[subscription]
	if !ok {
		return circuit.State{}, false
	}
	return w.circuit.Current(), true
}

// Close lets go of the connections to the subscribers. Call it when Run and
// Resend have returned.
func (d *Delivery) Close() { d.client.CloseIdleConnections() }
