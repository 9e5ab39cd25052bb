package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"tongqu/internal/codes"
	"tongqu/internal/conf"
	"tongqu/internal/expression"
	"tongqu/internal/schema"
)

// parser reads the YAML of a table and resolves its paths.
type parser struct {
	table     *Table
	lists     *codes.Lists
	canonical func(string) *schema.Schema
	problems  conf.Problems
}

func (p *parser) problem(at *yaml.Node, format string, args ...any) {
	p.problems = append(p.problems, conf.Problem{
		File: p.table.file, Line: at.Line, Column: at.Column, Message: fmt.Sprintf(format, args...),
	})
}

// members walks the keys of a mapping: strict, unique, scalar.
func (p *parser) members(n *yaml.Node, f func(key, value *yaml.Node)) {
	n = resolved(n)
	if n.Kind != yaml.MappingNode {
		p.problem(n, "must be a mapping")
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if line, twice := seen[key.Value]; twice {
			p.problem(key, "key %q stands twice (first on line %d)", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		f(key, resolved(n.Content[i+1]))
	}
}

// resolved follows an alias.
func resolved(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// text is a scalar as it is written, so that 0101 keeps its zero.
func (p *parser) text(n *yaml.Node) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		p.problem(n, "must be a text")
		return "", false
	}
	if (n.Tag == "!!int" || n.Tag == "!!float") && len(n.Value) > 1 && n.Value[0] == '0' && n.Value[1] != '.' {
		p.table.found = append(p.table.found, conf.Problem{
			File: p.table.file, Line: n.Line, Column: n.Column,
			Message: fmt.Sprintf("%s begins with a zero: quote it, \"%s\"", n.Value, n.Value),
		})
	}
	return n.Value, true
}

func at(n *yaml.Node) mark { return mark{n.Line, n.Column} }

var tableKeys = []string{"message", "canonical", "each", "fields", "fixed", "set", "ignored"}

// parse reads the whole table: first what the others depend on.
func (t *Table) parse(p *parser, root *yaml.Node) {
	sections := map[string]*yaml.Node{}
	p.members(root, func(key, value *yaml.Node) {
		if !slices.Contains(tableKeys, key.Value) {
			p.problem(key, "unknown key %q%s", key.Value, conf.DidYouMean(key.Value, tableKeys))
			return
		}
		sections[key.Value] = value
		if key.Value == "fields" {
			t.fieldsAt = at(key)
		}
	})
	for _, key := range []string{"message", "canonical", "fields"} {
		if sections[key] == nil && len(p.problems) == 0 {
			p.problem(root, "%q is missing", key)
		}
	}
	if len(p.problems) > 0 {
		return
	}
	p.head(sections)
	if len(p.problems) > 0 {
		return
	}
	p.members(sections["fields"], p.field)
	if n := sections["fixed"]; n != nil {
		p.members(n, func(key, value *yaml.Node) {
			if r, ok := p.wire(key, key.Value); ok {
				t.fixed = p.constant(t.fixed, key, value, r)
				p.count(value)
			}
		})
	}
	if n := sections["set"]; n != nil {
		p.members(n, func(key, value *yaml.Node) {
			if r, ok := p.record(key, false); ok {
				t.set = p.constant(t.set, key, value, r)
			}
		})
	}
	if n := sections["ignored"]; n != nil {
		p.members(n, func(key, value *yaml.Node) {
			reason, ok := p.text(value)
			if ok && strings.TrimSpace(reason) == "" {
				p.problem(value, "say why %s is ignored", key.Value)
			}
			if r, found := p.wire(key, key.Value); found {
				t.ignored = append(t.ignored, &ignored{mark: at(key), path: key.Value, route: r})
			}
		})
	}
}

// head reads message, canonical and each.
func (p *parser) head(sections map[string]*yaml.Node) {
	t := p.table
	var ok bool
	if t.message, ok = p.text(sections["message"]); ok && t.message != t.name {
		p.problem(sections["message"], "the schema is that of message %s", t.name)
	}
	if t.canonical, ok = p.text(sections["canonical"]); ok {
		if s := p.canonical(t.canonical); s != nil {
			t.record = s.Shape()
		} else {
			p.problem(sections["canonical"], "no canonical type %q", t.canonical)
		}
	}
	t.each = rootSteps(t.wire)
	if n := sections["each"]; n != nil {
		if path, ok := p.text(n); ok {
			if r, found := p.wire(n, path); found {
				t.each = r.steps
			}
		}
	}
}

func (p *parser) wire(n *yaml.Node, path string) (route, bool) {
	r, err := resolveWire(path, p.table.wire, p.table.each)
	if err != nil {
		p.problem(n, "%v", err)
	}
	return r, err == nil
}

func (p *parser) record(n *yaml.Node, list bool) (route, bool) {
	r, err := resolveCanonical(n.Value, p.table.record, list)
	if err != nil {
		p.problem(n, "%v", err)
	}
	return r, err == nil
}

func (p *parser) constant(list []*constant, key, value *yaml.Node, r route) []*constant {
	v, ok := p.text(value)
	switch {
	case !ok:
	case r.shape().Kind == schema.Object:
		p.problem(key, "%s is no value but holds others", key.Value)
	case v == "":
		p.problem(value, "a constant is never empty")
	default:
		return append(list, &constant{mark: at(key), path: key.Value, route: r, value: v})
	}
	return list
}

// recordCount stands in `fixed` for the number of records in the document.
const recordCount = "$records"

// count reads recordCount.
func (p *parser) count(value *yaml.Node) {
	t := p.table
	if value.Value != recordCount || len(t.fixed) == 0 {
		return
	}
	if len(t.each) == 0 {
		p.problem(value, "%s needs `each`: without it the document is one record", recordCount)
	}
	t.fixed[len(t.fixed)-1].counts = true
}

// field reads the row, or the list of rows, of one canonical path.
func (p *parser) field(key, value *yaml.Node) {
	rows := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		rows = value.Content
		if len(rows) == 0 {
			p.problem(value, "an empty list of rows")
		}
	}
	for i, n := range rows {
		r := &row{mark: at(key), path: key.Value}
		if i > 0 {
			r.mark = at(n)
		}
		if p.row(r, key, resolved(n)) {
			p.table.rows = append(p.table.rows, r)
		}
	}
}

