package schema

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"tongqu/internal/wire"
)

// generator writes one schema file.
type generator struct {
	*xsd
	// namespace is the one whose global elements the file writes out.
	namespace string
	// shared is set for a file of definitions.
	shared bool
	// path has the declarations that are being written, to notice recursion.
	path []*wire.Node
	// elements counts what is written: types used again and again inside each other
	// could fill any memory.
	elements int
	// defined are the definitions that are referred to, in that order.
	defined []definition
}

type definition struct {
	name string
	decl *declared
}

// maxElements is the largest number of elements in one schema file.
const maxElements = 50_000

func newGenerator(x *xsd, namespace string) *generator {
	return &generator{xsd: x, namespace: namespace}
}

func (g *generator) id(name string) string {
	if g.config.Folder == "" {
		return name
	}
	return g.config.Folder + "/" + name
}

// message writes the schema of one global element.
func (g *generator) message(d *declared) []byte {
	name := attr(d.node, "name")
	root := newObject()
	root.text("$schema", draft07)
	root.text("$id", g.id(name))
	g.titles(root, "", name, d)
	root.text("x-root", name)
	root.text("x-namespace", d.file.namespace)
	g.path = []*wire.Node{d.node}
	g.content(root, name, d, d)
	g.writeDefinitions(root)
	return append(wire.WriteJSON(root.Node, "  "), '\n')
}

// definitionsOnly writes the file of the global elements of a namespace that
// other files use.
func (g *generator) definitionsOnly() []byte {
	g.shared = true
	root := newObject()
	root.text("$schema", draft07)
	root.text("$id", g.id(g.sharedFile(g.namespace)))
	root.text("description", g.namespace)
	for _, name := range g.xsd.shared[g.namespace] {
		g.define(name, g.globals[component{"element", g.namespace, name}])
	}
	g.writeDefinitions(root)
	return append(wire.WriteJSON(root.Node, "  "), '\n')
}

func (g *generator) writeDefinitions(root object) {
	if len(g.defined) == 0 {
		return
	}
	all := root.object("definitions")
	for i := 0; i < len(g.defined); i++ { // each may bring more
		d := g.defined[i]
		o := all.object(d.name)
		g.path = []*wire.Node{d.decl.node}
		if d.decl.node.Name == "element" {
			g.titles(o, "", d.name, d.decl)
			o.text("x-namespace", d.decl.file.namespace)
			g.content(o, d.name, d.decl, d.decl)
		} else {
			g.complexBody(o, d.name, d.decl.file, g.complex(d.decl))
		}
	}
}

// define makes sure that there is a definition and returns its name.
func (g *generator) define(name string, decl *declared) string {
	for _, d := range g.defined {
		if d.decl.node == decl.node {
			return d.name
		}
	}
	for slices.ContainsFunc(g.defined, func(d definition) bool { return d.name == name }) {
		name += "_"
	}
	g.defined = append(g.defined, definition{name, decl})
	return name
}

// element writes an element as a property of its parent.
func (g *generator) element(o object, parent string, e *elementUse, parentNamespace string) {
	if g.elements++; g.elements > maxElements {
		if g.elements == maxElements+1 {
			g.problem(e.use.file, e.use.node, "the schema has more than %d elements", maxElements)
		}
		return
	}
	if e.global && (e.namespace != g.namespace || g.shared || slices.Contains(g.path, e.decl.node)) {
		if e.namespace != g.namespace {
			g.share(e.namespace, e.name)
			o.text("$ref", g.sharedFile(e.namespace)+".json#/definitions/"+e.name)
		} else {
			o.text("$ref", "#/definitions/"+g.define(e.name, e.decl))
		}
		return
	}
	g.titles(o, parent, e.name, e.use, e.decl)
	if e.namespace != parentNamespace {
		o.text("x-namespace", e.namespace)
	}
	g.path = append(g.path, e.decl.node)
	g.content(o, e.name, e.use, e.decl)
	g.path = g.path[:len(g.path)-1]
}

// content writes what an element may contain.
func (g *generator) content(o object, name string, use, decl *declared) {
	n, f := decl.node, decl.file
	typeName := attr(n, "type")
	if d := g.complexTypeNamed(f, typeName); typeName != "" && d != nil {
		if slices.Contains(g.path, d.node) {
			o.text("$ref", "#/definitions/"+g.define(attr(d.node, "name"), d))
			return
		}
		g.path = append(g.path, d.node)
		g.complexBody(o, name, use.file, g.complex(d))
		g.path = g.path[:len(g.path)-1]
		return
	}
	var value *simple
	namespace, local := g.name(f, typeName)
	switch {
	case typeName != "" && namespace == spaceXSD && local == "anyType":
	case typeName != "":
		value = g.simpleType(f, n, typeName)
	case n.Child("simpleType") != nil:
		value = g.simple(&declared{node: n.Child("simpleType"), file: f})
	case n.Child("complexType") != nil:
		g.complexBody(o, name, f, g.complex(&declared{node: n.Child("complexType"), file: f}))
		return
	}
	if value == nil {
		o.bool("x-any", true)
		return
	}
	value.constrain(n)
	value.write(o)
	if v := n.Attribute("fixed"); v != nil {
		o.text("default", v.Text)
	} else if v := n.Attribute("default"); v != nil {
		o.text("default", v.Text)
	}
}

