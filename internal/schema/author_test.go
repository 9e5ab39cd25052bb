package schema

import (
	"bytes"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"unicode/utf8"

	"tongqu/internal/wire"
)

// author writes documents after a shape.
type author struct {
	*rand.Rand
	// ids is the number of xs:ID values made: no two may be the same.
	ids *int
}

func newAuthor(seed uint64) author {
	return author{rand.New(rand.NewPCG(seed, 1)), new(int)} //nolint:gosec // documents that can be made again
}

// document makes a valid document.
func (a author) document(s *Shape) *wire.Node {
	n := a.element(s, 0)
	n.Name, n.Space = s.Root, s.Namespace
	return n
}

func (a author) element(s *Shape, depth int) *wire.Node {
	n := &wire.Node{Kind: wire.Text, Name: s.local, Space: s.Namespace}
	switch {
	case s.wildcard:
	case s.Kind == String:
		n.Text = a.value(s)
	default:
		n.Kind = wire.Object
		a.fill(n, s, depth)
	}
	return n
}

func (a author) fill(n *wire.Node, s *Shape, depth int) {
	for _, p := range s.Props {
		if p.attribute && (p.Required || a.IntN(2) == 0) {
			n.Append(&wire.Node{Kind: wire.Text, Attr: true, Name: p.local, Text: a.value(p)})
		}
	}
	if s.textAt >= 0 {
		n.Text = a.value(s.Props[s.textAt])
	}
	if s.content != nil && !s.content.unordered {
		a.follow(n, s, depth)
		return
	}
	for _, p := range s.Props {
		if p.attribute || p.Name == textProp || !p.Required && (depth > 4 || a.IntN(2) == 0) {
			continue
		}
		count, item := 1, p
		if p.Kind == Array {
			item = p.Items
			count = max(p.MinItems, 1) + a.IntN(3)
			if p.MaxItems >= 0 {
				count = min(count, p.MaxItems)
			}
		}
		for range count {
			c := a.element(item, depth+1)
			c.Name = p.local
			n.Append(c)
		}
	}
}

// follow walks the content model at random.
func (a author) follow(n *wire.Node, s *Shape, depth int) {
	candidates, ended := s.content.first, s.content.nullable
	for candidates != 0 && (!ended || depth <= 4 && a.IntN(3) > 0) {
		at := a.pick(candidates)
		symbol := s.content.symbols[at]
		c := &wire.Node{Kind: wire.Text, Name: "other", Space: "urn:other", Text: "x"}
		if p := s.Prop(symbol); p != nil {
			if p.Kind == Array {
				p = p.Items
			}
			c = a.element(p, depth+1)
			c.Name = symbol
		}
		n.Append(c)
		candidates, ended = s.content.follow[at], s.content.last&(1<<at) != 0
	}
}

func (a author) pick(set uint64) int {
	for skip := a.IntN(bits.OnesCount64(set)); skip > 0; skip-- {
		set &= set - 1
	}
	return bits.TrailingZeros64(set)
}

// samples are values of the built-in types and of the patterns that the tests'
// own XSD has.
var samples = map[string][]string{
	patternDecimal: {"0", "1", "12.5", "+3", "-4.25", ".5", "7.", "0012.50", "100.00"},
	patternInteger: {"0", "1", "+7", "12", "007"},
	patternBoolean: {"true", "false", "0", "1"},
	patternDate:    {"2024-02-29", "2023-12-31Z", "2023-01-01+08:00"}, patternDateTime: {"2024-02-29T23:59:59", "2023-01-01T00:00:00.123+08:00", "2023-01-01T24:00:00"},
	patternTime: {"00:00:00", "23:59:59.5Z"}, patternYear: {"2024", "-0044"}, patternYearMonth: {"2024-02"}, patternMonth: {"--02"},
	patternMonthDay: {"--02-29"}, patternDay: {"---31"}, patternDuration: {"P1Y", "PT5M", "-P1DT2H"},
	patternBase64: {"", "QUJD", "QQ==", "QUI=", "QUJD QUJD"}, patternHexBinary: {"", "0A", "ffee"},
	patternDouble: {"1e3", "-INF", "NaN", "2.5"}, patternLanguage: {"zh", "zh-CN"},
	patternUnsigned: {"0", "7", "255", "007"}, `^[A-Z]{3}$`: {"CHN", "USA"}, `^(?:\p{Nd}{4}|[A-Z]\p{Nd})$`: {"9610", "A1", "١٢٣٤"}, `^x+l$`: {"xl", "xxl"},
	patternNCName: {"a", "_b-1.2", "名"}, patternXMLName: {"a:b"}, patternNamePart: {"1a"}, patternNameParts: {"a b"}, patternQName: {"local"},
}

