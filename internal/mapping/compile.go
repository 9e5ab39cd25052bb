package mapping

import (
	"cmp"
	"fmt"
	"slices"

	"tongqu/internal/conf"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// source is the reading half of a program while it is compiled: which names are
// picked, and in which scope each value stands.
type source struct {
	root   *branch
	scopes []scope
	// base is the scope of the root, opened finds the scope that a repeating
	// branch opens.
	base int
}

func newSource(base int) *source {
	s := &source{root: &branch{slot: -1}, scopes: make([]scope, base+1), base: base}
	if base == 1 { // records, gathered from scope 0
		s.scopes[0].lists = 1
	}
	return s
}

// follow makes the branches of a route and returns the last one, with the scopes
// that the repeating steps open, outermost first.
func (s *source) follow(steps []step) (*branch, []int) {
	b, current := s.root, s.base
	var opened []int
	for _, st := range steps {
		i := slices.IndexFunc(b.next, func(n *branch) bool { return n.name == st.name && n.attr == st.attr })
		if i < 0 {
			i = len(b.next)
			inner := &branch{name: st.name, attr: st.attr, slot: -1}
			if st.repeats {
				inner.scope = len(s.scopes)
				s.scopes = append(s.scopes, scope{parent: current, list: s.scopes[current].lists})
				s.scopes[current].lists++
			}
			b.next = append(b.next, inner)
		}
		if b = b.next[i]; b.scope != 0 {
			current = b.scope
			opened = append(opened, current)
		}
	}
	return b, opened
}

// slot returns where the value of a route is kept.
func (s *source) slot(steps []step) (of, slot int) {
	b, opened := s.follow(steps)
	of = s.base
	if len(opened) > 0 {
		of = opened[len(opened)-1]
	}
	if b.slot < 0 {
		b.slot = s.scopes[of].slots
		s.scopes[of].slots++
	}
	return of, b.slot
}

// way is how to get to a scope from the nearest one that is current; nil when it
// is current itself.
func (s *source) way(of int, current []int) []int {
	var way []int
	for !slices.Contains(current, of) {
		way = append(way, of)
		of = s.scopes[of].parent
	}
	slices.Reverse(way)
	return way
}

// compiler makes the program of one direction.
type compiler struct {
	table    *Table
	source   *source
	plan     *plan
	encoding bool
	problems conf.Problems

	// Decoding: the scopes that `each` opens, the innermost being the record's.
	chain                   []int
	recordScope, recordSlot int
	// bound is the wire scope that feeds a canonical array, by the array's path;
	// for encoding the canonical scope that feeds a wire list, by its path.
	bound map[string]int

	checks     []check
	expressive bool
	// later resolve expressions, when all plain rows are known.
	later []func()
}

func (c *compiler) problem(at mark, format string, args ...any) {
	c.problems = append(c.problems, conf.Problem{
		File: c.table.file, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...),
	})
}

func (c *compiler) program() *program {
	s := c.source
	if !c.encoding {
		for i := range s.scopes {
			s.scopes[i].shared = c.shared(i)
		}
	}
	sortPlan(c.plan)
	return &program{
		root: s.root, scopes: s.scopes, plan: c.plan, checks: c.checks,
		encoding: c.encoding, expressive: c.expressive, objects: countObjects(c.plan),
	}
}

func countObjects(p *plan) int {
	if p.form != planObject {
		return 0
	}
	n := 1
	for _, part := range p.parts {
		n += countObjects(part)
	}
	return n
}

// shared reports whether a scope is outside of the record.
func (c *compiler) shared(of int) bool {
	for ; of != c.recordScope; of = c.source.scopes[of].parent {
		if of == 0 {
			return true
		}
	}
	return false
}

