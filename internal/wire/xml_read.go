package wire

import (
	"fmt"
	"slices"
	"strings"

	"tongqu/internal/fault"
)

// The namespaces that are bound without a declaration (Namespaces in XML 1.0 §3).
const (
	spaceXML   = "http://www.w3.org/XML/1998/namespace"
	spaceXMLNS = "http://www.w3.org/2000/xmlns/"
)

// ReadXML reads an XML 1.0 document with namespaces. It is strict: what is not
// well-formed is refused, and so are a DOCTYPE and every entity but the five
// predefined ones. Attributes become the first children of their element;
// namespace declarations become no nodes. An element without attributes and child
// elements is a Text; its text stands as sent. An element that has attributes but
// no child elements is an Object whose Text stands as sent; on an Object with
// child elements Text is all text between them, trimmed.
func ReadXML(data []byte, l Limits) (*Document, error) {
	l = l.withDefaults()
	if err := checkSize(data, l); err != nil {
		return nil, err
	}
	src, err := newSource(data, XML)
	if err != nil {
		return nil, err
	}
	r := xmlReader{text: src.text, at: newCursor(src.text), limits: l, stop: src.stop}
	r.arena.Reserve(strings.Count(src.text, "<")/2 + strings.Count(src.text[:min(len(src.text), 1024)], "="))
	root, err := r.document()
	if err == nil && src.stop != nil {
		err = src.stop.at(src.text, "/")
	}
	if err != nil {
		return nil, append(src.flags, fault.Of(err)...)
	}
	return &Document{Root: root, Format: XML, Charset: src.charset, Declared: src.declared, Faults: src.flags}, nil
}

// xmlReader builds the tree in one pass. The text is valid UTF-8, holds only
// characters that XML allows, and its line ends are LF.
type xmlReader struct {
	text   string
	pos    int // the next byte to read
	at     cursor
	limits Limits
	stop   *stop

	root    *Node
	node    *Node // the element whose tag or content is being read
	arena   Arena
	nodes   int
	open    []openElement
	spaces  []binding
	attrs   []rawAttribute // of the start tag at hand
	scratch []byte         // text with references replaced
}

// openElement is an element whose end tag has not come yet.
type openElement struct {
	node     *Node
	name     string // as written, with prefix
	start    int    // offset of its "<"
	spaces   int    // how many bindings there were before its own
	elements bool   // it has child elements
	text     string
	more     []byte // text in several pieces; then text is empty
}

// binding binds a prefix ("" is the default namespace) to a URI.
type binding struct{ prefix, uri string }

// rawAttribute is an attribute before its prefix is resolved.
type rawAttribute struct {
	name   qname
	at     int // offset of the name
	value  string
	offset int // of the value
}

// document reads everything and returns the root element.
func (r *xmlReader) document() (*Node, error) {
	r.open = make([]openElement, 0, 12)
	r.spaces = make([]binding, 0, 4)
	if err := r.declaration(); err != nil {
		return nil, err
	}
	for r.pos < len(r.text) {
		var err error
		switch {
		case r.text[r.pos] != '<':
			err = r.characters()
		case r.pos+1 == len(r.text):
			err = r.truncated("<", r.pos)
		case r.text[r.pos+1] == '/':
			err = r.endTag()
		case r.text[r.pos+1] == '?':
			err = r.instruction()
		case r.text[r.pos+1] == '!':
			err = r.declarationMarkup()
		case len(r.open) == 0 && r.root != nil:
			err = r.malformed(r.pos, "<", "根元素之后还有其他元素", "an element follows the root element")
		default:
			err = r.startTag()
		}
		if err != nil {
			return nil, err
		}
	}
	if len(r.open) > 0 {
		return nil, r.truncatedElement()
	}
	if r.root == nil {
		if r.stop != nil {
			return nil, r.stop.at(r.text, "/")
		}
		return nil, r.malformed(r.pos, "", "没有根元素", "there is no root element")
	}
	return r.root, nil
}

func (r *xmlReader) top() *openElement { return &r.open[len(r.open)-1] }

// declaration reads <?xml version="1.0" encoding="…" standalone="…"?>, if present.
func (r *xmlReader) declaration() error {
	const opening = "<?xml"
	rest, ok := strings.CutPrefix(r.text, opening)
	if !ok || rest != "" && xmlClass[rest[0]]&namePart != 0 {
		return nil
	}
	r.pos = len(opening)
	for last := -1; ; {
		before := r.pos
		r.skipBlanks()
		if r.pos+1 >= len(r.text) {
			return r.truncated(opening, 0)
		}
		if last >= 0 && strings.HasPrefix(r.text[r.pos:], "?>") {
			r.pos += len("?>")
			return nil
		}
		at := r.pos
		name, err := r.name(opening, 0)
		if err != nil {
			return err
		}
		i := slices.Index([]string{"version", "encoding", "standalone"}, name.text)
		if i <= last || last < 0 && i > 0 || before == at {
			return r.malformed(at, name.text, "XML 声明有误", "the XML declaration is wrong")
		}
		value, _, err := r.attributeValue(opening, 0)
		if err != nil {
			return err
		}
		if !declares(name.text, value) {
			return r.malformed(at, value, "XML 声明中 "+name.text+" 的值有误", "the XML declaration has a wrong "+name.text)
		}
		last = i
	}
}

