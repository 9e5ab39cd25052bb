package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
)

// FuzzXML compares the reader with encoding/xml on documents in UTF-8, and reads
// back what it writes.
func FuzzXML(f *testing.F) {
	for _, s := range []string{
		"<a/>", "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<p:a xmlns:p='u' p:x=\"1\">\r\n<b>&lt;&#20013;]]</b><![CDATA[<]]><!-- c --><?p q?></p:a>",
		"<单 位='&#x4E2D;\t'>中<b/>文</单>", "<a xmlns='u'><b xmlns=''><c x='1' xml:lang='zh'/></b></a>\n",
		"<a>]]></a>", "<a><!-- -- --></a>", "<a b=c/>", "<a b='<'/>", "<!DOCTYPE a><a/>", "<a>&e;</a>", "<a></b>", "<a><b></a></b>",
		"<a x='1' x='2'/>", "<a/><b/>", "<a\u00a0/>", "<?xml version='1.1'?><a/>", "<a>\x00</a>", orderMessage(1),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		doc, err := ReadXML([]byte(in), NewDefaultLimits())
		if err != nil {
			requirePlaced(t, in, err)
		} else {
			for _, style := range []XMLStyle{{Declaration: true}, {Indent: " "}} {
				data, err := WriteXML(doc.Root, style)
				require.NoError(t, err)
				again, err := ReadXML(data, NewDefaultLimits())
				require.NoError(t, err, "%s", data)
				require.Equal(t, outline(doc.Root, false), outline(again.Root, false))
			}
		}
		in = strings.TrimPrefix(in, "\uFEFF")
		if !utf8.ValidString(in) || charsetOfUTF16([]byte(in)) != "" || err == nil && doc.Charset != UTF8 {
			return // encoding/xml does not tell charsets apart
		}
		want, oracleErr := oracleXML(in)
		switch {
		case err == nil && oracleErr == nil:
			require.Equal(t, outline(withoutAttributePlaces(want), true), outline(withoutAttributePlaces(doc.Root), true))
		case err == nil:
			require.True(t, stricterOracle(in, oracleErr), "only encoding/xml refuses: %v", oracleErr)
		case oracleErr == nil:
			require.True(t, stricterReader(lastFault(err)), "only the reader refuses: %v", err)
		}
	})
}

// requirePlaced checks that every fault of err has a place inside the document.
func requirePlaced(t *testing.T, in string, err error) {
	t.Helper()
	list := fault.Of(err)
	require.NotEmpty(t, list)
	require.True(t, list.Refuses())
	for _, f := range list {
		require.Positive(t, f.Line)
		require.Positive(t, f.Column)
		require.LessOrEqual(t, f.Line, strings.Count(in, "\n")+strings.Count(in, "\r")+1)
		require.LessOrEqual(t, f.Column, len(in)+1)
		require.NotContains(t, f.EN, "{0}")
	}
}

// stricterReader lists all that encoding/xml lets pass and the reader refuses.
func stricterReader(f fault.Fault) bool {
	switch f.Code {
	case fault.XMLDoctype, fault.XMLPrefixUndeclared, fault.XMLDuplicateAttribute, fault.CharsetUnknown,
		fault.DocumentTooDeep, fault.DocumentTooManyAttrs:
		return true
	case fault.XMLNotWellFormed:
		for _, reason := range []string{
			"XML declaration",          // its grammar and its place
			"namespace",                // declarations that Namespaces in XML forbids
			"a name is wrong",          // colons; what the fifth edition changed
			"a blank must stand",       // between attributes
			"is not allowed",           // control characters in comments and instructions
			"character reference",      // to surrogates
			"a processing instruction", // blank behind its target
			`what follows "<!"`,        // directives other than DOCTYPE
			"something stands before",  // blanks that are not XML's: U+00A0
			"something follows",
		} {
			if strings.Contains(f.EN, reason) {
				return true
			}
		}
	}
	return false
}

