package schema

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tongqu/internal/wire"
)

func importOne(tb testing.TB, body string) ([]Imported, error) {
	tb.Helper()
	text := `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">` + body + `</xs:schema>`
	return ImportXSD(fstest.MapFS{"a.xsd": {Data: []byte(text)}}, "a.xsd", ImportConfig{Folder: "x", Names: map[string]string{"A/b": "乙", "@c": "丙"}})
}

// What the import writes for a declaration, without the lines all files share.
func TestImportedSchema(t *testing.T) {
	const lead = `{"$schema":"http://json-schema.org/draft-07/schema#","$id":"x/A",`
	for _, tt := range []struct{ name, body, want string }{
		{
			"names from the configuration and from the documentation",
			`<xs:element name="A"><xs:annotation><xs:documentation>申报单，每份报文一张</xs:documentation></xs:annotation><xs:complexType><xs:sequence><xs:element name="b" type="xs:string"/></xs:sequence><xs:attribute name="c" type="xs:string"/></xs:complexType></xs:element>`,
			`"title":"申报单","description":"申报单，每份报文一张","x-root":"A","x-namespace":"","type":"object","additionalProperties":false,"required":["b"],"properties":{"@c":{"title":"丙","type":"string"},"b":{"title":"乙","type":"string"}}}`,
		},
		{
			"a documentation that is no name",
			`<xs:element name="A" type="xs:token"><xs:annotation><xs:documentation>1-身份证，2-其它</xs:documentation></xs:annotation></xs:element>`,
			`"description":"1-身份证，2-其它","x-root":"A","x-namespace":"","type":"string","x-whitespace":"collapse"}`,
		},
		{
			"facets",
			`<xs:element name="A"><xs:simpleType><xs:restriction base="xs:decimal"><xs:totalDigits value="19"/><xs:fractionDigits value="5"/><xs:minExclusive value="0"/></xs:restriction></xs:simpleType></xs:element>`,
			`"x-root":"A","x-namespace":"","type":"string","pattern":"^[-+]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)$","x-whitespace":"collapse","x-totalDigits":19,"x-fractionDigits":5,"x-exclusiveMinimum":"0"}`,
		},
		{
			"a fixed value",
			`<xs:element name="A" fixed="142"><xs:simpleType><xs:restriction base="xs:string"><xs:length value="3"/></xs:restriction></xs:simpleType></xs:element>`,
			`"x-root":"A","x-namespace":"","type":"string","const":"142","default":"142"}`,
		},
		{
			"repetition and choice",
			`<xs:element name="A"><xs:complexType><xs:choice><xs:element name="x" type="xs:string" maxOccurs="3"/><xs:sequence><xs:element name="y" type="xs:string"/><xs:any namespace="##other" minOccurs="0"/></xs:sequence></xs:choice></xs:complexType></xs:element>`,
			`"x-root":"A","x-namespace":"","type":"object","additionalProperties":false,"x-content":"x+ | (y, ##other?)","properties":{"x":{"type":"array","maxItems":3,"items":{"type":"string"}},"y":{"type":"string"}}}`,
		},
		{
			"recursion",
			`<xs:element name="A" type="T"/><xs:complexType name="T"><xs:sequence><xs:element name="t" type="T" minOccurs="0"/></xs:sequence></xs:complexType>`,
			`"x-root":"A","x-namespace":"","type":"object","additionalProperties":false,"properties":{"t":{"$ref":"#/definitions/T"}},"definitions":{"T":{"type":"object","additionalProperties":false,"properties":{"t":{"$ref":"#/definitions/T"}}}}}`,
		},
		{
			"any content",
			`<xs:element name="A"><xs:complexType><xs:sequence><xs:element name="m"/></xs:sequence></xs:complexType></xs:element>`,
			`"x-root":"A","x-namespace":"","type":"object","additionalProperties":false,"required":["m"],"properties":{"m":{"x-any":true}}}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			made, err := importOne(t, tt.body)
			require.NoError(t, err)
			require.Len(t, made, 1)
			require.Equal(t, "x/A", made[0].ID)
			require.Equal(t, lead+tt.want, writeJSON(parseJSON(t, string(made[0].JSON))))
			_, err = Load(fstest.MapFS{"x/A.json": {Data: made[0].JSON}}, nil)
			require.NoError(t, err)
		})
	}
}

func TestImportFaults(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"no such type", `<xs:element name="A" type="B"/>`, `a.xsd:1:`},
		{"no such built-in type", `<xs:element name="A" type="xs:money"/>`, `there is no built-in type money`},
		{"no such element", `<xs:element name="A"><xs:complexType><xs:sequence><xs:element ref="B"/></xs:sequence></xs:complexType></xs:element>`, `there is no element B`},
		{"type of itself", `<xs:element name="A" type="T"/><xs:simpleType name="T"><xs:restriction base="T"/></xs:simpleType>`, `simpleType T is made of itself`},
		{"group of itself", `<xs:element name="A"><xs:complexType><xs:group ref="G"/></xs:complexType></xs:element><xs:group name="G"><xs:sequence><xs:group ref="G"/></xs:sequence></xs:group>`, `group G is made of itself`},
		{"extension of itself", `<xs:element name="A" type="T"/><xs:complexType name="T"><xs:complexContent><xs:extension base="T"/></xs:complexContent></xs:complexType>`, `complexType T is made of itself`},
		{"redefinition", `<xs:redefine schemaLocation="b.xsd"/>`, `xs:redefine is not supported`},
		{"missing file", `<xs:include schemaLocation="b.xsd"/>`, `b.xsd: file does not exist`},
		{"facet", `<xs:element name="A"><xs:simpleType><xs:restriction base="xs:string"><xs:maxLength value="x"/></xs:restriction></xs:simpleType></xs:element>`, `maxLength must be a number`},
		{"pattern", `<xs:element name="A"><xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="[a-z-[aeiou]]"/></xs:restriction></xs:simpleType></xs:element>`, `class subtraction is not supported`},
		{"block", `<xs:element name="A"><xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="\p{IsBasicLatin}"/></xs:restriction></xs:simpleType></xs:element>`, `block IsBasicLatin is not supported`},
		{"occurrence", `<xs:element name="A"><xs:complexType><xs:sequence><xs:element name="b" maxOccurs="many"/></xs:sequence></xs:complexType></xs:element>`, `maxOccurs="many" is no number of times`},
		{"types used again and again", nested(20), `more than 50000 elements`},
		{"not XSD", `</xs:schema><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">`, `reading XSD a.xsd`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := importOne(t, tt.body)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// nested declares types of which each uses the next twice.
func nested(depth int) string {
	var body strings.Builder
	body.WriteString(`<xs:element name="A" type="T0"/>`)
	for i := range depth {
		fmt.Fprintf(&body, `<xs:complexType name="T%d"><xs:sequence><xs:element name="a" type="T%d"/><xs:element name="b" type="T%d"/></xs:sequence></xs:complexType>`, i, i+1, i+1)
	}
	fmt.Fprintf(&body, `<xs:simpleType name="T%d"><xs:restriction base="xs:string"/></xs:simpleType>`, depth)
	return body.String()
}

func TestTranslateRegexp(t *testing.T) {
	for source, want := range map[string]string{
		`[A-Z]{3}`: `[A-Z]{3}`, `\d{4}`: `\p{Nd}{4}`, `[\d\-]+`: `[\p{Nd}\-]+`, `a.b`: `a[^\n\r]b`, `^a$`: `\^a\$`, `(a|b)`: `(?:a|b)`, `\i\c*`: `[:_\p{L}][-.:_\p{L}\p{Nd}\p{M}·]*`,
		`[\c]`: `[\-.:_\p{L}\p{Nd}\p{M}·]`, `\p{Lu}\P{L}`: `\p{Lu}\P{L}`, `\S+`: `[^ \t\n\r]+`, `[^\s]`: `[^ \t\n\r]`, `\.`: `\.`,
	} {
		got, err := translateRegexp(source)
		require.NoError(t, err, source)
		require.Equal(t, want, got)
	}
	for _, source := range []string{`\`, `\q`, `[\S]`, `\p`, `(`, `[a-z-[aeiou]]`} {
		_, err := translateRegexp(source)
		require.Error(t, err, source)
	}
}

func FuzzImportXSD(f *testing.F) {
	for _, name := range []string{"declaration.xsd", "types.xsd", "seal.xsd"} {
		data, err := os.ReadFile("testdata/xsd/" + name)
		require.NoError(f, err)
		f.Add(string(data))
	}
	f.Add(`<schema xmlns="http://www.w3.org/2001/XMLSchema"><element name="a"><complexType><choice minOccurs="0" maxOccurs="9"><any/><element ref="a"/></choice></complexType></element></schema>`)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "<") > 300 {
			return
		}
		made, err := ImportXSD(fstest.MapFS{"a.xsd": {Data: []byte(text)}}, "a.xsd", ImportConfig{})
		if err != nil {
			return
		}
		for _, m := range made {
			parseJSON(t, string(m.JSON))
		}
	})
}

func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		`{` + schemaHeader + `"type": "object", "properties": {"a": {"$ref": "#/definitions/b"}}, "definitions": {"b": {"type": "array", "items": {"$ref": "#"}}}}`,
		`{` + schemaHeader + orderRules + `}`,
		`{` + schemaHeader + `"x-root": "A", "x-content": "(a | b){2,3}", "if": {"required": ["a"]}, "then": false, "dependencies": {"a": ["b"]}}`,
	} {
		f.Add(text, `{"a": [{"a": []}], "goods": "1", "paid": "2"}`)
	}
	f.Fuzz(func(_ *testing.T, text, document string) {
		set, err := Load(fstest.MapFS{"t.json": {Data: []byte(text)}}, nil)
		if err != nil {
			return
		}
		s, _ := set.Schema("t")
		doc, err := wire.Read([]byte(document), wire.NewDefaultLimits())
		if err != nil {
			return
		}
		_ = s.Check(doc.Root)
		s.Shape().Arrange(doc.Root)
	})
}
