package mapping

import (
	"cmp"
	"fmt"
	"slices"

	"tongqu/internal/conf"
	"tongqu/internal/expression"
	"tongqu/internal/schema"
)

// Lint proves the table complete: every value of the wire schema is mapped, fixed
// or ignored; everything required is produced, in both directions; kinds agree; no
// two rows write one place; nothing in the table is without effect. It returns
// what is missing, in the order of the file.
func (t *Table) Lint() []conf.Problem {
	l := linter{table: t, problems: slices.Clone(t.found)}
	l.wireComplete()
	l.canonicalComplete(t.record, t.decoder.plan, "")
	l.wireRequired(t.encoder.plan)
	l.writtenOnce()
	l.kinds()
	l.unusedIgnored()
	slices.SortStableFunc(l.problems, func(a, b conf.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return l.problems
}

type linter struct {
	table    *Table
	problems []conf.Problem
}

func (l *linter) problem(at mark, format string, args ...any) {
	l.problems = append(l.problems, conf.Problem{
		File: l.table.file, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...),
	})
}

// wireComplete finds wire values that nothing in the table speaks of.
func (l *linter) wireComplete() {
	t := l.table
	known := map[string]bool{}
	for _, r := range t.rows {
		for _, w := range r.wires {
			known[w.key()] = true
		}
		for _, e := range []*ruled{r.when, r.expr} {
			if e == nil {
				continue
			}
			for _, ref := range e.Reads {
				if w, err := resolveWire(ref.Path, t.wire, t.each); ref.Function == expression.Wire && err == nil {
					known[w.key()] = true
				}
			}
		}
	}
	for _, c := range t.fixed {
		known[c.route.key()] = true
	}
	for leaf := range t.leaves() {
		if !known[leaf.key()] && t.ignores(leaf) == nil {
			l.problem(t.fieldsAt, "%s%s is neither mapped, fixed nor ignored", wirePath(leaf.steps, t.each), named(leaf.shape()))
		}
	}
}

func named(s *schema.Shape) string {
	if s.Title == "" {
		return ""
	}
	return " (" + s.Title + ")"
}

// canonicalComplete finds required canonical values that no row produces, within
// the objects that some row produces.
func (l *linter) canonicalComplete(s *schema.Shape, p *plan, path string) {
	for i, prop := range s.Props {
		name := prop.Name
		if path != "" {
			name = path + "." + name
		}
		at := slices.IndexFunc(p.parts, func(q *plan) bool { return q.order == i })
		if at < 0 {
			if prop.Required {
				l.problem(l.table.fieldsAt, "%s requires %s%s, which no row produces", l.table.canonical, name, named(prop))
			}
			continue
		}
		part := p.parts[at]
		if part.form == planList {
			part, prop, name = part.item, prop.Items, name+"[]"
		}
		if part.form == planObject {
			l.canonicalComplete(prop, part, name)
		}
	}
}

// wireRequired finds required wire values that no row writes, within the elements
// that are written at all.
func (l *linter) wireRequired(p *plan) {
	t := l.table
	for i, prop := range p.shape.Props {
		at := slices.IndexFunc(p.parts, func(q *plan) bool { return q.order == i })
		if at < 0 {
			if prop.Required && (prop.Name != text || !allowsEmpty(prop)) {
				l.problem(t.fieldsAt, "%s/%s%s is required, and no row writes it", p.path, prop.Name, named(prop))
			}
			continue
		}
		part := p.parts[at]
		if part.form == planList {
			part = part.item
		}
		if part.form == planObject {
			l.wireRequired(part)
		}
	}
}

// writtenOnce finds two rows that write one wire place without a condition that
// tells them apart.
func (l *linter) writtenOnce() {
	writes := map[string]*row{}
	for _, r := range l.table.rows {
		if !r.encodes() || r.when != nil {
			continue
		}
		for _, w := range r.wires {
			if first := writes[w.key()]; first != nil {
				l.problem(w.mark, "%s is also written by %s (line %d): say `only: decode` in one of them", w.text, first.path, first.line)
				continue
			}
			writes[w.key()] = r
		}
	}
}

// kinds finds rows whose two sides or whose codec do not fit each other.
func (l *linter) kinds() {
	for _, r := range l.table.rows {
		canonical := r.canonical.shape()
		if r.split != "" && canonical.Items != nil {
			canonical = canonical.Items
		}
		var codec string
		if n := len(r.calls); n > 0 {
			codec = r.calls[n-1].name
		}
		computed := r.expr != nil
		switch {
		case computed:
		case canonical.Kind == schema.Boolean && codec != "flag":
			l.problem(r.mark, "%s is a boolean: it needs `as: flag(…)`", r.path)
		case canonical.Kind == schema.Integer && codec != "integer":
			l.problem(r.mark, "%s is an integer: it needs `as: integer`", r.path)
		case canonical.Kind == schema.Number:
			l.problem(r.mark, "%s is a number: canonical decimals are strings", r.path)
		case canonical.Decimal && codec != "decimal" && codec != "integer":
			l.problem(r.mark, "%s is a decimal: it needs `as: decimal`", r.path)
		case codec == "decimal" && !canonical.Decimal:
			l.problem(r.mark, "%s is no decimal in the canonical schema (x-decimal)", r.path)
		case codec == "time" && canonical.Format != "" && canonical.Format != "date-time":
			l.problem(r.mark, "%s is a %s, not a time", r.path, canonical.Format)
		case codec == "date" && canonical.Format != "" && canonical.Format != "date":
			l.problem(r.mark, "%s is a %s, not a date", r.path, canonical.Format)
		case canonical.Format == "date-time" && codec != "time":
			l.problem(r.mark, "%s is a time: it needs `as: time(…)`", r.path)
		case canonical.Format == "date" && codec != "date":
			l.problem(r.mark, "%s is a date: it needs `as: date(…)`", r.path)
		}
		for _, w := range r.wires {
			l.wireKind(r, w, codec)
		}
		if c, ok := r.codec.(*codeCodec); ok && len(canonical.Enum) > 0 {
			l.codes(r, c, canonical.Enum)
		}
	}
	for _, c := range l.table.set {
		if enum := c.route.shape().Enum; len(enum) > 0 && !slices.Contains(enum, c.value) {
			l.problem(c.mark, "%s cannot be %q: the schema has %v", c.path, c.value, enum)
		}
	}
	for _, c := range l.table.fixed {
		if enum := c.route.shape().Enum; len(enum) > 0 && !slices.Contains(enum, c.value) {
			l.problem(c.mark, "%s cannot be %q: the schema has %v", c.path, c.value, enum)
		}
	}
}

// codes compares a code list with the closed set of canonical values.
func (l *linter) codes(r *row, c *codeCodec, enum []string) {
	for _, v := range enum {
		if _, ok := c.column.Encode(v); !ok && r.encodes() {
			l.problem(r.mark, "%s can be %q, which %s has no code for", r.path, v, c.column)
		}
	}
	for _, code := range c.column.List().Codes() {
		if wire, ok := c.column.Encode(code); ok && r.decodes() && !slices.Contains(enum, code) {
			l.problem(r.mark, "%s turns %q into %q, which %s cannot be", c.column, wire, code, r.path)
		}
	}
}

// wireKind checks the codec against a JSON document's own kinds.
func (l *linter) wireKind(r *row, w wireRef, codec string) {
	if r.expr != nil || r.join != nil {
		return
	}
	if _, ok := r.codec.(*unixCodec); ok {
		return
	}
	switch kind := w.shape().Kind; {
	case kind == schema.Boolean && codec != "flag":
		l.problem(w.mark, "%s is a boolean: it needs `as: flag`", w.text)
	case kind == schema.Integer && codec != "integer" && codec != "code" && codec != "decimal":
		l.problem(w.mark, "%s is an integer: it needs `as: integer`", w.text)
	case kind == schema.Number && codec != "decimal" && codec != "integer" && codec != "code":
		l.problem(w.mark, "%s is a number: it needs `as: decimal`", w.text)
	}
}

// unusedIgnored finds entries of `ignored` that cover nothing, or what is mapped.
func (l *linter) unusedIgnored() {
	t := l.table
	for i, ig := range t.ignored {
		for _, r := range t.rows {
			for _, w := range r.wires {
				if w.hasPrefix(ig.route.steps) {
					l.problem(ig.mark, "%s is ignored, but %s maps %s (line %d)", ig.path, r.path, w.text, r.line)
				}
			}
		}
		for _, c := range t.fixed {
			if c.route.hasPrefix(ig.route.steps) {
				l.problem(ig.mark, "%s is ignored, but %s is fixed (line %d)", ig.path, c.path, c.line)
			}
		}
		for j, other := range t.ignored {
			if i != j && ig.route.hasPrefix(other.route.steps) && (len(other.route.steps) < len(ig.route.steps) || j < i) {
				l.problem(ig.mark, "%s is already ignored by %s (line %d)", ig.path, other.path, other.line)
			}
		}
	}
}
