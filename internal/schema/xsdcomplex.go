package schema

import (
	"slices"

	"tongqu/internal/wire"
)

// complexType is what an element may contain.
type complexType struct {
	// text is the type of the element's value; nil when it has elements instead.
	text       *simple
	mixed      bool
	model      *particle
	attributes []attribute
	// open says that any attribute may stand on the element.
	open bool
}

// attribute is one attribute of an element.
type attribute struct {
	use, decl *declared
	name      string
	required  bool
	value     *simple
}

// complex reads a complexType element.
func (x *xsd) complex(d *declared) *complexType {
	leave, ok := x.enter(d)
	if !ok {
		return &complexType{}
	}
	defer leave()
	c := &complexType{mixed: attr(d.node, "mixed") == "true"}
	for _, n := range children(d.node) {
		switch n.Name {
		case "simpleContent":
			x.simpleContent(d.file, n, c)
		case "complexContent":
			c.mixed = c.mixed || attr(n, "mixed") == "true"
			x.complexContent(d.file, n, c)
		default:
			x.contains(d.file, n, c)
		}
	}
	return c
}

// contains adds one particle or attribute declaration to c.
func (x *xsd) contains(f *xsdFile, n *wire.Node, c *complexType) {
	switch n.Name {
	case "attribute":
		x.attribute(f, n, c)
	case "attributeGroup":
		d := x.global(f, n, "attributeGroup", attr(n, "ref"))
		if d == nil {
			return
		}
		leave, ok := x.enter(d)
		if !ok {
			return
		}
		defer leave()
		for _, a := range children(d.node) {
			x.contains(d.file, a, c)
		}
	case "anyAttribute":
		c.open = true
	case "sequence", "choice", "all", "group":
		part := x.particle(f, n)
		switch {
		case part == nil:
		case c.model == nil:
			c.model = part
		default: // what an extension adds
			c.model = &particle{kind: sequencePart, min: 1, max: 1, parts: []*particle{c.model, part}}
		}
	}
}

func (x *xsd) attribute(f *xsdFile, n *wire.Node, c *complexType) {
	a := attribute{use: &declared{node: n, file: f}, required: attr(n, "use") == "required"}
	a.decl = a.use
	if ref := attr(n, "ref"); ref != "" {
		namespace, _ := x.name(f, ref)
		if namespace != "" {
			x.problem(f, n, "attribute %s: attributes with a namespace are not supported", ref)
			return
		}
		if a.decl = x.global(f, n, "attribute", ref); a.decl == nil {
			return
		}
	}
	a.name = attr(a.decl.node, "name")
	c.attributes = slices.DeleteFunc(c.attributes, func(b attribute) bool { return b.name == a.name })
	if attr(n, "use") == "prohibited" {
		return
	}
	switch {
	case attr(a.decl.node, "type") != "":
		a.value = x.simpleType(a.decl.file, a.decl.node, attr(a.decl.node, "type"))
	case a.decl.node.Child("simpleType") != nil:
		a.value = x.simple(&declared{node: a.decl.node.Child("simpleType"), file: a.decl.file})
	default:
		a.value = builtins["anySimpleType"].simple("anySimpleType")
	}
	c.attributes = append(c.attributes, a)
}

// simpleContent reads a value with attributes.
func (x *xsd) simpleContent(f *xsdFile, n *wire.Node, c *complexType) {
	for _, way := range children(n) {
		base := attr(way, "base")
		if d := x.complexTypeNamed(f, base); d != nil {
			*c = *x.complex(d)
		} else {
			c.text = x.simpleType(f, way, base)
		}
		if inner := way.Child("simpleType"); inner != nil {
			c.text = x.simple(&declared{node: inner, file: f})
		}
		if c.text == nil {
			x.problem(f, way, "%s has no simple content", base)
			c.text = builtin{}.simple("")
		}
		if way.Name == "restriction" {
			x.narrow(f, way, c.text)
		}
		for _, a := range children(way) {
			x.contains(f, a, c)
		}
	}
}

// complexContent reads what is made from another complex type.
func (x *xsd) complexContent(f *xsdFile, n *wire.Node, c *complexType) {
	for _, way := range children(n) {
		if d := x.complexTypeNamed(f, attr(way, "base")); d != nil {
			base := x.complex(d)
			c.attributes, c.open, c.mixed = base.attributes, base.open, c.mixed || base.mixed
			if way.Name == "extension" {
				c.model = base.model
			}
		}
		for _, part := range children(way) {
			x.contains(f, part, c)
		}
	}
}

// complexTypeNamed finds a global complex type; nil when the name is none's.
func (x *xsd) complexTypeNamed(f *xsdFile, qname string) *declared {
	namespace, local := x.name(f, qname)
	return x.globals[component{"complexType", namespace, local}]
}
