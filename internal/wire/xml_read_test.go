package wire

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
)

func TestReadXMLTree(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"leaf", `<a>x</a>`, "string a \"x\" 1:4\n"},
		{"empty element", `<a/>`, "string a 1:5\n"},
		{"empty with end tag", `<a></a>`, "string a 1:4\n"},
		{"blanks kept in a leaf", "<a> x\n</a>", "string a \" x\\n\" 1:4\n"},
		{"children and places", "<a>\n  <b>1</b>\n  <b/>\n</a>", "object a 1:4\n string b \"1\" 2:6\n string b 3:7\n"},
		{"columns count characters", "<甲><乙>中文</乙><丙>x</丙></甲>", "object 甲 1:4\n string 乙 \"中文\" 1:7\n string 丙 \"x\" 1:16\n"},
		{"attributes first", "<a x='1'\n y=\"2\"><b/></a>", "object a 2:8\n string @x \"1\" 1:7\n string @y \"2\" 2:5\n string b 2:12\n"},
		{"attributes and text", `<a x="1"> v </a>`, "object a \" v \" 1:10\n string @x \"1\" 1:7\n"},
		{"attributes only", `<a x="1"/>`, "object a 1:11\n string @x \"1\" 1:7\n"},
		{
			"namespaces", `<p:a xmlns:p="u" xmlns="d" p:x="1" y="2"><b/><c xmlns=""/></p:a>`,
			"object a{u} 1:42\n string @x{u} \"1\" 1:33\n string @y \"2\" 1:39\n string b{d} 1:46\n string c 1:59\n",
		},
		{"a prefix bound anew", `<p:a xmlns:p="u"><p:b xmlns:p="v"/><p:c/></p:a>`, "object a{u} 1:18\n string b{v} 1:36\n string c{u} 1:42\n"},
		{"the xml prefix", `<a xml:lang="zh"/>`, "object a 1:19\n string @lang{http://www.w3.org/XML/1998/namespace} \"zh\" 1:14\n"},
		{"predefined entities", `<a x="&lt;&quot;&#x4E2D;">&amp;&gt;&apos;&#20013;&#xA;</a>`, "object a \"&>'中\\n\" 1:27\n string @x \"<\\\"中\" 1:7\n"},
		{"brackets", `<a>]]<![CDATA[]]]]>]</a>`, "string a \"]]]]]\" 1:4\n"},
		{"CDATA and text", `<a>x<![CDATA[<&]]>y<!-- c -->z<?p q?></a>`, "string a \"x<&yz\" 1:4\n"},
		{"text between elements", "<a> x <b/>\n y<c/> </a>", "object a \"x \\n y\" 1:4\n string b 1:11\n string c 2:7\n"},
		{"blank CDATA before an element", "<a> <![CDATA[ ]]><b/></a>", "object a 1:4\n string b 1:22\n"},
		{"comments between elements", "<!-- a --><a><!-- b --><b/><!----></a><!-- c -->\n", "object a 1:14\n string b 1:28\n"},
		{"CR LF and CR are line ends", "<a>\r\n<b>x\ry</b>\r<c z='\r\n'/></a>", "object a 1:4\n string b \"x\\ny\" 2:4\n object c 5:4\n  string @z \" \" 4:7\n"},
		{"a CR that is meant", "<a>&#13;</a>", "string a \"\\r\" 1:4\n"},
		{"tabs in attributes", "<a x='1\t2&#9;3'/>", "object a 1:18\n string @x \"1 2\\t3\" 1:7\n"},
		{"declaration with odd blanks", "<?xml  version = '1.0'\tencoding=\"utf-8\" standalone =\"yes\" ?>\n<a/>", "string a 2:5\n"},
		{"version 1.1 is read as 1.0", `<?xml version="1.1"?><a/>`, "string a 1:26\n"},
		{"byte order mark", "\uFEFF<?xml version=\"1.0\"?><a/>", "string a 1:26\n"},
		{"end tag with blanks", "<a>x</a \n>", "string a \"x\" 1:4\n"},
		{"the longest prefix of a name", "<ab><a>1</a></ab>", "object ab 1:5\n string a \"1\" 1:8\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := []byte(tt.in)
			doc, err := Read(data, NewDefaultLimits())
			require.NoError(t, err)
			require.Equal(t, tt.want, outline(doc.Root, true))
			require.Equal(t, XML, doc.Format)
			require.Empty(t, doc.Faults)
			require.Equal(t, tt.in, string(data), "the caller's bytes are untouched")
		})
	}
}