// declares reports whether an XML declaration may give name that value. A minor
// version other than 0 is read as 1.0 (XML 1.0 fifth edition §2.8).
func declares(name, value string) bool {
	switch name {
	case "version":
		minor, ok := strings.CutPrefix(value, "1.")
		return ok && minor != "" && strings.Trim(minor, "0123456789") == ""
	case "standalone":
		return value == "yes" || value == "no"
	}
	return value != "" && (value[0]|0x20) >= 'a' && (value[0]|0x20) <= 'z'
}

// startTag reads a start tag or empty-element tag.
func (r *xmlReader) startTag() error {
	start := r.pos
	r.pos++
	name, err := r.name("<", start)
	if err != nil {
		return err
	}
	if len(r.open) >= r.limits.MaxDepth {
		return r.fail(fault.DocumentTooDeep, start, name.text, r.limits.MaxDepth)
	}
	parent := r.node
	node, err := r.newNode(parent, start)
	if err != nil {
		return err
	}
	node.Name = name.local()
	r.node = node
	spaces := len(r.spaces)
	empty := false
	r.attrs = r.attrs[:0]
	if r.text[r.pos] == '>' {
		r.pos++
	} else if empty, err = r.attributes(name.text, start); err != nil {
		return err
	}
	if node.Space, err = r.resolve(name, start+1, false); err != nil {
		return err
	}
	if err := r.addAttributes(node); err != nil {
		return err
	}
	r.at.seek(r.pos)
	node.Line, node.Column = r.at.line, r.at.column
	if len(r.open) > 0 {
		r.top().startChild()
	}
	if empty {
		if node.First == nil {
			node.Kind = Text
		}
		r.spaces = r.spaces[:spaces]
		r.node = parent
		return nil
	}
	e := openElement{node: node, name: name.text, start: start, spaces: spaces}
	if n := len(r.open); n < cap(r.open) {
		e.more = r.open[:n+1][n].more[:0] // the buffer of an earlier element at this depth
	}
	r.open = append(r.open, e)
	return nil
}

// newNode makes a node below parent; at is where its markup begins.
func (r *xmlReader) newNode(parent *Node, at int) (*Node, error) {
	if r.nodes++; r.nodes > r.limits.MaxNodes {
		return nil, r.fail(fault.DocumentTooManyNodes, at, "", r.limits.MaxNodes)
	}
	n := r.arena.New()
	if parent == nil {
		r.root = n
	} else {
		parent.Append(n)
	}
	return n, nil
}

// attributes reads what follows the element's name up to ">" or "/>".
func (r *xmlReader) attributes(element string, start int) (empty bool, err error) {
	for count := 0; ; count++ {
		before := r.pos
		r.skipBlanks()
		if r.pos == len(r.text) {
			return false, r.truncated("<"+element+">", start)
		}
		switch r.text[r.pos] {
		case '>':
			r.pos++
			return false, nil
		case '/':
			if r.pos+1 == len(r.text) {
				return false, r.truncated("<"+element+">", start)
			}
			if r.text[r.pos+1] != '>' {
				return false, r.malformed(r.pos, "/", "“/” 之后应为 “>”", `">" must follow "/"`)
			}
			r.pos += 2
			return true, nil
		}
		if before == r.pos {
			return false, r.malformed(r.pos, "", "属性之前应有空白", "a blank must stand before an attribute")
		}
		at := r.pos
		if count == r.limits.MaxAttributes {
			return false, r.fail(fault.DocumentTooManyAttrs, at, element, r.limits.MaxAttributes)
		}
		name, err := r.name(element, start)
		if err != nil {
			return false, err
		}
		value, offset, err := r.attributeValue(element, start)
		if err != nil {
			return false, err
		}
		if err := r.attribute(name, value, at, offset); err != nil {
			return false, err
		}
	}
}

