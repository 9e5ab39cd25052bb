package schema

import (
	"slices"
	"strings"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// strayChildren reports attributes and elements inside an element that holds a
// value.
func (w *walker) strayChildren(n *wire.Node) {
	for c := n.First; c != nil; c = c.Next {
		if !ignored(c) {
			w.unexpected(c)
		}
	}
}

func (w *walker) unexpected(c *wire.Node) {
	w.add(func() fault.Fault {
		return fault.New(fault.SchemaUnexpected, c.Place(), c.Text, label(c)).WithRule("additionalProperties")
	})
}

// ignored reports whether n is one of the attributes that XML Schema lets stand
// on every element.
func ignored(n *wire.Node) bool {
	if !n.Attr || n.Space != schemaInstance {
		return false
	}
	switch n.Name {
	case "type", "nil", "schemaLocation", "noNamespaceSchemaLocation":
		return true
	}
	return false
}

// label is how texts name a node.
func label(n *wire.Node) string {
	if n.Attr {
		return "@" + n.Name
	}
	return n.Name
}

// find returns the index of the property that c is, or -1. Children mostly come
// in the order of the schema, so the search begins at next.
func (s *Shape) find(c *wire.Node, next int, isXML bool) int {
	if !isXML {
		if next < len(s.Props) && s.Props[next].Name == c.Name {
			return next
		}
		if i, ok := s.index[c.Name]; ok {
			return i
		}
		return -1
	}
	if c.Attr && c.Space != "" {
		return -1
	}
	for i := next; i < len(s.Props); i++ {
		if s.Props[i].is(c) {
			return s.unlessForeign(i, c)
		}
	}
	for i := range min(next, len(s.Props)) {
		if s.Props[i].is(c) {
			return s.unlessForeign(i, c)
		}
	}
	return -1
}

// is reports whether c has the property's name.
func (s *Shape) is(c *wire.Node) bool { return s.local == c.Name && s.attribute == c.Attr }

// unlessForeign is i, unless c is of another namespace than the property and so
// one that a wildcard of the content model takes.
func (s *Shape) unlessForeign(i int, c *wire.Node) int {
	if s.content != nil && s.content.wildcards && !c.Attr && c.Space != "" && c.Space != s.Props[i].Namespace {
		return -1
	}
	return i
}

// object judges the properties of an object or element.
func (w *walker) object(n *wire.Node, s *Shape) verdict {
	from := len(w.counts)
	for range s.Props {
		w.counts = append(w.counts, 0)
	}
	v, total := valid, 0
	next, last, ordered := 0, -1, true
	for c := n.First; c != nil; c = c.Next {
		i := s.find(c, next, w.isXML)
		if i < 0 {
			var known verdict
			known, total = w.extra(c, s, total)
			v = max(v, known)
			continue
		}
		p := s.Props[i]
		count := &w.counts[from+i]
		*count++
		if w.isXML && !c.Attr {
			ordered = ordered && i >= last
			last = max(last, i)
		}
		next = i
		switch {
		case p.Kind == Array && w.isXML && c.Kind != wire.Array:
			if p.Items != nil {
				w.namespace(c, p)
				v = max(v, w.value(c, p.Items))
			}
			if p.exotic {
				v = max(v, unsure)
			}
		case *count > 1:
			if w.isXML && w.partial == 0 {
				w.tooMany(c, p, int(*count))
			}
		default:
			w.namespace(c, p)
			v = max(v, w.value(c, p))
			next++
		}
	}
	if s.textAt >= 0 {
		if w.counts[from+s.textAt] == 0 && w.isXML {
			w.counts[from+s.textAt] = 1
			v = max(v, w.text(n, s.Props[s.textAt], n.Text, true))
		}
	} else if w.isXML && n.Text != "" && w.partial == 0 && strings.Trim(n.Text, xmlBlanks) != "" {
		w.add(func() fault.Fault { return s.fault(fault.SchemaText, n, n.Name).WithRule("text") })
	}
	missing := false
	for i, p := range s.Props {
		count := w.counts[from+i]
		switch {
		case count > 0:
			total++
			if w.isXML && p.Kind == Array && (int(count) < p.MinItems || p.MaxItems >= 0 && int(count) > p.MaxItems) && !w.holdsArray(n, p) {
				v, missing = invalid, true
			}
		case p.Required:
			v, missing = invalid, true
		}
	}
	for _, name := range s.unlisted {
		if !w.has(n, name) {
			v, missing = invalid, true
		}
	}
	if s.needs != nil {
		v = max(v, w.needed(n, s, from))
	}
	w.counts = w.counts[:from]
	if total < s.minProps || s.maxProps >= 0 && total > s.maxProps {
		v = max(v, unsure)
	}
	if w.isXML && w.partial == 0 {
		w.sequence(n, s, ordered, missing || v == invalid)
	}
	return v
}

// has reports whether an object has a property that the schema requires without
// describing it.
func (w *walker) has(n *wire.Node, name string) bool {
	return values{isXML: w.isXML}.child(n, name) != nil
}

// holdsArray reports whether the property came as a JSON array inside a tree
// whose elements are otherwise XML.
func (w *walker) holdsArray(n *wire.Node, p *Shape) bool {
	c := n.Child(p.local)
	return c != nil && c.Kind == wire.Array
}

// extra judges a child that is no property of s; total counts the properties
// that the library would see.
func (w *walker) extra(c *wire.Node, s *Shape, total int) (verdict, int) {
	switch {
	case w.isXML && (ignored(c) || s.content != nil && s.content.wildcards && !c.Attr):
		return valid, total
	case s.exotic, s.extra != nil && w.isXML: // such as patternProperties
		return unsure, total + 1
	case s.extra != nil:
		return w.value(c, s.extra), total + 1
	case s.Open:
		return valid, total + 1
	}
	return invalid, total + 1
}

// needed judges the dependencies of an object.
func (w *walker) needed(n *wire.Node, s *Shape, from int) verdict {
	v := valid
	there := func(name string) verdict {
		i, ok := s.index[name]
		switch {
		case !ok:
			return unsure
		case w.counts[from+i] > 0:
			return valid
		}
		return invalid
	}
	for i := range s.needs {
		d := &s.needs[i]
		switch there(d.property) {
		case invalid:
			continue
		case unsure:
			return unsure
		case valid:
		}
		for _, name := range d.others {
			v = max(v, there(name))
		}
		if d.shape != nil {
			w.partial++
			v = max(v, w.value(n, d.shape))
			w.partial--
		}
	}
	return v
}

// namespace compares an element's namespace with the schema's; a document says
// the same wrong thing of every element, so each is reported once.
func (w *walker) namespace(c *wire.Node, p *Shape) {
	if !w.isXML || c.Attr || c.Space == p.Namespace || w.partial > 0 {
		return
	}
	if w.report == nil || w.quiet > 0 {
		w.found = w.found || w.quiet == 0
		return
	}
	key := p.Namespace + " " + c.Space
	if slices.Contains(w.namespaces, key) {
		return
	}
	w.namespaces = append(w.namespaces, key)
	w.add(func() fault.Fault {
		code := fault.NamespaceWrong
		if c.Space == "" {
			code = fault.NamespaceMissing
		}
		return fault.New(code, c.Place(), "", orNone(p.Namespace), orNone(c.Space)).WithRule("namespace " + p.Namespace)
	})
}

func orNone(namespace string) string {
	if namespace == "" {
		return "-"
	}
	return namespace
}

// tooMany reports, at the second of several elements, that there may be only one.
func (w *walker) tooMany(c *wire.Node, p *Shape, count int) {
	if count > 2 {
		return
	}
	w.add(func() fault.Fault {
		all := 1
		for s := c; s != nil; s = s.Next {
			if s.Attr == c.Attr && s.Name == c.Name {
				all++
			}
		}
		return fault.New(fault.SchemaTooMany, c.Place(), c.Text, c.Name, 1, all).WithName(p.Title).WithRule("maxItems 1")
	})
}