func TestReadXMLFaults(t *testing.T) {
	tests := []struct {
		name, in     string
		code         fault.Code
		path         string
		line, column int
		en           string
	}{
		{"truncated in an element", "<a>\n <b>\n", fault.XMLTruncated, "/a/b", 3, 1, "<b> of line 2 column 2"},
		{"truncated in a start tag", "<a>\n <bc x=", fault.XMLTruncated, "/a/bc", 2, 8, "<bc> of line 2 column 2"},
		{"truncated in a name", "<a><b", fault.XMLTruncated, "/a", 1, 6, "<b of line 1 column 4"},
		{"truncated in an attribute value", `<a><b x="1`, fault.XMLTruncated, "/a/b", 1, 11, "<b> of line 1 column 4"},
		{"truncated in an end tag", "<abc></ab", fault.XMLTruncated, "/abc", 1, 10, "<abc> of line 1 column 1"},
		{"truncated in a comment", "<a><!-- x -", fault.XMLTruncated, "/a", 1, 12, "<!-- of line 1 column 4"},
		{"truncated in CDATA", "<a><![CDATA[ ]]", fault.XMLTruncated, "/a", 1, 16, "<![CDATA[ of line 1 column 4"},
		{"truncated in a reference", "<a>&am", fault.XMLTruncated, "/a", 1, 7, "<a> of line 1 column 1"},
		{"truncated in the declaration", `<?xml version="1.0"`, fault.XMLTruncated, "/", 1, 20, "<?xml of line 1 column 1"},
		{"truncated in an instruction", "<?php x", fault.XMLTruncated, "/", 1, 8, "<?php of line 1 column 1"},
		{"truncated in a character", "<a>中\xE6\x96", fault.XMLTruncated, "/a", 1, 5, "<a> of line 1 column 1"},
		{"end tags crossed", "<a>\n<b></a>", fault.XMLNotWellFormed, "/a/b", 2, 4, "</a> does not match <b> of line 2 column 1"},
		{"prefix of the end tag differs", `<p:a xmlns:p="u" xmlns:q="u"></q:a>`, fault.XMLNotWellFormed, "/a", 1, 30, "does not match"},
		{"second root", "<a/>\n<b/>", fault.XMLNotWellFormed, "/", 2, 1, "follows the root element"},
		{"text after the root", "<a/>\n x", fault.XMLNotWellFormed, "/", 2, 2, "something follows"},
		{"text before the root", "<?xml version='1.0'?>x<a/>", fault.XMLNotWellFormed, "/", 1, 22, "something stands before"},
		{"stray end tag", "<a/></a>", fault.XMLNotWellFormed, "/", 1, 5, "no start tag"},
		{"no root", "<?xml version='1.0'?>\n", fault.XMLNotWellFormed, "/", 2, 1, "no root element"},
		{"late declaration", "\n<?xml version='1.0'?><a/>", fault.XMLNotWellFormed, "/", 2, 1, "very beginning"},
		{"declaration without version", "<?xml encoding='utf-8'?><a/>", fault.XMLNotWellFormed, "/", 1, 7, "declaration is wrong"},
		{"declaration out of order", "<?xml version='1.0' standalone='no' encoding='utf-8'?><a/>", fault.XMLNotWellFormed, "/", 1, 37, "declaration is wrong"},
		{"declaration with a wrong value", "<?xml version='1.0' standalone='ja'?><a/>", fault.XMLNotWellFormed, "/", 1, 21, "wrong standalone"},
		{"name with a digit first", "<a><1b/></a>", fault.XMLNotWellFormed, "/a", 1, 5, "name is wrong"},
		{"name with two colons", `<a:b:c xmlns:a="u"/>`, fault.XMLNotWellFormed, "/", 1, 2, "name is wrong"},
		{"name that ends with a colon", `<a: xmlns:a="u"/>`, fault.XMLNotWellFormed, "/", 1, 2, "name is wrong"},
		{"no blank between attributes", `<a x="1"y="2"/>`, fault.XMLNotWellFormed, "/a", 1, 9, "blank must stand"},
		{"attribute without value", "<a x/>", fault.XMLNotWellFormed, "/a", 1, 5, `"=" must follow`},
		{"attribute without quotes", "<a x=1/>", fault.XMLNotWellFormed, "/a", 1, 6, "must be quoted"},
		{"less-than in an attribute", "<a x='1<2'/>", fault.XMLNotWellFormed, "/a", 1, 8, `"<" is not allowed`},
		{"slash in a tag", "<a / >", fault.XMLNotWellFormed, "/a", 1, 4, `must follow "/"`},
		{"CDATA end in text", "<a>x]]>y</a>", fault.XMLNotWellFormed, "/a", 1, 5, `"]]>" is not allowed`},
		{"CDATA outside the root", "<![CDATA[x]]><a/>", fault.XMLNotWellFormed, "/", 1, 1, `"<!"`},
		{"double hyphen in a comment", "<a>\n<!-- x -- y --></a>", fault.XMLNotWellFormed, "/a", 2, 8, `"--" is not allowed`},
		{"bare ampersand", "<a>中 & 国</a>", fault.XMLNotWellFormed, "/a", 1, 6, `written "&amp;"`},
		{"control character", "<a><b>x\n\x01</b></a>", fault.XMLNotWellFormed, "/a/b", 2, 1, "U+0001 is not allowed"},
		{"control character in a comment", "<a/><!-- \x02 -->", fault.XMLNotWellFormed, "/", 1, 10, "U+0002 is not allowed"},
		{"control character after the root", "<a/>\x02", fault.XMLNotWellFormed, "/", 1, 5, "U+0002 is not allowed"},
		{"non-character", "<a>\uFFFE</a>", fault.XMLNotWellFormed, "/a", 1, 4, "U+FFFE is not allowed"},
		{"reference to a control character", "<a>&#1;</a>", fault.XMLNotWellFormed, "/a", 1, 4, "&#1; is wrong"},
		{"reference to a surrogate", "<a>&#xD800;</a>", fault.XMLNotWellFormed, "/a", 1, 4, "&#xD800; is wrong"},
		{"reference beyond Unicode", "<a>&#x110000;</a>", fault.XMLNotWellFormed, "/a", 1, 4, "is wrong"},
		{"reference without number", "<a>&#;</a>", fault.XMLNotWellFormed, "/a", 1, 4, "is wrong"},
		{"doctype", "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", fault.XMLDoctype, "/", 2, 1, "DOCTYPE"},
		{"entity", "<a>\n<b>&nbsp;</b></a>", fault.XMLEntity, "/a/b", 2, 4, "entity &nbsp;"},
		{"entity in an attribute", `<a x="&e;"/>`, fault.XMLEntity, "/a", 1, 7, "entity &e;"},
		{"undeclared prefix", "<a>\n <p:b/></a>", fault.XMLPrefixUndeclared, "/a/b", 2, 3, "prefix p "},
		{"undeclared prefix of an attribute", `<a p:x="1"/>`, fault.XMLPrefixUndeclared, "/a", 1, 4, "prefix p "},
		{"prefix out of scope", `<a><p:b xmlns:p="u"/><p:c/></a>`, fault.XMLPrefixUndeclared, "/a/c", 1, 23, "prefix p "},
		{"prefix bound to nothing", `<a xmlns:p=""/>`, fault.XMLNotWellFormed, "/a", 1, 4, "prefix p is empty"},
		{"prefix xmlns bound", `<a xmlns:xmlns="u"/>`, fault.XMLNotWellFormed, "/a", 1, 4, "xmlns:xmlns is wrong"},
		{"prefix xml bound elsewhere", `<a xmlns:xml="u"/>`, fault.XMLNotWellFormed, "/a", 1, 4, "xmlns:xml is wrong"},
		{"duplicate attribute", `<a x="1" x="2"/>`, fault.XMLDuplicateAttribute, "/a", 1, 10, "attribute x"},
		{"duplicate attribute by namespace", `<a xmlns:p="u" xmlns:q="u" p:x="1" q:x="2"/>`, fault.XMLDuplicateAttribute, "/a", 1, 36, "attribute q:x"},
		{"duplicate declaration", `<a xmlns="1" xmlns="2"/>`, fault.XMLDuplicateAttribute, "/a", 1, 14, "attribute xmlns"},
		{"empty", "", fault.DocumentEmpty, "/", 1, 1, "empty"},
		{"nothing but blanks", "\uFEFF \r\n\t", fault.DocumentEmpty, "/", 1, 1, "empty"},
		{"neither XML nor JSON nor CSV", "PK\x03\x04", fault.DocumentNotReadable, "/", 1, 1, "neither"},
		{"index of a repeated element", "<a><b/><b>&x;</b></a>", fault.XMLEntity, "/a/b[2]", 1, 11, "entity"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := Read([]byte(tt.in), NewDefaultLimits())
			require.Error(t, err)
			require.Nil(t, doc)
			f := lastFault(err)
			require.Equal(t, tt.code, f.Code, f.EN)
			require.Equal(t, tt.path, f.Path)
			require.Equal(t, [2]int{tt.line, tt.column}, [2]int{f.Line, f.Column})
			require.Contains(t, f.EN, tt.en)
			require.NotContains(t, f.EN+f.ZH, "{")
			require.Equal(t, fault.Error, f.Severity)
		})
	}
}

