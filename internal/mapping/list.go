package mapping

import (
	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// gather follows a lead from outside of its scope, as encoding has to when
// several records share one document: all must agree.
func (s *state) gather(l *lead) (value string, from *wire.Node, ok bool) {
	first := true
	ok = true
	s.each(l.via, func() bool {
		v, n, fine := s.follow(l)
		switch {
		case first:
			value, from, ok, first = v, n, fine, false
		case fine && v != value:
			s.disagree(l.row.wires[l.part].text, n, v)
			ok = false
		}
		return ok
	})
	return value, from, ok
}

// disagree reports a record that has another value than the first for what the
// document has once.
func (s *state) disagree(path string, at *wire.Node, value string) {
	place := fault.Place{}
	if at != nil {
		place = at.Place()
	}
	s.faults = append(s.faults, fault.New(fault.MapValue, place, value, path+" ≠").WithRule("agree "+path))
}

// each runs f with every frame of the last scope of via current, until f returns
// false; afterwards the first of them is current.
func (s *state) each(via []int, f func() bool) bool {
	if len(via) == 0 {
		return f()
	}
	at, rest := via[0], via[1:]
	head := s.first(s.scopes[at].parent, s.scopes[at].list)
	for i := head; i != none; i = s.frames[i].next {
		s.current[at] = i
		if !s.each(rest, f) {
			return false
		}
	}
	s.current[at] = head
	return true
}

// list builds the items of p below parent and reports whether there are any.
func (s *state) list(p *plan, parent *wire.Node) bool {
	head, inhabited := s.head(p)
	if !inhabited {
		return false
	}
	into := parent
	if p.array {
		into = s.new(p)
		into.Kind = wire.Array
	}
	if p.single {
		s.item(p, into)
	}
	for f := head; f != none; f = s.frames[f].next {
		s.current[p.scope] = f
		s.item(p, into)
	}
	if !p.single {
		s.current[p.scope] = head
	}
	if p.array {
		if into.First == nil {
			*into = wire.Node{}
			s.spare = into
			return false
		}
		parent.Append(into)
		if parent.From == nil && !s.encoding && into.First.From != nil {
			parent.From = into.First.From.Parent
		}
		into.From = parent.From
		return true
	}
	return into.Last != nil
}

// head finds the first frame of a list; inhabited is false when there is none.
func (s *state) head(p *plan) (head int32, inhabited bool) {
	if p.single {
		return none, true
	}
	sc := &s.scopes[p.scope]
	if p.via == nil {
		head = s.first(sc.parent, sc.list)
		return head, head != none
	}
	var model *wire.Node
	head = none
	first := true
	s.each(p.via, func() bool {
		f := s.first(sc.parent, sc.list)
		var array *wire.Node
		if f != none {
			array = s.frames[f].node.Parent
		}
		if first {
			head, model, first = f, array, false
			return true
		}
		if !equal(model, array) {
			s.disagree(p.path, array, "")
			return false
		}
		return true
	})
	return head, head != none
}

// equal reports whether two canonical trees say the same.
func equal(a, b *wire.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Kind != b.Kind || a.Name != b.Name || a.Text != b.Text {
		return false
	}
	c, d := a.First, b.First
	for ; c != nil && d != nil; c, d = c.Next, d.Next {
		if !equal(c, d) {
			return false
		}
	}
	return c == d
}

func (s *state) item(p *plan, into *wire.Node) {
	n, _ := s.child(p.item)
	if n == nil {
		return
	}
	if p.array {
		n.Name, n.Space = "", ""
	}
	if !s.encoding && p.item.form == planObject {
		n.From = s.frames[s.current[p.scope]].node
	}
	into.Append(n)
}
