package delivery

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"tongqu/internal/bus"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/store"
)

// worker delivers to one subscription. Its partitions are handled side by side
// and share the circuit.
type worker struct {
	rooms        *Rooms
	settings     *Settings
	subscription *directory.Subscription
	sender       sender
	circuit      *circuit
}

// handle delivers a batch of one partition in order and returns nil when every
// record of it is delivered, parked or skipped and the store knows.
func (w *worker) handle(ctx context.Context, batch []bus.Message) error {
	ids := make([]string, len(batch))
	asked := make([]string, 0, len(batch))
	for i := range batch {
		if ids[i] = recordID(&batch[i]); ids[i] != "" {
			asked = append(asked, ids[i])
			continue
		}
		w.rooms.Metrics.unreadable.WithLabelValues(w.subscription.ID).Inc()
		w.rooms.Log.Error("message is not a record of the hub", zap.String("topic", batch[i].Topic),
			zap.Int("partition", batch[i].Partition), zap.Int64("offset", batch[i].Offset))
	}
	settled, err := w.rooms.Store.Settled(ctx, w.subscription.ID, asked)
	if err != nil {
		return err
	}
	l := w.newLedger()
	var parcels []parcel
	for i := range batch {
		if ids[i] == "" || settled[ids[i]] {
			continue
		}
		p, status, detail := w.prepare(ids[i], &batch[i])
		if status != "" {
			l.add(ids[i], status, 0, detail)
			continue
		}
		parcels = append(parcels, p)
	}
	return errors.Join(w.deliverAll(ctx, parcels, l), l.close(ctx))
}

// deliverAll sends the parcels in order, as many at once as the subscription and
// the size allow.
func (w *worker) deliverAll(ctx context.Context, parcels []parcel, l *ledger) error {
	for len(parcels) > 0 {
		n := w.batchSize(parcels)
		if err := w.deliver(ctx, parcels[:n], 0, l); err != nil {
			return err
		}
		parcels = parcels[n:]
	}
	return nil
}

// batchSize is how many of the parcels, at least one, go into the next request.
func (w *worker) batchSize(parcels []parcel) int {
	n, size := 1, len(parcels[0].body)
	for n < min(len(parcels), w.subscription.Batch) {
		if size += len(parcels[n].body); size > w.settings.BatchBytes {
			break
		}
		n++
	}
	return n
}

// deliver sends the parcels together until the subscriber takes or refuses them.
// What it refuses together goes again one by one, so that only what it refuses
// alone is parked.
func (w *worker) deliver(ctx context.Context, parcels []parcel, attempts int, l *ledger) error {
	for waiting := false; ; {
		turn, err := w.circuit.enter(ctx)
		if err != nil {
			return err
		}
		attempts++
		answer, err := w.attempt(ctx, turn, parcels, attempts)
		var refused *refusal
		var away *outage
		switch {
		case err == nil:
			return l.addAll(ctx, parcels, store.DeliveryDelivered, attempts, answer)
		case errors.As(err, &refused) && len(parcels) == 1:
			return l.addAll(ctx, parcels, store.DeliveryParked, attempts, string(fault.DeliveryRefused)+" "+refused.reason)
		case errors.As(err, &refused):
			for i := range parcels {
				if err := w.deliver(ctx, parcels[i:i+1], attempts, l); err != nil {
					return err
				}
			}
			return nil
		case !errors.As(err, &away):
			return err
		case !waiting:
			waiting = true
			err := l.addAll(ctx, parcels, store.DeliveryWaiting, attempts, string(fault.DeliveryUnreachable)+" "+away.reason)
			if err := errors.Join(err, l.flush(ctx)); err != nil {
				return err
			}
		}
	}
}

// attempt sends once and tells the circuit what came of it. Its error is
// *refusal, *outage, or ctx's.
func (w *worker) attempt(ctx context.Context, turn uint64, parcels []parcel, attempts int) (string, error) {
	start := time.Now()
	answer, err := w.sender.send(ctx, parcels, attempts)
	var refused *refusal
	var away *outage
	result := "delivered"
	switch {
	case err == nil:
		w.circuit.succeed(turn)
	case errors.As(err, &refused):
		w.circuit.succeed(turn) // it is there and answers
		result = "refused"
	case ctx.Err() != nil:
		w.circuit.abandon(turn)
		return "", ctx.Err()
	case errors.As(err, &away):
		w.circuit.fail(turn, away.reason, away.after)
		result = "failed"
	}
	id := w.subscription.ID
	w.rooms.Metrics.attempted(id, result, time.Since(start))
	w.rooms.Metrics.setCircuit(id, w.circuit.current().Circuit)
	return answer, err
}
