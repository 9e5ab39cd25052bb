package mapping

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"tongqu/internal/schema"
)

// Field is one wire value and what the table does with it, for documentation.
type Field struct {
	// WirePath is as the table writes it: below `each`, or from the root with a slash.
	WirePath string
	// Title is the Chinese name.
	Title string
	// Type is the schema's type with its facets: "string 1..60", "decimal 19,5".
	Type string
	// Required says that it must be there where the element around it is.
	Required bool
	// Canonical are the canonical paths it goes to, with ", " between them; empty
	// when it is fixed or ignored.
	Canonical string
	// Codec is how the value is written: a codec, "fixed VALUE", or "ignored".
	Codec string
}

// Fields lists all values of the wire schema in its order.
func (t *Table) Fields() []Field {
	var fields []Field
	for leaf := range t.leaves() {
		steps := leaf.steps
		last := steps[len(steps)-1]
		f := Field{WirePath: wirePath(steps, t.each), Title: last.shape.Title, Type: typeName(last.shape), Required: last.required}
		if last.name == text && f.Title == "" {
			f.Title = steps[len(steps)-2].shape.Title
		}
		key := leaf.key()
		var canonical, codecs []string
		for _, r := range t.rows {
			for _, w := range r.wires {
				if w.key() != key {
					continue
				}
				canonical = append(canonical, r.path)
				if name := r.codecName(); !slices.Contains(codecs, name) {
					codecs = append(codecs, name)
				}
			}
		}
		for _, c := range t.fixed {
			if c.route.key() == key {
				codecs = append(codecs, "fixed "+c.value)
			}
		}
		if len(codecs) == 0 && t.ignores(leaf) != nil {
			codecs = append(codecs, "ignored")
		}
		f.Canonical, f.Codec = strings.Join(canonical, ", "), strings.Join(codecs, ", ")
		fields = append(fields, f)
	}
	return fields
}

// typeName is the type of a value in a few words.
func typeName(s *schema.Shape) string {
	switch {
	case s.AnyContent || s.Kind == schema.Object:
		return "any"
	case s.TotalDigits != schema.Unbounded:
		return fmt.Sprintf("decimal %d,%d", s.TotalDigits, max(s.FractionDigits, 0))
	case s.Kind != schema.String:
		return string(s.Kind)
	case len(s.Enum) > 0:
		return "string " + strings.Join(s.Enum, " ")
	case s.MaxLength == schema.Unbounded && s.MinLength == 0:
		return "string"
	case s.MaxLength == schema.Unbounded:
		return fmt.Sprintf("string %d..", s.MinLength)
	case s.MinLength == s.MaxLength:
		return fmt.Sprintf("string %d", s.MaxLength)
	}
	return fmt.Sprintf("string %d..%d", s.MinLength, s.MaxLength)
}

// key tells routes apart.
func (r route) key() string { return wirePath(r.steps, nil) }

// ignores returns the entry of `ignored` that covers a route, or nil.
func (t *Table) ignores(r route) *ignored {
	for _, ig := range t.ignored {
		if r.hasPrefix(ig.route.steps) {
			return ig
		}
	}
	return nil
}

// maxWalk bounds the depth of schemas whose elements contain themselves.
const maxWalk = 40

// leaves walks all values that the wire schema has, in its order. An element that
// a row keeps whole as XML is one value (and its attributes are others).
func (t *Table) leaves() iter.Seq[route] {
	whole := map[string]bool{}
	for _, r := range t.rows {
		for _, w := range r.wires {
			if r.xml {
				whole[w.key()] = true
			}
		}
	}
	return func(yield func(route) bool) {
		walkLeaves(t.wire, rootSteps(t.wire), whole, yield)
	}
}

func walkLeaves(s *schema.Shape, steps []step, whole map[string]bool, yield func(route) bool) bool {
	if len(steps) > 0 {
		s = steps[len(steps)-1].shape
	}
	r := route{steps: steps}
	isWhole := len(steps) > 0 && whole[r.key()]
	if s.Kind != schema.Object || len(s.Props) == 0 || isWhole {
		if len(steps) > 0 && !yield(r) {
			return false
		}
	}
	if len(steps) == maxWalk {
		return true
	}
	for _, p := range s.Props {
		st, err := stepInto(s, p.Name)
		if err != nil || isWhole && !st.attr {
			continue
		}
		if !walkLeaves(nil, append(slices.Clip(steps), st), whole, yield) {
			return false
		}
	}
	return true
}
