package schema

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	santhosh "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"github.com/xeipuuv/gojsonschema"
	"pgregory.net/rapid"

	"tongqu/internal/wire"
)

// verdictOf is what the walk says of a document.
func (s *Schema) verdictOf(root *wire.Node, isXML bool) verdict {
	return (&walker{isXML: isXML}).document(root, s)
}

// libraryAccepts is what the library says of the values it is given.
func (s *Schema) libraryAccepts(tb testing.TB, root *wire.Node, isXML bool) bool {
	tb.Helper()
	result, err := s.library.Validate(gojsonschema.NewRawLoader(values{isXML: isXML}.of(root, s.shape)))
	require.NoError(tb, err)
	return result.Valid()
}

// agree fails when the walk is sure of something that the library denies.
func agree(tb testing.TB, s *Schema, root *wire.Node, isXML bool) verdict {
	tb.Helper()
	v := s.verdictOf(root, isXML)
	accepted := s.libraryAccepts(tb, root, isXML)
	if v == valid && !accepted || v == invalid && accepted {
		tb.Fatalf("the walk says %d, the library %v", v, accepted)
	}
	return v
}

// TestWalkIsSound holds the walk against the library on customs documents and
// mutations of them. The walk must also be sure, or it would save nothing.
func TestWalkIsSound(t *testing.T) {
	shipped, err := Load(os.DirFS("../../schemas"), shippedLists(t))
	require.NoError(t, err)
	for _, set := range []*Set{shipped, ownSet(t)} {
		for _, id := range set.IDs() {
			s, _ := set.Schema(id)
			if s.shape.Root == "" {
				continue
			}
			for _, data := range corpus(s.shape, 5, 60) {
				doc, err := wire.ReadXML(data, wire.NewDefaultLimits())
				require.NoError(t, err)
				if doc.Root.Name == s.shape.Root {
					require.NotEqual(t, unsure, agree(t, s, doc.Root, true), "%s", data)
				}
			}
		}
	}
}

// schemas makes schemas of all keywords, documents JSON values that have a
// chance to match them.
func schemas(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		pick := func(from ...string) string { return rapid.SampledFrom(from).Draw(t, "keyword") }
		if depth == 0 {
			return pick(`true`, `false`, `{}`, `{"type": "string"}`, `{"const": "a"}`, `{"minLength": 2}`, `{"type": "integer"}`)
		}
		inner := func() string { return schemas(depth-1).Draw(t, "inner") }
		var members []string
		for range rapid.IntRange(0, 3).Draw(t, "keywords") {
			members = append(members, pick(
				`"type": "string"`, `"type": "object"`, `"type": "array"`, `"type": "integer"`, `"type": "number"`, `"type": "boolean"`, `"type": ["string", "null"]`, `"type": ["integer", "string"]`,
				`"enum": ["a", "bb", ""]`, `"enum": ["a", 1, null]`, `"const": "a"`, `"const": 1`,
				`"minLength": 1`, `"maxLength": 2`, `"minLength": 2`, `"pattern": "^[ab]+$"`, `"pattern": "b"`, `"pattern": "^-?[0-9]+(\\.[0-9]+)?$"`,
				`"minimum": 1`, `"maximum": 5`, `"minimum": 0.5`, `"exclusiveMinimum": 1`, `"exclusiveMaximum": 5`, `"multipleOf": 2`, `"multipleOf": 0.1`,
				`"minItems": 1`, `"maxItems": 2`, `"uniqueItems": true`, `"items": `+inner(), `"items": [`+inner()+`], "additionalItems": false`, `"contains": `+inner(),
				`"required": ["a"]`, `"required": ["a", "b"]`, `"minProperties": 1`, `"maxProperties": 1`, `"additionalProperties": false`, `"additionalProperties": `+inner(),
				`"properties": {"a": `+inner()+`, "b": `+inner()+`}`, `"properties": {"a": true}`, `"patternProperties": {"^a": `+inner()+`}`, `"propertyNames": `+inner(),
				`"dependencies": {"a": ["b"]}`, `"dependencies": {"a": `+inner()+`}`,
				`"allOf": [`+inner()+`, `+inner()+`]`, `"anyOf": [`+inner()+`, `+inner()+`]`, `"oneOf": [`+inner()+`, `+inner()+`]`, `"not": `+inner(),
				`"if": `+inner()+`, "then": `+inner()+`, "else": `+inner(), `"if": `+inner()+`, "then": `+inner(), `"if": `+inner()+`, "else": `+inner(),
				`"$ref": "#/definitions/d"`,
			))
		}
		return "{" + strings.Join(distinct(members), ", ") + "}"
	})
}

