package postgres

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

const (
	settledSQL = `SELECT q.i FROM unnest($2::uuid[], $3::integer[]) WITH ORDINALITY AS q (document, record, i)
		CROSS JOIN LATERAL (SELECT status FROM deliveries d
			WHERE d.subscription = (SELECT id FROM subscriptions WHERE name = $1) AND d.document = q.document AND d.record = q.record LIMIT 1) AS d
		WHERE d.status <> 3`

	knownDeliveriesSQL = `SELECT q.i, d.status, d.at
		FROM unnest($1::integer[], $2::uuid[], $3::integer[]) WITH ORDINALITY AS q (subscription, document, record, i)
		CROSS JOIN LATERAL (SELECT status, at FROM deliveries d
			WHERE d.subscription = q.subscription AND d.document = q.document AND d.record = q.record LIMIT 1) AS d`

	saveDeliveriesSQL = `INSERT INTO deliveries (subscription, document, record, status, attempts, at, detail)
		SELECT * FROM unnest($1::integer[], $2::uuid[], $3::integer[], $4::smallint[], $5::integer[], $6::timestamptz[], $7::text[])
		ON CONFLICT (subscription, document, record) DO UPDATE
		SET status = excluded.status, attempts = excluded.attempts, at = excluded.at, detail = excluded.detail`

	deleteDeliveriesSQL = `DELETE FROM deliveries d USING unnest($1::integer[], $2::uuid[], $3::integer[]) AS q (subscription, document, record)
		WHERE d.subscription = q.subscription AND d.document = q.document AND d.record = q.record`

	// Subscriptions up to the cursor's are done with its record, later ones are not.
	deliveriesSQL = `SELECT s.name, d.document, d.record, d.status, d.attempts, d.at, d.detail FROM subscriptions s
		CROSS JOIN LATERAL (SELECT * FROM deliveries d WHERE d.subscription = s.id AND d.document >= $1
			AND (d.document, d.record) > ($1, CASE WHEN s.name > $3::text COLLATE "C" THEN $2::integer - 1 ELSE $2 END)
			%s ORDER BY d.document, d.record LIMIT $5) AS d
		WHERE $4::text IS NULL OR s.name = $4 ORDER BY d.document, d.record, s.name LIMIT $5`

	ofRecordSQL = `SELECT s.name, d.document, d.record, d.status, d.attempts, d.at, d.detail FROM subscriptions s
		JOIN deliveries d ON d.subscription = s.id AND d.document = $1 AND d.record = $2
		WHERE ($3::text IS NULL OR s.name = $3) AND ($4::smallint = 0 OR d.status = $4) ORDER BY s.name`
)

var (
	deliveriesAllSQL       = fmt.Sprintf(deliveriesSQL, "")
	deliveriesDeliveredSQL = fmt.Sprintf(deliveriesSQL, "AND d.status = 1")
	deliveriesParkedSQL    = fmt.Sprintf(deliveriesSQL, "AND d.status <> 1 AND d.status = 2") // twice: the index is of those that
	deliveriesWaitingSQL   = fmt.Sprintf(deliveriesSQL, "AND d.status <> 1 AND d.status = 3") // are not delivered
)

// names gives each subscription a number.
type names struct {
	mu  sync.RWMutex
	ids map[string]int32
}

func newNames() *names { return &names{ids: map[string]int32{}} }

func (n *names) id(name string) (int32, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	id, ok := n.ids[name]
	return id, ok
}

func (n *names) put(name string, id int32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ids[name] = id
}

// subscription returns the number of a subscription, a new one for a new one.
func (s *Store) subscription(ctx context.Context, name string) (int32, error) {
	if id, ok := s.subscriptions.id(name); ok {
		return id, nil
	}
	_, err := s.pool.Exec(ctx, "INSERT INTO subscriptions (name) VALUES ($1) ON CONFLICT DO NOTHING", pack.ValidText(name))
	var id int32
	if err == nil {
		err = s.pool.QueryRow(ctx, "SELECT id FROM subscriptions WHERE name = $1", pack.ValidText(name)).Scan(&id)
	}
	if err != nil {
		return 0, fmt.Errorf("naming the subscription %s: %w", name, err)
	}
	s.subscriptions.put(name, id)
	return id, nil
}

