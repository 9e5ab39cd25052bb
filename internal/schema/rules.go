package schema

import (
	"slices"
	"strings"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// rule is one entry of x-rules: a sum or a product that must equal a value.
type rule struct {
	id       string
	product  bool
	terms    []term
	equals   []ruleStep
	group    int // the steps, from the root, that terms and equals walk together
	title    string
	formula  string
	within   number
	zh, en   string
	severity fault.Severity
}

// term is one value, or all values, of a sum or product.
type term struct {
	path     []ruleStep
	grouped  bool // below the same item as equals
	negative bool
}

// ruleStep is one step of a path; each goes through all items.
type ruleStep struct {
	name string
	attr bool
	each bool
}

// child is the first child that the step leads to, or nil.
func (st *ruleStep) child(n *wire.Node) *wire.Node {
	for c := n.First; c != nil; c = c.Next {
		if st.is(c) {
			return c
		}
	}
	return nil
}

// is reports whether the step leads to n.
func (st *ruleStep) is(n *wire.Node) bool { return n.Name == st.name && n.Attr == st.attr }

// The members that an entry of x-rules may have, by its kind.
var (
	sumMembers       = []string{"id", "sum", "product", "equals", "tolerance", "zh", "en", "severity"}
	conditionMembers = []string{"id", "each", "when", "that", "at", "zh", "en", "severity"}
)

func (l *loader) lintRules(f *file, n *wire.Node) {
	if n.Kind != wire.Array {
		l.problem(f, n, "x-rules must be a list")
		return
	}
	for r := range n.Children() {
		if r.Kind != wire.Object {
			l.problem(f, r, "a rule must be an object")
			continue
		}
		members := sumMembers
		if r.Child("that") != nil {
			members = conditionMembers
		}
		for m := range r.Children() {
			if !slices.Contains(members, m.Name) {
				l.problem(f, m, "unknown member %q of a rule", m.Name)
			}
		}
		if m := r.Child("id"); m == nil || m.Kind != wire.Text || m.Text == "" {
			l.problem(f, r, "a rule needs id, a string")
		}
		if r.Child("that") != nil {
			l.lintCondition(f, r)
		} else {
			l.lintSum(f, r)
		}
		if m := r.Child("severity"); m != nil && m.Text != string(fault.Flag) && m.Text != string(fault.Error) {
			l.problem(f, m, "severity must be flag or error")
		}
	}
}

// lintSum checks a rule that is a sum or a product.
func (l *loader) lintSum(f *file, r *wire.Node) {
	if m := r.Child("equals"); m == nil || m.Kind != wire.Text || m.Text == "" {
		l.problem(f, r, "a rule needs equals, a string")
	}
	sum, product := r.Child("sum"), r.Child("product")
	if (sum == nil) == (product == nil) {
		l.problem(f, r, "a rule needs either sum or product, or that")
	}
	for _, list := range []*wire.Node{sum, product} {
		if list != nil && (list.Kind != wire.Array || list.First == nil) {
			l.problem(f, list, "%s must be a list of paths", list.Name)
		}
	}
	if m := r.Child("tolerance"); m != nil {
		if v, ok := parseNumber(m.Text); m.Kind != wire.Text || !ok || v.cmp(number{}) < 0 {
			l.problem(f, m, "tolerance must be a decimal in a string, not below 0")
		}
	}
}

// rules compiles x-rules.
func (c *compiler) rules(f *file, s *Schema) {
	n := f.root.Child("x-rules")
	if n == nil {
		return
	}
	for r := range n.Children() {
		if r.Child("that") != nil {
			s.conditions = append(s.conditions, c.condition(f, s.shape, r))
		} else {
			s.rules = append(s.rules, c.rule(f, s.shape, r))
		}
	}
}

func (c *compiler) rule(f *file, s *Shape, n *wire.Node) rule {
	text := func(name string) string {
		if m := n.Child(name); m != nil {
			return m.Text
		}
		return ""
	}
	r := rule{id: text("id"), zh: text("zh"), en: text("en"), severity: fault.Flag}
	if sv := text("severity"); sv != "" {
		r.severity = fault.Severity(sv)
	}
	r.within, _ = parseNumber(text("tolerance")) // zero when there is none
	path := func(at *wire.Node, p string) ([]ruleStep, *Shape) {
		steps, shape := s.ruleSteps(s.Root != "", p)
		if shape == nil {
			c.problem(f, at, "there is no %q in the schema", p)
			return steps, &Shape{}
		}
		if shape.Kind != String && shape.Kind != Integer && shape.Kind != Number {
			c.problem(f, at, "%q is no number but %s", p, shape.Kind)
		}
		return steps, shape
	}
	var target *Shape
	r.equals, target = path(n.Child("equals"), text("equals"))
	r.title = target.Title
	for i, st := range r.equals {
		if st.each {
			r.group = i + 1
		}
	}
	terms := n.Child("sum")
	sign := " + "
	if terms == nil {
		terms, r.product, sign = n.Child("product"), true, " × "
	}
	for t := range terms.Children() {
		p, negative := strings.CutPrefix(t.Text, "-")
		tm := term{negative: negative}
		tm.path, _ = path(t, p)
		tm.grouped = len(tm.path) > r.group && slices.Equal(tm.path[:r.group], r.equals[:r.group])
		if tm.grouped {
			tm.path = tm.path[r.group:]
		}
		r.terms = append(r.terms, tm)
		switch {
		case negative:
			r.formula += " - " + p
		case r.formula == "":
			r.formula = p
		default:
			r.formula += sign + p
		}
	}
	return r
}

// ruleSteps finds a path below s: items[].qty of a canonical type or a CSV or JSON
// document, RECORDS/REC/AMT or Head/@id of one that is XML. shape is nil when there
// is no such path.
func (s *Shape) ruleSteps(isXML bool, path string) (steps []ruleStep, shape *Shape) {
	separator := "."
	if isXML || strings.Contains(path, "/") {
		separator = "/"
	}
	for name := range strings.SplitSeq(path, separator) {
		name, _ = strings.CutSuffix(name, "[]")
		p := s.Prop(name)
		if p == nil {
			return steps, nil
		}
		st := ruleStep{name: name}
		st.name, st.attr = strings.CutPrefix(name, "@")
		if s = p; p.Kind == Array && p.Items != nil {
			st.each, s = true, p.Items
		}
		if name != textProp {
			steps = append(steps, st)
		}
	}
	return steps, s
}

// check applies the rule to a document. Values that are missing count as zero in
// a sum; a rule whose target, factors or all terms are missing does not apply.
// It returns false at the first value that does not fit when report is nil.
func (r *rule) check(root *wire.Node, report *fault.List) bool {
	return r.each(root, root, 0, report)
}

// each walks down to the items that the target stands in.
func (r *rule) each(root, n *wire.Node, depth int, report *fault.List) bool {
	if depth == r.group {
		return r.item(root, n, report)
	}
	st, ok := r.equals[depth], true
	for c := n.First; c != nil; c = c.Next {
		if !st.is(c) {
			continue
		}
		if !st.each || c.Kind != wire.Array {
			ok = r.each(root, c, depth+1, report) && ok
			continue
		}
		for item := c.First; item != nil; item = item.Next {
			ok = r.each(root, item, depth+1, report) && ok
		}
	}
	return ok
}

// tally gathers the values of a rule's terms.
type tally struct {
	sum       number
	found     int
	unusable  bool
	isProduct bool
	negative  bool
}

func (t *tally) take(n *wire.Node) {
	v, ok := parseNumber(strings.TrimSpace(n.Text))
	if !ok {
		t.unusable = true
		return
	}
	if t.negative {
		v = v.neg()
	}
	switch {
	case t.found == 0:
		t.sum = v
	case t.isProduct:
		t.sum = t.sum.mul(v)
	default:
		t.sum = t.sum.add(v)
	}
	t.found++
}

func (t *tally) walk(n *wire.Node, path []ruleStep) {
	if len(path) == 0 {
		t.take(n)
		return
	}
	for c := n.First; c != nil; c = c.Next {
		if !path[0].is(c) {
			continue
		}
		if !path[0].each || c.Kind != wire.Array {
			t.walk(c, path[1:])
			continue
		}
		for item := c.First; item != nil; item = item.Next {
			t.walk(item, path[1:])
		}
	}
}

// item applies the rule below one item, or to the whole document.
func (r *rule) item(root, n *wire.Node, report *fault.List) bool {
	target := n
	for _, st := range r.equals[r.group:] {
		if target = st.child(target); target == nil {
			return true
		}
	}
	want, ok := parseNumber(strings.TrimSpace(target.Text))
	if !ok {
		return true // the schema has a word on that
	}
	t := tally{isProduct: r.product}
	for i := range r.terms {
		t.negative = r.terms[i].negative
		before := t.found
		if r.terms[i].grouped {
			t.walk(n, r.terms[i].path)
		} else {
			t.walk(root, r.terms[i].path)
		}
		if r.product && t.found == before {
			return true
		}
	}
	if t.found == 0 || t.unusable || t.sum.within(want, r.within) {
		return true
	}
	if report != nil {
		*report = append(*report, r.fault(target, t.sum))
	}
	return false
}

func (r *rule) fault(target *wire.Node, sum number) fault.Fault {
	describe := func(text string) fault.Fault {
		if text == "" {
			text = r.formula
		}
		name := r.title
		if name == "" {
			name = target.Name
		}
		return fault.New(fault.RuleSum, target.Place(), target.Text, name, sum, text, target.Text)
	}
	f := describe(r.zh)
	f.EN = describe(r.en).EN
	f.Severity, f.Name = r.severity, r.title
	kind := "sum "
	if r.product {
		kind = "product "
	}
	return f.WithRule(kind + r.id)
}
