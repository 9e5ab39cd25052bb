// Package schema checks trees against JSON Schemas (draft-07 and the keywords
// that XML and trade documents need besides), tells the shape of a document to
// the packages that translate it, and makes schemas from an agency's XSD.
//
// The dialect: every draft-07 keyword, plus, for documents that are XML,
// x-root, x-namespace, x-content, x-any, x-whitespace, x-totalDigits,
// x-fractionDigits, x-minimum, x-maximum, x-exclusiveMinimum and
// x-exclusiveMaximum; for documents that are CSV, x-header; plus, for canonical types, x-keys, x-version, x-action,
// x-answers, x-rules, x-personal, x-codes, x-check, x-unit and x-decimal.
package schema

import (
	"strings"

	"tongqu/internal/codes"
	"tongqu/internal/wire"
)

// Kind is the type of value that a schema asks for.
type Kind string

// The kinds. Any is a schema that names no type.
const (
	Any     Kind = ""
	Object  Kind = "object"
	Array   Kind = "array"
	String  Kind = "string"
	Number  Kind = "number"
	Integer Kind = "integer"
	Boolean Kind = "boolean"
)

// textProp is the property that stands for the text of an element which also
// has attributes or children.
const textProp = "#text"

// Unbounded is the MaxItems and MaxLength of a schema that sets none.
const Unbounded = -1

// Key is a business key of a canonical type: its value is the values at Paths,
// joined by "/".
type Key struct {
	Name  string
	Paths []string
}

// Shape is a schema as the hub walks it: references are resolved and properties
// stand in the order of the file. It is read-only and safe for concurrent use.
type Shape struct {
	// Name is the property's name: an element's local name, "@guid" of an
	// attribute, "#text"; empty for a document and for the items of an array.
	Name string
	// Title is the Chinese name, Description an English or longer text.
	Title, Description string
	Kind               Kind
	// Required says that the property must be there; an array then has at least
	// one item when the document is XML.
	Required bool

	// Props are an object's properties, in the order of the file, which is the
	// order of the elements when the document is XML.
	Props []*Shape
	// Open says that an object may have properties beyond Props.
	Open bool
	// Items is what an array repeats, MinItems to MaxItems times.
	Items              *Shape
	MinItems, MaxItems int

	// Root is the name of the root element; only on the shape of an XML document.
	Root string
	// Namespace is the namespace URI of the element.
	Namespace string
	// AnyContent says that the element holds content which the schema leaves open.
	AnyContent bool
	// Content is the model of an element whose children do not simply stand in
	// the order of Props, as in "(a | b), c*".
	Content string

	// The facets of a leaf. MaxLength, TotalDigits and FractionDigits are
	// Unbounded when the schema sets none.
	MinLength, MaxLength        int
	TotalDigits, FractionDigits int
	Pattern, Format, Whitespace string
	// Enum are the allowed values, when they are strings; a const is an Enum of one.
	Enum []string
	// Default is the value that an empty element stands for; HasDefault says there is one.
	Default    string
	HasDefault bool

	// What a canonical type says of itself; see the dialect.
	Keys                     []Key
	Version, Action, Answers string
	// What a leaf of a canonical type is.
	Personal, Codes, Check, Unit string
	Decimal                      bool
	// Headers are the titles that a column of a CSV document may have besides its
	// name and Title; the first one is written.
	Headers []string

	compiled
}

// Prop returns the property of that name ("@guid" for an attribute), or nil.
func (s *Shape) Prop(name string) *Shape {
	if i, ok := s.index[name]; ok {
		return s.Props[i]
	}
	for _, b := range s.allOf {
		if p := b.Prop(name); p != nil {
			return p
		}
	}
	return nil
}

// At returns the shape at a path, or nil: "items[].qty" of a canonical type,
// "OrderHead/goodsValue" or "Order/@guid" of a wire schema. A step through an
// array reaches its items, with or without "[]"; "items" itself is the array,
// "items[]" one item.
func (s *Shape) At(path string) *Shape {
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		return s
	}
	for step := range strings.SplitSeq(path, "/") {
		if p := s.step(step); p != nil {
			s = p
			continue
		}
		for part := range strings.SplitSeq(step, ".") {
			if s = s.step(part); s == nil {
				return nil
			}
		}
	}
	return s
}

func (s *Shape) step(step string) *Shape {
	for s.Kind == Array && s.Items != nil {
		s = s.Items
	}
	name, each := strings.CutSuffix(step, "[]")
	p := s.Prop(name)
	if p != nil && each {
		return p.Items
	}
	return p
}

// Arrange puts the members of every object below n into the order of the
// schema; members that it does not name come last, as they stood.
func (s *Shape) Arrange(n *wire.Node) {
	switch {
	case n.Kind == wire.Array && s.Items != nil:
		for c := range n.Children() {
			s.Items.Arrange(c)
		}
	case n.Kind == wire.Object && len(s.Props) > 0:
		s.arrangeMembers(n)
	}
}

func (s *Shape) arrangeMembers(n *wire.Node) {
	inOrder, last := true, -1
	for c := range n.Children() {
		i, ok := s.index[c.Name]
		if !ok {
			i = len(s.Props)
		} else {
			s.Props[i].Arrange(c)
		}
		inOrder = inOrder && i >= last
		last = i
	}
	if inOrder {
		return
	}
	slots := make([][]*wire.Node, len(s.Props)+1)
	for c := range n.Children() {
		i, ok := s.index[c.Name]
		if !ok {
			i = len(s.Props)
		}
		slots[i] = append(slots[i], c)
	}
	n.First, n.Last = nil, nil
	for _, slot := range slots {
		for _, c := range slot {
			n.Append(c)
		}
	}
}

// compiled is what checking needs of a shape besides what others may know.
type compiled struct {
	// local and attribute are Name as the node of an XML tree has them.
	local     string
	attribute bool
	index     map[string]int
	// textAt is the index of "#text" in Props, or -1.
	textAt int
	// types is the set of allowed types, empty for any.
	types kinds
	// exotic marks keywords that only the JSON Schema library judges.
	exotic bool
	// combines says that there is an allOf, anyOf, oneOf, not or if.
	combines bool
	// always and never are the schemas true and false.
	always, never bool
	// wildcard says that x-any leaves the whole element open.
	wildcard bool

	minProps, maxProps int
	extra              *Shape // additionalProperties as a schema
	content            *content

	allOf, anyOf, oneOf []*Shape
	not                 *Shape
	cond, then, other   *Shape
	needs               []need
	// requires are the names in "required", unlisted those that are not in Props.
	requires, unlisted []string

	pattern      *pattern
	enum         bool
	number       bounds
	digits       bool
	ownMin       *limit
	ownMax       *limit
	codes        *codes.Column
	hasOwnFacets bool
}

// kinds is a set of JSON types.
type kinds uint8

const (
	kindObject kinds = 1 << iota
	kindArray
	kindString
	kindNumber
	kindInteger
	kindBoolean
	kindNull
)

var kindOf = map[string]kinds{
	"object": kindObject, "array": kindArray, "string": kindString, "number": kindNumber,
	"integer": kindInteger, "boolean": kindBoolean, "null": kindNull,
}

// need is a dependency: when the property is there, so must the others be, and
// the object must satisfy the shape.
type need struct {
	property string
	others   []string
	shape    *Shape
}

// bounds are the limits of a JSON number, where they are whole numbers.
type bounds struct {
	min, max       int64
	hasMin, hasMax bool
}