// distinct keeps the first of each keyword, and $ref only by itself.
func distinct(members []string) []string {
	var kept []string
	seen := map[string]bool{}
	for _, m := range members {
		names := []string{}
		for _, name := range []string{"type", "enum", "const", "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "items", "contains", "required", "minProperties", "maxProperties", "additionalProperties", "properties", "patternProperties", "propertyNames", "dependencies", "allOf", "anyOf", "oneOf", "not", "if", "$ref"} {
			if strings.HasPrefix(m, `"`+name+`":`) {
				names = append(names, name)
			}
		}
		if strings.HasPrefix(m, `"$ref"`) {
			return []string{m}
		}
		if !seen[names[0]] {
			seen[names[0]] = true
			kept = append(kept, m)
		}
	}
	return kept
}

func documents(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		leaf := func() string {
			return rapid.SampledFrom([]string{`"a"`, `"b"`, `"bb"`, `""`, `"aba"`, `" a"`, `"海关"`, `"1.5"`, `1`, `2`, `0`, `-3`, `6`, `0.5`, `1.0`, `1e1`, `12345678901234567890`, `true`, `false`, `null`}).Draw(t, "leaf")
		}
		if depth == 0 {
			return leaf()
		}
		inner := func() string { return documents(depth-1).Draw(t, "inner") }
		switch rapid.IntRange(0, 6).Draw(t, "form") {
		case 0:
			return `{"a": ` + inner() + `}`
		case 1:
			return `{"a": ` + inner() + `, "b": ` + inner() + `}`
		case 2:
			return `{"b": ` + inner() + `, "c": ` + inner() + `}`
		case 3:
			return `[` + inner() + `, ` + inner() + `]`
		case 4:
			return rapid.SampledFrom([]string{`[]`, `{}`, `["a", "a"]`, `[1, 1.0]`, `[1, 2, 3]`}).Draw(t, "short")
		}
		return leaf()
	})
}

// TestLibraries holds three judges of one document against each other: the walk,
// the library, and another library, on every keyword of draft-07.
func TestLibraries(t *testing.T) {
	sure, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := schemas(2).Draw(t, "schema")
		text = "{" + schemaHeader + `"definitions": {"d": ` + schemas(1).Filter(noReference).Draw(t, "definition") + `}, "allOf": [` + text + `]}`
		set, err := Load(fstest.MapFS{"t.json": {Data: []byte(text)}}, nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		s, _ := set.Schema("t")
		other := compileOther(t, text)
		for range 4 {
			doc, err := wire.ReadJSON([]byte(documents(2).Filter(isContainer).Draw(t, "document")), wire.NewDefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			v := s.verdictOf(doc.Root, false)
			given := values{}.of(doc.Root, s.shape)
			result, err := s.library.Validate(gojsonschema.NewRawLoader(given))
			if err != nil {
				t.Fatal(err)
			}
			accepted := result.Valid()
			if all++; v != unsure {
				sure++
			}
			if v == valid && !accepted || v == invalid && accepted {
				t.Fatalf("%s\n%s\nthe walk says %d, the library %v", text, writeJSON(doc.Root), v, accepted)
			}
			if (other.Validate(given) == nil) != accepted {
				t.Fatalf("%s\n%s\nthe library says %v, the other library does not", text, writeJSON(doc.Root), accepted)
			}
			if !accepted && !s.Check(doc.Root).Refuses() {
				t.Fatalf("%s\n%s\nrefused without a fault", text, writeJSON(doc.Root))
			}
		}
	})
	require.Greater(t, sure*2, all, "the walk is sure too seldom to save anything")
}

func noReference(text string) bool { return !strings.Contains(text, "$ref") }

// isContainer: wire reads documents, which are objects or arrays.
func isContainer(text string) bool { return text[0] == '{' || text[0] == '[' }

func compileOther(t *rapid.T, text string) *santhosh.Schema {
	doc, err := santhosh.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := santhosh.NewCompiler()
	if err := c.AddResource("t", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("t")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