// Settled implements store.Deliveries. It does not know skipped deliveries.
func (s *Store) Settled(ctx context.Context, subscription string, ids []string) (map[string]bool, error) {
	settled := map[string]bool{}
	if len(ids) == 0 {
		return settled, nil
	}
	documents, records := make([]uuid.UUID, len(ids)), make([]int, len(ids))
	for i, id := range ids {
		ref, err := pack.ParseRef(id)
		if err != nil {
			return nil, err
		}
		documents[i], records[i] = ref.Document, ref.Index
	}
	rows, err := s.pool.Query(ctx, settledSQL, pack.ValidText(subscription), documents, records)
	if err != nil {
		return nil, fmt.Errorf("looking for settled deliveries: %w", err)
	}
	var i int
	_, err = pgx.ForEachRow(rows, []any{&i}, func() error {
		settled[ids[i-1]] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for settled deliveries: %w", err)
	}
	return settled, nil
}

// change is what one caller wants written by the progress lane: deliveries, a batch
// that was published, or that the outbox is rewound.
type change struct {
	deliveries []store.Delivery
	refs       []deliveryRef

	published   []record.Record
	publishedAt time.Time
	fence       *fence

	rewind  *time.Time
	rewound int64
}

// deliveryRef names a delivery.
type deliveryRef struct {
	subscription int32
	pack.Ref
}

// SaveDeliveries implements store.Deliveries. Skipped deliveries are only counted.
// When the server goes away in the middle of a commit, the error does not say
// whether they were saved; saving them again does no harm.
func (s *Store) SaveDeliveries(ctx context.Context, batch []store.Delivery) error {
	if len(batch) == 0 {
		return nil
	}
	c := &change{deliveries: batch, refs: make([]deliveryRef, len(batch))}
	for i := range batch {
		d := &batch[i]
		ref, err := pack.ParseRef(d.RecordID)
		if err != nil {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		if d.Status != store.DeliverySkipped && pack.DeliveryStatuses.Code(string(d.Status)) == 0 {
			return fmt.Errorf("%w: a delivery cannot be %q", store.ErrUnavailable, d.Status)
		}
		c.refs[i].Ref = ref
	}
	for i := range batch {
		var err error
		if c.refs[i].subscription, err = s.subscription(ctx, batch[i].Subscription); err != nil {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
	}
	return s.progress.do(ctx, c, 128*len(batch))
}

// delivery is a delivery as it is, or as it is to be.
type delivery struct {
	subscription string
	status       int // 0 when there is none
	attempts     int
	at           time.Time
	detail       string
}

// book is what a group of changes knows and changes.
type book struct {
	now     map[deliveryRef]delivery
	changed map[deliveryRef]bool
	sums    counters
}

// writeChanges implements lane.write.
func (s *Store) writeChanges(ctx context.Context, conn *pgx.Conn, group []*change) (*pgx.Batch, error) {
	k := &book{now: map[deliveryRef]delivery{}, changed: map[deliveryRef]bool{}, sums: counters{}}
	watermark, err := s.lookUp(ctx, conn, group, k)
	if err != nil {
		return nil, err
	}
	last := &pgx.Batch{}
	for _, c := range group {
		for i := range c.deliveries {
			k.deliver(c.refs[i], &c.deliveries[i])
		}
		if err := s.mark(last, k.sums, c, &watermark); err != nil {
			return nil, err
		}
		if c.rewind != nil {
			if err := s.rewindTo(ctx, conn, last, k.sums, c, &watermark); err != nil {
				return nil, err
			}
		}
	}
	k.queue(last)
	return last, nil
}

// lookUp begins the transaction and reads what the changes are about.
func (s *Store) lookUp(ctx context.Context, conn *pgx.Conn, group []*change, k *book) (watermark int64, err error) {
	b := s.begin(lockProgress)
	var refs refColumns
	for _, c := range group {
		for i := range c.deliveries {
			if _, ok := k.now[c.refs[i]]; !ok {
				k.now[c.refs[i]] = delivery{subscription: c.deliveries[i].Subscription}
				refs.add(c.refs[i])
			}
		}
		if c.published != nil || c.rewind != nil {
			b.Queue(watermarkSQL).QueryRow(row1(&watermark))
		}
		if c.fence != nil {
			b.Queue("SELECT count(*) FROM leases WHERE name = $1 AND token = $2", c.fence.name, c.fence.token).QueryRow(func(row pgx.Row) error {
				var n int
				if err := row.Scan(&n); err != nil {
					return err
				}
				if n == 0 {
					return errFenced
				}
				return nil
			})
		}
	}
	if len(refs.documents) > 0 {
		b.Queue(knownDeliveriesSQL, refs.subscriptions, refs.documents, refs.records).Query(func(rows pgx.Rows) error {
			var i, status int
			var at time.Time
			_, err := pgx.ForEachRow(rows, []any{&i, &status, &at}, func() error {
				ref := refs.at(i - 1)
				d := k.now[ref]
				d.status, d.at = status, at
				k.now[ref] = d
				return nil
			})
			return err
		})
	}
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return 0, fmt.Errorf("beginning a transaction: %w", err)
	}
	return watermark, nil
}

// deliver brings a delivery to its next state.
func (k *book) deliver(ref deliveryRef, d *store.Delivery) {
	was := k.now[ref]
	delivered := pack.DeliveryStatuses.Code(string(store.DeliveryDelivered))
	if was.status == delivered {
		return
	}
	if was.status != 0 {
		k.sums.add(was.at, countDeliveries, was.subscription, pack.DeliveryStatuses.Name(was.status), -1)
	}
	k.sums.add(d.At, countDeliveries, d.Subscription, string(d.Status), 1)
	status := pack.DeliveryStatuses.Code(string(d.Status))
	if was.status != 0 || status != 0 {
		k.now[ref] = delivery{d.Subscription, status, d.Attempts, d.At, d.Detail}
		k.changed[ref] = true
	}
}

// queue writes what changed.
func (k *book) queue(b *pgx.Batch) {
	var saved, removed refColumns
	var statuses, attempts []int
	var ats []time.Time
	var details []string
	for ref := range k.changed {
		d := k.now[ref]
		if d.status == 0 {
			removed.add(ref)
			continue
		}
		saved.add(ref)
		statuses, attempts = append(statuses, d.status), append(attempts, d.attempts)
		ats, details = append(ats, d.at), append(details, pack.ValidText(d.detail))
	}
	if len(saved.documents) > 0 {
		b.Queue(saveDeliveriesSQL, saved.subscriptions, saved.documents, saved.records, statuses, attempts, ats, details)
	}
	if len(removed.documents) > 0 {
		b.Queue(deleteDeliveriesSQL, removed.subscriptions, removed.documents, removed.records)
	}
	k.sums.queue(b)
}

// refColumns are the names of deliveries, column by column.
type refColumns struct {
	subscriptions []int32
	documents     []uuid.UUID
	records       []int
}

func (c *refColumns) add(r deliveryRef) {
	c.subscriptions = append(c.subscriptions, r.subscription)
	c.documents = append(c.documents, r.Document)
	c.records = append(c.records, r.Index)
}

func (c *refColumns) at(i int) deliveryRef {
	return deliveryRef{c.subscriptions[i], pack.Ref{Document: c.documents[i], Index: c.records[i]}}
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
	query := deliveriesAllSQL
	switch q.Status {
	case "":
	case store.DeliveryDelivered:
		query = deliveriesDeliveredSQL
	case store.DeliveryParked:
		query = deliveriesParkedSQL
	case store.DeliveryWaiting:
		query = deliveriesWaitingSQL
	default: // skipped, or none
		return store.Page[store.Delivery]{}, nil
	}
	limit := limitOf(q.Limit)
	rows, err := s.pool.Query(ctx, query, after.Document, after.Record, pack.ValidText(after.Who), optional(q.Subscription), limit+1)
	if err != nil {
		return store.Page[store.Delivery]{}, fmt.Errorf("listing deliveries: %w", err)
	}
	items, err := pgx.CollectRows(rows, scanDelivery)
	if err != nil {
		return store.Page[store.Delivery]{}, fmt.Errorf("listing deliveries: %w", err)
	}
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

func scanDelivery(row pgx.CollectableRow) (store.Delivery, error) {
	var d store.Delivery
	var ref pack.Ref
	var status int
	err := row.Scan(&d.Subscription, &ref.Document, &ref.Index, &status, &d.Attempts, &d.At, &d.Detail)
	d.RecordID, d.Status, d.At = ref.String(), store.DeliveryStatus(pack.DeliveryStatuses.Name(status)), d.At.UTC()
	return d, err
}

// recordDeliveries returns the deliveries of one record, by subscription, as far
// as q asks for them.
func (s *Store) recordDeliveries(ctx context.Context, recordID string, q store.DeliveryQuery) ([]store.Delivery, error) {
	status := pack.DeliveryStatuses.Code(string(q.Status))
	if q.Status != "" && status == 0 {
		return nil, nil
	}
	ref, err := pack.ParseRef(recordID)
	if err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, ofRecordSQL, ref.Document, ref.Index, optional(q.Subscription), status)
	if err != nil {
		return nil, fmt.Errorf("looking for the deliveries of %s: %w", recordID, err)
	}
	items, err := pgx.CollectRows(rows, scanDelivery)
	if err != nil {
		return nil, fmt.Errorf("looking for the deliveries of %s: %w", recordID, err)
	}
	return items, nil
}
