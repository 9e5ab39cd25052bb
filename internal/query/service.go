package query

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"tongqu/internal/adapter"
	"tongqu/internal/circuit"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/schema"
	"tongqu/internal/store"
	"tongqu/internal/wire"
)

// How long a service that gave no answer is left alone.
const (
	circuitBase  = time.Second
	circuitLimit = time.Minute
)

// outcomeError is the outcome of an answer that is none.
const outcomeError = "error"

// service answers by asking the interface of an agency.
type service struct {
	rules    *Rules
	resource *directory.Resource
	agency   string
	config   *directory.Service
	request  *schema.Schema // the canonical type of the question
	mask     *directory.Masker
	caller   *caller
	circuit  *circuit.Circuit
	limit    *rate.Limiter
}

// newService returns nil when no agency answers for the resource.
func newService(u *Rules, r *directory.Resource) (*service, error) {
	agency, config, ok := u.directory.Service(r.Code)
	if !ok {
		return nil, nil //nolint:nilnil // there is none
	}
	if _, err := u.registry.Format(config.Request); err != nil {
		return nil, fmt.Errorf("the service of %s: request: %w", agency.Code, err)
	}
	message := u.registry.Message(config.Request[strings.LastIndexByte(config.Request, '+')+1:])
	canonicalType := message.Table.Canonical()
	if record.Family(canonicalType) != r.Query.Request {
		return nil, fmt.Errorf("the service of %s: %s writes %s, and the resource asks with %s", agency.Code, config.Request, canonicalType, r.Query.Request)
	}
	s := &service{rules: u, resource: r, agency: agency.Code, config: config, request: message.Canonical, mask: u.maskers[canonicalType]}
	if config.Answer == "" {
		config.Answer = message.Adapter.Name
	}
	if u.registry.Adapter(config.Answer) == nil {
		return nil, fmt.Errorf("the service of %s: answer: there is no adapter %s", agency.Code, config.Answer)
	}
	var err error
	if s.caller, err = newCaller(config); err != nil {
		return nil, fmt.Errorf("the service of %s: %w", agency.Code, err)
	}
	s.circuit = circuit.New(circuitBase, circuitLimit, rand.Float64)
	s.limit = rate.NewLimiter(rate.Inf, 0)
	if config.Rate > 0 {
		s.limit = rate.NewLimiter(rate.Limit(config.Rate), config.Burst)
	}
	return s, nil
}

// read implements counter: a question is a record of the request type. A wrong check
// digit refuses it, before anybody is paid for saying so.
func (s *service) read(q *question) ([]byte, fault.List) {
	q.asked = wire.AppendJSON(nil, q.root)
	for path, value := range s.resource.Query.Fill {
		text := q.asker.Title.ZH
		if value == directory.FillPurpose {
			text = q.inquiry.Purpose
		}
		fill(q.root, path, text)
	}
	faults := s.request.Check(q.root)
	readable := true
	for i := range faults {
		if faults[i].Code == fault.RuleCheckDigit {
			faults[i].Severity = fault.Error
		} else if faults[i].Severity == fault.Error {
			readable = false
		}
	}
	if !readable || s.mask == nil {
		return nil, faults
	}
	kept, err := s.mask.MaskJSON(wire.AppendJSON(nil, q.root), wire.NewDefaultLimits())
	if err != nil {
		return nil, append(faults, fault.Of(err)...)
	}
	return kept, faults
}

// fill writes text at a canonical path where there is nothing.
func fill(root *wire.Node, path, text string) {
	for {
		step, rest, more := strings.Cut(path, ".")
		below := root.Child(step)
		switch {
		case !more && below == nil:
			root.Append(&wire.Node{Kind: wire.Text, Name: step, Text: text})
			return
		case !more:
			return
		case below == nil:
			below = root.Append(&wire.Node{Kind: wire.Object, Name: step})
		}
		root, path = below, rest
	}
}

