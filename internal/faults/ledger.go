package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tongqu/internal/record"
	"tongqu/internal/store"
)

// Ledger is every document by id, as its sender and the subscribers saw it. It is
// the subscribers' HTTP server too: the path names the subscription.
type Ledger struct {
	mu       sync.Mutex
	sent     map[string]bool   // names of documents
	acked    map[string]string // name → record id
	answers  map[int]int       // HTTP status → times
	broken   int               // requests without an answer
	accepted rhythm            // acknowledgements
	arrivals map[string]*arrivals
	answer   func(subscription string) int // the subscribers' HTTP status
	changed  chan struct{}                 // closed and replaced at every change
}

// arrivals are what one subscription received.
type arrivals struct {
	times    map[string]int   // record id → times
	newest   map[string]int64 // business key → the store's number of the newest one
	disorder []string         // ids of records that came after a later one of their key
	rhythm   rhythm
}

// rhythm measures the longest time without an event.
type rhythm struct {
	last  time.Time
	pause time.Duration
}

func (r *rhythm) beat(now time.Time) {
	if !r.last.IsZero() {
		r.pause = max(r.pause, now.Sub(r.last))
	}
	r.last = now
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{
		sent: map[string]bool{}, acked: map[string]string{}, answers: map[int]int{}, arrivals: map[string]*arrivals{},
		answer: func(string) int { return http.StatusOK }, changed: make(chan struct{}),
	}
}

// change wakes who waits. The caller holds mu.
func (l *Ledger) change() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// Await waits until the condition, which is asked under the lock, holds; false
// when ctx ends before.
func (l *Ledger) Await(ctx context.Context, holds func() bool) bool {
	for {
		l.mu.Lock()
		ok, changed := holds(), l.changed
		l.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// Acked returns the number of documents that were acknowledged.
func (l *Ledger) Acked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// IsAcked reports whether the document was acknowledged.
func (l *Ledger) IsAcked(d *Document) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked[d.Name()] != ""
}

// IsSent reports whether the document was ever sent.
func (l *Ledger) IsSent(d *Document) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent[d.Name()]
}

// Times is how often a subscription received a record.
func (l *Ledger) Times(subscription, id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(subscription).times[id]
}

// Again counts the deliveries of records that the subscription had.
func (l *Ledger) Again() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, a := range l.arrivals {
		for _, times := range a.times {
			n += times - 1
		}
	}
	return n
}

