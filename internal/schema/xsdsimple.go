package schema

import (
	"strconv"
	"strings"

	"tongqu/internal/wire"
)

// simple is a simple type: a built-in type and the facets that narrow it.
type simple struct {
	numeric    bool
	whitespace string
	// patterns must all match; pattern sources are those of package regexp.
	patterns []string
	format   string
	enum     []string
	// facets are the others, by their XSD names.
	facets map[string]string
	// octets counts the characters of one unit of length; 0 when length facets
	// cannot be expressed.
	octets int
	// members are the alternatives of a union.
	members []*simple
	// list marks a list of values; its patterns cover the whole list.
	list bool
}

// builtin describes a built-in type of XML Schema.
type builtin struct {
	pattern, format, minimum, maximum string
	whitespace                        string
	numeric                           bool
}

// builtins are the built-in types; those not named collapse white space.
var builtins = map[string]builtin{
	"anySimpleType":    {whitespace: whitespacePreserve},
	"string":           {whitespace: whitespacePreserve},
	"normalizedString": {whitespace: whitespaceReplace},
	"token":            {},
	"anyURI":           {},
	"language":         {pattern: patternLanguage},
	"NMTOKEN":          {pattern: patternNamePart}, "NMTOKENS": {pattern: patternNameParts},
	"Name": {pattern: patternXMLName}, "NCName": {pattern: patternNCName}, "QName": {pattern: patternQName}, "NOTATION": {pattern: patternQName},
	"ID": {pattern: patternNCName, format: formatXSID}, "IDREF": {pattern: patternNCName}, "IDREFS": {pattern: patternNameParts},
	"ENTITY": {pattern: patternNCName}, "ENTITIES": {pattern: patternNameParts},
	"boolean":      {pattern: patternBoolean},
	"base64Binary": {pattern: patternBase64}, "hexBinary": {pattern: patternHexBinary},
	"float": {pattern: patternDouble}, "double": {pattern: patternDouble},
	"date": {pattern: patternDate, format: formatXSDate}, "dateTime": {pattern: patternDateTime, format: formatXSDateTime},
	"time": {pattern: patternTime}, "duration": {pattern: patternDuration},
	"gYear": {pattern: patternYear}, "gYearMonth": {pattern: patternYearMonth}, "gMonth": {pattern: patternMonth},
	"gMonthDay": {pattern: patternMonthDay, format: formatXSMonthDay}, "gDay": {pattern: patternDay},
	"decimal":            {pattern: patternDecimal, numeric: true},
	"integer":            {pattern: patternInteger, numeric: true},
	"nonPositiveInteger": {pattern: patternInteger, numeric: true, maximum: "0"},
	"negativeInteger":    {pattern: patternInteger, numeric: true, maximum: "-1"},
	"nonNegativeInteger": {pattern: patternInteger, numeric: true, minimum: "0"},
	"positiveInteger":    {pattern: patternInteger, numeric: true, minimum: "1"},
	"long":               {pattern: patternInteger, numeric: true, minimum: "-9223372036854775808", maximum: "9223372036854775807"},
	"int":                {pattern: patternInteger, numeric: true, minimum: "-2147483648", maximum: "2147483647"},
	"short":              {pattern: patternInteger, numeric: true, minimum: "-32768", maximum: "32767"},
	"byte":               {pattern: patternInteger, numeric: true, minimum: "-128", maximum: "127"},
	"unsignedLong":       {pattern: patternUnsigned, numeric: true, minimum: "0", maximum: "18446744073709551615"},
	"unsignedInt":        {pattern: patternUnsigned, numeric: true, minimum: "0", maximum: "4294967295"},
	"unsignedShort":      {pattern: patternUnsigned, numeric: true, minimum: "0", maximum: "65535"},
	"unsignedByte":       {pattern: patternUnsigned, numeric: true, minimum: "0", maximum: "255"},
}

