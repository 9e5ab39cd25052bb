package delivery

import (
	"context"
	"errors"
	"time"

	"tongqu/internal/fault"
	"tongqu/internal/store"
)

const (
	// saveEvery and saveSize bound what a crash makes the hub send again.
	saveEvery = 200 * time.Millisecond
	saveSize  = 500
	// lastSave is how long the last results may take to be saved when the hub stops.
	lastSave = 5 * time.Second
)

// errand is a run of records to one subscriber, in order. It collects what
// becomes of them and saves it, several at a time.
type errand struct {
	worker *worker
	// patient errands wait for a subscriber that is away; others end with the outage.
	patient bool
	pending []store.Delivery
	saved   time.Time
	counts  map[store.DeliveryStatus]int
}

func (w *worker) newErrand(patient bool) *errand {
	return &errand{worker: w, patient: patient, saved: time.Now(), counts: map[store.DeliveryStatus]int{}}
}

// run prepares and sends the items. When it returns nil every one of them is
// delivered, parked or skipped, and the store knows.
func (e *errand) run(ctx context.Context, items []item) error {
	err := e.sendAll(ctx, items)
	// Saved even when ctx has ended: what was delivered is not to be sent again
	// because the hub stops.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSave)
	defer cancel()
	return errors.Join(err, e.save(last))
}

// sendAll sends the items in order, as many at once as the subscription and the
// size allow. It prepares them as it goes, so that a long outage holds little.
func (e *errand) sendAll(ctx context.Context, items []item) error {
	w := e.worker
	var parcels []parcel
	size := 0
	flush := func() error {
		if len(parcels) == 0 {
			return nil
		}
		err := e.send(ctx, parcels, 0)
		parcels, size = parcels[:0], 0
		return err
	}
	for _, it := range items {
		p, status, detail, err := w.prepare(ctx, it)
		if err != nil {
			return err
		}
		if status != "" {
			e.note(p, status, 0, detail)
			continue
		}
		if size+len(p.Body) > w.settings.BatchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		parcels, size = append(parcels, p), size+len(p.Body)
		if len(parcels) == w.subscription.Batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// send sends the parcels together until the subscriber takes or refuses them.
// What it refuses together goes again one by one, so that only what it refuses
// alone is parked.
func (e *errand) send(ctx context.Context, parcels []parcel, attempts int) error {
	for waiting := false; ; {
		turn, err := e.enter(ctx)
		if err != nil {
			return err
		}
		attempts++
		answer, err := e.worker.attempt(ctx, turn, parcels, attempts+parcels[0].attempts)
		refused, isRefusal := errors.AsType[*refusal](err)
		away, isOutage := errors.AsType[*outage](err)
		switch {
		case err == nil:
			return e.settle(ctx, parcels, store.DeliveryDelivered, attempts, answer)
		case isRefusal && len(parcels) == 1:
			return e.settle(ctx, parcels, store.DeliveryParked, attempts, string(fault.DeliveryRefused)+" "+refused.reason)
		case isRefusal:
			for i := range parcels {
				if err := e.send(ctx, parcels[i:i+1], attempts); err != nil {
					return err
				}
			}
			return nil
		case !isOutage || !e.patient:
			return err
		case !waiting:
			waiting = true
			for i := range parcels {
				e.note(parcels[i], store.DeliveryWaiting, attempts, string(fault.DeliveryUnreachable)+" "+away.reason)
			}
			if err := e.save(ctx); err != nil {
				return err
			}
		}
	}
}

// enter gets a turn from the circuit.
func (e *errand) enter(ctx context.Context) (uint64, error) {
	if e.patient {
		return e.worker.circuit.Enter(ctx)
	}
	turn, wait, _ := e.worker.circuit.Try()
	if wait > 0 {
		return 0, &outage{reason: e.worker.circuit.Current().LastError}
	}
	return turn, ctx.Err()
}

// settle notes what became of the parcels and saves when it is time to.
func (e *errand) settle(ctx context.Context, parcels []parcel, status store.DeliveryStatus, attempts int, detail string) error {
	for i := range parcels {
		e.note(parcels[i], status, attempts, detail)
	}
	if len(e.pending) < saveSize && time.Since(e.saved) < saveEvery {
		return nil
	}
	return e.save(ctx)
}

func (e *errand) note(p parcel, status store.DeliveryStatus, attempts int, detail string) {
	e.pending = append(e.pending, store.Delivery{
		Subscription: e.worker.subscription.ID, RecordID: p.id, Status: status,
		Attempts: attempts + p.attempts, At: time.Now().UTC(), Detail: cut(detail, maxDetail),
	})
}

// save writes what is pending. On an error it stays pending.
func (e *errand) save(ctx context.Context) error {
	e.saved = time.Now()
	if len(e.pending) == 0 {
		return nil
	}
	if err := e.worker.rooms.Store.SaveDeliveries(ctx, e.pending); err != nil {
		return err
	}
	for i := range e.pending {
		e.counts[e.pending[i].Status]++
	}
	e.worker.rooms.Metrics.saved(e.pending)
	e.pending = e.pending[:0]
	return nil
}
