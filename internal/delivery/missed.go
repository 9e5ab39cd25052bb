package delivery

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"tongqu/internal/bus"
	"tongqu/internal/record"
	"tongqu/internal/relay"
	"tongqu/internal/store"
)

// missed delivers from the store what the bus no longer holds: the records of the
// gap's partition that are not settled, oldest first, before those that follow in
// the bus. These are settled already when they come.
func (w *worker) missed(ctx context.Context, g bus.Gap) error {
	since, some, err := w.leftOff(ctx, &g)
	if err != nil || !some {
		return err
	}
	log := w.rooms.Log.With(zap.String("subscription", w.subscription.ID), zap.String("topic", g.Topic), zap.Int("partition", g.Partition))
	log.Warn("Kafka no longer holds what is to be delivered; delivering it from the store",
		zap.Int64("from", g.From), zap.Int64("to", g.To), zap.Time("since", since))
	e := w.newErrand(true)
	err = w.ofGap(ctx, &g, store.Query{From: since}, func(records []record.Record, settled map[string]bool) (bool, error) {
		var items []item
		for i := range records {
			if r := records[i]; !settled[r.ID] {
				m := relay.ToMessage(&r)
				items = append(items, item{record: r, message: &m})
			}
		}
		return true, e.run(ctx, items)
	})
	if err == nil {
		log.Info("delivered from the store", zap.Int("delivered", e.counts[store.DeliveryDelivered]),
			zap.Int("parked", e.counts[store.DeliveryParked]), zap.Int("skipped", e.counts[store.DeliverySkipped]))
	}
	return err
}

// leftOff finds out where the subscription left off in the gap's partition: all
// that came in before since is settled. some is false when nothing is open, or when
// the partition is new to the subscription: then it begins with what Kafka holds.
func (w *worker) leftOff(ctx context.Context, g *bus.Gap) (since time.Time, some bool, err error) {
	page, err := w.rooms.Store.Deliveries(ctx, store.DeliveryQuery{Subscription: w.subscription.ID, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return time.Time{}, false, err
	}
	first, err := w.rooms.Store.RecordByID(ctx, page.Items[0].RecordID)
	if err != nil && !errors.Is(err, store.ErrNotFound) { // it was dropped since, all that is left is newer
		return time.Time{}, false, err
	}
	known := g.From >= 0
	// A partition's records are settled in order: those before one that is settled are, too.
	err = w.ofGap(ctx, g, store.Query{Newest: true}, func(records []record.Record, settled map[string]bool) (bool, error) {
		for i := range records {
			r := &records[i]
			if settled[r.ID] {
				known = true
				return false, nil
			}
			if r.Seq < first.Seq {
				return false, nil
			}
			if !some || r.ReceivedAt.Before(since) {
				since, some = r.ReceivedAt, true
			}
		}
		return true, nil
	})
	return since, some && known, err
}

// ofGap goes through the accepted records of the gap's partition, page by page, until
// visit returns false. settled are those that are delivered or parked.
func (w *worker) ofGap(ctx context.Context, g *bus.Gap, q store.Query, visit func(records []record.Record, settled map[string]bool) (bool, error)) error {
	q.Type, q.Status, q.Limit = record.FamilyOf(g.Topic), record.Accepted, resendSize
	for {
		page, err := w.rooms.Store.Records(ctx, q)
		if err != nil {
			return err
		}
		records := page.Items[:0]
		var ids []string
		for i := range page.Items {
			if r := page.Items[i]; g.Holds(relay.Key(&r)) {
				records, ids = append(records, r), append(ids, r.ID)
			}
		}
		settled, err := w.rooms.Store.Settled(ctx, w.subscription.ID, ids)
		if err != nil {
			return err
		}
		if more, err := visit(records, settled); err != nil || !more || page.Next == "" {
			return err
		}
		q.Cursor = page.Next
	}
}
