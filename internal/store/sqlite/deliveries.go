package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

const (
	insertSubscriptionSQL = `INSERT INTO subscriptions (id, name) VALUES (?, ?)`
	insertDeliverySQL     = `INSERT INTO deliveries (subscription, document, record, status, attempts, at, detail)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	deliverySQL       = `SELECT status, attempts, at, detail FROM deliveries WHERE subscription = ? AND document = ? AND record = ?`
	updateDeliverySQL = `UPDATE deliveries SET status = ?, attempts = ?, at = ?, detail = ? WHERE subscription = ? AND document = ? AND record = ?`
	deleteDeliverySQL = `DELETE FROM deliveries WHERE subscription = ? AND document = ? AND record = ?`

	// settledSQL takes a JSON array of [document in hex, record].
	settledSQL = `SELECT q.key FROM json_each(?) AS q CROSS JOIN deliveries AS d -- in this order
		ON d.subscription = ? AND d.document = unhex(q.value ->> 0) AND d.record = q.value ->> 1
		WHERE d.status <> 3`

	deliveriesSQL          = `SELECT document, record, status, attempts, at, detail FROM deliveries `
	deliveriesAfterSQL     = ` WHERE subscription = ? AND (document, record) > (?, ?)`
	deliveriesAllSQL       = deliveriesSQL + deliveriesAfterSQL + ` ORDER BY document, record LIMIT ?`
	deliveriesDeliveredSQL = deliveriesSQL + deliveriesAfterSQL + ` AND status = 1 ORDER BY document, record LIMIT ?`
	// The status twice: the index is of those that are not delivered.
	deliveriesOpenSQL = deliveriesSQL + `INDEXED BY deliveries_open` + deliveriesAfterSQL +
		` AND status <> 1 AND status = ? ORDER BY document, record LIMIT ?`
)

// names gives each subscription a number.
type names struct {
	mu  sync.RWMutex
	ids map[string]int64
}

func loadNames(ctx context.Context, db *sql.DB) (*names, error) {
	rows, err := db.QueryContext(ctx, `SELECT id, name FROM subscriptions`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	n := &names{ids: map[string]int64{}}
	for rows.Next() {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return nil, err
		}
		n.ids[name] = id
	}
	return n, rows.Err()
}

func (n *names) id(name string) (int64, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	id, ok := n.ids[name]
	return id, ok
}

// sorted returns all names, sorted.
func (n *names) sorted() []string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Sorted(maps.Keys(n.ids))
}

func (n *names) put(name string, id int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ids[name] = id
}

// Settled implements store.Deliveries. It does not know skipped deliveries.
func (s *Store) Settled(ctx context.Context, subscription string, ids []string) (map[string]bool, error) {
	settled := map[string]bool{}
	number, known := s.subscriptions.id(subscription)
	if !known || len(ids) == 0 {
		return settled, nil
	}
	list := make([]byte, 0, 48*len(ids))
	for i, id := range ids {
		ref, err := pack.ParseRef(id)
		if err != nil {
			return nil, err
		}
		list = append(list, ",[\""...)
		list = hex.AppendEncode(list, ref.Document[:])
		list = append(list, "\","...)
		list = strconv.AppendInt(list, int64(ref.Index), 10)
		list = append(list, ']')
		if i == 0 {
			list[0] = '['
		}
	}
	list = append(list, ']')
	rows, err := s.queries.settled.QueryContext(ctx, string(list), number)
	if err != nil {
		return nil, fmt.Errorf("looking for settled deliveries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var i int
		if err := rows.Scan(&i); err != nil {
			return nil, fmt.Errorf("looking for settled deliveries: %w", err)
		}
		settled[ids[i]] = true
	}
	return settled, rows.Err()
}

// SaveDeliveries implements store.Deliveries. Skipped deliveries are only counted.
func (s *Store) SaveDeliveries(ctx context.Context, batch []store.Delivery) error {
	if len(batch) == 0 {
		return nil
	}
	refs := make([]pack.Ref, len(batch))
	for i := range batch {
		d := &batch[i]
		var err error
		if refs[i], err = pack.ParseRef(d.RecordID); err != nil {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		if d.Status != store.DeliverySkipped && pack.DeliveryStatuses.Code(string(d.Status)) == 0 {
			return fmt.Errorf("%w: a delivery cannot be %q", store.ErrUnavailable, d.Status)
		}
	}
	return s.writer.do(ctx, 128*len(batch), func(tx *transaction) error {
		for i := range batch {
			if err := tx.deliver(&batch[i], refs[i]); err != nil {
				return fmt.Errorf("saving the delivery of %s to %s: %w", batch[i].RecordID, batch[i].Subscription, err)
			}
		}
		return nil
	})
}

func (tx *transaction) deliver(d *store.Delivery, ref pack.Ref) error {
	subscription, err := tx.subscription(d.Subscription)
	if err != nil {
		return err
	}
	at := d.At.UnixMicro()
	status := pack.DeliveryStatuses.Code(string(d.Status))
	if status != 0 {
		done, err := tx.w.insertDelivery.ExecContext(tx.w.ctx, subscription, ref.Document[:], ref.Index, status, d.Attempts, at, d.Detail)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 1 {
			tx.count(at, countDeliveries, d.Subscription, string(d.Status), 1)
			return err
		}
	}
	var was store.Delivery
	var wasStatus int
	var wasAt int64
	err = tx.w.delivery.QueryRowContext(tx.w.ctx, subscription, ref.Document[:], ref.Index).Scan(&wasStatus, &was.Attempts, &wasAt, &was.Detail)
	switch {
	case errors.Is(err, sql.ErrNoRows): // skipped, and never tried
		tx.count(at, countDeliveries, d.Subscription, string(d.Status), 1)
		return nil
	case err != nil:
		return err
	}
	was.Status = store.DeliveryStatus(pack.DeliveryStatuses.Name(wasStatus))
	if was.Status == store.DeliveryDelivered {
		return nil
	}
	tx.count(wasAt, countDeliveries, d.Subscription, string(was.Status), -1)
	tx.count(at, countDeliveries, d.Subscription, string(d.Status), 1)
	if status == 0 {
		return tx.exec(tx.w.deleteDelivery, subscription, ref.Document[:], ref.Index)
	}
	return tx.exec(tx.w.updateDelivery, status, d.Attempts, at, d.Detail, subscription, ref.Document[:], ref.Index)
}

// subscription returns the number of a subscription, a new one for a new one.
func (tx *transaction) subscription(name string) (int64, error) {
	if id, ok := tx.w.subscriptions.id(name); ok {
		return id, nil
	}
	if id, ok := tx.subscribed[name]; ok {
		return id, nil
	}
	id := int64(len(tx.w.subscriptions.sorted()) + len(tx.subscribed) + 1)
	if err := tx.exec(tx.w.insertSubscription, id, name); err != nil {
		return 0, err
	}
	if tx.subscribed == nil {
		tx.subscribed = map[string]int64{}
	}
	tx.subscribed[name] = id
	tx.after = append(tx.after, func() { tx.w.subscriptions.put(name, id) })
	return id, nil
}

// position is a place in the listing of deliveries: by record, then subscription.
type position struct {
	Document uuid.UUID `json:"d"`
	Record   int       `json:"r"`
	Who      string    `json:"s"`
}

// Deliveries implements store.Deliveries. They come in the order of their
// records' ids, which is that of their arrival; skipped ones are not kept.
// A cursor that is none gives a fault BAD_REQUEST.
func (s *Store) Deliveries(ctx context.Context, q store.DeliveryQuery) (store.Page[store.Delivery], error) {
	var after position
	if q.Cursor != "" {
		b, err := hex.DecodeString(q.Cursor)
		if err != nil || json.Unmarshal(b, &after) != nil {
			return store.Page[store.Delivery]{}, badCursor(q.Cursor)
		}
	}
	if q.RecordID != "" {
		items, err := s.recordDeliveries(ctx, q.RecordID, q)
		return store.Page[store.Delivery]{Items: items}, err
	}
	subscriptions := s.subscriptions.sorted()
	if q.Subscription != "" {
		subscriptions = []string{q.Subscription}
	}
	limit := limitOf(q.Limit)
	var items []store.Delivery
	for _, name := range subscriptions {
		// Subscriptions up to the cursor's are done with its record, later ones are not.
		from := after
		if q.Cursor != "" && name > after.Who {
			from.Record--
		}
		of, err := s.deliveriesOf(ctx, name, q.Status, from, limit+1)
		if err != nil {
			return store.Page[store.Delivery]{}, fmt.Errorf("listing deliveries: %w", err)
		}
		items = append(items, of...)
	}
	slices.SortFunc(items, compareDeliveries)
	page := store.Page[store.Delivery]{Items: items}
	if len(items) > limit {
		page.Items = items[:limit]
		last := &items[limit-1]
		ref, err := pack.ParseRef(last.RecordID)
		if err != nil {
			return store.Page[store.Delivery]{}, err
		}
		b, err := json.Marshal(position{ref.Document, ref.Index, last.Subscription})
		if err != nil {
			return store.Page[store.Delivery]{}, fmt.Errorf("writing a cursor: %w", err)
		}
		page.Next = hex.EncodeToString(b)
	}
	return page, nil
}

func compareDeliveries(a, b store.Delivery) int {
	if a.RecordID != b.RecordID {
		da, ia, _ := record.SplitID(a.RecordID)
		db, ib, _ := record.SplitID(b.RecordID)
		if da != db {
			return strings.Compare(da, db)
		}
		return ia - ib
	}
	return strings.Compare(a.Subscription, b.Subscription)
}

// deliveriesOf returns a subscription's deliveries after a record.
func (s *Store) deliveriesOf(ctx context.Context, subscription string, status store.DeliveryStatus, after position, limit int) ([]store.Delivery, error) {
	number, ok := s.subscriptions.id(subscription)
	if !ok {
		return nil, nil
	}
	query, args := deliveriesAllSQL, []any{number, after.Document[:], after.Record}
	switch status {
	case "":
	case store.DeliveryDelivered:
		query = deliveriesDeliveredSQL
	default:
		query = deliveriesOpenSQL
		args = append(args, pack.DeliveryStatuses.Code(string(status)))
	}
	rows, err := s.read.QueryContext(ctx, query, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var items []store.Delivery
	for rows.Next() {
		d := store.Delivery{Subscription: subscription}
		var document []byte
		var index, code int
		var at int64
		if err := rows.Scan(&document, &index, &code, &d.Attempts, &at, &d.Detail); err != nil {
			return nil, err
		}
		if len(document) != 16 {
			return nil, fmt.Errorf("a delivery to %s is damaged", subscription)
		}
		d.RecordID = pack.Ref{Document: uuid.UUID(document), Index: index}.String()
		d.Status = store.DeliveryStatus(pack.DeliveryStatuses.Name(code))
		d.At = time.UnixMicro(at).UTC()
		items = append(items, d)
	}
	return items, rows.Err()
}

// recordDeliveries returns the deliveries of one record, by subscription, as far
// as q asks for them.
func (s *Store) recordDeliveries(ctx context.Context, recordID string, q store.DeliveryQuery) ([]store.Delivery, error) {
	ref, err := pack.ParseRef(recordID)
	if err != nil {
		return nil, err
	}
	var items []store.Delivery
	for _, name := range s.subscriptions.sorted() {
		if q.Subscription != "" && name != q.Subscription {
			continue
		}
		number, _ := s.subscriptions.id(name)
		d := store.Delivery{Subscription: name, RecordID: recordID}
		var code int
		var at int64
		err := s.queries.delivery.QueryRowContext(ctx, number, ref.Document[:], ref.Index).Scan(&code, &d.Attempts, &at, &d.Detail)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking for the deliveries of %s: %w", recordID, err)
		}
		d.Status = store.DeliveryStatus(pack.DeliveryStatuses.Name(code))
		d.At = time.UnixMicro(at).UTC()
		if q.Status == "" || d.Status == q.Status {
			items = append(items, d)
		}
	}
	return items, nil
}
