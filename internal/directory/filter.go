package directory

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"tongqu/internal/wire"
)

// Filter selects records by canonical values. Every condition must be met.
type Filter []Condition

// Condition is met when a value at Path is one of Values. Path is canonical,
// steps joined by dots; "[]" after a step means any item of that array:
// platform.code, items[].hsCode.
type Condition struct {
	Path   string   `json:"path"`
	Values []string `json:"values"`

	steps []string // of Path; an array's items are a step of their own, "[]"
}

var pathForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(\[\])?(\.[A-Za-z][A-Za-z0-9]*(\[\])?)*$`)

// UnmarshalYAML reads a mapping of paths, each to one value or a list of values.
func (f *Filter) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return errors.New("a filter must be a mapping of paths to values")
	}
	*f = nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		path, value := n.Content[i].Value, n.Content[i+1]
		if !pathForm.MatchString(path) {
			return fmt.Errorf("%q is not a canonical path", path)
		}
		if slices.ContainsFunc(*f, func(c Condition) bool { return c.Path == path }) {
			return fmt.Errorf("path %q stands twice", path)
		}
		c := Condition{Path: path, steps: steps(path)}
		nodes := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			nodes = value.Content
		}
		for _, v := range nodes {
			if v.Kind != yaml.ScalarNode || v.Tag == "!!null" {
				return fmt.Errorf("the condition on %s must be a value or a list of values", path)
			}
			c.Values = append(c.Values, v.Value)
		}
		if len(c.Values) == 0 {
			return fmt.Errorf("the condition on %s has no value", path)
		}
		*f = append(*f, c)
	}
	return nil
}

func steps(path string) []string {
	return strings.Split(strings.ReplaceAll(path, "[]", ".[]"), ".")
}

// Matches reports whether the record meets every condition.
func (f Filter) Matches(root *wire.Node) bool {
	for i := range f {
		if !f[i].holds(root, f[i].steps) {
			return false
		}
	}
	return true
}

func (c *Condition) holds(n *wire.Node, steps []string) bool {
	if len(steps) == 0 {
		return n.IsLeaf() && n.Kind != wire.Null && slices.Contains(c.Values, n.Text)
	}
	if steps[0] != "[]" {
		child := n.Child(steps[0])
		return child != nil && c.holds(child, steps[1:])
	}
	if n.Kind != wire.Array {
		return false
	}
	for item := range n.Children() {
		if c.holds(item, steps[1:]) {
			return true
		}
	}
	return false
}
