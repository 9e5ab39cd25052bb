package schema

import (
	"encoding/json"
	"strconv"
	"strings"

	"tongqu/internal/wire"
)

// values turns a tree into the Go values that the library validates, guided by
// the shape: what repeats is an array, a leaf is its effective text.
type values struct {
	isXML bool
}

func (c values) of(n *wire.Node, s *Shape) any {
	if c.isXML {
		return c.ofElement(n, s)
	}
	switch n.Kind {
	case wire.Object:
		m := make(map[string]any)
		for k := range n.Children() {
			m[k.Name] = c.of(k, s.member(k.Name))
		}
		return m
	case wire.Array:
		items := []any{}
		for k := range n.Children() {
			items = append(items, c.of(k, s.item()))
		}
		return items
	case wire.Text:
		if s == nil {
			return n.Text
		}
		text, _, _ := s.effective(n.Text, false)
		return text
	case wire.Number:
		if !numberSane(n.Text) {
			return json.Number("0") // reported already
		}
	}
	return scalar(n)
}

// member and item are Prop and Items where the schema may say nothing.
func (s *Shape) member(name string) *Shape {
	if s == nil {
		return nil
	}
	if p := s.Prop(name); p != nil {
		return p
	}
	return s.extra
}

func (s *Shape) item() *Shape {
	if s == nil {
		return nil
	}
	return s.Items
}

func (c values) ofElement(n *wire.Node, s *Shape) any {
	switch {
	case s == nil || s.Kind == Any && n.IsLeaf() && s.Props == nil:
		if n.IsLeaf() {
			return n.Text
		}
	case s.wildcard:
		return map[string]any{}
	case s.Kind == String:
		text, _, _ := s.effective(n.Text, !n.Attr)
		return text
	}
	m := make(map[string]any)
	for k := range n.Children() {
		c.add(m, k, s)
	}
	if s != nil && s.textAt >= 0 {
		text, _, _ := s.Props[s.textAt].effective(n.Text, true)
		m[textProp] = text
	}
	return m
}

// add adds one child of an element to its object. Of several where there may be
// only one the first counts; the others are the walk's to report.
func (c values) add(m map[string]any, k *wire.Node, s *Shape) {
	name := k.Name
	if k.Attr {
		if ignored(k) {
			return
		}
		name = "@" + name
		if k.Space != "" {
			name = "@" + k.Space + " " + k.Name
		}
	}
	p := s.member(name)
	switch {
	case s != nil && s.content != nil && s.content.wildcards && !k.Attr && s.find(k, 0, true) < 0:
	case p != nil && p.Kind == Array && p.Items != nil:
		items, _ := m[name].([]any)
		m[name] = append(items, c.ofElement(k, p.Items))
	case m[name] == nil:
		m[name] = c.ofElement(k, p)
	}
}

// locate follows the steps of the library's context to the node they mean and
// its shape. When the last step is a repeated element, the node is the parent
// and the shape the array.
func (c values) locate(root *wire.Node, s *Shape, steps []string) (*wire.Node, *Shape) {
	n := root
	for i := 0; i < len(steps) && n != nil; i++ {
		if n.Kind == wire.Array {
			if item := member(n, steps[i]); item != nil {
				n, s = item, s.item()
				continue
			}
			return n, s
		}
		p := s.member(steps[i])
		if c.isXML && p != nil && p.Kind == Array {
			if i+1 == len(steps) {
				return n, p
			}
			if item := nth(n, steps[i], steps[i+1]); item != nil {
				n, s = item, p.item()
				i++
				continue
			}
			return n, s
		}
		child := c.child(n, steps[i])
		if child == nil {
			return n, p // such as #text
		}
		n, s = child, p
	}
	return n, s
}

// child is the child that a property name of the library means.
func (c values) child(n *wire.Node, name string) *wire.Node {
	if !c.isXML {
		return n.Child(name)
	}
	local, attribute := strings.CutPrefix(name, "@")
	if !attribute {
		return n.Child(name)
	}
	space, qualified, found := strings.Cut(local, " ")
	if !found {
		space, qualified = "", local
	}
	for a := range n.Children() {
		if a.Attr && a.Space == space && a.Name == qualified {
			return a
		}
	}
	return nil
}

// nth is the element of that name with the index, from 0, that the library
// counts by.
func nth(n *wire.Node, name, index string) *wire.Node {
	i, err := strconv.Atoi(index)
	if err != nil {
		return nil
	}
	for k := range n.Children() {
		if k.Attr || k.Name != name {
			continue
		}
		if i == 0 {
			return k
		}
		i--
	}
	return nil
}
