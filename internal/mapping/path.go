package mapping

import (
	"fmt"
	"slices"
	"strings"

	"tongqu/internal/conf"
	"tongqu/internal/schema"
)

// step is one element, attribute or member on the way from a root to a value.
type step struct {
	name string
	attr bool
	// repeats says that the step stands any number of times: an XML element with
	// maxOccurs > 1 or a JSON array.
	repeats bool
	// required and order are those of the property in its object.
	required bool
	order    int
	// shape is the schema of one occurrence.
	shape *schema.Shape
}

// text is the step that stands for the text of an element that also has attributes.
const text = "#text"

// route is a path of one side, found in that side's schema. steps lead from the
// root of the document (or of the canonical record) to the value.
type route struct {
	steps []step
}

// shape is the schema of the value.
func (r route) shape() *schema.Shape { return r.steps[len(r.steps)-1].shape }

// node is the schema of the node that holds the value: of the element itself
// where the value is an element's text.
func (r route) nodeSteps() []step {
	if r.steps[len(r.steps)-1].name == text {
		return r.steps[:len(r.steps)-1]
	}
	return r.steps
}

// repeated returns how many steps of the route repeat.
func (r route) repeated() int {
	n := 0
	for _, s := range r.steps {
		if s.repeats {
			n++
		}
	}
	return n
}

// hasPrefix reports whether the route begins with the steps of p.
func (r route) hasPrefix(p []step) bool {
	if len(p) > len(r.steps) {
		return false
	}
	for i, s := range p {
		if r.steps[i].name != s.name || r.steps[i].attr != s.attr {
			return false
		}
	}
	return true
}

// wirePath writes steps as tables do: relative to base where they begin with it,
// else from the root of the document.
func wirePath(steps, base []step) string {
	r := route{steps: steps}
	lead := "/"
	if len(base) > 0 && r.hasPrefix(base) {
		if len(steps) == len(base) {
			return "."
		}
		steps, lead = steps[len(base):], ""
	}
	names := make([]string, 0, len(steps))
	for _, s := range steps {
		switch {
		case s.name == "":
		case s.attr:
			names = append(names, "@"+s.name)
		default:
			names = append(names, s.name)
		}
	}
	return lead + strings.Join(names, "/")
}

// canonicalPath writes steps as tables do: items[].name.
func canonicalPath(steps []step) string {
	names := make([]string, 0, len(steps))
	for _, s := range steps {
		if s.repeats {
			names = append(names, s.name+"[]")
		} else {
			names = append(names, s.name)
		}
	}
	return strings.Join(names, ".")
}

// rootSteps is where every wire path begins: nothing for an object at the root,
// one nameless repeating step for a JSON document that is an array.
func rootSteps(root *schema.Shape) []step {
	if root.Kind == schema.Array {
		return []step{{repeats: true, shape: root.Items}}
	}
	return nil
}

// stepInto finds one step of a path below shape. A wire array is one repeating step.
func stepInto(shape *schema.Shape, name string) (step, error) {
	if shape.Kind != schema.Object {
		return step{}, fmt.Errorf("nothing stands below it: it is a %s", shape.Kind)
	}
	p := shape.Prop(name)
	if p == nil {
		names := make([]string, len(shape.Props))
		for i, q := range shape.Props {
			names[i] = q.Name
		}
		return step{}, fmt.Errorf("no %q%s", name, conf.DidYouMean(name, names))
	}
	s := step{name: name, shape: p, required: p.Required, order: slices.Index(shape.Props, p)}
	if rest, ok := strings.CutPrefix(name, "@"); ok {
		s.name, s.attr = rest, true
	}
	if p.Kind == schema.Array {
		s.repeats, s.shape = true, p.Items
		if s.shape.Kind == schema.Array {
			return step{}, fmt.Errorf("%q is an array of arrays", name)
		}
	}
	return s, nil
}

// resolveWire finds a wire path in the schema. A path with a leading slash
// begins at the document's root element, any other at base.
func resolveWire(path string, root *schema.Shape, base []step) (route, error) {
	rest, absolute := strings.CutPrefix(path, "/")
	if absolute {
		base = rootSteps(root)
	}
	steps := slices.Clone(base)
	if !absolute && path == "." {
		if len(steps) == 0 {
			return route{}, fmt.Errorf("wire path %q: the document itself is no value", path)
		}
		return route{steps: steps}, nil
	}
	at := root
	if len(steps) > 0 {
		at = steps[len(steps)-1].shape
	}
	for name := range strings.SplitSeq(rest, "/") {
		s, err := stepInto(at, name)
		if err != nil {
			return route{}, fmt.Errorf("wire path %q: %w", path, err)
		}
		steps = append(steps, s)
		at = s.shape
	}
	return route{steps: steps}, nil
}

// resolveCanonical finds a canonical path such as items[].name in the schema.
// list says that the value itself is an array, which one codec makes and splits.
func resolveCanonical(path string, root *schema.Shape, list bool) (route, error) {
	var steps []step
	at := root
	names := strings.Split(path, ".")
	for i, name := range names {
		name, brackets := strings.CutSuffix(name, "[]")
		s, err := stepInto(at, name)
		switch {
		case err != nil:
			return route{}, fmt.Errorf("canonical path %q: %w", path, err)
		case s.repeats && !brackets:
			return route{}, fmt.Errorf("canonical path %q: %q is an array; did you mean %q?", path, name, name+"[]")
		case brackets && !s.repeats:
			return route{}, fmt.Errorf("canonical path %q: %q is no array", path, name)
		}
		if list && i == len(names)-1 {
			if !s.repeats {
				return route{}, fmt.Errorf("canonical path %q: split needs an array", path)
			}
			s.repeats, s.shape = false, at.Prop(name)
		}
		steps = append(steps, s)
		at = s.shape
	}
	return route{steps: steps}, nil
}