// constrain applies the fixed value of an element or attribute.
func (s *simple) constrain(n *wire.Node) {
	fixed := n.Attribute("fixed")
	if fixed == nil {
		return
	}
	if s.numeric { // equal as a number: 1.0 is 1
		s.facets["minInclusive"], s.facets["maxInclusive"] = fixed.Text, fixed.Text
		return
	}
	s.enum = []string{(&Shape{Whitespace: s.whitespace}).normalize(fixed.Text)}
}

// complexBody writes the keywords of a complex type.
func (g *generator) complexBody(o object, name string, f *xsdFile, c *complexType) {
	if c.text != nil && len(c.attributes) == 0 && !c.open {
		c.text.write(o)
		return
	}
	o.text("type", "object")
	o.bool("additionalProperties", c.open)
	var elements []occurrence
	if c.model != nil {
		elements = c.model.occurrences()
		if _, plain := c.model.isSequence(); !plain || c.open {
			o.text("x-content", c.model.model())
		}
	}
	required := newList()
	for _, a := range c.attributes {
		if a.required {
			required.item("@" + a.name)
		}
	}
	if c.text != nil {
		required.item(textProp)
	}
	for _, e := range elements {
		if e.min > 0 {
			required.item(e.element.name)
		}
	}
	if required.First != nil {
		o.add("required", required.Node)
	}
	if len(c.attributes)+len(elements) == 0 && c.text == nil && !c.mixed {
		return
	}
	props := o.object("properties")
	for _, a := range c.attributes {
		p := props.object("@" + a.name)
		g.titles(p, name, "@"+a.name, a.use, a.decl)
		a.value.constrain(a.decl.node)
		a.value.write(p)
	}
	switch {
	case c.text != nil:
		c.text.write(props.object(textProp))
	case c.mixed:
		props.object(textProp).text("type", "string")
	}
	for _, e := range elements {
		g.property(props, name, f.namespace, e)
	}
}

// property writes an element and how often it may stand in its parent.
func (g *generator) property(props object, parent, namespace string, e occurrence) {
	p := props.object(e.element.name)
	if e.max == 1 {
		g.element(p, parent, e.element, namespace)
		return
	}
	p.text("type", "array")
	if e.min > 0 {
		p.number("minItems", e.min)
	}
	if e.max != Unbounded {
		p.number("maxItems", e.max)
	}
	g.element(p.object("items"), parent, e.element, namespace)
}

// titles writes title and description.
func (g *generator) titles(o object, parent, name string, from ...*declared) {
	title := g.title(parent, name, from...)
	if title != "" {
		o.text("title", title)
	}
	if text := documented(from); text != "" && text != title {
		o.text("description", text)
	}
}

func documented(from []*declared) string {
	for _, d := range from {
		if text := documentation(d.node); text != "" {
			return text
		}
	}
	return ""
}

// title is the configured name, or what the documentation begins with.
func (g *generator) title(parent, name string, from ...*declared) string {
	for _, key := range []string{parent + "/" + name, name} {
		if t, ok := g.config.Names[key]; ok {
			return t
		}
	}
	return titleOf(documented(from))
}

// titleOf is the text before the first separator, unless that is no name.
func titleOf(text string) string {
	const longest = 20
	end := strings.IndexFunc(text, func(r rune) bool { return strings.ContainsRune("，。；：、,;:(（-－—[【 \n", r) })
	if end >= 0 {
		text = text[:end]
	}
	if n := utf8.RuneCountInString(text); n > longest || !strings.ContainsFunc(text, unicode.IsLetter) {
		return ""
	}
	return text
}

// object and list build JSON.
type object struct{ *wire.Node }

type list struct{ *wire.Node }

func newObject() object { return object{&wire.Node{Kind: wire.Object}} }

func newList() list { return list{&wire.Node{Kind: wire.Array}} }

func (o object) add(name string, n *wire.Node) {
	n.Name = name
	o.Append(n)
}

func (o object) text(name, value string) { o.add(name, &wire.Node{Kind: wire.Text, Text: value}) }

func (o object) number(name string, value int) {
	o.add(name, &wire.Node{Kind: wire.Number, Text: strconv.Itoa(value)})
}

func (o object) bool(name string, value bool) {
	o.add(name, &wire.Node{Kind: wire.Bool, Text: strconv.FormatBool(value)})
}

func (o object) object(name string) object {
	child := newObject()
	o.add(name, child.Node)
	return child
}

func (o object) list(name string) list {
	l := newList()
	o.add(name, l.Node)
	return l
}

func (l list) item(value string) { l.Append(&wire.Node{Kind: wire.Text, Text: value}) }

func (l list) object() object {
	o := newObject()
	l.Append(o.Node)
	return o
}
