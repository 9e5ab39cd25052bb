package mapping

import (
	"slices"
)

// newEncodeCompiler makes the encoder: canonical trees in, one wire tree out. feeds
// says which canonical array fills a repeating wire element.
func newEncodeCompiler(t *Table, feeds map[string][]step) *compiler {
	c := &compiler{table: t, source: newSource(1), bound: map[string]int{}, encoding: true, recordScope: 1}
	root := step{name: t.wire.Root, shape: t.wire}
	c.plan = newPlan(root, "/"+t.wire.Root)
	c.plan.always, c.plan.required = true, true
	for prefix, steps := range feeds {
		_, opened := c.source.follow(steps)
		c.bound[prefix] = opened[len(opened)-1]
	}
	return c
}

// encoder compiles the rows in the direction of encoding.
func (c *compiler) encoder() {
	t := c.table
	at := c.plan
	for i := range t.each { // every record is written, whatever it has
		if at = c.part(at, t.each[:i+1]); at.form == planList {
			at = at.item
		}
	}
	for _, r := range t.rows {
		if r.encodes() {
			c.encodeRow(r)
		}
	}
	for _, f := range t.fixed {
		if !c.reachable(f.mark, f.path, f.route.steps) {
			continue
		}
		leaf, _ := c.leafPlan(f.route.steps)
		if len(leaf.leads) > 0 {
			c.problem(f.mark, "%s is both mapped and fixed", f.path)
		}
		form := leadConstant
		if f.counts {
			form = leadCount
		}
		leaf.leads = append(leaf.leads, &lead{form: form, slot: -1, value: f.value, constant: f})
	}
	for _, s := range t.set {
		of, slot := c.source.slot(s.route.steps)
		c.checks = append(c.checks, check{
			scope: of, slot: slot, via: c.source.way(of, []int{0, 1}), value: s.value, bad: constantOnly(s.value), title: s.route.shape().Title,
		})
	}
	for _, resolve := range c.later {
		resolve()
	}
	addEmpty(c.plan)
}

// reachable checks that all that repeats on the way of wire steps is filled from
// some canonical array.
func (c *compiler) reachable(at mark, path string, steps []step) bool {
	each := route{steps: c.table.each}
	for i, s := range steps {
		prefix := steps[:i+1]
		if _, ok := c.bound[wirePath(prefix, nil)]; s.repeats && !ok && !each.hasPrefix(prefix) {
			c.problem(at, "%s repeats, and nothing says how often to write it", path)
			return false
		}
	}
	return true
}

func (c *compiler) encodeRow(r *row) {
	of, slot := c.source.slot(r.canonical.steps)
	for i, w := range r.wires {
		if !c.reachable(w.mark, w.text, w.steps) {
			return
		}
		leaf, current := c.leafPlan(w.steps)
		l := &lead{
			row: r, scope: of, slot: slot, via: c.source.way(of, current), codec: r.codec, join: r.join, part: i,
			split: r.split, value: r.fallback, hasDefault: r.hasValue, title: w.shape().Title,
		}
		switch {
		case r.inverse != nil:
			l.form = leadExpression
		case r.join != nil:
			l.form = leadPart
		case r.split != "":
			l.form = leadSplit
		case r.xml:
			l.form = leadXML
		}
		if l.hasDefault {
			l.value, l.hasDefault = c.fallback(r, l)
		}
		leaf.leads = append(leaf.leads, l)
		c.expressions(r, l, current, r.inverse)
	}
}

// fallback is the default of a row as the wire writes it.
func (c *compiler) fallback(r *row, l *lead) (value string, ok bool) {
	s := state{program: &program{encoding: true}}
	value, trouble := s.turn(l, r.fallback)
	if trouble == nil && l.form == leadPart {
		value, ok = l.join.part(value, l.part)
		return value, ok
	}
	if trouble != nil {
		c.problem(r.mark, "default %q of %s cannot be written as %s", r.fallback, r.path, r.codecName())
	}
	return value, trouble == nil
}

// addEmpty adds the leaves that no row writes, but the schema requires and takes
// empty.
func addEmpty(p *plan) {
	if p.form == planList {
		addEmpty(p.item)
	}
	if p.form != planObject {
		return
	}
	for _, part := range p.parts {
		addEmpty(part)
	}
	for i, prop := range p.shape.Props {
		known := slices.ContainsFunc(p.parts, func(q *plan) bool { return q.order == i })
		if known || !prop.Required || !allowsEmpty(prop) || prop.Name == text {
			continue
		}
		st, err := stepInto(p.shape, prop.Name)
		if err != nil {
			continue
		}
		q := newPlan(st, p.path+"/"+prop.Name)
		q.form, q.kind, q.order, q.required, q.empty = planLeaf, leafKind(prop), i, true, true
		p.parts = append(p.parts, q)
	}
}
