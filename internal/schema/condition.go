package schema

import (
	"strings"

	"tongqu/internal/expression"
	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// condition is an entry of x-rules that is an expression: what must hold for a
// document or record, or for each item of an array in it.
type condition struct {
	id         string
	severity   fault.Severity
	scope      []ruleStep // to the items; empty for the whole
	when, that *expression.Expression
	// at is where the fault stands, below an item; title is what is there.
	at     []ruleStep
	title  string
	zh, en []textPart
	// paths are all that the expressions and the texts read.
	paths map[string]rulePath
}

// rulePath is a path of an expression: below an item, or from the root where it
// begins with a slash.
type rulePath struct {
	fromRoot bool
	steps    []ruleStep
}

// textPart is a piece of a message: a text as it is, or the value at a path.
type textPart struct{ text, path string }

func (l *loader) lintCondition(f *file, r *wire.Node) {
	for _, name := range []string{"each", "when", "that", "at", "zh", "en"} {
		if m := r.Child(name); m != nil && (m.Kind != wire.Text || m.Text == "") {
			l.problem(f, m, "%s must be a string", name)
		}
	}
	for _, name := range []string{"zh", "en"} {
		if r.Child(name) == nil {
			l.problem(f, r, "a rule with that needs %s: nobody can guess what an expression is about", name)
		}
	}
}

// condition compiles one entry; what is wrong with it has its place in the file.
func (c *compiler) condition(f *file, s *Shape, n *wire.Node) condition {
	text := func(name string) string {
		if m := n.Child(name); m != nil {
			return m.Text
		}
		return ""
	}
	r := condition{id: text("id"), severity: fault.Flag, paths: map[string]rulePath{}}
	if severity := text("severity"); severity != "" {
		r.severity = fault.Severity(severity)
	}
	p := conditionParser{compiler: c, file: f, root: s, item: s, condition: &r}
	if each := text("each"); each != "" {
		steps, item := s.ruleSteps(s.Root != "", each)
		if item == nil || len(steps) == 0 || !steps[len(steps)-1].each {
			c.problem(f, n.Child("each"), "there is no array %q in the schema", each)
			return r
		}
		r.scope, p.item = steps, item
	}
	r.when = p.expression(n.Child("when"))
	r.that = p.expression(n.Child("that"))
	r.zh, r.en = p.message(n.Child("zh")), p.message(n.Child("en"))
	r.title = p.item.Title
	if at := n.Child("at"); at != nil {
		if path, shape, _ := p.find(at, at.Text); shape != nil {
			r.title, r.at = shape.Title, path.steps
			if path.fromRoot && r.scope != nil {
				c.problem(f, at, "at is a path below each")
			}
		}
	}
	return r
}

// conditionParser resolves the paths of one condition.
type conditionParser struct {
	*compiler
	file       *file
	root, item *Shape
	condition  *condition
}

// find resolves a path and remembers it; repeats says that it has many values.
func (p *conditionParser) find(at *wire.Node, path string) (found rulePath, shape *Shape, repeats bool) {
	below := p.item
	rest, fromRoot := strings.CutPrefix(path, "/")
	if fromRoot {
		below = p.root
	}
	found.fromRoot = fromRoot
	if found.steps, shape = below.ruleSteps(p.root.Root != "", rest); shape == nil {
		p.problem(p.file, at, "there is no %q in the schema", path)
	}
	for _, st := range found.steps {
		repeats = repeats || st.each
	}
	p.condition.paths[path] = found
	return found, shape, repeats
}

func (p *conditionParser) expression(n *wire.Node) *expression.Expression {
	if n == nil {
		return nil
	}
	e, err := expression.Compile(n.Text, true, expression.Value, expression.Values)
	if err != nil {
		p.problem(p.file, n, "%v", err)
		return nil
	}
	for _, read := range e.Reads {
		_, shape, repeats := p.find(n, read.Path)
		switch {
		case shape == nil:
		case shape.Kind == Object || shape.Kind == Array:
			p.problem(p.file, n, "%s is no value but holds others", read.Path)
		case repeats && read.Function == expression.Value:
			p.problem(p.file, n, "%s has many values: use values(%q)", read.Path, read.Path)
		case !repeats && read.Function == expression.Values:
			p.problem(p.file, n, "%s has one value: use value(%q)", read.Path, read.Path)
		}
	}
	return e
}

// message splits a text at its {path} parts.
func (p *conditionParser) message(n *wire.Node) []textPart {
	if n == nil {
		return nil
	}
	var parts []textPart
	for rest := n.Text; rest != ""; {
		before, after, open := strings.Cut(rest, "{")
		if before != "" {
			parts = append(parts, textPart{text: before})
		}
		if !open {
			break
		}
		path, behind, closed := strings.Cut(after, "}")
		if !closed {
			p.problem(p.file, n, "a bracket { is not closed")
			break
		}
		if _, shape, repeats := p.find(n, path); shape != nil && repeats {
			p.problem(p.file, n, "%s has many values", path)
		}
		parts = append(parts, textPart{path: path})
		rest = behind
	}
	return parts
}

// judging is the conditions at work on one document: the functions that their
// expressions read with look at the current item.
type judging struct {
	root, item *wire.Node
	rule       *condition
	env        expression.Environment
}

// conditions judges all conditions of the schema and reports whether one is not met.
func (w *walker) conditions(root *wire.Node, s *Schema) (found bool) {
	j := &judging{root: root}
	j.env.Value = j.value
	j.env.Values = func(path string) []string {
		var values []string
		p := j.rule.paths[path]
		collect(j.from(p), p.steps, func(n *wire.Node) { values = append(values, strings.TrimSpace(n.Text)) })
		return values
	}
	for i := range s.conditions {
		r := &s.conditions[i]
		j.rule = r
		collect(root, r.scope, func(item *wire.Node) {
			j.item = item
			if j.met() {
				return
			}
			found = true
			if w.report != nil {
				*w.report = append(*w.report, j.fault())
			}
		})
	}
	return found
}

// collect calls do for every node that the steps lead to.
func collect(n *wire.Node, steps []ruleStep, do func(*wire.Node)) {
	if len(steps) == 0 {
		do(n)
		return
	}
	for c := n.First; c != nil; c = c.Next {
		switch {
		case !steps[0].is(c):
		case steps[0].each && c.Kind == wire.Array:
			for item := c.First; item != nil; item = item.Next {
				collect(item, steps[1:], do)
			}
		default:
			collect(c, steps[1:], do)
			if !steps[0].each {
				return
			}
		}
	}
}

func (j *judging) from(p rulePath) *wire.Node {
	if p.fromRoot {
		return j.root
	}
	return j.item
}

func (j *judging) value(path string) string {
	p := j.rule.paths[path]
	n := j.from(p)
	for i := range p.steps {
		if n = p.steps[i].child(n); n == nil {
			return ""
		}
	}
	return strings.TrimSpace(n.Text)
}

// met reports whether the condition holds, or does not apply: what cannot be
// computed, because a value is no decimal, is for the schema to tell.
func (j *judging) met() bool {
	if j.rule.when != nil {
		if applies, err := j.rule.when.Run(&j.env); err != nil || applies != "true" {
			return true
		}
	}
	holds, err := j.rule.that.Run(&j.env)
	return err != nil || holds == "true"
}

func (j *judging) fault() fault.Fault {
	r := j.rule
	n, missing := j.item, ""
	for i := range r.at {
		st := &r.at[i]
		next := st.child(n)
		if next == nil {
			missing = "/" + st.name // where it should stand
			if st.attr {
				missing = "/@" + st.name
			}
			break
		}
		n = next
	}
	place, value := n.Place(), ""
	switch {
	case missing == "":
		value = n.Text
	case n.From == nil: // a record's paths are not the sender's
		place.Path = strings.TrimSuffix(place.Path, "/") + missing
	}
	f := fault.New(fault.RuleCondition, place, value, j.text(r.zh), j.text(r.en)).WithRule("rule " + r.id).WithName(r.title)
	f.Severity = r.severity
	return f
}

func (j *judging) text(parts []textPart) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.text)
		if p.path != "" {
			b.WriteString(j.value(p.path))
		}
	}
	return b.String()
}