// attribute keeps one attribute, or binds the prefix that it declares. at is
// where its name begins, offset where its value does.
func (r *xmlReader) attribute(name qname, value string, at, offset int) error {
	for i := range r.attrs {
		if r.attrs[i].name.text == name.text {
			return r.fail(fault.XMLDuplicateAttribute, at, name.text, name.text)
		}
	}
	r.attrs = append(r.attrs, rawAttribute{name, at, value, offset})
	prefix, declares := name.declares()
	if !declares {
		return nil
	}
	switch {
	case prefix == "xmlns", (prefix == "xml") != (value == spaceXML), value == spaceXMLNS:
		return r.malformed(at, name.text, "命名空间声明 "+name.text+" 有误", "namespace declaration "+name.text+" is wrong")
	case prefix != "" && value == "":
		return r.malformed(at, name.text, "前缀 "+prefix+" 的命名空间为空", "the namespace of prefix "+prefix+" is empty")
	}
	r.spaces = append(r.spaces, binding{prefix, value})
	return nil
}

// addAttributes makes the nodes of the attributes that were read.
func (r *xmlReader) addAttributes(element *Node) error {
	for i := range r.attrs {
		a := &r.attrs[i]
		if _, declares := a.name.declares(); declares {
			continue
		}
		space, err := r.resolve(a.name, a.at, true)
		if err != nil {
			return err
		}
		local := a.name.local()
		for n := element.First; n != nil; n = n.Next {
			if n.Name == local && n.Space == space {
				return r.fail(fault.XMLDuplicateAttribute, a.at, a.name.text, a.name.text)
			}
		}
		n, err := r.newNode(element, a.at)
		if err != nil {
			return err
		}
		r.at.seek(a.offset)
		n.Kind, n.Attr, n.Line, n.Column = Text, true, r.at.line, r.at.column
		n.Name, n.Space, n.Text = local, space, a.value
	}
	return nil
}

// resolve returns the namespace of a name.
func (r *xmlReader) resolve(name qname, at int, attribute bool) (string, error) {
	prefix := name.prefix()
	if prefix == "" && attribute {
		return "", nil
	}
	for _, b := range slices.Backward(r.spaces) {
		if b.prefix == prefix {
			return b.uri, nil
		}
	}
	switch prefix {
	case "":
		return "", nil
	case "xml":
		return spaceXML, nil
	}
	return "", r.fail(fault.XMLPrefixUndeclared, at, name.text, prefix)
}

// endTag reads an end tag and closes its element.
func (r *xmlReader) endTag() error {
	start := r.pos
	if len(r.open) == 0 {
		return r.malformed(start, "</", "没有与结束标签对应的开始标签", "an end tag has no start tag")
	}
	e := r.top()
	rest := r.text[r.pos+len("</"):]
	if len(rest) > len(e.name) && rest[len(e.name)] == '>' && rest[:len(e.name)] == e.name {
		r.pos += len("</") + len(e.name) + len(">")
	} else {
		r.pos += len("</")
		if strings.HasPrefix(e.name, rest) {
			return r.truncatedElement()
		}
		name, err := r.name("</", start)
		if err != nil {
			return err
		}
		if name.text != e.name {
			line, column := lineColumn(r.text, e.start)
			return r.malformed(start, name.text,
				fmt.Sprintf("结束标签 </%s> 与第 %d 行第 %d 列的 <%s> 不匹配", name.text, line, column, e.name),
				fmt.Sprintf("end tag </%s> does not match <%s> of line %d column %d", name.text, e.name, line, column))
		}
		r.skipBlanks()
		if r.pos == len(r.text) {
			return r.truncatedElement()
		}
		if r.text[r.pos] != '>' {
			return r.malformed(r.pos, "", "结束标签应以 “>” 结尾", `an end tag must end with ">"`)
		}
		r.pos++
	}
	e.close()
	r.spaces = r.spaces[:e.spaces]
	r.open = r.open[:len(r.open)-1]
	r.node = e.node.Parent
	return nil
}

// startChild notes that a child element begins, so that blanks do not count as text.
func (e *openElement) startChild() {
	if !e.elements {
		e.elements = true
		if len(e.more) == 0 {
			e.text = strings.TrimLeft(e.text, " \t\n")
		} else if isBlank(string(e.more)) {
			e.more = e.more[:0]
		}
	}
}

// add appends a piece of text.
func (e *openElement) add(piece string) {
	switch {
	case e.elements && e.text == "" && len(e.more) == 0 && isBlank(piece), piece == "":
	case e.text == "" && len(e.more) == 0:
		e.text = piece
	default:
		e.more = append(append(e.more, e.text...), piece...)
		e.text = ""
	}
}

// close gives the element its text and kind.
func (e *openElement) close() {
	text := e.text
	if len(e.more) > 0 {
		text = string(e.more)
	}
	if e.elements {
		text = trimBlanks(text)
	}
	e.node.Text = text
	if e.node.First == nil {
		e.node.Kind = Text
	}
}