// stricterOracle lists all that encoding/xml refuses and the reader lets pass:
// versions 1.1 and up, and names of the fifth edition of XML 1.0.
func stricterOracle(in string, err error) bool {
	ascii := strings.IndexFunc(in, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	return strings.Contains(err.Error(), "unsupported version") || !ascii && strings.Contains(err.Error(), "invalid XML name") ||
		strings.Contains(err.Error(), "declared but Decoder.CharsetReader is nil")
}

// withoutAttributePlaces clears what encoding/xml cannot tell: where attributes
// stand, and whether their blanks were sent as references.
func withoutAttributePlaces(n *Node) *Node {
	if n.Attr {
		n.Line, n.Column = 0, 0
		n.Text = strings.NewReplacer("\t", " ", "\n", " ").Replace(n.Text)
	}
	for c := range n.Children() {
		withoutAttributePlaces(c)
	}
	return n
}

// oracleXML reads a document with encoding/xml.
func oracleXML(in string) (*Node, error) {
	d := xml.NewDecoder(strings.NewReader(in)) //nolint:gosec // it is what the reader is compared with
	var root, open *Node
	var names []xml.Name
	var spaces []map[string]string
	resolve := func(prefix string) string {
		for _, declared := range slices.Backward(spaces) {
			if uri, ok := declared[prefix]; ok {
				return uri
			}
		}
		if prefix == "xml" {
			return spaceXML
		}
		return ""
	}
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if open == nil && root != nil {
				return nil, errors.New("second root")
			}
			declared := map[string]string{}
			for _, a := range token.Attr {
				if a.Name.Space == "xmlns" {
					declared[a.Name.Local] = a.Value
				} else if a.Name == (xml.Name{Local: "xmlns"}) {
					declared[""] = a.Value
				}
			}
			spaces = append(spaces, declared)
			n := &Node{Name: token.Name.Local, Space: resolve(token.Name.Space)}
			at := newCursor(normalizeLines(in[:d.InputOffset()]))
			at.seek(len(at.text))
			n.Line, n.Column = at.line, at.column
			for _, a := range token.Attr {
				if a.Name.Space == "xmlns" || a.Name == (xml.Name{Local: "xmlns"}) {
					continue
				}
				c := attribute(a.Name.Local, a.Value)
				if a.Name.Space != "" {
					c.Space = resolve(a.Name.Space)
				}
				n.Append(c)
			}
			if open == nil {
				root = n
			} else {
				open.Append(n)
			}
			open, names = n, append(names, token.Name)
		case xml.EndElement:
			if open == nil || names[len(names)-1] != token.Name {
				return nil, errors.New("end tag does not match")
			}
			if open.First == nil {
				open.Kind = Text
			}
			if open.Last != nil && !open.Last.Attr {
				open.Text = trimBlanks(open.Text)
			}
			open, names, spaces = open.Parent, names[:len(names)-1], spaces[:len(spaces)-1]
		case xml.CharData:
			if open != nil {
				open.Text += string(token)
			} else if len(bytes.TrimSpace(token)) > 0 {
				return nil, errors.New("text outside the root")
			}
		}
	}
	if open != nil || root == nil {
		return nil, errors.New("unexpected end")
	}
	return root, nil
}

