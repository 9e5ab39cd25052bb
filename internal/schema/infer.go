package schema

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"tongqu/internal/wire"
)

// InferConfig says how Infer names things.
type InferConfig struct {
	// Folder is the folder of the schemas, usually the adapter's name.
	Folder string
	// Message is the schema's name; empty takes the root element's.
	Message string
	// From are the names of the samples, told in the description.
	From []string
	// Headers are the headers of the columns of a table, by property.
	Headers map[string]string
}

// Infer makes a wire schema from samples of one message: structure, order,
// repetition, attributes, namespaces, what all of them have, and the form of
// times and amounts. It guesses no length and no code, and puts no value of a
// sample into the schema. The description says that it is a guess. Samples of
// different roots are an error.
func Infer(samples []*wire.Document, config InferConfig) (Imported, error) {
	if len(samples) == 0 {
		return Imported{}, errors.New("no samples")
	}
	first := samples[0]
	root := &sighting{name: first.Root.Name, space: first.Root.Space}
	for _, s := range samples {
		if s.Format != first.Format || s.Root.Name != root.name || s.Root.Space != root.space || s.Root.Kind != first.Root.Kind {
			return Imported{}, fmt.Errorf("the samples are of different messages: %s and %s", orRoot(root.name), orRoot(s.Root.Name))
		}
		root.see(s.Root)
	}
	root.label(config.Headers)
	name := config.Message
	if name == "" {
		name = root.name
	}
	if name == "" {
		return Imported{}, errors.New("a JSON document has no root element to name the message by")
	}
	g := generator{xsd: &xsd{config: ImportConfig{Folder: config.Folder}}}
	o := newObject()
	o.text("$schema", draft07)
	o.text("$id", g.id(name))
	o.text("description", fmt.Sprintf("inferred from samples (%s); check what is optional, what repeats, lengths and codes against the agency's description", strings.Join(config.From, ", ")))
	if first.Format == wire.XML {
		o.text("x-root", root.name)
		if root.space != "" {
			o.text("x-namespace", root.space)
		}
	}
	root.write(o, root.space, first.Format == wire.XML)
	return Imported{ID: g.id(name), JSON: append(wire.WriteJSON(o.Node, "  "), '\n')}, nil
}

func orRoot(name string) string {
	if name == "" {
		return "a document without a root element"
	}
	return name
}

// sighting is what was seen of one element, attribute, member or item.
type sighting struct {
	name, space string
	attr        bool
	kinds       []wire.Kind
	// count is how often it was seen, holders how many parents had it.
	count, holders int
	repeats        bool
	// header is the column's, where it is one of a table.
	header string
	// stray says that there was text beside attributes or elements.
	stray bool
	// disorder says that the children did not always stand in the same order.
	disorder bool
	props    []*sighting
	items    *sighting // of a JSON array
	// filled is how often there was a value, forms are what all of them fit.
	filled int
	forms  []form
}

// form is a way of writing that tells what a value is.
type form struct {
	pattern, what string
	// fits judges a value; point asks that one of the values has a decimal point,
	// since whole numbers may well be codes.
	fits  func(string) bool
	point bool
}

var decimalForm = regexp.MustCompile(`^[+-]?[0-9]+([.][0-9]+)?$`)

