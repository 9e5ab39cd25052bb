package wire

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"

	"tongqu/internal/fault"
)

// XMLStyle says how an XML document is written. The zero value is compact UTF-8
// without declaration or prefixes.
type XMLStyle struct {
	// Charset is the label of one of the charsets that Read knows, UTF-16 aside;
	// "" is UTF-8. A declaration repeats it as it is written here.
	Charset string
	// Prefixes gives namespace URIs their prefixes. Those with a prefix are
	// declared on the root element if they occur; a namespace without one, or with
	// "", becomes the default namespace where it is used.
	Prefixes map[string]string
	// Indent is what each level is indented by; "" writes all on one line.
	Indent string
	// Declaration writes <?xml version="1.0" encoding="…"?> first; Standalone, when
	// not empty, is its standalone value: yes or no.
	Declaration bool
	Standalone  string
	// BOM writes a byte order mark; only in UTF-8.
	BOM bool
}

// WriteXML writes the tree as a document: elements and attributes in tree order,
// an array as its items with the array's name, Null as an empty element, other
// leaves as their text, a Text child without a name as text between elements. A
// character that the charset lacks becomes a character reference. Reading the
// result gives the tree again. The error is a Fault: CHARSET_UNKNOWN,
// CHARSET_NOT_WRITABLE for a character that XML or, in a name, the charset cannot
// hold, XML_NOT_WELL_FORMED for a wrong name.
func WriteXML(root *Node, s XMLStyle) ([]byte, error) {
	charset := UTF8
	if s.Charset != "" {
		charset = labels[strings.ToLower(s.Charset)]
	}
	if charset == "" || strings.HasPrefix(charset, utf16Any) {
		return nil, fault.New(fault.CharsetUnknown, root.Place(), s.Charset, s.Charset)
	}
	w := xmlWriter{prefixes: s.Prefixes, indent: s.Indent, charset: charset}
	doc := etree.NewDocument()
	doc.WriteSettings = writeSettings
	if s.Declaration {
		label := s.Charset
		if label == "" {
			label = UTF8
		}
		declaration := `version="1.0" encoding="` + label + `"`
		if s.Standalone != "" {
			declaration += ` standalone="` + s.Standalone + `"`
		}
		doc.CreateProcInst("xml", declaration)
		if s.Indent != "" {
			doc.CreateText("\n")
		}
	}
	if err := w.root(&doc.Element, root); err != nil {
		return nil, err
	}
	if s.Indent != "" {
		doc.CreateText("\n")
	}
	var b bytes.Buffer
	if s.BOM && charset == UTF8 {
		b.WriteString("\uFEFF")
	}
	if _, err := doc.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("writing XML: %w", err)
	}
	if charset == UTF8 {
		return b.Bytes(), nil
	}
	return newGBEncoder(charset).encode(b.Bytes()), nil
}

// writeSettings keeps what a reader would normalise: CR in text, tabs and line
// ends in attributes.
var writeSettings = etree.WriteSettings{CanonicalEndTags: true, CanonicalText: true, CanonicalAttrVal: true}

// xmlWriter turns nodes into etree elements.
type xmlWriter struct {
	prefixes map[string]string // as the style gives them
	indent   string
	charset  string

	declared []binding // the prefixes that the root element declares
}

// root writes n as an element that declares every prefix used in it.
func (w *xmlWriter) root(parent *etree.Element, n *Node) error {
	w.declared = w.declared[:0]
	if err := w.declare(n); err != nil {
		return err
	}
	return w.element(parent, n, n.Name, n.Space, level{lines: w.indent != ""})
}

// declare collects the prefixes that n and what is below it need, in document order.
func (w *xmlWriter) declare(n *Node) error {
	if n.Space != "" && n.Space != spaceXML {
		prefix := w.prefixes[n.Space]
		if prefix != "" && (!isNCName(prefix) || strings.HasPrefix(strings.ToLower(prefix), "xml")) {
			return fmt.Errorf("writing XML: %q is not a prefix", prefix)
		}
		if (n.Attr || prefix != "") && w.prefix(n.Space) == "" {
			for i := 1; prefix == "" || w.taken(prefix); i++ {
				prefix = "ns" + strconv.Itoa(i)
			}
			w.declared = append(w.declared, binding{prefix, n.Space})
		}
	}
	for c := range n.Children() {
		if err := w.declare(c); err != nil {
			return err
		}
	}
	return nil
}