func (b builtin) simple(name string) *simple {
	s := &simple{numeric: b.numeric, whitespace: b.whitespace, format: b.format, facets: map[string]string{}, octets: 1}
	if s.whitespace == "" {
		s.whitespace = whitespaceCollapse
	}
	if b.pattern != "" {
		s.patterns = []string{b.pattern}
	}
	if b.minimum != "" {
		s.facets["minInclusive"] = b.minimum
	}
	if b.maximum != "" {
		s.facets["maxInclusive"] = b.maximum
	}
	switch name {
	case "hexBinary":
		s.octets = 2
	case "base64Binary", "QName", "NOTATION":
		s.octets = 0
	case "NMTOKENS", "IDREFS", "ENTITIES":
		s.octets, s.list = 0, true
	}
	return s
}

// simpleType resolves the simple type of that name; nil when it is none.
func (x *xsd) simpleType(f *xsdFile, at *wire.Node, qname string) *simple {
	namespace, local := x.name(f, qname)
	if namespace == spaceXSD {
		b, ok := builtins[local]
		if !ok {
			x.problem(f, at, "there is no built-in type %s", local)
		}
		return b.simple(local)
	}
	d := x.globals[component{"simpleType", namespace, local}]
	if d == nil {
		x.problem(f, at, "there is no type %s", qname)
		return builtin{}.simple("")
	}
	return x.simple(d)
}

// simple reads a simpleType element.
func (x *xsd) simple(d *declared) *simple {
	leave, ok := x.enter(d)
	if !ok {
		return builtin{}.simple("")
	}
	defer leave()
	for _, c := range children(d.node) {
		switch c.Name {
		case "restriction":
			return x.restricted(d.file, c)
		case "list":
			return x.list(d.file, c)
		case "union":
			return x.union(d.file, c)
		}
	}
	x.problem(d.file, d.node, "a simple type needs a restriction, list or union")
	return builtin{}.simple("")
}

// base is the type that a restriction, list or extension is made from: the one
// an attribute names, or the one inside.
func (x *xsd) base(f *xsdFile, n *wire.Node, attribute string) *simple {
	if name := attr(n, attribute); name != "" {
		return x.simpleType(f, n, name)
	}
	if inner := n.Child("simpleType"); inner != nil {
		return x.simple(&declared{node: inner, file: f})
	}
	x.problem(f, n, "%s names no type", n.Name)
	return builtin{}.simple("")
}

func (x *xsd) restricted(f *xsdFile, n *wire.Node) *simple {
	s := x.base(f, n, "base")
	x.narrow(f, n, s)
	return s
}

// narrow applies the facets that stand inside n.
func (x *xsd) narrow(f *xsdFile, n *wire.Node, s *simple) {
	var alternatives, values []string
	for _, c := range children(n) {
		value := ""
		if a := c.Attribute("value"); a != nil {
			value = a.Text
		}
		switch c.Name {
		case "pattern":
			p, err := translateRegexp(value)
			if err != nil {
				x.problem(f, c, "pattern %q: %v", value, err)
			}
			alternatives = append(alternatives, p)
		case "enumeration":
			values = append(values, value)
		case "whiteSpace":
			s.whitespace = value
		case "length", "minLength", "maxLength", "totalDigits", "fractionDigits":
			if _, err := strconv.Atoi(value); err != nil {
				x.problem(f, c, "%s must be a number", c.Name)
				continue
			}
			s.facets[c.Name] = value
		case "minInclusive", "minExclusive", "maxInclusive", "maxExclusive":
			for _, other := range []string{c.Name[:3] + "Inclusive", c.Name[:3] + "Exclusive"} {
				delete(s.facets, other)
			}
			s.facets[c.Name] = strings.TrimSpace(value)
		}
	}
	if alternatives != nil {
		s.patterns = append(s.patterns, anchored(alternatives))
	}
	if values != nil {
		s.enum = values
		for i, v := range values {
			s.enum[i] = (&Shape{Whitespace: s.whitespace}).normalize(v)
		}
	}
}

