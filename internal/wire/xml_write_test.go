package wire

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/fault"
)

// text and object build trees by hand.
func text(name, value string) *Node { return &Node{Kind: Text, Name: name, Text: value} }

func attribute(name, value string) *Node {
	return &Node{Kind: Text, Attr: true, Name: name, Text: value}
}

func object(name string, children ...*Node) *Node {
	n := &Node{Name: name}
	for _, c := range children {
		n.Append(c)
	}
	return n
}

// within sets the namespace of n and of all elements below it.
func within(space string, n *Node) *Node {
	n.Space = space
	for c := range n.Children() {
		if !c.Attr {
			within(space, c)
		}
	}
	return n
}

func TestWriteXML(t *testing.T) {
	order := func() *Node {
		return within("u:ceb", object("Order", attribute("guid", "1"), object("Head", text("name", "海 & 关"), text("note", ""))))
	}
	list := &Node{Kind: Array, Name: "item"}
	list.Append(object("", text("n", "1")))
	list.Append(&Node{Kind: Number, Text: "2"})
	list.Append(&Node{Kind: Null})
	lang := attribute("lang", "zh")
	lang.Space = spaceXML
	kind := attribute("type", "x")
	kind.Space = "u:xsi"
	tests := []struct {
		name  string
		root  *Node
		style XMLStyle
		want  string
	}{
		{"zero style", order(), XMLStyle{}, `<Order xmlns="u:ceb" guid="1"><Head><name>海 &amp; 关</name><note></note></Head></Order>`},
		{
			"as customs write it", order(),
			XMLStyle{Declaration: true, Standalone: "yes", Indent: "\t", BOM: true, Prefixes: map[string]string{"u:ceb": "ceb", "u:none": "x"}},
			"\uFEFF<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<ceb:Order xmlns:ceb=\"u:ceb\" guid=\"1\">\n\t<ceb:Head>\n" +
				"\t\t<ceb:name>海 &amp; 关</ceb:name>\n\t\t<ceb:note></ceb:note>\n\t</ceb:Head>\n</ceb:Order>\n",
		},
		{
			"the label as given", text("a", "x"),
			XMLStyle{Charset: "gb18030", Declaration: true},
			`<?xml version="1.0" encoding="gb18030"?><a>x</a>`,
		},
		{"arrays and scalars", object("a", list), XMLStyle{Indent: " "}, "<a>\n <item>\n  <n>1</n>\n </item>\n <item>2</item>\n <item></item>\n</a>\n"},
		{
			"no namespace inside a default one", within("u", object("a", object("b"))),
			XMLStyle{},
			`<a xmlns="u"><b></b></a>`,
		},
		{
			"leaving and entering the default namespace",
			func() *Node {
				a := within("u", object("a", object("b", object("c"))))
				a.First.Space = ""
				return a
			}(),
			XMLStyle{Prefixes: map[string]string{"u": ""}},
			`<a xmlns="u"><b xmlns=""><c xmlns="u"></c></b></a>`,
		},
		{"attributes in namespaces", object("a", lang, kind), XMLStyle{}, `<a xmlns:ns1="u:xsi" xml:lang="zh" ns1:type="x"></a>`},
		{
			"two namespaces with one prefix", object("a", within("u", text("b", "")), within("v", text("c", ""))),
			XMLStyle{Prefixes: map[string]string{"u": "p", "v": "p"}},
			`<a xmlns:p="u" xmlns:ns1="v"><p:b></p:b><ns1:c></ns1:c></a>`,
		},
		{"what a reader would normalise", object("a", attribute("x", "\t\n\r\"<&>'"), text("b", "\t\r\n\"<&>'")), XMLStyle{}, `<a x="&#x9;&#xA;&#xD;&quot;&lt;&amp;>'"><b>` + "\t&#xD;\n" + `"&lt;&amp;&gt;'</b></a>`},
		{"text between elements", object("a", text("b", "1"), text("", "x"), text("c", "2")), XMLStyle{Indent: " "}, "<a>\n <b>1</b>x<c>2</c></a>\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := WriteXML(tt.root, tt.style)
			require.NoError(t, err)
			require.Equal(t, tt.want, string(got))
		})
	}
}

