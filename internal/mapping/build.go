package mapping

import (
	"strconv"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// object builds an object, or returns nil when the source has nothing for it.
// filled says that it holds more than constants.
func (s *state) object(p *plan) (n *wire.Node, filled bool) {
	n = s.new(p)
	n.Kind = wire.Object
	mark, traced := len(s.missing), len(s.trace)
	hasText := false
	for _, part := range p.parts {
		switch part.form {
		case planList:
			if s.list(part, n) {
				filled = true
			} else {
				s.lacks(part)
			}
			continue
		case planLeaf:
			if part.name == text {
				hasText = true
				if value, _, _ := s.value(part.leads); value != "" {
					n.Text, filled = value, true
				} else if !part.empty && !s.failed {
					s.lacks(part)
				}
				continue
			}
		case planObject:
		}
		child, has := s.child(part)
		if child == nil {
			if !s.failed {
				s.lacks(part)
			}
			continue
		}
		n.Append(child)
		filled = filled || has
		if n.From == nil {
			n.From = groupOf(child, part.form)
		}
	}
	if !filled && !p.always || n.First == nil && n.Text == "" && (!p.required || !s.encoding) {
		s.missing = s.missing[:mark]
		s.trace = s.trace[:traced]
		*n = wire.Node{}
		s.spare = n
		return nil, false
	}
	if hasText && n.First == nil {
		n.Kind = wire.Text
	}
	return n, filled
}

// lacks notes a required part without a value.
func (s *state) lacks(p *plan) {
	if p.required && s.encoding {
		s.missing = append(s.missing, p)
	}
}

// groupOf is the sender's element that stands for the group a child is in.
func groupOf(child *wire.Node, form planForm) *wire.Node {
	from := child.From
	if from != nil && form == planLeaf && from.IsLeaf() && from.Parent != nil {
		return from.Parent
	}
	return from
}

// child builds an object or a leaf.
func (s *state) child(p *plan) (n *wire.Node, filled bool) {
	if p.form == planObject {
		return s.object(p)
	}
	n = s.leaf(p)
	// what is written empty, only because the schema requires it, fills nothing
	return n, n != nil && !p.constant && (n.Text != "" || n.First != nil)
}

func (s *state) new(p *plan) *wire.Node {
	n := s.spare
	if n == nil {
		n = s.arena.New()
	}
	s.spare = nil
	n.Name, n.Space, n.Attr = p.name, p.space, p.attr
	return n
}

// leaf builds a leaf, or returns nil when the source has no value for it.
func (s *state) leaf(p *plan) *wire.Node {
	if len(p.leads) > 0 && p.leads[0].form == leadSplit && !s.encoding {
		return s.splitList(p)
	}
	value, from, l := s.value(p.leads)
	if value == "" {
		if p.required && p.empty && !s.failed {
			n := s.new(p)
			n.Kind = wire.Text
			return n
		}
		return nil
	}
	if l.form == leadXML && s.encoding {
		return s.fragment(p, l, value, from)
	}
	switch p.kind {
	case wire.Number:
		number, ok := jsonNumber(value)
		if !ok {
			s.report(l, from, value, notNumber)
			s.failed = true
			return nil
		}
		value = number
	case wire.Bool:
		if value != "true" && value != "false" {
			s.report(l, from, value, notBoolean)
			s.failed = true
			return nil
		}
	case wire.Object, wire.Array, wire.Text, wire.Null:
	}
	n := s.new(p)
	n.Kind, n.Text = p.kind, value
	if !s.encoding {
		n.From = from
	}
	if s.tracing {
		s.trace = append(s.trace, l)
	}
	return n
}

var notBoolean = &trouble{code: fault.MapValue, arg: "true/false", rule: "boolean"}

// value returns the value of the first lead that has one, the sender's node it
// comes from, and the lead; "" when none has.
func (s *state) value(leads []*lead) (string, *wire.Node, *lead) {
	for _, l := range leads {
		s.failed, s.skipped = false, false
		var value string
		var from *wire.Node
		var ok bool
		if l.via == nil {
			value, from, ok = s.follow(l)
		} else {
			value, from, ok = s.gather(l)
		}
		if value != "" {
			return value, from, l
		}
		if !ok {
			s.failed = true
			return "", nil, nil
		}
		if l.hasDefault && !s.skipped {
			return l.value, s.group(l), l
		}
	}
	return "", nil, nil
}

// group is the sender's node for a value that has none of its own.
func (s *state) group(l *lead) *wire.Node {
	if s.encoding {
		return nil
	}
	return s.frames[s.current[l.scope]].node
}

// follow takes a lead to its value. ok is false when there was one that could not
// be translated.
func (s *state) follow(l *lead) (value string, from *wire.Node, ok bool) {
	if l.when != nil {
		this, _ := s.own(l)
		switch holds, err := s.evaluate(l.when, this); {
		case err != nil:
			s.expressionFault(l, l.when, nil, err)
			return "", nil, false
		case holds != "true":
			s.skipped = true
			return "", nil, true
		}
	}
	switch l.form {
	case leadConstant:
		return l.value, s.group(l), true
	case leadCount:
		return strconv.Itoa(s.records), s.group(l), true
	case leadJoin:
		return s.joined(l)
	case leadExpression:
		return s.computed(l)
	}
	n := s.node(l.scope, l.slot)
	if n == nil {
		return "", nil, true
	}
	if l.form != leadPlain {
		return s.special(l, n)
	}
	value = trim(n.Text)
	if value == "" || l.codec == nil {
		return value, n, true
	}
	if l.codec == codec(blanksCodec{}) {
		return n.Text, n, true
	}
	turned, trouble := s.turn(l, value)
	if trouble != nil {
		s.report(l, n, n.Text, trouble)
		if !trouble.passes {
			return "", n, false
		}
	}
	return turned, n, true
}

// turn translates a value in the direction of the program.
func (s *state) turn(l *lead, value string) (string, *trouble) {
	switch {
	case l.codec == nil:
		return value, nil
	case s.encoding:
		return l.codec.encode(value)
	}
	return l.codec.decode(value)
}

// special follows the leads that one node makes, but not simply its text.
func (s *state) special(l *lead, n *wire.Node) (value string, from *wire.Node, ok bool) {
	switch l.form {
	case leadPart:
		if value = trim(n.Text); value == "" {
			return "", nil, true
		}
		turned, trouble := s.turn(l, value)
		if trouble == nil || trouble.passes {
			var part string
			if part, ok = l.join.part(turned, l.part); ok {
				return part, n, true
			}
			trouble = l.join.bad
		}
		s.report(l, n, n.Text, trouble)
		return "", n, false
	case leadSplit:
		return s.joinItems(l, n)
	case leadXML:
		if s.encoding {
			return n.Text, n, true
		}
		content, err := s.content(n)
		if err != nil {
			s.report(l, n, "", &trouble{code: fault.MapValue, arg: err.Error(), rule: "xml"})
			return "", n, false
		}
		return content, n, true
	case leadPlain, leadConstant, leadCount, leadJoin, leadExpression:
	}
	return "", nil, true
}

// content is an element's content as XML text. It is written once, however many
// records share the element, as they do a signature.
func (s *state) content(n *wire.Node) (string, error) {
	if content, ok := s.contents[n]; ok {
		return content, nil
	}
	content, err := wire.WriteFragment(n)
	if err != nil {
		return "", err
	}
	if s.contents == nil {
		s.contents = map[*wire.Node]string{}
	}
	s.contents[n] = trim(content)
	return s.contents[n], nil
}

// report notes what is wrong with a value.
func (s *state) report(l *lead, at *wire.Node, value string, t *trouble) {
	if s.quiet || s.toldAlready(at, t) {
		return
	}
	place := fault.Place{}
	if at != nil {
		place = at.Place()
	}
	f := fault.New(t.code, place, value, t.arg).WithRule(t.rule).WithName(l.title)
	if t.passes {
		f = f.Flagged()
	}
	s.add(f, l.shared)
}

// toldAlready notes that a node's trouble is told, and whether it was before:
// several rows, items or records may share a node.
func (s *state) toldAlready(at *wire.Node, t *trouble) bool {
	if at == nil {
		return false
	}
	key := complaint{at, t.code, t.arg}
	if s.told[key] {
		return true
	}
	if s.told == nil {
		s.told = map[complaint]bool{}
	}
	s.told[key] = true
	return false
}

// complaint is what tells one trouble with a node from another.
type complaint struct {
	at   *wire.Node
	code fault.Code
	arg  string
}

func (s *state) add(f fault.Fault, shared bool) {
	if shared {
		s.common = append(s.common, f)
	} else {
		s.faults = append(s.faults, f)
	}
}

// check compares the constants that the source must hold where they stand.
func (s *state) check() {
	for i := range s.checks {
		c := &s.checks[i]
		s.each(c.via, func() bool { s.compare(c); return true })
	}
}

func (s *state) compare(c *check) {
	n := s.node(c.scope, c.slot)
	if c.counts {
		s.compareCount(c, n)
		return
	}
	if n == nil || trim(n.Text) == c.value || s.toldAlready(n, c.bad) {
		return
	}
	f := fault.New(c.bad.code, n.Place(), n.Text, c.bad.arg).WithRule(c.bad.rule).WithName(c.title)
	if !s.encoding {
		f = f.Flagged()
	}
	s.add(f, c.shared)
}

// compareCount finds that a document does not hold as many records as it says.
func (s *state) compareCount(c *check, n *wire.Node) {
	if n == nil {
		return
	}
	said, err := strconv.Atoi(trim(n.Text))
	if err == nil && said == s.records || s.toldAlready(n, c.bad) {
		return
	}
	s.add(fault.New(fault.MapCount, n.Place(), n.Text, s.records).WithRule("count").WithName(c.title), c.shared)
}

// trim removes XML's blanks from both ends.
func trim(s string) string {
	for s != "" && blank(s[0]) {
		s = s[1:]
	}
	for s != "" && blank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
