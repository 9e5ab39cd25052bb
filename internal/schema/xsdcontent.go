package schema

import (
	"strconv"
	"strings"

	"tongqu/internal/wire"
)

// particle is a part of an XSD content model.
type particle struct {
	kind     particleKind
	min, max int // max is Unbounded for no limit
	// element is the declaration of an element particle, name its name.
	element *elementUse
	// wildcard is the symbol of an xs:any.
	wildcard string
	parts    []*particle
}

type particleKind uint8

const (
	elementPart particleKind = iota
	anyPart
	sequencePart
	choicePart
	allPart
)

// elementUse is an element where a content model uses it.
type elementUse struct {
	// use is the element as it stands in the content model, decl the declaration
	// that a ref leads to (or use itself).
	use, decl *declared
	name      string
	namespace string
	global    bool
}

// occurrence is how often an element may stand in a parent.
type occurrence struct {
	element  *elementUse
	min, max int
}

// particle reads one particle; nil for what is none or may not occur.
func (x *xsd) particle(f *xsdFile, n *wire.Node) *particle {
	p := &particle{min: x.occurs(f, n, "minOccurs"), max: x.occurs(f, n, "maxOccurs")}
	if p.max == 0 {
		return nil
	}
	switch n.Name {
	case "element":
		p.element = x.element(f, n)
		if p.element == nil {
			return nil
		}
	case "any":
		p.kind, p.wildcard = anyPart, anyElement
		if attr(n, "namespace") == "##other" {
			p.wildcard = otherElement
		}
	case "sequence":
		p.kind = sequencePart
	case "choice":
		p.kind = choicePart
	case "all":
		p.kind = allPart
	case "group":
		return x.groupUse(f, n, p)
	default:
		return nil
	}
	for _, c := range children(n) {
		if p.kind <= anyPart {
			break
		}
		if part := x.particle(f, c); part != nil {
			p.parts = append(p.parts, part)
		}
	}
	return p.orNothing()
}

// orNothing is p, or nil when p is a group of nothing. A group around a single
// group is that group.
func (p *particle) orNothing() *particle {
	if p.kind <= anyPart {
		return p
	}
	if len(p.parts) == 0 {
		return nil
	}
	if inner := p.parts[0]; len(p.parts) == 1 && inner.kind > anyPart && inner.min == 1 && inner.max == 1 {
		p.kind, p.parts = inner.kind, inner.parts
	}
	return p
}

// groupUse replaces a reference to a group by the group's own model.
func (x *xsd) groupUse(f *xsdFile, n *wire.Node, p *particle) *particle {
	d := x.global(f, n, "group", attr(n, "ref"))
	if d == nil {
		return nil
	}
	leave, ok := x.enter(d)
	if !ok {
		return nil
	}
	defer leave()
	p.kind = sequencePart
	for _, c := range children(d.node) {
		if part := x.particle(d.file, c); part != nil {
			p.parts = append(p.parts, part)
		}
	}
	return p.orNothing()
}

// maxOccurrences is the largest number that counts as a limit.
const maxOccurrences = 1_000_000

func (x *xsd) occurs(f *xsdFile, n *wire.Node, name string) int {
	switch v := attr(n, name); v {
	case "":
		return 1
	case "unbounded":
		return Unbounded
	default:
		i, err := strconv.Atoi(v)
		if err != nil || i < 0 || i > maxOccurrences {
			x.problem(f, n, "%s=%q is no number of times", name, v)
			return 1
		}
		return i
	}
}

func (x *xsd) element(f *xsdFile, n *wire.Node) *elementUse {
	d := &declared{node: n, file: f}
	if ref := attr(n, "ref"); ref != "" {
		decl := x.global(f, n, "element", ref)
		if decl == nil {
			return nil
		}
		return &elementUse{use: d, decl: decl, name: attr(decl.node, "name"), namespace: decl.file.namespace, global: true}
	}
	e := &elementUse{use: d, decl: d, name: attr(n, "name")}
	if e.name == "" {
		x.problem(f, n, "an element needs a name")
		return nil
	}
	if form := attr(n, "form"); form == "qualified" || form == "" && f.qualified {
		e.namespace = f.namespace
	}
	return e
}

// isSequence reports whether the model is simply its elements in a row, each
// name once, and returns them.
func (p *particle) isSequence() ([]*particle, bool) {
	if p.kind != sequencePart || p.min != 1 || p.max != 1 {
		return nil, false
	}
	var row []*particle
	seen := map[string]bool{}
	for _, part := range p.parts {
		elements := []*particle{part}
		if part.kind != elementPart {
			var ok bool
			if elements, ok = part.isSequence(); !ok {
				return nil, false
			}
		}
		for _, e := range elements {
			if seen[e.element.name] {
				return nil, false
			}
			seen[e.element.name] = true
			row = append(row, e)
		}
	}
	return row, true
}

