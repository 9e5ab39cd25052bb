// Package author helps to write adapters: it starts one from an XSD or from
// samples, makes golden cases of production documents with the personal data
// replaced, and compares two versions of an adapter on the same documents.
package author

import (
	"slices"
	"strings"

	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// maxDepth bounds how deep a schema is walked: some refer to themselves.
const maxDepth = 16

// leaf is a value of a schema on the way to a table.
type leaf struct {
	// steps are the names from the root; arrays says at which of them it repeats.
	steps  []string
	arrays []int
	shape  *schema.Shape
	// required says that it is there wherever the objects around it are, and these
	// are required, too.
	required bool
}

func (l leaf) name() string { return strings.TrimPrefix(l.steps[len(l.steps)-1], "@") }

func (l leaf) parent() string {
	if len(l.steps) < 2 {
		return ""
	}
	return l.steps[len(l.steps)-2]
}

// wirePath is the path as a table below each has it.
func (l leaf) wirePath(each []string) string {
	if len(each) > 0 && len(l.steps) >= len(each) && slices.Equal(l.steps[:len(each)], each) {
		return strings.Join(l.steps[len(each):], "/")
	}
	if len(each) == 0 {
		return strings.Join(l.steps, "/")
	}
	return "/" + strings.Join(l.steps, "/")
}

// repeated is the path of the innermost array around the value below each, ""
// where none is, and how many there are.
func (l leaf) repeated(each []string) (path string, count int) {
	for _, at := range l.arrays {
		if at+1 > len(each) || !slices.Equal(l.steps[:at+1], each[:at+1]) {
			path = strings.Join(l.steps[:at+1], "/")
			count++
		}
	}
	return path, count
}

// canonicalPath is the path as tables have it: items[].name.
func (l leaf) canonicalPath() string {
	var b strings.Builder
	for i, step := range l.steps {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(step)
		if slices.Contains(l.arrays, i) {
			b.WriteString("[]")
		}
	}
	return b.String()
}

// leaves lists the values of a schema in its order.
func leaves(root *schema.Shape) []leaf {
	var all []leaf
	var walk func(s *schema.Shape, steps []string, arrays []int, required bool)
	walk = func(s *schema.Shape, steps []string, arrays []int, required bool) {
		for s.Kind == schema.Array && s.Items != nil {
			if len(steps) > 0 {
				arrays = append(slices.Clone(arrays), len(steps)-1)
			}
			s = s.Items
		}
		if s.AnyContent || len(s.Props) == 0 {
			if len(steps) > 0 {
				all = append(all, leaf{steps: steps, arrays: arrays, shape: s, required: required})
			}
			return
		}
		if len(steps) == maxDepth {
			return
		}
		for _, p := range s.Props {
			walk(p, append(slices.Clone(steps), p.Name), arrays, required && p.Required)
		}
	}
	walk(root, nil, nil, true)
	return all
}

// values collects the samples' values by wire path.
func values(docs []*wire.Document) map[string][]string {
	all := map[string][]string{}
	var walk func(n *wire.Node, path string)
	walk = func(n *wire.Node, path string) {
		for c := range n.Children() {
			at := path
			if n.Kind != wire.Array {
				name := c.Name
				if c.Attr {
					name = "@" + name
				}
				at = strings.TrimPrefix(path+"/"+name, "/")
			}
			if !c.IsLeaf() {
				if text := strings.TrimSpace(c.Text); text != "" {
					all[at+"/#text"] = append(all[at+"/#text"], text)
				}
				walk(c, at)
			} else if text := strings.TrimSpace(c.Text); text != "" {
				all[at] = append(all[at], text)
			}
		}
	}
	for _, d := range docs {
		walk(d.Root, "")
	}
	return all
}
