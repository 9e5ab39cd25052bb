package adapter

import (
	"maps"
	"slices"
	"strings"

	"tongqu/internal/fault"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// Heading says that the first of the repeating elements below the root names what
// the others hold, as the first line of a sheet does. It is no record.
type Heading struct {
	// Of is the name of the elements.
	Of string `yaml:"of"`
	// Values are what stands in the first: child element → text.
	Values map[string]string `yaml:"values"`
}

// lint returns what is wrong with the heading of a message of that shape.
func (h *Heading) lint(shape *schema.Shape) string {
	s := shape.At(h.Of)
	if s == nil || s.Kind != schema.Array || len(h.Values) == 0 {
		return "heading: of must be a repeating element below the root, with values"
	}
	for _, name := range slices.Sorted(maps.Keys(h.Values)) {
		if shape.At(h.Of+"/"+name) == nil {
			return "heading: there is no " + h.Of + "/" + name + " in the schema"
		}
	}
	return ""
}

// takeOff removes the heading from a document. One that is not there is flagged.
func (h *Heading) takeOff(root *wire.Node) fault.List {
	first := root.Child(h.Of)
	if first == nil {
		return nil // the schema says what is missing
	}
	for _, name := range slices.Sorted(maps.Keys(h.Values)) {
		text := h.Values[name]
		if c := first.Child(name); c == nil || strings.TrimSpace(c.Text) != text {
			return fault.List{fault.New(fault.MapValue, first.Place(), "", name+" ≠ "+text).Flagged()}
		}
	}
	_ = first.Path() // numbers the elements as the sender did
	if root.First == first {
		root.First = first.Next
	}
	for c := root.First; c != nil; c = c.Next {
		if c.Next == first {
			c.Next = first.Next
		}
		if c.Next == nil {
			root.Last = c
		}
	}
	if root.First == nil {
		root.Last = nil
	}
	return nil
}

// putOn writes the heading before the first of the elements.
func (h *Heading) putOn(root *wire.Node) {
	first := root.Child(h.Of)
	if first == nil {
		return
	}
	heading := &wire.Node{Kind: wire.Object, Name: first.Name, Space: first.Space, Parent: root, Next: first}
	for c := range first.Children() {
		if text, ok := h.Values[c.Name]; ok && !c.Attr {
			heading.Append(&wire.Node{Kind: wire.Text, Name: c.Name, Space: c.Space, Text: text})
		}
	}
	if root.First == first {
		root.First = heading
		return
	}
	for c := root.First; c != nil; c = c.Next {
		if c.Next == first {
			c.Next = heading
			return
		}
	}
}