// TestWriteXMLCharset: what a charset lacks becomes a reference, and reads back.
func TestWriteXMLCharset(t *testing.T) {
	const value = "陈龘㐀€😀\uE000镕"
	tests := []struct{ charset, want string }{
		{GB2312, "<a>\xB3\xC2&#x9F98;&#x3400;&#x20AC;&#x1F600;&#xE000;&#x9555;</a>"},
		{GBK, "<a>\xB3\xC2\xFD\x93&#x3400;&#x20AC;&#x1F600;&#xE000;\xE9F</a>"},
		{GB18030, "<a>\xB3\xC2\xFD\x93\x81\x39\xEE\x39\xA2\xE3\x94\x39\xFC\x36&#xE000;\xE9F</a>"},
	}
	for _, tt := range tests {
		t.Run(tt.charset, func(t *testing.T) {
			got, err := WriteXML(text("a", value), XMLStyle{Charset: tt.charset, Declaration: true})
			require.NoError(t, err)
			body := string(got[strings.Index(string(got), "?>")+2:])
			require.Equal(t, tt.want, body)
			doc, err := Read(got, NewDefaultLimits())
			require.NoError(t, err)
			require.Equal(t, value, doc.Root.Text)
			require.Equal(t, tt.charset, doc.Charset)
		})
	}
}

func TestWriteXMLFaults(t *testing.T) {
	sent := &Node{Name: "sent", Line: 7, Column: 3}
	bad := text("b", "x\x01")
	bad.From = sent
	tests := []struct {
		name  string
		root  *Node
		style XMLStyle
		code  fault.Code
		en    string
		line  int
	}{
		{"control character", object("a", bad), XMLStyle{}, fault.CharsetNotWritable, "U+0001 cannot be written in XML 1.0", 7},
		{"control character in an attribute", object("a", attribute("b", "\x0B")), XMLStyle{}, fault.CharsetNotWritable, "U+000B", 0},
		{"not UTF-8", text("a", "\xFF"), XMLStyle{}, fault.CharsetNotWritable, "U+FFFD", 0},
		{"blank in a name", object("a", text("b c", "")), XMLStyle{}, fault.XMLNotWellFormed, `"b c" cannot be a name`, 0},
		{"colon in a name", text("a:b", ""), XMLStyle{}, fault.XMLNotWellFormed, "cannot be a name", 0},
		{"no name", text("", "x"), XMLStyle{}, fault.XMLNotWellFormed, "cannot be a name", 0},
		{"attribute xmlns", object("a", attribute("xmlns", "u")), XMLStyle{}, fault.XMLNotWellFormed, "cannot be a name", 0},
		{"array as root", &Node{Kind: Array, Name: "a"}, XMLStyle{}, fault.XMLNotWellFormed, "array", 0},
		{"name beyond the charset", text("龘", ""), XMLStyle{Charset: GB2312}, fault.CharsetNotWritable, "U+9F98 cannot be written in GB2312", 0},
		{"unknown charset", text("a", ""), XMLStyle{Charset: "x-mac"}, fault.CharsetUnknown, "x-mac", 0},
		{"UTF-16", text("a", ""), XMLStyle{Charset: "UTF-16"}, fault.CharsetUnknown, "UTF-16", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := WriteXML(tt.root, tt.style)
			f := lastFault(err)
			require.Equal(t, tt.code, f.Code)
			require.Contains(t, f.EN, tt.en)
			require.Equal(t, tt.line, f.Line)
		})
	}
	_, err := WriteXML(within("u", text("a", "")), XMLStyle{Prefixes: map[string]string{"u": "xmlx"}})
	require.ErrorContains(t, err, `"xmlx" is not a prefix`)
}

// xmlText generates awkward text: markup, blanks, line ends, Chinese, astral characters.
func xmlText() *rapid.Generator[string] {
	return rapid.StringOf(rapid.OneOf(
		rapid.RuneFrom([]rune("<>&'\"]-;# \t\n\r")),
		rapid.RuneFrom([]rune("海关总署龘㐀€，az09")),
		rapid.Rune().Filter(isXMLChar),
	))
}

// xmlTree generates trees as the reader makes them.
func xmlTree(depth int) *rapid.Generator[*Node] {
	names := rapid.SampledFrom([]string{"a", "Order", "单位", "x-1.2_", "ns1", "xmlns2"})
	spaces := rapid.SampledFrom([]string{"", "", "u", "urn:v?<&>\"'"})
	return rapid.Custom(func(t *rapid.T) *Node {
		n := &Node{Name: names.Draw(t, "name"), Space: spaces.Draw(t, "space")}
		for range rapid.IntRange(0, 2).Draw(t, "attributes") {
			a := attribute(names.Draw(t, "name"), xmlText().Draw(t, "value"))
			a.Space = spaces.Draw(t, "space")
			if old := n.Attribute(a.Name); old == nil || old.Space != a.Space && n.Last == old {
				n.Append(a)
			}
		}
		n.Text = xmlText().Draw(t, "text")
		if depth == 0 || rapid.Bool().Draw(t, "leaf") {
			if n.First == nil {
				n.Kind = Text
			}
			return n
		}
		n.Text = trimBlanks(n.Text)
		for range rapid.IntRange(1, 3).Draw(t, "children") {
			n.Append(xmlTree(depth-1).Draw(t, "child"))
		}
		return n
	})
}