// occurrences lists each element of the model with the number of times that it
// may stand there, in the order in which they are first named.
func (p *particle) occurrences() []occurrence {
	var all []occurrence
	switch p.kind {
	case elementPart:
		return []occurrence{{p.element, p.min, p.max}}
	case anyPart:
		return nil
	case sequencePart, allPart:
		for _, part := range p.parts {
			all = merge(all, part.occurrences(), func(a, b int) int { return a + b }, plus)
		}
	case choicePart:
		for i, part := range p.parts {
			theirs := part.occurrences()
			if i > 0 {
				optional(all, theirs)
				optional(theirs, all)
			}
			all = merge(all, theirs, func(a, b int) int { return min(a, b) }, most)
		}
		for _, part := range p.parts {
			if part.kind == anyPart || part.nullable() {
				optional(all, nil)
			}
		}
	}
	for i := range all {
		all[i].min *= p.min
		switch {
		case p.max == Unbounded || all[i].max == Unbounded:
			all[i].max = Unbounded
		default:
			all[i].max = min(all[i].max*p.max, maxOccurrences)
		}
	}
	return all
}

// nullable reports whether the model may be empty.
func (p *particle) nullable() bool {
	if p.min == 0 {
		return true
	}
	switch p.kind {
	case elementPart, anyPart:
		return false
	case sequencePart, allPart:
		for _, part := range p.parts {
			if !part.nullable() {
				return false
			}
		}
		return true
	case choicePart:
		for _, part := range p.parts {
			if part.nullable() {
				return true
			}
		}
	}
	return len(p.parts) == 0
}

// optional makes those of all optional that others lack.
func optional(all, others []occurrence) {
	for i := range all {
		found := false
		for _, o := range others {
			found = found || o.element.name == all[i].element.name
		}
		if !found {
			all[i].min = 0
		}
	}
}

// merge joins two lists; low and high combine the bounds of what is in both.
func merge(all, more []occurrence, low, high func(a, b int) int) []occurrence {
next:
	for _, o := range more {
		for i := range all {
			if all[i].element.name == o.element.name {
				all[i].min, all[i].max = low(all[i].min, o.min), high(all[i].max, o.max)
				continue next
			}
		}
		all = append(all, o)
	}
	return all
}

func plus(a, b int) int {
	if a == Unbounded || b == Unbounded {
		return Unbounded
	}
	return min(a+b, maxOccurrences)
}

func most(a, b int) int {
	if a == Unbounded || b == Unbounded {
		return Unbounded
	}
	return max(a, b)
}

// model writes the particle as x-content.
func (p *particle) model() string {
	if p.kind == allPart {
		parts := p.models()
		if p.min == 0 {
			for i, part := range p.parts {
				if part.min > 0 {
					parts[i] += "?"
				}
			}
		}
		return strings.Join(parts, " & ")
	}
	if p.min == 1 && p.max == 1 {
		switch p.kind { //nolint:exhaustive // the others have no parts
		case sequencePart:
			return strings.Join(p.models(), ", ")
		case choicePart:
			return strings.Join(p.models(), " | ")
		}
	}
	return p.nested()
}

func (p *particle) models() []string {
	parts := make([]string, len(p.parts))
	for i, part := range p.parts {
		parts[i] = part.nested()
	}
	return parts
}

// nested writes the particle as a part of a model.
func (p *particle) nested() string {
	var b strings.Builder
	switch p.kind {
	case elementPart:
		b.WriteString(p.element.name)
	case anyPart:
		b.WriteString(p.wildcard)
	case sequencePart, allPart:
		b.WriteString("(" + strings.Join(p.models(), ", ") + ")")
	case choicePart:
		b.WriteString("(" + strings.Join(p.models(), " | ") + ")")
	}
	switch {
	case p.min == 1 && p.max == 1:
	case p.min == 0 && p.max == 1:
		b.WriteByte('?')
	case p.min == 0 && (p.max == Unbounded || p.kind == elementPart):
		b.WriteByte('*') // the number of an element is minItems and maxItems
	case p.min == 1 && p.max == Unbounded || p.kind == elementPart:
		b.WriteByte('+')
	case p.max == Unbounded:
		b.WriteString("{" + strconv.Itoa(p.min) + ",}")
	default:
		b.WriteString("{" + strconv.Itoa(p.min) + "," + strconv.Itoa(p.max) + "}")
	}
	return b.String()
}
