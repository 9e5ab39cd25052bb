package delivery

import (
	"context"
	"errors"

	"tongqu/internal/fault"
	"tongqu/internal/relay"
	"tongqu/internal/store"
)

// Resent is what became of parked deliveries that were sent again. Left ones were
// not tried, because the subscriber cannot be reached; they stay parked.
type Resent struct {
	Delivered int `json:"delivered"`
	Parked    int `json:"parked"`
	Skipped   int `json:"skipped"`
	Left      int `json:"left"`
}

// resendSize is how many records are in memory at once.
const resendSize = 500

// Resend sends parked deliveries of a subscription again: those of the record
// ids that are parked, or all without ids, oldest first. It is the same way as
// the first time, mask and encoding included, but does not wait for a subscriber
// that is away: then it ends with the fault DELIVERY_UNREACHABLE. An unknown
// subscription is the fault NOT_FOUND.
func (d *Delivery) Resend(ctx context.Context, subscription string, recordIDs []string) (Resent, error) {
	w, ok := d.worker(subscription)
	if !ok {
		return Resent{}, fault.New(fault.NotFound, fault.Place{}, subscription, subscription)
	}
	// The whole selection is made first: what is parked again is not sent twice.
	parked, err := w.parked(ctx, recordIDs)
	if err != nil {
		return Resent{}, err
	}
	e := w.newErrand(false)
	for rest := parked; len(rest) > 0 && err == nil; rest = rest[min(resendSize, len(rest)):] {
		err = w.resend(ctx, e, rest[:min(resendSize, len(rest))])
	}
	result := Resent{
		Delivered: e.counts[store.DeliveryDelivered], Parked: e.counts[store.DeliveryParked], Skipped: e.counts[store.DeliverySkipped],
	}
	result.Left = len(parked) - result.Delivered - result.Parked - result.Skipped
	if away, ok := errors.AsType[*outage](err); ok {
		err = fault.New(fault.DeliveryUnreachable, fault.Place{}, "", away.reason)
	}
	return result, err
}

// parked lists the parked deliveries, all of them or those of the ids.
func (w *worker) parked(ctx context.Context, recordIDs []string) ([]store.Delivery, error) {
	query := store.DeliveryQuery{Subscription: w.subscription.ID, Status: store.DeliveryParked, Limit: 1000}
	if len(recordIDs) == 0 {
		return w.list(ctx, query)
	}
	var all []store.Delivery
	for _, id := range recordIDs {
		query.RecordID = id
		found, err := w.list(ctx, query)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (w *worker) list(ctx context.Context, query store.DeliveryQuery) ([]store.Delivery, error) {
	var all []store.Delivery
	for {
		page, err := w.rooms.Store.Deliveries(ctx, query)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		query.Cursor = page.Next
	}
}

func (w *worker) resend(ctx context.Context, e *errand, parked []store.Delivery) error {
	items := make([]item, len(parked))
	for i := range parked {
		r, err := w.rooms.Store.RecordByID(ctx, parked[i].RecordID)
		if err != nil {
			return err
		}
		m := relay.ToMessage(&r)
		items[i] = item{record: r, message: &m, attempts: parked[i].Attempts}
	}
	return e.run(ctx, items)
}