var rowKeys = []string{"at", "as", "only", "default", "when", "expr", "inverse"}

// row reads one row; false means that there are problems.
func (p *parser) row(r *row, key, n *yaml.Node) bool {
	before := len(p.problems)
	keys := map[string]*yaml.Node{}
	if n.Kind == yaml.MappingNode {
		p.members(n, func(k, v *yaml.Node) {
			if !slices.Contains(rowKeys, k.Value) {
				p.problem(k, "unknown key %q%s", k.Value, conf.DidYouMean(k.Value, rowKeys))
				return
			}
			keys[k.Value] = v
		})
	} else {
		keys["at"] = n
	}
	if keys["at"] == nil && keys["expr"] == nil && len(p.problems) == before {
		p.problem(n, "a row needs `at` or `expr`")
	}
	p.wires(r, keys["at"])
	p.only(r, keys["only"])
	p.codec(r, keys["as"])
	r.when = p.expression(keys["when"], true)
	r.expr = p.expression(keys["expr"], false)
	r.inverse = p.expression(keys["inverse"], false)
	if n := keys["default"]; n != nil {
		r.fallback, r.hasValue = p.text(n)
	}
	var ok bool
	if r.canonical, ok = p.record(key, r.split != ""); !ok || len(p.problems) > before {
		return false
	}
	p.fit(r, key, keys)
	return len(p.problems) == before
}

// wires reads `at`: one path, or the list of paths that join takes together.
func (p *parser) wires(r *row, n *yaml.Node) {
	if n == nil {
		return
	}
	paths := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		paths = n.Content
	}
	for _, m := range paths {
		path, ok := p.text(m)
		if !ok {
			continue
		}
		if found, ok := p.wire(m, path); ok {
			r.wires = append(r.wires, wireRef{route: found, mark: at(m), text: path})
		}
	}
}

func (p *parser) only(r *row, n *yaml.Node) {
	if n == nil {
		return
	}
	if r.only = n.Value; r.only != onlyDecode && r.only != onlyEncode {
		p.problem(n, "only %q: must be decode or encode", n.Value)
	}
}

// codec reads `as`: at most one codec that shapes the row, and one for the value.
func (p *parser) codec(r *row, n *yaml.Node) {
	if n == nil {
		if len(r.wires) > 1 {
			p.problem(&yaml.Node{Line: r.wires[0].line, Column: r.wires[0].column}, "several paths need `as: join(…)`")
		}
		return
	}
	calls, err := parseCalls(n.Value)
	if err != nil || len(calls) == 0 {
		p.problem(n, "as: %v", err)
		return
	}
	r.as, r.calls = strings.TrimSpace(n.Value), calls
	for _, c := range calls {
		if !slices.Contains(codecNames(), c.name) {
			p.problem(n, "unknown codec %q%s", c.name, conf.DidYouMean(c.name, codecNames()))
			return
		}
	}
	first := calls[0]
	switch first.name {
	case "join":
		r.join, err = newJoiner(first.args, len(r.wires))
		calls = calls[1:]
	case "split":
		if len(first.args) != 1 || first.args[0] == "" {
			err = errors.New("split takes the separator")
		} else {
			r.split = first.args[0]
		}
		calls = calls[1:]
	case "xml":
		r.xml = true
		calls = calls[1:]
	}
	switch {
	case err != nil:
	case len(r.wires) > 1 && r.join == nil:
		err = errors.New("several paths need join")
	case len(calls) > 1 || len(calls) == 1 && r.xml:
		err = fmt.Errorf("one codec too many: %s", calls[len(calls)-1].name)
	case len(calls) == 1:
		if r.codec, err = newCodec(calls[0], p.lists); r.codec == (textCodec{}) {
			r.codec = nil
		}
	}
	if err != nil {
		p.problem(n, "as: %v", err)
	}
}

