// Package wire turns bytes into one neutral tree and back: XML and JSON, in any
// charset agencies use, with the line and column of every value.
package wire

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

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
	// nth is the node's index in its path, or one of the marks below; see number.
	nth int32
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

// FirstElement returns the first child that is no attribute, or nil.
func (n *Node) FirstElement() *Node {
	for c := n.First; c != nil; c = c.Next {
		if !c.Attr {
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
	n.First.nth = unnumbered
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
		if i := n.index(); i != alone {
			suffix = "[" + strconv.Itoa(int(i)) + "]" + suffix
		}
		if n.Parent != nil && n.Parent.Kind == Array {
			continue
		}
		step := n.Name
		if n.Attr {
			step = "@" + step
		}
		if step += suffix; step != "" {
			steps = append(steps, step)
		}
		suffix = ""
	}
	slices.Reverse(steps)
	return "/" + strings.Join(steps, "/")
}

// The marks that nth may be instead of an index.
const (
	unnumbered int32 = 0
	alone      int32 = -1
)

// index is n's place, from 1, among the items of its array or the elements of its
// name; alone where its path needs none. Siblings are numbered together, once, so
// that the paths of all nodes of a document cost no more than the document has
// nodes; several goroutines may ask at the same time.
func (n *Node) index() int32 {
	if n.Parent == nil {
		return alone
	}
	if atomic.LoadInt32(&n.Parent.First.nth) == unnumbered {
		n.Parent.number()
	}
	return atomic.LoadInt32(&n.nth)
}

// number gives every child its index, the first one last: it tells that all have.
func (n *Node) number() {
	total := map[string]int32{}
	for c := n.First; c != nil; c = c.Next {
		if !c.Attr {
			total[c.Name]++
		}
	}
	seen := make(map[string]int32, len(total))
	place := func(c *Node) int32 {
		if c.Attr {
			return alone
		}
		seen[c.Name]++
		if total[c.Name] == 1 && n.Kind != Array {
			return alone
		}
		return seen[c.Name]
	}
	first := place(n.First)
	for c := n.First.Next; c != nil; c = c.Next {
		atomic.StoreInt32(&c.nth, place(c))
	}
	atomic.StoreInt32(&n.First.nth, first)
}

// Place is where n stands in the sender's own document.
func (n *Node) Place() fault.Place {
	s := n.Source()
	return fault.Place{Path: s.Path(), Line: int(s.Line), Column: int(s.Column)}
}