// FuzzJSON compares the reader with encoding/json.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e+3,true,false,null,"\u4e2d\ud83d\ude00\n"],"b":{}}`, "{\"a\":1}\n{\"a\":2}\n", `[1,]`, `{"a":1,"a":2}`,
		`"\ud800"`, `[01]`, `[1.]`, `[-]`, `{"a"}`, "[\"\x01\"]", `nul`, ` "中文" `, "\uFEFF[]", strings.Repeat("[", 200),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		doc, err := ReadJSON([]byte(in), NewDefaultLimits())
		if err != nil {
			requirePlaced(t, in, err)
		} else {
			data := AppendJSON(nil, doc.Root)
			require.True(t, json.Valid(data))
			again, err := ReadJSON(data, NewDefaultLimits())
			require.NoError(t, err)
			require.Equal(t, outline(doc.Root, false), outline(again.Root, false))
		}
		in = strings.TrimPrefix(in, "\uFEFF")
		if !utf8.ValidString(in) || charsetOfUTF16([]byte(in)) != "" {
			return
		}
		if err != nil {
			if json.Valid([]byte(in)) {
				f := lastFault(err)
				alone := f.Code == fault.JSONNotWellFormed && strings.Contains(f.EN, "surrogate")
				require.True(t, alone || f.Code == fault.JSONDuplicateKey || f.Code == fault.DocumentTooDeep, "only the reader refuses: %v", err)
			}
			return
		}
		d := json.NewDecoder(strings.NewReader(in))
		d.UseNumber()
		values := []*Node{doc.Root}
		if doc.Format == NDJSON {
			values = values[:0]
			for c := range doc.Root.Children() {
				values = append(values, c)
			}
		}
		for _, got := range values {
			want, err := oracleJSON(d)
			require.NoError(t, err)
			require.Equal(t, outline(want, false), outline(got, false))
		}
		_, err = d.Token()
		require.ErrorIs(t, err, io.EOF)
	})
}

// oracleJSON reads one value with encoding/json.
func oracleJSON(d *json.Decoder) (*Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		n := &Node{Kind: Object}
		if token == '[' {
			n.Kind = Array
		}
		for d.More() {
			key := ""
			if n.Kind == Object {
				k, err := d.Token()
				if err != nil {
					return nil, err
				}
				key = k.(string)
			}
			c, err := oracleJSON(d)
			if err != nil {
				return nil, err
			}
			c.Name = key
			n.Append(c)
		}
		_, err := d.Token()
		return n, err
	case string:
		return text("", token), nil
	case json.Number:
		return &Node{Kind: Number, Text: token.String()}, nil
	case bool:
		n := &Node{Kind: Bool, Text: "false"}
		if token {
			n.Text = "true"
		}
		return n, nil
	}
	return &Node{Kind: Null}, nil
}

// FuzzCharset reads arbitrary bytes: whatever they are, the text is valid UTF-8
// without CR, the bytes stay as they are, and what is not whole is said to be so.
func FuzzCharset(f *testing.F) {
	for _, s := range []string{
		"<a>\xD6\xD0</a>", "<?xml version='1.0' encoding='gbk'?><a>\xD6\xD0\x81\x39\xEE\x39\x80\xFF</a>", "\xFF\xFE<\x00a\x00/\x00>\x00",
		"\xFE\xFF\x00<\xD8\x3D", "<a>中\xE6</a>", "{\"a\":\"\xD6\xD0\"}", "\xFF\xFE\x00\x00", "<?xml version='1.0' encoding='utf-16'?><a>中\r\n</a>",
		"<?xml version='1.0' encoding='gb18030'?><a>\x84\x31\xA4\x37</a>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		for _, format := range []Format{XML, JSON} {
			src, err := newSource(data, format)
			if err != nil {
				require.Equal(t, fault.CharsetUnknown, lastFault(err).Code)
				continue
			}
			require.True(t, utf8.ValidString(src.text))
			require.NotContains(t, src.text, "\r")
			require.NotEmpty(t, src.charset)
			if format == XML {
				require.Equal(t, -1, strings.IndexFunc(src.text, func(r rune) bool { return !isXMLChar(r) }))
			}
			if src.stop == nil && src.charset == UTF8 {
				require.True(t, utf8.Valid(data))
			}
		}
		doc, err := Read(data, NewDefaultLimits())
		require.Equal(t, before, data)
		require.Equal(t, err == nil, doc != nil)
		if err != nil {
			require.True(t, fault.Of(err).Refuses())
		}
	})
}