func (p *parser) expression(n *yaml.Node, condition bool) *ruled {
	if n == nil {
		return nil
	}
	e, err := expression.Compile(n.Value, condition, expression.This, expression.Wire, expression.Value, expression.Values)
	if err != nil {
		p.problem(n, "%v", err)
		return nil
	}
	return &ruled{mark: at(n), Expression: e}
}

// fit checks that the parts of a row make sense together.
func (p *parser) fit(r *row, key *yaml.Node, keys map[string]*yaml.Node) {
	switch {
	case r.expr != nil && keys["as"] != nil:
		p.problem(keys["as"], "a computed value has no codec")
	case r.expr != nil && len(r.wires) > 1:
		p.problem(keys["at"], "a computed value has one path; others are read with wire(\"…\")")
	case r.inverse != nil && r.expr == nil:
		p.problem(keys["inverse"], "inverse needs expr")
	case r.inverse != nil && len(r.wires) == 0:
		p.problem(keys["inverse"], "inverse needs `at`")
	case r.only == onlyEncode && r.expr != nil && r.inverse == nil:
		p.problem(keys["only"], "nothing to encode: there is no inverse")
	case r.canonical.shape().Kind == schema.Object:
		p.problem(key, "canonical path %q is no value but holds others", r.path)
	}
	for _, w := range r.wires {
		s := w.shape()
		switch {
		case r.xml:
		case s.Kind != schema.Object && !s.AnyContent:
		case s.Prop(text) != nil:
			p.problem(&yaml.Node{Line: w.line, Column: w.column}, "%s has attributes: its text is %s/#text", w.text, w.text)
		case s.AnyContent:
			p.problem(&yaml.Node{Line: w.line, Column: w.column}, "%s holds any content: it needs `as: xml`", w.text)
		default:
			p.problem(&yaml.Node{Line: w.line, Column: w.column}, "%s is no value but holds others", w.text)
		}
	}
}

// joiner takes several values together into one: with a separator, or by widths.
type joiner struct {
	separator string
	widths    []int
	count     int
	bad       *trouble
}

func newJoiner(args []string, wires int) (*joiner, error) {
	if wires < 2 {
		return nil, errors.New("join needs a list of paths")
	}
	j := &joiner{count: wires, bad: &trouble{code: "MAP_VALUE", arg: "join " + strings.Join(args, ","), rule: "join"}}
	switch {
	case len(args) == 1 && args[0] != "":
		j.separator = args[0]
	case len(args) == wires:
		for _, a := range args {
			w, err := strconv.Atoi(a)
			if err != nil || w < 1 {
				return nil, fmt.Errorf("width %q is no number above 0", a)
			}
			j.widths = append(j.widths, w)
		}
	default:
		return nil, fmt.Errorf("join takes a separator, or the width of each of the %d values", wires)
	}
	return j, nil
}

// take joins the values; ok is false when they could not be parted again.
func (j *joiner) take(values []string) (joined string, ok bool) {
	for i, v := range values {
		if j.separator == "" {
			if len([]rune(v)) != j.widths[i] {
				return "", false
			}
		} else if i < len(values)-1 && strings.Contains(v+j.separator[:len(j.separator)-1], j.separator) {
			return "", false
		}
	}
	return strings.Join(values, j.separator), true
}

// part is the i-th of the values that were joined.
func (j *joiner) part(joined string, i int) (string, bool) {
	if j.separator != "" {
		values := strings.SplitN(joined, j.separator, j.count)
		if len(values) != j.count {
			return "", false
		}
		return values[i], true
	}
	runes := []rune(joined)
	from := 0
	for k, w := range j.widths {
		if from+w > len(runes) {
			return "", false
		}
		if k == i {
			return string(runes[from : from+w]), k < j.count-1 || from+w == len(runes)
		}
		from += w
	}
	return "", false
}