func TestReadXMLLimits(t *testing.T) {
	l := Limits{MaxBytes: 200, MaxDepth: 3, MaxNodes: 6, MaxAttributes: 2}
	tests := []struct {
		name, in     string
		code         fault.Code
		path         string
		line, column int
	}{
		{"bytes", "<a>" + strings.Repeat("x", 200) + "</a>", fault.DocumentTooLarge, "/", 1, 1},
		{"depth", "<a><b>\n<c><d/></c></b></a>", fault.DocumentTooDeep, "/a/b/c", 2, 4},
		{"nodes", "<a x='1'><b/><b/><b/><b/>\n<b/></a>", fault.DocumentTooManyNodes, "/a", 2, 1},
		{"nodes that are attributes", "<a><b/><b/><b/><b/><c x='1'/></a>", fault.DocumentTooManyNodes, "/a/c", 1, 23},
		{"attributes", "<a x='1' xmlns='u' z='3'/>", fault.DocumentTooManyAttrs, "/a", 1, 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read([]byte(tt.in), l)
			f := lastFault(err)
			require.Equal(t, tt.code, f.Code, f.EN)
			require.Equal(t, tt.path, f.Path)
			require.Equal(t, [2]int{tt.line, tt.column}, [2]int{f.Line, f.Column})
		})
	}
	_, err := Read([]byte("<a x='1'><b><c/><c/></b></a>"), l)
	require.NoError(t, err, "at the limits, not above them")
}

