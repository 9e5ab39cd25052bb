// Package query answers what agencies ask through the hub: with the newest records
// that others shared, or by asking the interface of the agency that knows. Every
// question is recorded with its answer, personal data masked.
package query

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"tongqu/internal/adapter"
	"tongqu/internal/conf"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/store"
	"tongqu/internal/wire"
)

// Request is what an agency asks, several questions of one resource at a time.
type Request struct {
	// Purpose is what the answers are needed for; it is recorded.
	Purpose string `json:"purpose"`
	// Requests are objects: a business key's name and value where records answer, a
	// record of the resource's request type where a service does.
	Requests []json.RawMessage `json:"requests"`
}

// The bounds of a Request.
const (
	MaxRequests = 100
	MaxPurpose  = 200 // characters
)

// Answers are the answers to a Request, one for each of its questions, in order.
type Answers struct {
	Resource string   `json:"resource"`
	Answers  []Answer `json:"answers"`
}

// Answer is the answer to one question.
type Answer struct {
	QueryID string              `json:"queryId"`
	Status  store.InquiryStatus `json:"status"`
	Source  store.InquirySource `json:"source,omitempty"`
	// AsOf is the time of which the answer is true.
	AsOf    time.Time `json:"asOf"`
	Outcome string    `json:"outcome,omitempty"`
	// CachedFrom is the query whose answer this is.
	CachedFrom string   `json:"cachedFrom,omitempty"`
	Records    []Record `json:"records,omitempty"`
	// More says that there are more records than are told.
	More   bool       `json:"more,omitempty"`
	Errors fault.List `json:"errors,omitempty"`
	// RetryAfter is when a failed question may be asked again; 0 when nobody knows.
	RetryAfter time.Duration `json:"-"`
}

// Record is one record of an answer. What a service answers has no id and no
// time: it is not among the hub's records.
type Record struct {
	ID         string          `json:"recordId,omitempty"`
	Type       string          `json:"type"`
	Agency     string          `json:"agency"`
	Version    time.Time       `json:"version,omitzero"`
	ReceivedAt time.Time       `json:"receivedAt,omitzero"`
	Record     json.RawMessage `json:"record"`
}

// Rules are what the data folders say of queries: who may ask what, and how each
// resource answers. They do not change; a reload makes others.
type Rules struct {
	directory *directory.Directory
	registry  *adapter.Registry
	maskers   map[string]*directory.Masker // by canonical type
	counters  map[string]counter           // by resource code
	callers   []*caller
}

// NewRules returns conf.Problems when resources cannot be asked as the directory
// says it. maskers hide personal data, by canonical type.
func NewRules(d *directory.Directory, r *adapter.Registry, maskers map[string]*directory.Masker) (*Rules, error) {
	u := &Rules{directory: d, registry: r, maskers: maskers, counters: map[string]counter{}}
	var ps conf.Problems
	for _, resource := range d.Resources() {
		if resource.Query == nil {
			continue
		}
		c, err := u.open(resource)
		if err != nil {
			ps = append(ps, conf.Problem{File: "config/directory: " + resource.Code, Line: 1, Column: 1, Message: err.Error()})
			continue
		}
		if c != nil {
			u.counters[resource.Code] = c
		}
	}
	return u, ps.Or()
}

// open makes the counter of a resource; nil when no agency answers for it.
func (u *Rules) open(r *directory.Resource) (counter, error) {
	if r.Query.By == directory.AskRecords {
		return newShelf(u, r)
	}
	s, err := newService(u, r)
	if s == nil {
		return nil, err
	}
	u.callers = append(u.callers, s.caller)
	return s, err
}

// release lets go of the connections to services.
func (u *Rules) release() {
	for _, c := range u.callers {
		c.client.CloseIdleConnections()
	}
}

// Rooms are what the desk works with.
type Rooms struct {
	Store store.Store
	// Key is for the fingerprints of questions.
	Key     []byte
	Metrics *Metrics
	Log     *zap.Logger
}

// Desk takes questions.
type Desk struct {
	Rooms
	rules atomic.Pointer[Rules]
}

// New makes the desk.
func New(r Rooms, rules *Rules) *Desk {
	d := &Desk{Rooms: r}
	d.rules.Store(rules)
	return d
}

// Use puts other rules in force; questions that were taken before end by theirs.
func (d *Desk) Use(rules *Rules) { d.rules.Swap(rules).release() }

// Close lets go of the connections to services.
func (d *Desk) Close() { d.rules.Load().release() }

// counter answers the questions about one resource.
type counter interface {
	// read checks a question; the faults' values may be personal. kept is what may be
	// recorded of it.
	read(q *question) (kept []byte, faults fault.List)
	// answer answers what is not refused. It records a question before that leaves
	// the hub. An error means that something could not be recorded or read.
	answer(ctx context.Context, d *Desk, questions []*question) error
}

// question is one question and what becomes of it.
type question struct {
	asker   *directory.Agency
	root    *wire.Node
	asked   []byte // the question as it came, before anything was filled in
	right   directory.Right
	inquiry store.Inquiry
	Answer
}

