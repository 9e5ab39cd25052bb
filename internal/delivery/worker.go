package delivery

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"tongqu/internal/bus"
	"tongqu/internal/circuit"
	"tongqu/internal/directory"
	"tongqu/internal/relay"
)

// worker delivers to one subscription. Its partitions are handled side by side
// and share the circuit.
type worker struct {
	rooms        *Rooms
	rules        *atomic.Pointer[Rules]
	settings     *Settings
	subscription *directory.Subscription
	sender       sender
	circuit      *circuit.Circuit

	// stop ends the worker and done is closed when it has ended; nil until it runs.
	stop context.CancelFunc
	done chan struct{}
}

// handle delivers a batch of one partition in order and returns nil when every
// record of it is delivered, parked or skipped and the store knows.
func (w *worker) handle(ctx context.Context, batch []bus.Message) error {
	items := make([]item, 0, len(batch))
	ids := make([]string, 0, len(batch))
	for i := range batch {
		r, err := relay.FromMessage(&batch[i])
		if err != nil {
			// Without a record's id it can neither be sent nor parked.
			w.rooms.Metrics.unreadable.WithLabelValues(w.subscription.ID).Inc()
			w.rooms.Log.Error("message is not a record of the hub", zap.String("subscription", w.subscription.ID), zap.Error(err))
			continue
		}
		items = append(items, item{record: r, message: &batch[i]})
		ids = append(ids, r.ID)
	}
	settled, err := w.rooms.Store.Settled(ctx, w.subscription.ID, ids)
	if err != nil {
		return err
	}
	due := items[:0]
	seen := make(map[string]bool, len(items)) // a relay that was stopped may publish a record twice
	for _, it := range items {
		if id := it.record.ID; !settled[id] && !seen[id] {
			seen[id] = true
			due = append(due, it)
		}
	}
	return w.newErrand(true).run(ctx, due)
}

// attempt sends once and tells the circuit what came of it. Its error is
// *refusal, *outage, or ctx's.
func (w *worker) attempt(ctx context.Context, turn uint64, parcels []parcel, number int) (string, error) {
	start := time.Now()
	answer, err := w.sender.send(ctx, parcels, number)
	result := "delivered"
	switch e := err.(type) { //nolint:errorlint // senders return these two as they are
	case nil:
		w.circuit.Succeed(turn)
	case *refusal:
		w.circuit.Succeed(turn) // it is there and answers
		result = "refused"
	case *outage:
		if ctx.Err() != nil {
			w.circuit.Abandon(turn)
			return "", ctx.Err()
		}
		w.circuit.Fail(turn, e.reason, e.after)
		result = "failed"
	}
	id := w.subscription.ID
	w.rooms.Metrics.attempted(id, result, time.Since(start))
	w.rooms.Metrics.setCircuit(id, w.circuit.Current().Circuit)
	return answer, err
}
