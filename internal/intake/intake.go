// Package intake takes documents in: the one pipeline behind every door, from
// bytes to a durable record and the answer to the sender.
package intake

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"tongqu/internal/adapter"
	"tongqu/internal/answer"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/wire"
)

// Intake is the pipeline: recognise, read, check, translate, check, record.
type Intake struct {
	rules   atomic.Pointer[rules]
	store   store.Store
	log     *zap.Logger
	metrics *Metrics
	clock   func() time.Time
}

// rules say which documents are known and who may send them.
type rules struct {
	registry  *adapter.Registry
	directory *directory.Directory
}

// New makes the pipeline; clock is time.Now outside tests.
func New(r *adapter.Registry, d *directory.Directory, s store.Store, log *zap.Logger, m *Metrics, clock func() time.Time) *Intake {
	in := &Intake{store: s, log: log, metrics: m, clock: clock}
	in.Use(r, d)
	return in
}

// Use puts other adapters and another directory in force. Documents that are
// being received are finished by those they began with.
func (in *Intake) Use(r *adapter.Registry, d *directory.Directory) { in.rules.Store(&rules{r, d}) }

// Inbound is a document at a door.
type Inbound struct {
	Agency *directory.Agency
	Door   string // http or file
	Name   string // file name, or empty
	// Adapter names the only adapter to try; empty lets the document tell.
	Adapter string
	Body    []byte
	// Told are flags of the door, reported with those of the document.
	Told fault.List
}

// Outcome is what became of a document: the answer to its sender.
type Outcome struct {
	DocumentID  string          `json:"documentId"`
	Adapter     string          `json:"adapter,omitempty"`
	Message     string          `json:"message,omitempty"`
	Status      string          `json:"status"`
	DuplicateOf string          `json:"duplicateOf,omitempty"`
	Accepted    int             `json:"accepted"`
	Rejected    int             `json:"rejected"`
	Duplicates  int             `json:"duplicates"`
	Records     []RecordOutcome `json:"records"`
	// Errors belong to no single record.
	Errors fault.List `json:"errors,omitempty"`

	translation *adapter.Translation
	receivedAt  time.Time
}

// RecordOutcome is what became of one record.
type RecordOutcome struct {
	Index       int            `json:"index"`
	RecordID    string         `json:"recordId"`
	Type        string         `json:"type"`
	Keys        map[string]any `json:"keys"`
	Status      record.Status  `json:"status"`
	DuplicateOf string         `json:"duplicateOf,omitempty"`
	Errors      fault.List     `json:"errors,omitempty"`
}

// Receive takes one document through the pipeline. When it returns nil the
// document and what became of it are on disk; an error wraps
// store.ErrUnavailable and means that nothing was kept.
func (in *Intake) Receive(ctx context.Context, inb Inbound) (*Outcome, error) {
	start := in.clock()
	id, err := record.NewDocumentID()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	rules := in.rules.Load()
	t := rules.registry.Translate(inb.Body, inb.Adapter)
	alone(t)
	t.Faults = append(t.Faults, inb.Told...)
	rules.authorize(inb.Agency, t)
	return in.record(ctx, rules, id, inb, t, start)
}

// record keeps what was translated and tells what became of it.
func (in *Intake) record(ctx context.Context, rules *rules, id string, inb Inbound, t *adapter.Translation, start time.Time) (*Outcome, error) {
	e := entry(id, inb, t, start.UTC().Truncate(time.Microsecond))
	if err := in.match(ctx, rules.registry, t, e); err != nil {
		in.metrics.failed.Inc()
		return nil, err
	}
	if err := in.store.Record(ctx, e); err != nil {
		in.metrics.failed.Inc()
		return nil, err
	}
	out := outcome(e, t)
	in.metrics.received(out, inb, in.clock().Sub(start))
	return out, nil
}