// TestReadHostile gives documents made to cost much; each must be done at once.
func TestReadHostile(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		code fault.Code
	}{
		{"deep XML", bytes.Repeat([]byte("<a>"), 10_000), fault.DocumentTooDeep},
		{"deep JSON", bytes.Repeat([]byte("["), 10_000), fault.DocumentTooDeep},
		{"deep JSON objects", bytes.Repeat([]byte(`{"a":`), 10_000), fault.DocumentTooDeep},
		{"many attributes", []byte("<a " + strings.Repeat("x='1' ", 100_000) + "/>"), fault.XMLDuplicateAttribute},
		{"stray text in many pieces", []byte("<a>" + strings.Repeat("x<b/>", 200_000) + "</a"), fault.XMLTruncated},
		{"many comments", []byte("<a>" + strings.Repeat("<!---->", 300_000) + "</a"), fault.XMLTruncated},
		{"many ampersands", []byte("<a>" + strings.Repeat("&amp;", 300_000) + "</a"), fault.XMLTruncated},
		{"many keys", []byte("{" + manyKeys(50_000) + `"k7":1}`), fault.JSONDuplicateKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Now()
			_, err := Read(tt.in, NewDefaultLimits())
			require.Equal(t, tt.code, lastFault(err).Code)
			require.Less(t, time.Since(begin), 5*time.Second)
		})
	}
}

// TestReadXMLEveryCut cuts a document behind every byte: what is left is always
// refused, as truncated once its root has begun.
func TestReadXMLEveryCut(t *testing.T) {
	whole := orderMessage(1)
	root := strings.Index(whole, "<ceb:CEB311Message")
	declaration := strings.Index(whole, "?>") + len("?>")
	end := strings.LastIndex(whole, ">") + 1
	for i := range end {
		_, err := Read([]byte(whole[:i]), NewDefaultLimits())
		want := fault.XMLTruncated
		switch {
		case i == 0:
			want = fault.DocumentEmpty
		case i >= declaration && i <= root:
			want = fault.XMLNotWellFormed
		}
		require.Equal(t, want, lastFault(err).Code, "cut at %d: %v", i, err)
	}
	_, err := Read([]byte(whole[:end]), NewDefaultLimits())
	require.NoError(t, err)
}

func TestReadXMLOrder(t *testing.T) {
	doc, err := Read([]byte(orderMessage(2)), NewDefaultLimits())
	require.NoError(t, err)
	require.Equal(t, UTF8, doc.Charset)
	require.Equal(t, UTF8, doc.Declared)
	orders := doc.Root.Child("Order")
	require.Equal(t, "http://www.chinaport.gov.cn/ceb", orders.Space)
	buyer := orders.Next.Child("OrderHead").Child("buyerName")
	require.Equal(t, "陈小满", buyer.Text)
	require.Equal(t, fault.Place{Path: "/CEB311Message/Order[2]/OrderHead/buyerName", Line: 72, Column: 22}, buyer.Place())
	require.Equal(t, "1.0", doc.Root.Attribute("version").Text)
	require.Equal(t, "/CEB311Message/@version", doc.Root.Attribute("version").Path())
}

func TestSniff(t *testing.T) {
	tests := []struct {
		in   string
		want Format
	}{
		{"<a/>", XML},
		{"\uFEFF\r\n <a/>", XML},
		{"\xFF\xFE<\x00a\x00", XML},
		{"\x00<\x00a", XML},
		{" {}", JSON},
		{"\xFE\xFF\x00[\x00]", JSON},
		{"", ""},
		{"  ", ""},
		{"a,b", ""},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, Sniff([]byte(tt.in)), "%q", tt.in)
	}
}