// prefix returns the prefix declared for a namespace, "" when it has none.
func (w *xmlWriter) prefix(space string) string {
	for _, b := range w.declared {
		if b.uri == space {
			return b.prefix
		}
	}
	return ""
}

func (w *xmlWriter) taken(prefix string) bool {
	for _, b := range w.declared {
		if b.prefix == prefix {
			return true
		}
	}
	return false
}

// level is where in the document an element is written.
type level struct {
	depth int
	outer string // the default namespace
	lines bool   // elements begin on lines of their own
}

// element writes n as an element of that name and namespace below parent.
func (w *xmlWriter) element(parent *etree.Element, n *Node, name, space string, at level) error {
	if n.Kind == Array {
		if at.depth == 0 {
			return fault.New(fault.XMLNotWellFormed, n.Place(), "", "数组不能作为根元素", "an array cannot be the root element")
		}
		for c := range n.Children() {
			if err := w.element(parent, c, name, space, at); err != nil {
				return err
			}
		}
		return nil
	}
	if err := w.checkName(n, name); err != nil {
		return err
	}
	if at.depth > 0 {
		w.newLine(parent, at)
	}
	e := etree.NewElement("")
	e.Tag = name
	if space == spaceXML {
		e.Space = "xml"
	} else {
		e.Space = w.prefix(space)
	}
	parent.AddChild(e)
	if at.depth == 0 {
		for _, b := range w.declared {
			e.Attr = append(e.Attr, etree.Attr{Space: "xmlns", Key: b.prefix, Value: b.uri})
		}
	}
	if e.Space == "" && space != at.outer {
		e.Attr = append(e.Attr, etree.Attr{Key: "xmlns", Value: space})
		at.outer = space
	}
	return w.content(e, n, at)
}

// content writes the attributes, the text and the children of n into its element e.
func (w *xmlWriter) content(e *etree.Element, n *Node, at level) error {
	if err := checkText(n); err != nil {
		return err
	}
	if n.Text != "" && n.Kind != Null {
		e.CreateText(n.Text)
	}
	below := level{depth: at.depth + 1, outer: at.outer, lines: at.lines && n.Text == ""}
	elements := false
	for c := range n.Children() {
		switch {
		case c.Attr:
			if err := w.attribute(e, c); err != nil {
				return err
			}
		case c.Kind == Text && c.Name == "":
			if err := checkText(c); err != nil {
				return err
			}
			below.lines = false
			e.CreateText(c.Text)
		default:
			elements = true
			if err := w.element(e, c, c.Name, c.Space, below); err != nil {
				return err
			}
		}
	}
	if elements {
		w.newLine(e, level{depth: at.depth, lines: below.lines})
	}
	return nil
}

// newLine begins a line, indented as deep as at.
func (w *xmlWriter) newLine(e *etree.Element, at level) {
	if at.lines {
		e.CreateText("\n" + strings.Repeat(w.indent, at.depth))
	}
}

func (w *xmlWriter) attribute(e *etree.Element, n *Node) error {
	if err := w.checkName(n, n.Name); err != nil {
		return err
	}
	if err := checkText(n); err != nil {
		return err
	}
	a := etree.Attr{Key: n.Name, Value: n.Text}
	switch n.Space {
	case "":
	case spaceXML:
		a.Space = "xml"
	default:
		a.Space = w.prefix(n.Space)
	}
	e.Attr = append(e.Attr, a)
	return nil
}

// checkName refuses what is not a name or cannot be written in the charset.
func (w *xmlWriter) checkName(n *Node, name string) error {
	if !isNCName(name) || n.Attr && n.Space == "" && name == "xmlns" {
		return fault.New(fault.XMLNotWellFormed, n.Place(), name,
			fmt.Sprintf("“%s” 不能作为元素名", name), fmt.Sprintf("%q cannot be a name", name))
	}
	if w.charset == UTF8 {
		return nil
	}
	enc := newGBEncoder(w.charset)
	for _, r := range name {
		if r >= utf8.RuneSelf && !enc.has(r) {
			return fault.New(fault.CharsetNotWritable, n.Place(), name, codePoint(r), w.charset)
		}
	}
	return nil
}

// checkText refuses characters that XML cannot hold.
func checkText(n *Node) error {
	for i, r := range n.Text {
		if !isXMLChar(r) || r == utf8.RuneError && !strings.HasPrefix(n.Text[i:], "\uFFFD") {
			return fault.New(fault.CharsetNotWritable, n.Place(), n.Text, codePoint(r), "XML 1.0")
		}
	}
	return nil
}