// answer implements counter.
func (s *service) answer(ctx context.Context, d *Desk, questions []*question) error {
	var rest []*question
	for _, q := range questions {
		known, err := s.again(ctx, d, q)
		if err != nil {
			return err
		}
		if !known {
			rest = append(rest, q)
		}
	}
	for some := range slices.Chunk(rest, s.config.Batch) {
		if err := s.ask(ctx, d, some); err != nil {
			return err
		}
	}
	return nil
}

// fingerprint is a keyed hash of what was asked of the resource.
func (s *service) fingerprint(key []byte, q *question) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(s.resource.Code + "\x00")) // a hash takes all
	_, _ = h.Write(q.asked)
	return h.Sum(nil)
}

// again answers with an earlier answer of the agency, if the directory's rule allows
// it. What is kept of answers is masked: who was granted clear text asks anew.
func (s *service) again(ctx context.Context, d *Desk, q *question) (bool, error) {
	rule := s.resource.Query.Cache
	if rule == nil || q.right.Personal == directory.PersonalClear {
		return false, nil
	}
	q.inquiry.Fingerprint = s.fingerprint(d.Key, q)
	earlier, err := d.Store.AgencyAnswer(ctx, q.inquiry.Fingerprint, time.Now().Add(-rule.For), rule.Outcomes)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for an earlier answer: %w", err)
	}
	var told Record
	if err := json.Unmarshal(earlier.Answer, &told); err != nil {
		return false, fmt.Errorf("reading the answer of query %s: %w", earlier.ID, err)
	}
	q.Status, q.Source, q.Outcome, q.AsOf, q.CachedFrom = store.InquiryAnswered, store.FromCache, earlier.Outcome, earlier.At, earlier.ID
	q.Records, q.inquiry.Answer = []Record{told}, earlier.Answer
	return true, nil
}

// ask asks the agency in one call.
func (s *service) ask(ctx context.Context, d *Desk, questions []*question) error {
	all := func(f fault.Fault, after time.Duration) {
		for _, q := range questions {
			q.fail(f)
			q.RetryAfter = after
		}
	}
	turn, wait, _ := s.circuit.Try()
	if wait > 0 {
		all(fault.New(fault.QueryUnavailable, fault.Place{}, "", s.circuit.Current().LastError), min(wait, circuitLimit))
		return nil
	}
	if r := s.limit.Reserve(); r.Delay() > 0 {
		delay := r.Delay()
		r.Cancel()
		s.circuit.Abandon(turn)
		all(fault.New(fault.RateLimited, fault.Place{}, "", int(delay/time.Second)+1), delay)
		return nil
	}
	body, err := s.write(questions)
	if err != nil {
		s.circuit.Abandon(turn)
		for _, q := range questions {
			q.refuse(fault.Of(err)...)
		}
		return nil
	}
	for _, q := range questions {
		q.Source = store.FromAgency
	}
	// That somebody is asked about is recorded before it is told to anybody.
	if err := d.save(ctx, s.resource, questions); err != nil {
		s.circuit.Abandon(turn)
		return err
	}
	reply, err := s.caller.call(ctx, body)
	if err != nil {
		away, _ := errors.AsType[*away](err)
		switch {
		case away == nil || ctx.Err() != nil:
			s.circuit.Abandon(turn)
			all(fault.New(fault.QueryUnavailable, fault.Place{}, "", "the asker has gone"), 0)
		default:
			s.circuit.Fail(turn, away.reason, away.after)
			d.Log.Warn("a service gives no answer", zap.String("resource", s.resource.Code), zap.String("agency", s.agency), zap.String("reason", away.reason))
			all(away.fault(s.config.Timeout), away.after)
		}
		return nil
	}
	if err := s.take(questions, reply); err != nil {
		if reply.status >= 500 || reply.status == 429 {
			s.circuit.Fail(turn, reply.text(), reply.after)
			all(fault.New(fault.QueryUnavailable, fault.Place{}, "", reply.text()), reply.after)
		} else {
			s.circuit.Succeed(turn) // it is there and answers
			all(fault.New(fault.QueryAnswer, fault.Place{}, "", err), 0)
		}
		d.Log.Warn("the answer of a service cannot be understood", zap.String("resource", s.resource.Code), zap.String("agency", s.agency), zap.Int("status", reply.status), zap.Error(err))
		return nil
	}
	if reply.status >= 500 {
		s.circuit.Fail(turn, reply.text(), reply.after)
	} else {
		s.circuit.Succeed(turn)
	}
	return nil
}

