package mapping

import (
	"errors"
	"strings"

	"tongqu/internal/expression"
	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// evaluation is an expression with all that it reads found.
type evaluation struct {
	*ruled
	reads []read
}

// read is how to get what one reference names.
type read struct {
	expression.Read
	leads []*lead
	via   []int
}

// newState makes a state that can run the program again and again.
func newState(p *program) *state {
	s := &state{program: p, current: make([]int32, len(p.scopes))}
	if !p.expressive {
		return s
	}
	s.env = &expression.Environment{
		Wire:  func(path string) string { return s.read(expression.Wire, path) },
		Value: func(path string) string { return s.read(expression.Value, path) },
		Values: func(path string) []string {
			r := s.find(expression.Values, path)
			var values []string
			s.each(r.via, func() bool {
				v, _, _ := s.value(r.leads)
				values = append(values, v)
				return true
			})
			return values
		},
	}
	return s
}

func (s *state) find(function, path string) *read {
	for i := range s.reading.reads {
		if r := &s.reading.reads[i]; r.Function == function && r.Path == path {
			return r
		}
	}
	return &read{} // not reached: the compiler has found every reference
}

func (s *state) read(function, path string) string {
	v, _, _ := s.value(s.find(function, path).leads)
	return v
}

// evaluate runs an expression with this as the row's own value.
func (s *state) evaluate(e *evaluation, this string) (string, error) {
	before, quiet := s.reading, s.quiet
	s.reading, s.quiet = e, true // what is wrong with a value is told where it stands
	s.env.This = this
	result, err := e.Run(s.env)
	s.reading, s.quiet = before, quiet
	s.failed = false
	return result, err
}

func (s *state) expressionFault(l *lead, e *evaluation, at *wire.Node, err error) {
	if s.quiet {
		return
	}
	place := fault.Place{}
	if at == nil {
		at = s.group(l)
	}
	if at != nil {
		place = at.Place()
	}
	s.add(fault.New(fault.MapExpression, place, "", e.Source, err).WithRule("expression").WithName(l.title), l.shared)
}

// own is a row's own value, and where it stands; nil when it is not there.
func (s *state) own(l *lead) (this string, from *wire.Node) {
	if l.slot < 0 {
		return "", nil
	}
	if from = s.node(l.scope, l.slot); from != nil {
		this = trim(from.Text)
	}
	return this, from
}

// computed follows a row with an expression.
func (s *state) computed(l *lead) (value string, from *wire.Node, ok bool) {
	this, from := s.own(l)
	if l.slot >= 0 && this == "" {
		return "", nil, true // nothing to compute from
	}
	value, err := s.evaluate(l.expr, this)
	if err != nil {
		s.expressionFault(l, l.expr, from, err)
		return "", from, false
	}
	if from == nil {
		from = s.group(l)
	}
	return value, from, true
}

// joined follows a row that takes several values together.
func (s *state) joined(l *lead) (value string, from *wire.Node, ok bool) {
	values := make([]string, len(l.more))
	for i := range l.more {
		if n := s.node(l.more[i].scope, l.more[i].slot); n != nil {
			values[i] = trim(n.Text)
			if from == nil {
				from = n
			}
		}
	}
	if strings.Join(values, "") == "" {
		return "", nil, true
	}
	value, ok = l.join.take(values)
	if !ok {
		s.report(l, from, strings.Join(values, " "), l.join.bad)
		return "", from, false
	}
	turned, trouble := s.turn(l, value)
	if trouble != nil {
		s.report(l, from, value, trouble)
		if !trouble.passes {
			return "", from, false
		}
	}
	return turned, from, true
}

// splitList decodes one text into an array.
func (s *state) splitList(p *plan) *wire.Node {
	l := p.leads[0]
	n := s.node(l.scope, l.slot)
	if n == nil {
		return nil
	}
	kind := leafKind(l.row.canonical.shape().Items)
	var list *wire.Node
	for item := range strings.SplitSeq(n.Text, l.split) {
		if item = trim(item); item == "" {
			continue
		}
		turned, trouble := s.turn(l, item)
		if trouble != nil {
			s.report(l, n, item, trouble)
			if !trouble.passes {
				continue
			}
		}
		if list == nil {
			list = s.new(p)
			list.Kind, list.From = wire.Array, n
		}
		c := s.arena.New()
		c.Kind, c.Text, c.From = kind, turned, n
		list.Append(c)
		if s.tracing {
			s.trace = append(s.trace, l)
		}
	}
	return list
}

// joinItems encodes an array into one text.
func (s *state) joinItems(l *lead, n *wire.Node) (value string, from *wire.Node, ok bool) {
	var items []string
	for c := range n.Children() {
		turned, wrong := s.turn(l, trim(c.Text))
		if strings.Contains(turned, l.split) {
			wrong = &trouble{code: fault.MapValue, arg: l.split, rule: "split " + l.split}
		}
		if wrong != nil {
			s.report(l, c, c.Text, wrong)
			if !wrong.passes {
				return "", c, false
			}
		}
		items = append(items, turned)
	}
	return strings.Join(items, l.split), n, true
}

// fragment writes XML text back as the content of an element.
func (s *state) fragment(p *plan, l *lead, value string, from *wire.Node) *wire.Node {
	nodes, err := wire.ReadFragment(value)
	if err != nil {
		if faults := fault.Of(err); len(faults) > 0 {
			err = errors.New(faults[0].EN)
		}
		s.report(l, from, value, &trouble{code: fault.MapValue, arg: err.Error(), rule: "xml"})
		s.failed = true
		return nil
	}
	n := s.new(p)
	n.Kind = wire.Object
	if len(nodes) > 0 && nodes[0].Name == "" {
		n.Text, nodes = nodes[0].Text, nodes[1:]
	}
	for _, c := range nodes {
		n.Append(c)
	}
	if n.First == nil {
		n.Kind = wire.Text
	}
	return n
}