func (a author) value(s *Shape) string {
	for range 200 {
		v := a.guess(s)
		if text, _, _ := s.effective(v, true); s.judge(text) != invalid && s.fits(text) {
			return v
		}
	}
	return ""
}

func (a author) guess(s *Shape) string {
	switch {
	case len(s.Enum) > 0:
		return s.Enum[a.IntN(len(s.Enum))]
	case s.Format == formatXSID:
		*a.ids++
		return fmt.Sprintf("id%d", *a.ids)
	case len(s.anyOf) > 0:
		return a.value(s.anyOf[a.IntN(len(s.anyOf))])
	case samples[s.Pattern] != nil:
		list := samples[s.Pattern]
		return list[a.IntN(len(list))]
	}
	for _, b := range s.allOf {
		if list := samples[b.Pattern]; list != nil {
			return list[a.IntN(len(list))]
		}
	}
	if s.Pattern != "" {
		return []string{"AB12", "a-1", "12345", "x", "", "1.5", "1 2 3", "red blue", "GRÜN"}[a.IntN(9)]
	}
	length := s.MinLength + a.IntN(8)
	if s.MaxLength >= 0 {
		length = min(length, s.MaxLength)
	}
	var b strings.Builder
	for range length {
		b.WriteRune([]rune("abcXYZ019海关-. &<>\"'𠮷")[a.IntN(20)])
	}
	return b.String()
}