// forms are the ways of writing that Infer knows.
func forms() []form {
	layout := func(layouts ...string) func(string) bool {
		return func(s string) bool {
			return slices.ContainsFunc(layouts, func(l string) bool {
				t, err := time.Parse(l, s)
				return err == nil && t.Year() >= 1900 && t.Year() < 2200
			})
		}
	}
	return []form{
		{pattern: "^[0-9]{14}$", what: "time 20060102150405", fits: layout("20060102150405")},
		{pattern: "^[0-9]{8}$", what: "date 20060102", fits: layout("20060102")},
		{pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", what: "date 2006-01-02", fits: layout(time.DateOnly)},
		{pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$", what: "time 2006-01-02 15:04:05", fits: layout(time.DateTime)},
		{pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}", what: "time xsd", fits: layout("2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999")},
		{pattern: decimalForm.String(), what: "decimal", fits: decimalForm.MatchString, point: true},
	}
}

// FormOf names the form that all of the values have, as Infer sees it: "time
// LAYOUT", "date LAYOUT", "decimal", or "" when none fits.
func FormOf(values []string) string {
	s := &sighting{}
	for _, v := range values {
		s.value(v)
	}
	if len(s.forms) == 0 || s.filled == 0 || s.forms[0].point && !slices.ContainsFunc(values, hasPoint) {
		return ""
	}
	return s.forms[0].what
}

func hasPoint(s string) bool { return strings.Contains(s, ".") }

// see takes note of one node.
func (s *sighting) see(n *wire.Node) {
	s.count++
	if !slices.Contains(s.kinds, n.Kind) {
		s.kinds = append(s.kinds, n.Kind)
	}
	switch n.Kind {
	case wire.Object:
		s.stray = s.stray || strings.TrimSpace(n.Text) != ""
		s.children(n)
	case wire.Array:
		if s.items == nil {
			s.items = &sighting{}
		}
		for c := range n.Children() {
			s.items.see(c)
		}
	case wire.Null:
	default:
		s.value(n.Text)
	}
}

func (s *sighting) value(text string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return
	}
	if s.filled == 0 {
		s.forms = forms()
	}
	s.filled++
	s.forms = slices.DeleteFunc(s.forms, func(f form) bool { return !f.fits(text) })
	for i := range s.forms {
		if s.forms[i].point && hasPoint(text) {
			s.forms[i].point = false
		}
	}
}

func (s *sighting) children(n *wire.Node) {
	held := map[*sighting]bool{}
	last := -1
	for c := range n.Children() {
		if c.Attr && c.Space == schemaInstance {
			continue
		}
		at := slices.IndexFunc(s.props, func(p *sighting) bool { return p.name == c.Name && p.attr == c.Attr })
		if at < 0 {
			// what is new stands behind what it was seen behind
			at = last + 1
			if !c.Attr {
				at = max(at, slices.IndexFunc(append(s.props, &sighting{}), func(p *sighting) bool { return !p.attr }))
			}
			s.props = slices.Insert(s.props, at, &sighting{name: c.Name, space: c.Space, attr: c.Attr})
		} else if at < last && !c.Attr {
			s.disorder = true
		}
		p := s.props[at]
		last = at
		if held[p] {
			p.repeats = true
		} else {
			held[p] = true
			p.holders++
		}
		p.see(c)
	}
}

// label tells the columns their headers.
func (s *sighting) label(headers map[string]string) {
	for _, p := range s.props {
		p.header = headers[p.name]
		p.label(headers)
	}
	if s.items != nil {
		s.items.label(headers)
	}
}

// write describes the value in a schema.
func (s *sighting) write(o object, space string, isXML bool) {
	leaf := len(s.props) == 0 && s.items == nil && !slices.Contains(s.kinds, wire.Object)
	switch {
	case s.items != nil && !slices.Contains(s.kinds, wire.Object):
		o.text("type", "array")
		s.items.write(o.object("items"), space, isXML)
	case leaf:
		s.leaf(o, isXML)
	default:
		s.object(o, space, isXML)
	}
}

func (s *sighting) object(o object, space string, isXML bool) {
	s.stray = s.stray || isXML && s.filled > 0 // a leaf here, with attributes there
	o.text("type", "object")
	o.bool("additionalProperties", false)
	var required list
	for _, p := range s.props {
		if p.holders < s.count {
			continue
		}
		if required.Node == nil {
			required = o.list("required")
		}
		required.item(p.property())
	}
	if isXML && s.disorder {
		var names []string
		for _, p := range s.props {
			if !p.attr {
				names = append(names, p.name)
			}
		}
		o.text("x-content", "("+strings.Join(names, " | ")+")*")
	}
	props := o.object("properties")
	for _, p := range s.props {
		if !p.attr && s.stray && props.Child(textProp) == nil {
			props.object(textProp).text("type", "string")
		}
		child := props.object(p.property())
		if p.header != "" {
			child.text("title", p.header)
			child.list("x-header").item(p.header)
		}
		if p.repeats {
			child.text("type", "array")
			if p.holders == s.count {
				child.number("minItems", 1)
			}
			child = child.object("items")
		}
		if !p.attr && p.space != space {
			child.text("x-namespace", p.space)
		}
		p.write(child, p.space, isXML)
	}
	if s.stray && props.Child(textProp) == nil {
		props.object(textProp).text("type", "string")
	}
}

func (s *sighting) property() string {
	if s.attr {
		return "@" + s.name
	}
	return s.name
}

func (s *sighting) leaf(o object, isXML bool) {
	var types []string
	add := func(name string) {
		if !slices.Contains(types, name) {
			types = append(types, name)
		}
	}
	for _, k := range s.kinds {
		switch {
		case isXML:
			add("string")
		case k == wire.Null:
			// an absent value says as much; the type below is the one of the others
		default:
			add(k.String())
		}
	}
	if len(types) == 0 {
		add("string")
	}
	if slices.Contains(s.kinds, wire.Null) {
		add("null")
	}
	if len(types) == 1 {
		o.text("type", types[0])
	} else {
		l := o.list("type")
		for _, name := range types {
			l.item(name)
		}
	}
	if types[0] != "string" || s.filled == 0 {
		return
	}
	if s.filled == s.count {
		o.number("minLength", 1)
	}
	if len(s.forms) == 0 || s.forms[0].point {
		return
	}
	f := s.forms[0]
	o.text("description", "inferred: "+f.what)
	if s.filled == s.count { // an empty element would not match
		o.text("pattern", f.pattern)
	}
}