// Post sends a document to the hub at url and returns the answer's status, or 0
// when there was none.
func (l *Ledger) Post(ctx context.Context, client *http.Client, url, token string, d *Document) int {
	l.mu.Lock()
	l.sent[d.Name()] = true
	l.mu.Unlock()
	status, id := post(ctx, client, url, token, d.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.change()
	if status == 0 {
		l.broken++
		return 0
	}
	l.answers[status]++
	if id != "" {
		l.acked[d.Name()] = id
		l.accepted.beat(time.Now())
	}
	return status
}

// post returns the status and, of an acknowledged document, its record's id.
func post(ctx context.Context, client *http.Client, url, token string, body []byte) (status int, id string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/documents", bytes.NewReader(body)) //nolint:gosec // the test's own hub
	if err != nil {
		return 0, ""
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req) //nolint:gosec // the test's own hub
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	var answer struct {
		Records []struct{ RecordID, DuplicateOf string }
	}
	if resp.StatusCode == http.StatusAccepted && json.Unmarshal(text, &answer) == nil && len(answer.Records) == 1 {
		if id = answer.Records[0].DuplicateOf; id == "" {
			id = answer.Records[0].RecordID
		}
	}
	return resp.StatusCode, id
}

// Answer has the subscribers give these statuses from now on.
func (l *Ledger) Answer(status func(subscription string) int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = status
}

// event is a delivery's CloudEvents attributes.
type event struct{ ID, Subject, Seq string }

// ServeHTTP takes deliveries.
func (l *Ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	subscription := strings.TrimPrefix(r.URL.Path, "/")
	l.mu.Lock()
	answer := l.answer
	l.mu.Unlock()
	if status := answer(subscription); status != http.StatusOK {
		w.WriteHeader(status)
		return
	}
	events := []event{{r.Header.Get("Ce-Id"), r.Header.Get("Ce-Subject"), r.Header.Get("Ce-Seq")}}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents-batch+json") {
		events = nil
		if json.Unmarshal(body, &events) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.change()
	for _, e := range events {
		l.of(subscription).take(e)
	}
}

func (l *Ledger) of(subscription string) *arrivals {
	a := l.arrivals[subscription]
	if a == nil {
		a = &arrivals{times: map[string]int{}, newest: map[string]int64{}}
		l.arrivals[subscription] = a
	}
	return a
}

func (a *arrivals) take(e event) {
	a.times[e.ID]++
	if a.times[e.ID] > 1 {
		return
	}
	a.rhythm.beat(time.Now())
	seq, err := strconv.ParseInt(e.Seq, 10, 64)
	if err != nil || seq < a.newest[e.Subject] {
		a.disorder = append(a.disorder, e.ID)
		return
	}
	a.newest[e.Subject] = seq
}

// undelivered counts the acknowledged documents that a subscription has not
// received. The caller holds mu.
func (l *Ledger) undelivered(subscriptions []string, ids map[string]bool) int {
	n := 0
	for _, s := range subscriptions {
		for id := range ids {
			if l.of(s).times[id] == 0 {
				n++
			}
		}
	}
	return n
}

// ackedIDs are the record ids of what was acknowledged. The caller holds mu.
func (l *Ledger) ackedIDs() map[string]bool {
	ids := make(map[string]bool, len(l.acked))
	for _, id := range l.acked {
		ids[id] = true
	}
	return ids
}

// Account is the balance of a ledger against a store.
type Account struct {
	Sent, Acked, Recorded int
	// Broken are requests without an answer, Answers the others, by status.
	Broken  int
	Answers map[int]int
	// Lost were acknowledged and are not recorded under that id; Twice are recorded
	// more than once; Invented were never sent; Unpublished are still in the outbox.
	Lost, Twice, Invented, Unpublished []string
	// Subscriptions are the deliveries, by subscription.
	Subscriptions map[string]Received
	// PauseIn and PauseOut are the longest times without an acknowledgement and, at
	// one of the subscriptions, without a new delivery.
	PauseIn, PauseOut time.Duration
}

// Received is what a subscription got, in record ids.
type Received struct {
	Delivered, Again int
	// Missing are recorded and never came, Strange came and are not recorded,
	// Disorder came after a later record of their business key, Unbooked came and
	// are not delivered in the store's book.
	Missing, Strange, Disorder, Unbooked []string
}

// Account balances the ledger against what the store holds. Call it when nothing
// is on its way any more.
func (l *Ledger) Account(ctx context.Context, s store.Store, subscriptions ...string) (*Account, error) {
	recorded, ids, err := l.recorded(ctx, s)
	if err != nil {
		return nil, err
	}
	left, err := s.Unpublished(ctx, 1000)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &Account{
		Sent: len(l.sent), Acked: len(l.acked), Recorded: len(ids), Broken: l.broken, Answers: maps.Clone(l.answers),
		Subscriptions: map[string]Received{}, PauseIn: l.accepted.pause,
	}
	for i := range left {
		a.Unpublished = append(a.Unpublished, left[i].ID)
	}
	for doc, id := range l.acked {
		if !slices.Contains(recorded[doc], id) {
			a.Lost = append(a.Lost, id)
		}
	}
	for doc, twice := range recorded {
		if len(twice) > 1 {
			a.Twice = append(a.Twice, twice...)
		}
		if !l.sent[doc] {
			a.Invented = append(a.Invented, twice...)
		}
	}
	for _, sub := range subscriptions {
		booked, err := deliveredTo(ctx, s, sub)
		if err != nil {
			return nil, err
		}
		a.Subscriptions[sub] = l.of(sub).received(ids, booked)
		a.PauseOut = max(a.PauseOut, l.of(sub).rhythm.pause)
	}
	return a, nil
}

// recorded lists the accepted records, by document and as a set of ids.
func (l *Ledger) recorded(ctx context.Context, s store.Store) (byName map[string][]string, ids map[string]bool, err error) {
	byName, ids = map[string][]string{}, map[string]bool{}
	for q := (store.Query{Limit: 1000, Status: record.Accepted}); ; {
		page, err := s.Records(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		for i := range page.Items {
			r := &page.Items[i]
			ids[r.ID] = true
			n := nameOf(r)
			byName[n] = append(byName[n], r.ID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return byName, ids, nil
		}
	}
}

// deliveredTo lists the ids that the store's book calls delivered.
func deliveredTo(ctx context.Context, s store.Store, subscription string) (map[string]bool, error) {
	booked := map[string]bool{}
	for q := (store.DeliveryQuery{Subscription: subscription, Status: store.DeliveryDelivered, Limit: 1000}); ; {
		page, err := s.Deliveries(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			booked[page.Items[i].RecordID] = true
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return booked, nil
		}
	}
}

func (a *arrivals) received(recorded, booked map[string]bool) Received {
	r := Received{Delivered: len(a.times), Disorder: a.disorder}
	for id := range recorded {
		if a.times[id] == 0 {
			r.Missing = append(r.Missing, id)
		}
	}
	for id, times := range a.times {
		r.Again += times - 1
		if !recorded[id] {
			r.Strange = append(r.Strange, id)
		}
		if !booked[id] {
			r.Unbooked = append(r.Unbooked, id)
		}
	}
	return r
}

// Faults returns what breaks the promises; nothing when all are kept.
func (a *Account) Faults() []string {
	var faults []string
	add := func(what string, ids []string) {
		if len(ids) > 0 {
			faults = append(faults, fmt.Sprintf("%d %s, such as %s", len(ids), what, ids[0]))
		}
	}
	if a.Acked == 0 || a.Acked < a.Sent {
		faults = append(faults, fmt.Sprintf("%d of %d documents were acknowledged at last", a.Acked, a.Sent))
	}
	add("acknowledged and lost", a.Lost)
	add("recorded twice", a.Twice)
	add("recorded without being sent", a.Invented)
	add("never published", a.Unpublished)
	for sub, r := range a.Subscriptions {
		add("never delivered to "+sub, r.Missing)
		add("delivered to "+sub+" without being recorded", r.Strange)
		add("delivered to "+sub+" after a later one of the same key", r.Disorder)
		add("delivered to "+sub+" and not in the book", r.Unbooked)
	}
	slices.Sort(faults)
	return faults
}