// Ask answers the request of an agency. An error is a fault.List when the request
// as a whole is wrong or not allowed; any other says that the hub could not record
// the questions or read its records, and then nothing is answered.
func (d *Desk) Ask(ctx context.Context, asker *directory.Agency, r *directory.Resource, req Request) (Answers, error) {
	if faults := req.check(); faults != nil {
		return Answers{}, faults
	}
	rules := d.rules.Load()
	questions, err := rules.read(asker, r, req)
	if err != nil {
		return Answers{}, err
	}
	right, ok := rules.directory.MayAsk(asker, r)
	if !ok {
		denied := fault.New(fault.QueryNotEntitled, fault.Place{}, "", asker.Code, r.Code)
		for _, q := range questions {
			q.refuse(denied)
		}
		return Answers{}, d.denied(ctx, r, questions, denied)
	}
	var valid []*question
	for _, q := range questions {
		q.right = right
		if q.Status == store.InquiryOpen {
			valid = append(valid, q)
		}
	}
	if c := rules.counters[r.Code]; c == nil {
		for _, q := range valid {
			q.fail(fault.New(fault.QueryUnavailable, fault.Place{}, "", "not connected"))
		}
	} else if len(valid) > 0 {
		if err := c.answer(ctx, d, valid); err != nil {
			return Answers{}, err
		}
	}
	if err := d.save(ctx, r, questions); err != nil {
		return Answers{}, err
	}
	out := Answers{Resource: r.Code, Answers: make([]Answer, len(questions))}
	for i, q := range questions {
		out.Answers[i] = q.Answer
	}
	return out, nil
}

// denied records that the questions were refused.
func (d *Desk) denied(ctx context.Context, r *directory.Resource, questions []*question, why fault.Fault) error {
	if err := d.save(ctx, r, questions); err != nil {
		return err
	}
	return fault.List{why}
}

// check finds what is wrong with the request as a whole.
func (r *Request) check() fault.List {
	wrong := func(name string) fault.List {
		return fault.List{fault.New(fault.BadRequest, fault.Place{Path: name}, "", name)}
	}
	switch n := utf8.RuneCountInString(strings.TrimSpace(r.Purpose)); {
	case n == 0 || n > MaxPurpose || !utf8.ValidString(r.Purpose):
		return wrong("purpose")
	case len(r.Requests) == 0 || len(r.Requests) > MaxRequests:
		return wrong("requests")
	}
	return nil
}

// read makes a question of each request.
func (u *Rules) read(asker *directory.Agency, r *directory.Resource, req Request) ([]*question, error) {
	questions := make([]*question, len(req.Requests))
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i, raw := range req.Requests {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("making a query id: %w", err)
		}
		q := &question{
			asker:   asker,
			Answer:  Answer{QueryID: id.String(), Status: store.InquiryOpen, AsOf: now},
			inquiry: store.Inquiry{ID: id.String(), Agency: asker.Code, Resource: r.Code, Purpose: strings.TrimSpace(req.Purpose), At: now, Request: []byte("{}")},
		}
		questions[i] = q
		doc, err := wire.ReadJSON(raw, wire.NewDefaultLimits())
		switch {
		case err != nil:
			q.refuse(fault.Of(err)...)
			continue
		case doc.Root.Kind != wire.Object:
			q.refuse(fault.New(fault.SchemaType, doc.Root.Place(), "", "object", doc.Root.Kind))
			continue
		}
		q.root = doc.Root
		if c := u.counters[r.Code]; c != nil {
			kept, faults := c.read(q)
			if kept != nil {
				q.inquiry.Request = kept
			}
			if faults.Refuses() {
				q.refuse(faults...)
			}
		}
	}
	return questions, nil
}

// refuse says that nobody is asked.
func (q *question) refuse(faults ...fault.Fault) { q.Status, q.Errors = store.InquiryRefused, faults }

// fail says that there is no answer.
func (q *question) fail(f fault.Fault) {
	q.Status, q.Errors, q.Outcome, q.Records = store.InquiryFailed, fault.List{f}, "", nil
}

// save records the questions as they stand.
func (d *Desk) save(ctx context.Context, r *directory.Resource, questions []*question) error {
	batch := make([]store.Inquiry, len(questions))
	for i, q := range questions {
		entry := &q.inquiry
		entry.Status, entry.Source, entry.Outcome, entry.CachedFrom = q.Status, q.Source, q.Outcome, q.CachedFrom
		entry.Took = time.Since(entry.At).Truncate(time.Microsecond)
		if len(q.Errors) > 0 {
			entry.Errors = withoutValues(q.Errors)
		}
		batch[i] = *entry
	}
	// What was asked and answered is recorded even when the asker has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if err := d.Store.SaveInquiries(ctx, batch); err != nil {
		return fmt.Errorf("recording queries: %w", err)
	}
	for _, q := range questions {
		if q.Status != store.InquiryOpen {
			d.Metrics.answered(r.Code, q)
		}
	}
	return nil
}

// saveTimeout bounds the recording of a question.
const saveTimeout = 10 * time.Second

// withoutValues tells faults without what they speak of, which may be personal: the
// texts name values and unexpected members too.
func withoutValues(faults fault.List) []byte {
	kept := make(fault.List, len(faults))
	for i, f := range faults {
		kept[i] = fault.Fault{Code: f.Code, Severity: f.Severity, Rule: f.Rule}
		if f.Code != fault.SchemaUnexpected {
			kept[i].Path = f.Path
		}
		if strings.HasPrefix(string(f.Code), "QUERY_") {
			kept[i].ZH, kept[i].EN = f.ZH, f.EN // the hub's own words
		}
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return nil
	}
	return b
}

// mask returns the record as the right allows to see it; false when nothing says
// which of its data are personal.
func (u *Rules) mask(right directory.Right, canonicalType string, root *wire.Node) bool {
	if right.Personal == directory.PersonalClear {
		return true
	}
	m, ok := u.maskers[canonicalType]
	if ok {
		m.Mask(root)
	}
	return ok
}
