package delivery

import (
	"context"
	"time"

	"tongqu/internal/store"
)

const (
	// flushEvery bounds what a crash makes the hub send again, in time,
	flushEvery = 200 * time.Millisecond
	// and flushSize in number.
	flushSize = 500
	// closeTimeout is how long the last results may take to be saved.
	closeTimeout = 5 * time.Second
)

// ledger saves what became of the deliveries of one batch, several at a time.
type ledger struct {
	rooms        *Rooms
	subscription string
	pending      []store.Delivery
	flushed      time.Time
}

func (w *worker) newLedger() *ledger {
	return &ledger{rooms: w.rooms, subscription: w.subscription.ID, flushed: time.Now()}
}

func (l *ledger) add(id string, status store.DeliveryStatus, attempts int, detail string) {
	l.pending = append(l.pending, store.Delivery{
		Subscription: l.subscription, RecordID: id, Status: status, Attempts: attempts, At: time.Now().UTC(), Detail: detail,
	})
}

// addAll adds the parcels' deliveries and saves when it is time to.
func (l *ledger) addAll(ctx context.Context, parcels []parcel, status store.DeliveryStatus, attempts int, detail string) error {
	for i := range parcels {
		l.add(parcels[i].id, status, attempts, detail)
	}
	if len(l.pending) < flushSize && time.Since(l.flushed) < flushEvery {
		return nil
	}
	return l.flush(ctx)
}

// flush saves what is pending. On an error it stays pending.
func (l *ledger) flush(ctx context.Context) error {
	l.flushed = time.Now()
	if len(l.pending) == 0 {
		return nil
	}
	if err := l.rooms.Store.SaveDeliveries(ctx, l.pending); err != nil {
		return err
	}
	l.rooms.Metrics.saved(l.pending)
	l.pending = l.pending[:0]
	return nil
}

// close saves the rest, even when ctx has ended: what was delivered is not to be
// sent again because the hub stops.
func (l *ledger) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return l.flush(ctx)
}
