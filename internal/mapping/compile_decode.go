package mapping

import (
	"slices"

	"tongqu/internal/expression"
)

// newDecodeCompiler makes the decoder: wire trees in, canonical trees out.
func newDecodeCompiler(t *Table) *compiler {
	c := &compiler{table: t, source: newSource(0), bound: map[string]int{}}
	c.plan = newPlan(step{shape: t.record}, "")
	c.plan.always = true
	return c
}

// decoder compiles the rows in the direction of decoding.
func (c *compiler) decoder() {
	t := c.table
	c.findRecord()
	for _, r := range t.rows {
		c.bind(r)
	}
	for _, r := range t.rows {
		c.requireBound(r.mark, r.canonical.steps)
	}
	for _, s := range t.set {
		c.requireBound(s.mark, s.route.steps)
	}
	if len(c.problems) > 0 {
		return
	}
	for _, r := range t.rows {
		if r.decodes() {
			c.decodeRow(r)
		}
	}
	for _, s := range t.set {
		leaf, current := c.leafPlan(s.route.steps)
		if len(leaf.leads) > 0 {
			c.problem(s.mark, "%s is both mapped and set", s.path)
		}
		leaf.leads = append(leaf.leads, &lead{form: leadConstant, scope: current[len(current)-1], slot: -1, value: s.value, constant: s})
	}
	for _, f := range t.fixed {
		of, slot := c.source.slot(f.route.nodeSteps())
		c.checks = append(c.checks, check{
			scope: of, slot: slot, via: c.source.way(of, c.outermost()),
			value: f.value, bad: constantOnly(f.value), title: f.route.shape().Title, shared: c.shared(of), counts: f.counts,
		})
	}
	for _, resolve := range c.later {
		resolve()
	}
}

// findRecord follows `each` to the scope of one record.
func (c *compiler) findRecord() {
	each := c.table.each
	_, c.chain = c.source.follow(each)
	c.recordSlot = -1
	if len(c.chain) > 0 {
		c.recordScope = c.chain[len(c.chain)-1]
	}
	if len(each) > 0 && !each[len(each)-1].repeats {
		_, c.recordSlot = c.source.slot(each)
	}
}

// bind learns from a row which repeating element feeds which canonical array.
func (c *compiler) bind(r *row) {
	arrays := arraysOf(r.canonical.steps)
	for _, w := range r.wires {
		_, opened := c.source.follow(w.nodeSteps())
		inner := 0
		for inner < len(opened) && slices.Contains(c.chain, opened[inner]) {
			inner++
		}
		opened = opened[inner:]
		if len(opened) > len(arrays) {
			c.problem(w.mark, "%s repeats more often than %s: every repeating element needs an array of its own", w.text, r.path)
			opened = opened[:len(arrays)]
		}
		for i, of := range opened {
			if was, ok := c.bound[arrays[i]]; ok && was != of {
				c.problem(w.mark, "%s is fed by two repeating elements", arrays[i])
				return
			}
			c.bound[arrays[i]] = of
		}
	}
}

// arraysOf are the paths of the arrays on the way of canonical steps.
func arraysOf(steps []step) []string {
	var arrays []string
	for i, s := range steps {
		if s.repeats {
			arrays = append(arrays, canonicalPath(steps[:i+1]))
		}
	}
	return arrays
}

func (c *compiler) requireBound(at mark, steps []step) {
	for _, a := range arraysOf(steps) {
		if _, ok := c.bound[a]; !ok {
			c.problem(at, "no row says which element repeats for %s", a)
			c.bound[a] = 0 // told once
		}
	}
}

func (c *compiler) decodeRow(r *row) {
	leaf, current := c.leafPlan(r.canonical.steps)
	l := &lead{row: r, slot: -1, scope: current[len(current)-1], codec: r.codec, join: r.join, split: r.split, value: r.fallback, hasDefault: r.hasValue}
	for i, w := range r.wires {
		of, slot := c.source.slot(w.nodeSteps())
		if way := c.source.way(of, current); len(way) > 0 {
			c.problem(w.mark, "%s stands in another repeating element than %s", w.text, r.path)
			return
		}
		if i == 0 {
			l.scope, l.slot, l.shared, l.title = of, slot, c.shared(of), w.shape().Title
		} else {
			l.shared = l.shared && c.shared(of)
		}
		l.more = append(l.more, lead{scope: of, slot: slot})
	}
	switch {
	case r.expr != nil:
		l.form = leadExpression
	case r.join != nil:
		l.form = leadJoin
	case r.split != "":
		l.form = leadSplit
	case r.xml:
		l.form = leadXML
	}
	if n := len(leaf.leads); n > 0 && !leaf.leads[n-1].conditional() {
		c.problem(r.mark, "%s never applies: the row before it always does", r.path)
	}
	leaf.leads = append(leaf.leads, l)
	c.expressions(r, l, current, r.expr)
}