// authorize refuses what the agency is not listed to provide.
func (ru *rules) authorize(a *directory.Agency, t *adapter.Translation) {
	var refused string // the last type found refused: types of one document seldom differ
	for i := range t.Records {
		r := &t.Records[i]
		if r.Type == "" || r.Type == refused {
			continue
		}
		if _, ok := ru.directory.MayProvide(a, r.Type); !ok {
			refused = r.Type
			t.Faults = append(t.Faults, fault.New(fault.NotEntitled, fault.Place{}, "", a.Code, record.Family(r.Type)))
		}
	}
}

// entry makes of a translation what the store records.
func entry(id string, inb Inbound, t *adapter.Translation, at time.Time) *store.Entry {
	e := &store.Entry{
		Document: store.Document{
			ID: id, Agency: inb.Agency.Code, Adapter: t.Adapter, Message: t.Message, Door: inb.Door, Name: inb.Name,
			ReceivedAt: at, SHA256: sha256.Sum256(inb.Body), Size: len(inb.Body), Body: inb.Body, Errors: marshal(t.Faults),
		},
		Records: make([]record.Record, len(t.Records)),
	}
	for i := range t.Records {
		r := &t.Records[i]
		status := record.Accepted
		if t.Refused(r) {
			status = record.Rejected
		}
		e.Records[i] = record.Record{
			ID: record.ID(id, i+1), DocumentID: id, Index: i + 1, Type: r.Type, Agency: inb.Agency.Code,
			Keys: r.Keys, Version: r.Version, Action: r.Action, Status: status, ReceivedAt: at,
			Body: wire.AppendJSON(make([]byte, 0, 2048), r.Root), Errors: marshal(r.Faults),
		}
	}
	return e
}

// match flags the receipts that answer nothing the hub has received.
func (in *Intake) match(ctx context.Context, registry *adapter.Registry, t *adapter.Translation, e *store.Entry) error {
	for i := range e.Records {
		r := &e.Records[i]
		if r.Status != record.Accepted || !answer.IsReceipt(registry, r.Type) {
			continue
		}
		ids, names, err := answer.Answered(ctx, registry, in.store, r)
		if err != nil {
			return fmt.Errorf("%w: finding what a receipt answers: %w", store.ErrUnavailable, err)
		}
		if len(ids) == 0 && names {
			from := &t.Records[i]
			f := fault.New(fault.AnswersNothing, from.Source.Place(), "")
			f.Severity = fault.Flag
			from.Faults = append(from.Faults, f)
			r.Errors = marshal(from.Faults)
		}
	}
	return nil
}

func marshal(faults fault.List) []byte {
	if len(faults) == 0 {
		return nil
	}
	b, err := json.Marshal(faults)
	if err != nil {
		return nil // a list of strings and numbers always marshals
	}
	return b
}

// outcome tells the sender what the store made of the entry.
func outcome(e *store.Entry, t *adapter.Translation) *Outcome {
	d := &e.Document
	out := &Outcome{
		DocumentID: d.ID, Adapter: d.Adapter, Message: d.Message, Status: string(d.Status), DuplicateOf: d.DuplicateOf,
		Accepted: d.Accepted, Rejected: d.Rejected, Duplicates: d.Duplicates,
		Records: make([]RecordOutcome, len(e.Records)), Errors: t.Faults, translation: t, receivedAt: d.ReceivedAt,
	}
	for i := range e.Records {
		r := &e.Records[i]
		ro := RecordOutcome{
			Index: r.Index, RecordID: r.ID, Type: r.Type, Status: r.Status, DuplicateOf: r.DuplicateOf,
			Keys: record.ByName(r.Keys), Errors: t.Records[i].Faults,
		}
		if r.Status != record.Accepted && len(r.Errors) > 0 {
			var settled fault.List
			if json.Unmarshal(r.Errors, &settled) == nil {
				ro.Errors = settled // the store may have added why
			}
		}
		out.Records[i] = ro
	}
	return out
}