// mutate breaks a document in one way, or leaves it valid in an odd form.
func (a author) mutate(root *wire.Node) {
	all := []*wire.Node{}
	for _, n := range inOrder(root) {
		if n != root {
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		return
	}
	n := all[a.IntN(len(all))]
	switch a.IntN(14) {
	case 0:
		remove(n)
	case 1:
		if !n.Attr {
			insertAfter(n, clone(n))
		}
	case 2:
		n.Name += "x"
	case 3, 4:
		if !n.Attr && n.Next != nil {
			next := n.Next
			remove(n)
			insertAfter(next, n)
		}
	case 5:
		if last := n.Parent.Last; !n.Attr && last != n {
			remove(n)
			insertAfter(last, n)
		}
	case 6:
		n.Space = []string{"", "urn:else", root.Space}[a.IntN(3)]
	case 7:
		n.Append(&wire.Node{Kind: wire.Text, Name: "stray", Space: n.Space, Text: "1"})
		if n.Attr {
			n.First, n.Last = nil, nil
		} else {
			n.Kind = wire.Object
		}
	case 8:
		if n.Attr {
			return
		}
		extra := &wire.Node{Kind: wire.Text, Attr: true, Name: []string{"odd", "lang", "schemaLocation"}[a.IntN(3)], Text: "u v"}
		switch extra.Name {
		case "lang":
			extra.Space = "urn:else"
		case "schemaLocation":
			extra.Space = schemaInstance
		}
		extra.Next, extra.Parent, n.Kind = n.First, n, wire.Object
		if n.First = extra; n.Last == nil {
			n.Last = extra
		}
	default:
		a.mutateText(n)
	}
}

func (a author) mutateText(n *wire.Node) {
	switch a.IntN(9) {
	case 0:
		n.Text = ""
	case 1:
		n.Text += strings.Repeat("9", 1+a.IntN(4))
	case 2:
		n.Text += strings.Repeat("长", 300)
	case 3:
		n.Text = " " + n.Text + "\n"
	case 4:
		if n.Text != "" {
			_, size := utf8.DecodeRuneInString(n.Text)
			n.Text = n.Text[size:]
		}
	case 5:
		n.Text = []string{"1.23456", "123456789012345.5", "1234567890", "-1", "+1", "1e5", "0x1", "2023-02-30", "abc", ".", "一"}[a.IntN(11)]
	case 6:
		n.Text = []string{" ", "\t", "  a  b ", "1 2"}[a.IntN(4)]
	case 7:
		n.Text += ".00000000"
	case 8:
		n.Text = strings.ToUpper(n.Text)
	}
}

func clone(n *wire.Node) *wire.Node {
	c := *n
	c.First, c.Last, c.Next, c.Parent = nil, nil, nil, nil
	for k := range n.Children() {
		c.Append(clone(k))
	}
	return &c
}

func remove(n *wire.Node) {
	p := n.Parent
	var kept []*wire.Node
	for c := range p.Children() {
		if c != n {
			kept = append(kept, c)
		}
	}
	p.First, p.Last = nil, nil
	for _, c := range kept {
		p.Append(c)
	}
}

func insertAfter(at, n *wire.Node) {
	p := at.Parent
	var kept []*wire.Node
	for c := range p.Children() {
		kept = append(kept, c)
		if c == at {
			kept = append(kept, n)
		}
	}
	p.First, p.Last = nil, nil
	for _, c := range kept {
		p.Append(c)
	}
}

// render writes a tree as XML: prefixes, comments, CDATA and a byte order mark
// come and go, and must make no difference.
func (a author) render(root *wire.Node) []byte {
	var b bytes.Buffer
	if a.IntN(8) == 0 {
		b.WriteString("\ufeff")
	}
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
	a.renderElement(&b, root, "")
	return b.Bytes()
}

func (a author) renderElement(b *bytes.Buffer, n *wire.Node, outer string) {
	name, inner, declare := n.Name, outer, ""
	if n.Space != outer {
		if n.Space != "" && a.IntN(2) == 0 {
			name, declare = "p:"+name, ` xmlns:p="`+n.Space+`"`
		} else {
			inner, declare = n.Space, ` xmlns="`+n.Space+`"`
		}
	}
	b.WriteString("<" + name + declare)
	for c := range n.Children() {
		if !c.Attr {
			continue
		}
		b.WriteByte(' ')
		if c.Space != "" {
			b.WriteString(`xmlns:q="` + c.Space + `" q:`)
		}
		b.WriteString(c.Name + `="` + escaped(c.Text) + `"`)
	}
	b.WriteByte('>')
	switch {
	case n.Text == "":
	case a.IntN(10) == 0 && n.IsLeaf() && !strings.Contains(n.Text, "]]>"): // libxml2 refuses blank CDATA between elements
		b.WriteString("<![CDATA[" + n.Text + "]]>")
	case a.IntN(10) == 0:
		b.WriteString(escaped(n.Text) + "<!-- 注 -->")
	default:
		b.WriteString(escaped(n.Text))
	}
	for c := range n.Children() {
		if !c.Attr {
			a.renderElement(b, c, inner)
		}
	}
	b.WriteString("</" + name + ">")
}

func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\n", "&#10;", "\t", "&#9;").Replace(s)
}

// corpus is count documents after a shape: one in six valid, the others mutated
// once or twice.
func corpus(s *Shape, seed uint64, count int) [][]byte {
	a := newAuthor(seed)
	documents := make([][]byte, count)
	for i := range documents {
		root := a.document(s)
		for range i % 6 {
			a.mutate(root)
			if a.IntN(3) > 0 {
				break
			}
		}
		documents[i] = a.render(root)
	}
	return documents
}