// conditional reports whether a later lead may be asked when this one finds nothing.
func (l *lead) conditional() bool { return l.form != leadConstant && !l.hasDefault }

// expressions resolves the expressions of a row once all rows are known.
func (c *compiler) expressions(r *row, l *lead, current []int, value *ruled) {
	if r.when == nil && value == nil {
		return
	}
	c.expressive = true
	current = append(slices.Clone(current), l.via...)
	c.later = append(c.later, func() {
		if r.when != nil {
			l.when = c.evaluation(r.when, current)
		}
		if value != nil {
			l.expr = c.evaluation(value, current)
		}
	})
}

// evaluation finds what an expression reads.
func (c *compiler) evaluation(e *ruled, current []int) *evaluation {
	ev := &evaluation{ruled: e}
	for _, ref := range e.Reads {
		rd := read{Read: ref}
		switch {
		case ref.Function == expression.Wire && c.encoding:
			c.problem(e.mark, "wire(%q) is not there when encoding: say `only: decode`", ref.Path)
		case ref.Function == expression.Wire:
			c.readWire(e, &rd, current)
		case c.encoding:
			c.readSource(e, &rd, current)
		default:
			c.readTarget(e, &rd, current)
		}
		ev.reads = append(ev.reads, rd)
	}
	return ev
}

func (c *compiler) readWire(e *ruled, rd *read, current []int) {
	r, err := resolveWire(rd.Path, c.table.wire, c.table.each)
	if err != nil {
		c.problem(e.mark, "%v", err)
		return
	}
	of, slot := c.source.slot(r.nodeSteps())
	if len(c.source.way(of, current)) > 0 {
		c.problem(e.mark, "wire path %q repeats", rd.Path)
	}
	rd.leads = []*lead{{scope: of, slot: slot}}
}

// readTarget reads a canonical value while decoding: by the leads of its leaf.
func (c *compiler) readTarget(e *ruled, rd *read, current []int) {
	r, err := resolveCanonical(rd.Path, c.table.record, false)
	if err != nil {
		c.problem(e.mark, "%v", err)
		return
	}
	leaf := c.plan
	for _, st := range r.steps {
		i := slices.IndexFunc(leaf.parts, func(p *plan) bool { return p.name == st.name })
		if i < 0 {
			c.problem(e.mark, "no row gives %s", rd.Path)
			return
		}
		if leaf = leaf.parts[i]; leaf.form == planList {
			if !slices.Contains(current, leaf.scope) {
				rd.via = append(rd.via, leaf.scope)
			}
			leaf = leaf.item
		}
	}
	for _, l := range leaf.leads {
		if l.form == leadExpression || l.row != nil && l.row.when != nil {
			c.problem(e.mark, "%s is itself computed or guarded", rd.Path)
			return
		}
	}
	rd.leads = leaf.leads
	c.checkVia(e, rd)
}

// readSource reads a canonical value while encoding.
func (c *compiler) readSource(e *ruled, rd *read, current []int) {
	r, err := resolveCanonical(rd.Path, c.table.record, false)
	if err != nil {
		c.problem(e.mark, "%v", err)
		return
	}
	of, slot := c.source.slot(r.steps)
	rd.via = c.source.way(of, current)
	rd.leads = []*lead{{scope: of, slot: slot}}
	c.checkVia(e, rd)
}

func (c *compiler) checkVia(e *ruled, rd *read) {
	if rd.Function == expression.Value && len(rd.via) > 0 {
		c.problem(e.mark, "%s has many values: use values(%q)", rd.Path, rd.Path)
	}
	if rd.Function == expression.Values && len(rd.via) == 0 {
		c.problem(e.mark, "%s has one value: use value(%q)", rd.Path, rd.Path)
	}
}

// feeds is bound the other way round for the rows that encode: which canonical
// array fills a repeating wire element.
func (c *compiler) feeds() map[string][]step {
	feeds := map[string][]step{}
	for _, r := range c.table.rows {
		if !r.encodes() {
			continue
		}
		arrays := map[int][]step{}
		for i, s := range r.canonical.steps {
			if s.repeats {
				arrays[c.bound[canonicalPath(r.canonical.steps[:i+1])]] = r.canonical.steps[:i+1]
			}
		}
		for _, w := range r.wires {
			for i, s := range w.steps {
				if !s.repeats {
					continue
				}
				_, opened := c.source.follow(w.steps[:i+1])
				prefix := wirePath(w.steps[:i+1], nil)
				steps, ok := arrays[opened[len(opened)-1]]
				if was, twice := feeds[prefix]; ok && twice && canonicalPath(was) != canonicalPath(steps) {
					c.problem(w.mark, "%s is written from %s and from %s: say `only: decode` in one of them", prefix, canonicalPath(was), canonicalPath(steps))
				}
				if ok {
					feeds[prefix] = steps
				}
			}
		}
	}
	return feeds
}