// list makes the type of blank-separated items.
func (x *xsd) list(f *xsdFile, n *wire.Node) *simple {
	item := x.base(f, n, "itemType")
	s := &simple{whitespace: whitespaceCollapse, facets: map[string]string{}, list: true}
	one := `[^ ]+`
	switch {
	case len(item.enum) > 0:
		one = unanchored(enumPattern(item.enum))
	case len(item.patterns) == 1:
		one = unanchored(item.patterns[0])
	}
	s.patterns = []string{"^(" + one + "( " + one + ")*)?$"}
	return s
}

// union makes the type of which each value is one of several.
func (x *xsd) union(f *xsdFile, n *wire.Node) *simple {
	s := &simple{whitespace: whitespaceCollapse, facets: map[string]string{}, octets: 1}
	for name := range strings.FieldsSeq(attr(n, "memberTypes")) {
		s.members = append(s.members, x.simpleType(f, n, name))
	}
	for _, c := range children(n) {
		if c.Name == "simpleType" {
			s.members = append(s.members, x.simple(&declared{node: c, file: f}))
		}
	}
	for _, m := range s.members {
		if m.whitespace != whitespaceCollapse {
			s.whitespace = whitespacePreserve
		}
	}
	return s
}

// write adds the type's keywords to a schema.
func (s *simple) write(o object) {
	o.text("type", "string")
	switch len(s.enum) { // a list of values leaves nothing else to say
	case 0:
		s.writeFacets(o)
	case 1:
		o.text("const", s.enum[0])
	default:
		values := o.list("enum")
		for _, v := range s.enum {
			values.item(v)
		}
	}
	if s.members != nil {
		alternatives := o.list("anyOf")
		for _, m := range s.members {
			m.write(alternatives.object())
		}
	}
	if s.whitespace != whitespacePreserve {
		o.text("x-whitespace", s.whitespace)
	}
	for _, f := range [...][2]string{{"totalDigits", "x-totalDigits"}, {"fractionDigits", "x-fractionDigits"}} {
		if v, ok := s.facets[f[0]]; ok {
			n, _ := strconv.Atoi(v) // tried when it was read
			o.number(f[1], n)
		}
	}
	for _, f := range [...][2]string{
		{"minInclusive", "x-minimum"}, {"minExclusive", "x-exclusiveMinimum"}, {"maxInclusive", "x-maximum"}, {"maxExclusive", "x-exclusiveMaximum"},
	} {
		if v, ok := s.facets[f[0]]; ok && s.numeric {
			o.text(f[1], v)
		}
	}
}

// writeFacets adds the keywords of JSON Schema itself.
func (s *simple) writeFacets(o object) {
	low, high := s.lengths()
	if low > 0 {
		o.number("minLength", low)
	}
	if high >= 0 {
		o.number("maxLength", high)
	}
	if len(s.patterns) > 0 {
		o.text("pattern", s.patterns[len(s.patterns)-1])
	}
	if s.format != "" {
		o.text("format", s.format)
	}
	if len(s.patterns) > 1 {
		all := o.list("allOf")
		for _, p := range s.patterns[:len(s.patterns)-1] {
			all.object().text("pattern", p)
		}
	}
}

// lengths are the limits on the number of characters; high is -1 for none.
func (s *simple) lengths() (low, high int) {
	high = -1
	if s.octets == 0 {
		return 0, high
	}
	for _, name := range []string{"minLength", "maxLength", "length"} {
		v, ok := s.facets[name]
		if !ok {
			continue
		}
		n, _ := strconv.Atoi(v) // tried when it was read
		n *= s.octets
		if name != "maxLength" {
			low = n
		}
		if name != "minLength" {
			high = n
		}
	}
	return low, high
}
