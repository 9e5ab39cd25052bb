// Package relay carries recorded records from the store's outbox to the bus:
// each at least once, and the records of one business key in the order of
// recording.
package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"tongqu/internal/backoff"
	"tongqu/internal/bus"
	"tongqu/internal/record"
	"tongqu/internal/store"
)

// Settings say how a Relay works.
type Settings struct {
	// Batch is the most records published at once.
	Batch int
	// Tick is how often the outbox is looked at without being told of new records.
	Tick time.Duration
	// Linger is how long a batch is left to fill once records wait. It spares
	// syncs on both sides.
	Linger time.Duration
	// RetryBase and RetryMax bound the pause after a failure: full jitter up to
	// RetryBase, doubled per failure up to RetryMax.
	RetryBase, RetryMax time.Duration
	// Patience is how long a relay may fail before it leaves its work to another hub;
	// 0 is for ever.
	Patience time.Duration
}

// NewDefaultSettings returns the settings the hub runs with.
func NewDefaultSettings() Settings {
	return Settings{
		Batch: 1000, Tick: time.Second, Linger: 20 * time.Millisecond,
		RetryBase: 100 * time.Millisecond, RetryMax: 10 * time.Second, Patience: 5 * time.Second,
	}
}

// State is how far a Relay is.
type State struct {
	// Published counts the records published and marked so since the start.
	Published int64
	// Failures counts the failures since the last success.
	Failures int
	// LastError is the last of these failures; nil after a success.
	LastError error
	// Oldest is when the oldest record that waits came in; zero when none is known to wait.
	Oldest time.Time
}

// Behind is how long the oldest record that waits has waited; 0 when none is known to wait.
func (s *State) Behind(now time.Time) time.Duration {
	if s.Oldest.IsZero() {
		return 0
	}
	return max(now.Sub(s.Oldest), 0)
}

// Relay moves records from an outbox to a bus. Only one may run on an outbox at
// a time.
type Relay struct {
	outbox    store.Outbox
	publisher bus.Publisher
	settings  Settings
	log       *zap.Logger

	unmarked []record.Record // published, not marked so yet
	failing  time.Time       // since when it fails; zero when it does not

	mu    sync.Mutex
	state State
}

// New returns a Relay that does nothing before Run.
func New(outbox store.Outbox, publisher bus.Publisher, s Settings, log *zap.Logger) *Relay {
	return &Relay{outbox: outbox, publisher: publisher, settings: s, log: log}
}

// State returns how far the relay is.
func (r *Relay) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// ErrStuck is returned by a relay that could not do its work for a while. Perhaps
// another hub can.
var ErrStuck = errors.New("nothing could be relayed")

// Run relays until ctx ends, then returns nil. Failures are retried until the
// patience is at its end, which is ErrStuck; Run may be called again then. They
// show in State while Run runs, and are logged when they begin and end.
func (r *Relay) Run(ctx context.Context) error {
	r.failing = time.Time{}
	defer r.rest()
	tick := time.NewTicker(r.settings.Tick)
	defer tick.Stop()
	for {
		began := time.Now()
		n, err := r.step(ctx)
		if err == nil {
			r.failing = time.Time{}
		}
		var wait time.Duration
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if r.failing.IsZero() {
				r.failing = began
			}
			wait = r.failed(err)
			if r.settings.Patience > 0 && time.Since(r.failing)+wait > r.settings.Patience {
				return fmt.Errorf("%w: %w", ErrStuck, err)
			}
		case n == r.settings.Batch:
		case n == 0:
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			case <-r.outbox.Recorded():
				wait = r.settings.Linger
			}
		default:
			wait = r.settings.Linger
		}
		if wait > 0 && backoff.Wait(ctx, wait) != nil {
			return nil
		}
	}
}

// step relays one batch and returns its size. What was published but could not
// be marked is only marked the next time.
func (r *Relay) step(ctx context.Context) (int, error) {
	if len(r.unmarked) == 0 {
		batch, err := r.outbox.Unpublished(ctx, r.settings.Batch)
		if err != nil {
			return 0, fmt.Errorf("reading the outbox: %w", err)
		}
		if len(batch) == 0 {
			r.succeeded(0)
			return 0, nil
		}
		r.waiting(batch[0].ReceivedAt)
		if err := r.publish(ctx, batch); err != nil {
			return 0, err
		}
		r.unmarked = batch
	}
	n := len(r.unmarked)
	if err := r.outbox.MarkPublished(ctx, r.unmarked, time.Now().UTC()); err != nil {
		return 0, fmt.Errorf("marking %d records published: %w", n, err)
	}
	r.unmarked = nil
	r.succeeded(n)
	return n, nil
}

// publish publishes the batch. A body that is too large for a message stays in
// the store and goes by reference: it must not hold up the others.
func (r *Relay) publish(ctx context.Context, batch []record.Record) error {
	messages := make([]bus.Message, len(batch))
	for i := range batch {
		messages[i] = ToMessage(&batch[i])
	}
	for {
		err := r.publisher.Publish(ctx, messages)
		var tooLarge *bus.TooLargeError
		if !errors.As(err, &tooLarge) || messages[tooLarge.Index].Value == nil {
			return err
		}
		byReference(&messages[tooLarge.Index])
	}
}

// rest forgets what was wrong: what waits is another relay's.
func (r *Relay) rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Failures, r.state.LastError, r.state.Oldest = 0, nil, time.Time{}
}

func (r *Relay) waiting(since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Oldest = since
}

func (r *Relay) succeeded(n int) {
	r.mu.Lock()
	failures := r.state.Failures
	r.state.Published += int64(n)
	r.state.Failures, r.state.LastError, r.state.Oldest = 0, nil, time.Time{}
	r.mu.Unlock()
	if failures > 0 {
		r.log.Info("relaying again", zap.Int("failures", failures))
	}
}

// failed returns how long to wait.
func (r *Relay) failed(err error) time.Duration {
	r.mu.Lock()
	attempt := r.state.Failures
	r.state.Failures++
	r.state.LastError = err
	r.mu.Unlock()
	if attempt == 0 {
		r.log.Warn("relaying is interrupted", zap.Error(err))
	}
	return backoff.Delay(attempt, r.settings.RetryBase, r.settings.RetryMax, rand.Float64)
}