func xmlStyle() *rapid.Generator[XMLStyle] {
	return rapid.Custom(func(t *rapid.T) XMLStyle {
		s := XMLStyle{
			Charset:     rapid.SampledFrom([]string{"", "utf-8", GB2312, GBK, GB18030}).Draw(t, "charset"),
			Indent:      rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "indent"),
			Declaration: true,
			Standalone:  rapid.SampledFrom([]string{"", "yes", "no"}).Draw(t, "standalone"),
			BOM:         rapid.Bool().Draw(t, "mark"),
			Prefixes: map[string]string{
				"u":            rapid.SampledFrom([]string{"", "p", "ns1"}).Draw(t, "prefix"),
				"urn:v?<&>\"'": rapid.SampledFrom([]string{"", "p", "前"}).Draw(t, "prefix"),
			},
		}
		return s
	})
}

// TestWriteXMLRoundTrip: whatever is written, in whatever style, reads back as it was.
func TestWriteXMLRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := object("root", attribute("注", "海关总署"), xmlTree(3).Draw(t, "tree"))
		style := xmlStyle().Draw(t, "style")
		data, err := WriteXML(root, style)
		require.NoError(t, err)
		doc, err := Read(data, NewDefaultLimits())
		require.NoError(t, err, "%s", data)
		require.Equal(t, outline(root, false), outline(doc.Root, false), "%s", data)
		require.Empty(t, doc.Faults)
		again, err := WriteXML(doc.Root, style)
		require.NoError(t, err)
		require.Equal(t, string(data), string(again))
	})
}

func TestFragment(t *testing.T) {
	doc, err := Read([]byte(`<m xmlns:ds="u:ds" x="1"><ds:Signature Id="s"><ds:SignedInfo ds:y="2"><v>&lt;1&gt;</v></ds:SignedInfo></ds:Signature><e/></m>`), NewDefaultLimits())
	require.NoError(t, err)
	s, err := WriteFragment(doc.Root)
	require.NoError(t, err)
	require.Equal(t, `<ns1:Signature xmlns:ns1="u:ds" Id="s"><ns1:SignedInfo ns1:y="2"><v>&lt;1&gt;</v></ns1:SignedInfo></ns1:Signature><e></e>`, s)

	s, err = WriteFragment(doc.Root.First.Next)
	require.NoError(t, err)
	require.Equal(t, `<ns1:SignedInfo xmlns:ns1="u:ds" ns1:y="2"><v>&lt;1&gt;</v></ns1:SignedInfo>`, s)

	s, err = WriteFragment(text("a", "x & y"))
	require.NoError(t, err)
	require.Equal(t, "x &amp; y", s)
	nodes, err := ReadFragment(s)
	require.NoError(t, err)
	require.Equal(t, []*Node{{Kind: Text, Text: "x & y"}}, nodes)

	nodes, err = ReadFragment("")
	require.NoError(t, err)
	require.Empty(t, nodes)
}

func TestReadFragmentFaults(t *testing.T) {
	tests := []struct {
		in   string
		code fault.Code
	}{
		{"</x><x>", fault.XMLNotWellFormed},
		{"</x><!-- ", fault.XMLTruncated},
		{"<p:a/>", fault.XMLPrefixUndeclared},
		{"&e;", fault.XMLEntity},
		{"\xB3\xC2", fault.CharsetInvalid},
	}
	for _, tt := range tests {
		_, err := ReadFragment(tt.in)
		require.Equal(t, tt.code, lastFault(err).Code, tt.in)
	}
}

// TestFragmentRoundTrip: the content of an element, put into another, is the same.
func TestFragmentRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := xmlTree(3).Draw(t, "tree")
		s, err := WriteFragment(n)
		require.NoError(t, err)
		nodes, err := ReadFragment(s)
		require.NoError(t, err, s)
		other := object("other")
		for _, c := range nodes {
			require.Nil(t, c.Parent)
			require.Zero(t, c.Line)
			other.Append(c)
		}
		data, err := WriteXML(other, XMLStyle{})
		require.NoError(t, err)
		doc, err := Read(data, NewDefaultLimits())
		require.NoError(t, err)
		for n.First != nil && n.First.Attr {
			n.First = n.First.Next
		}
		if n.First == nil {
			n.Kind = Text
		}
		n.Name, n.Space = "other", ""
		require.Equal(t, outline(n, false), outline(doc.Root, false), s)
	})
}
