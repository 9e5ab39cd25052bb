// Package wire turns bytes into one neutral tree and back: XML and JSON, in any
// charset agencies use, with the line and column of every value.
package wire

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"tongqu/internal/fault"
)

// Kind says what a node is.
type Kind uint8

// The kinds of node. XML has Object (an element with children or attributes) and
// Text (a leaf element or an attribute); JSON has them all.
const (
	Object Kind = iota
	Array
	Text
	Number
	Bool
	Null
)

// String returns the JSON Schema name of the kind.
func (k Kind) String() string {
	return [...]string{"object", "array", "string", "number", "boolean", "null"}[k]
}

// Node is one element, attribute, member or item of a document. Nodes are linked
// parent, first child, next sibling, so that a document costs few allocations.
type Node struct {
	Kind Kind
	// Attr marks an XML attribute. Attributes come before the other children.
	Attr bool
	// Line and Column count from 1, in characters of the document as it was sent;
	// for an element they point at its value (the first byte after the start tag).
	Line, Column int32
	// Name is the local name (no prefix, no "@"); empty for a JSON root or array item.
	Name string
	// Space is the namespace URI; empty for none and for JSON.
	Space string
	// Text is a leaf's value: XML text as it stands (blanks kept), a JSON string
	// decoded, a number's literal, "true"/"false". On an Object it holds stray
	// XML text between elements, trimmed, normally empty.
	Text string

	Parent, First, Last, Next *Node

	// From is the node of the sender's document that this node was translated
	// from; nil when the node is itself the sender's, or was computed.
	From *Node
}

// Children walks the child nodes in document order.
func (n *Node) Children() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		for c := n.First; c != nil; c = c.Next {
			if !yield(c) {
				return
			}
		}
	}
}

// Child returns the first non-attribute child of that local name, or nil.
func (n *Node) Child(name string) *Node {
	for c := n.First; c != nil; c = c.Next {
		if !c.Attr && c.Name == name {
			return c
		}
	}
	return nil
}

// Attribute returns the attribute of that local name, or nil.
func (n *Node) Attribute(name string) *Node {
	for c := n.First; c != nil && c.Attr; c = c.Next {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Append adds c as the last child of n and returns c.
func (n *Node) Append(c *Node) *Node {
	c.Parent, c.Next = n, nil
	if n.Last == nil {
		n.First = c
	} else {
		n.Last.Next = c
	}
	n.Last = c
	return c
}

// IsLeaf reports whether n carries a value rather than children.
func (n *Node) IsLeaf() bool { return n.Kind >= Text }

// Source returns the node of the sender's own document that n stands for.
func (n *Node) Source() *Node {
	for n.From != nil {
		n = n.From
	}
	return n
}

// Path is the agency path of n itself: XPath-like, no prefixes, a 1-based index
// on elements that repeat and on every JSON array item, "@" before attributes.
func (n *Node) Path() string {
	var steps []string
	suffix := "" // indexes of array items, waiting for the array's own step
	for ; n != nil; n = n.Parent {
		if n.Parent != nil && n.Parent.Kind == Array {
			suffix = "[" + strconv.Itoa(position(n, func(*Node) bool { return true })) + "]" + suffix
			continue
		}
		step := n.Name
		if n.Attr {
			step = "@" + step
		} else if n.repeats() {
			same := func(s *Node) bool { return !s.Attr && s.Name == n.Name }
			suffix = "[" + strconv.Itoa(position(n, same)) + "]" + suffix
		}
		if step += suffix; step != "" {
			steps = append(steps, step)
		}
		suffix = ""
	}
	slices.Reverse(steps)
	return "/" + strings.Join(steps, "/")
}

// repeats reports whether another element of the same name stands beside n.
func (n *Node) repeats() bool {
	if n.Parent == nil {
		return false
	}
	for s := n.Parent.First; s != nil; s = s.Next {
		if s != n && !s.Attr && s.Name == n.Name {
			return true
		}
	}
	return false
}

// position is n's place, from 1, among those of its siblings that count.
func position(n *Node, counts func(*Node) bool) int {
	i := 0
	for s := n.Parent.First; s != nil; s = s.Next {
		if counts(s) {
			i++
		}
		if s == n {
			break
		}
	}
	return i
}

// Place is where n stands in the sender's own document.
func (n *Node) Place() fault.Place {
	s := n.Source()
	return fault.Place{Path: s.Path(), Line: int(s.Line), Column: int(s.Column)}
}