// sortPlan puts every object's parts into the order of the schema and settles
// what depends on them.
func sortPlan(p *plan) {
	if p.item != nil {
		sortPlan(p.item)
	}
	if p.form != planObject {
		p.constant = p.form == planLeaf && len(p.leads) > 0 &&
			!slices.ContainsFunc(p.leads, func(l *lead) bool { return l.form != leadConstant && l.form != leadCount })
		return
	}
	for _, part := range p.parts {
		sortPlan(part)
	}
	slices.SortStableFunc(p.parts, func(a, b *plan) int {
		if a.attr != b.attr {
			if a.attr {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.order, b.order)
	})
	p.constant = len(p.parts) > 0
	hasConstant := false
	for _, part := range p.parts {
		hasConstant = hasConstant || part.constant
		p.constant = p.constant && (part.constant || len(part.leads) == 0 && part.form == planLeaf)
	}
	p.always = p.always || p.constant || p.required && hasConstant
}

// newPlan is the plan of an object of that shape, without parts.
func newPlan(st step, path string) *plan {
	p := &plan{form: planObject, name: st.name, attr: st.attr, title: st.shape.Title, path: path, shape: st.shape}
	if !st.attr { // attributes are not qualified
		p.space = st.shape.Namespace
	}
	return p
}

// leafPlan returns the plan of the leaf at steps, making what leads to it. current
// gets the scopes that are current there.
func (c *compiler) leafPlan(steps []step) (leaf *plan, current []int) {
	p := c.plan
	current = c.outermost()
	for i, st := range steps {
		p = c.part(p, steps[:i+1])
		if p.form == planList {
			if !p.single {
				current = append(current, p.scope)
			}
			p = p.item
		}
		if i == len(steps)-1 && p.form == planObject {
			p.form, p.kind = planLeaf, leafKind(st.shape)
		}
	}
	return p, current
}

func leafKind(s *schema.Shape) wire.Kind {
	switch s.Kind {
	case schema.Integer, schema.Number:
		return wire.Number
	case schema.Boolean:
		return wire.Bool
	case schema.Array:
		return wire.Array
	case schema.Any, schema.Object, schema.String:
	}
	return wire.Text
}

// part finds or makes the part of p that the last of the steps names.
func (c *compiler) part(p *plan, steps []step) *plan {
	st := steps[len(steps)-1]
	for _, q := range p.parts {
		if q.name == st.name && q.attr == st.attr {
			return q
		}
	}
	path := canonicalPath(steps)
	if c.encoding {
		path = wirePath(steps, nil)
		if c.table.wire.Root != "" {
			path = "/" + c.table.wire.Root + path
		}
	}
	q := newPlan(st, path)
	q.required = st.required
	q.order = st.order
	q.empty = c.encoding && allowsEmpty(st.shape)
	q.always = q.required && c.encoding
	if st.repeats {
		item := q
		q = &plan{form: planList, name: st.name, path: path, title: st.shape.Title, required: item.required, order: st.order, item: item}
		item.required, item.always = false, c.encoding
		c.feed(q, steps)
	}
	p.parts = append(p.parts, q)
	return q
}

// feed says where a list's items come from.
func (c *compiler) feed(q *plan, steps []step) {
	if !c.encoding {
		q.array = true
		q.scope = c.bound[canonicalPath(steps)]
		return
	}
	q.array = c.table.wire.Root == "" && steps[len(steps)-1].name != ""
	each := c.table.each
	if (route{steps: each}).hasPrefix(steps) {
		if (route{steps: each[len(steps):]}).repeated() > 0 {
			q.single = true
			return
		}
		q.scope = 1
		return
	}
	q.scope = c.bound[wirePath(steps, nil)]
	q.via = c.source.way(c.source.scopes[q.scope].parent, c.scopesOf(steps[:len(steps)-1]))
}

// scopesOf returns the scopes that are current below wire steps when encoding.
func (c *compiler) scopesOf(steps []step) []int {
	current := c.outermost()
	for i, st := range steps {
		if !st.repeats {
			continue
		}
		prefix := steps[:i+1]
		switch each := c.table.each; {
		case !(route{steps: each}).hasPrefix(prefix):
			current = append(current, c.bound[wirePath(prefix, nil)])
		case (route{steps: each[i+1:]}).repeated() == 0:
			current = append(current, 1)
		}
	}
	return current
}

// outermost are the scopes that are current everywhere in the target.
func (c *compiler) outermost() []int {
	current := []int{0}
	switch {
	case !c.encoding:
		return append(current, c.chain...)
	case (route{steps: c.table.each}).repeated() == 0:
		return append(current, 1) // the document is one record
	}
	return current
}

// allowsEmpty reports whether the schema takes an empty text for the value.
func allowsEmpty(s *schema.Shape) bool {
	return s.Kind == schema.String && s.MinLength == 0 && s.Pattern == "" && s.Format == "" && len(s.Enum) == 0 &&
		s.TotalDigits == schema.Unbounded && s.FractionDigits == schema.Unbounded
}