// write makes the document of the questions.
func (s *service) write(questions []*question) ([]byte, error) {
	bodies := make([][]byte, len(questions))
	for i, q := range questions {
		bodies[i] = wire.AppendJSON(nil, q.root)
	}
	tr := adapter.Transfer{ID: questions[0].QueryID, Sender: string(s.config.Sender), At: time.Now()}
	doc, err := s.rules.registry.Encode(s.config.Request, bodies, tr)
	if err != nil {
		if fault.Of(err) == nil {
			err = fault.List{fault.New(fault.DeliveryNotEncoded, fault.Place{}, "", s.config.Request, "-")}
		}
		return nil, err
	}
	body := string(doc.Body)
	for from, to := range s.config.Namespaces {
		body = strings.ReplaceAll(body, `"`+from+`"`, `"`+to+`"`)
	}
	return []byte(body), nil
}

// take reads the answer into the questions, all of them or, with an error, none. The
// error holds nothing personal.
func (s *service) take(questions []*question, reply *reply) error {
	t := s.rules.registry.Translate(reply.body, s.config.Answer)
	if t.Faults.Refuses() {
		return errors.New(codesOf(t.Faults))
	}
	path := s.resource.Query.Outcome
	whole := len(t.Records) == 1 && len(questions) > 1 && adapter.Value(t.Records[0].Root, path) == outcomeError
	if len(t.Records) != len(questions) && !whole {
		return fmt.Errorf("%d answers to %d questions", len(t.Records), len(questions))
	}
	for i := range t.Records {
		r := &t.Records[i]
		if r.Faults.Refuses() {
			return errors.New(codesOf(r.Faults))
		}
		if !s.resource.Holds(r.Type) || record.Family(r.Type) == s.resource.Query.Request {
			return fmt.Errorf("it is a %s", r.Type)
		}
		if !whole && !repeats(questions[i].root, r.Root) {
			return errors.New("it answers another question")
		}
	}
	for i, q := range questions {
		r := &t.Records[min(i, len(t.Records)-1)]
		if err := s.tell(q, r); err != nil {
			return err
		}
	}
	return nil
}

// repeats reports whether what the answer repeats of the question is the same. What
// it masks is no repetition.
func repeats(question, answer *wire.Node) bool {
	for c := range answer.Children() {
		asked := question.Child(c.Name)
		if c.Kind == wire.Text && asked != nil && asked.Kind == wire.Text && c.Text != asked.Text && !strings.Contains(c.Text, "*") {
			return false
		}
	}
	return true
}

// tell gives the answer to the asker as it may see it, and keeps it masked.
func (s *service) tell(q *question, r *adapter.Record) error {
	mask, ok := s.rules.maskers[r.Type]
	if !ok {
		return fmt.Errorf("nothing says which data of %s are personal", r.Type)
	}
	whole := wire.AppendJSON(nil, r.Root)
	masked, err := mask.MaskJSON(whole, wire.NewDefaultLimits())
	if err != nil {
		return errors.New("it cannot be masked")
	}
	told := Record{Type: r.Type, Agency: s.agency, Record: masked}
	if q.inquiry.Answer, err = json.Marshal(told); err != nil {
		return errors.New("it cannot be kept")
	}
	if q.right.Personal == directory.PersonalClear {
		told.Record = whole
	}
	q.Status, q.Outcome, q.Records = store.InquiryAnswered, adapter.Value(r.Root, s.resource.Query.Outcome), []Record{told}
	q.Errors = nil
	return nil
}

// codesOf tells faults without what they speak of.
func codesOf(faults fault.List) string {
	var codes []string
	for _, f := range faults {
		if f.Severity == fault.Error {
			codes = append(codes, string(f.Code))
		}
	}
	return strings.Join(slices.Compact(codes), ", ")
}
