package schema

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tongqu/internal/codes"
	"tongqu/internal/conf"
)

// TestLint has one case for every way in which a schema file can be wrong,
// above all those that the library would accept in silence.
func TestLint(t *testing.T) {
	lists, err := codes.Load(fstest.MapFS{"currency.csv": {Data: []byte(listsHeader)}})
	require.NoError(t, err)
	const header = `{"$schema": "http://json-schema.org/draft-07/schema#", "$id": "t", `
	for _, tt := range []struct {
		name, text, want string
	}{
		{"not JSON", `{"a": }`, `t.json:1:7: JSON is not well-formed`},
		{"trailing data", header + `"type": "object"} {}`, `t.json:1:86: JSON is not well-formed`},
		{"duplicate key", header + `"type": "object", "type": "array"}`, `t.json:1:86: JSON key type stands twice`},
		{"not an object", `[]`, `t.json:1:1: a schema file must hold an object`},
		{"no $schema", `{"$id": "t"}`, `t.json:1:1: $schema is missing: it must be "http://json-schema.org/draft-07/schema#"`},
		{"later draft", `{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "t"}`, `t.json:1:13: $schema must be "http://json-schema.org/draft-07/schema#"`},
		{"no $id", `{"$schema": "http://json-schema.org/draft-07/schema#"}`, `t.json:1:1: $id is missing: it must be "t"`},
		{"wrong $id", `{"$schema": "http://json-schema.org/draft-07/schema#", "$id": "u"}`, `t.json:1:63: $id must be "t", the path of the file`},
		{"inner $id", header + `"properties": {"a": {"$id": "x"}}}`, `t.json:1:96: $id belongs at the root of the file`},
		{"misspelt keyword", header + `"properties": {"a": {"minimun": 3}}}`, `t.json:1:100: unknown keyword "minimun", did you mean minimum?`},
		{"keyword in another case", header + `"additionalproperties": false}`, `unknown keyword "additionalproperties", did you mean additionalProperties?`},
		{"keyword of a later draft", header + `"dependentRequired": {}}`, `unknown keyword "dependentRequired"`},
		{"unknown extension", header + `"x-colour": "red"}`, `unknown keyword "x-colour"`},
		{"keyword's value", header + `"properties": {"a": {"maxLength": "3"}}}`, `t.json:1:102: Invalid type. Expected: integer, given: string`},
		{"unknown type", header + `"type": "text"}`, `t.json:1:76: type must be one of the following`},
		{"beside $ref", header + `"definitions": {"a": {}}, "properties": {"a": {"$ref": "#/definitions/a", "maxLength": 3}}}`, `t.json:1:155: maxLength has no effect beside $ref`},
		{"beside x-any", header + `"properties": {"a": {"x-any": true, "type": "string"}}}`, `t.json:1:112: type contradicts x-any`},
		{"unknown format", header + `"properties": {"a": {"format": "datetime"}}}`, `format "datetime" is not checked; use one of date, date-time`},
		{"pattern", header + `"properties": {"a": {"pattern": "a(?=b)"}}}`, "pattern: error parsing regexp: invalid or unsupported Perl syntax"},
		{"web $ref", header + `"$ref": "http://example.com/a.json"}`, `t.json:1:76: $ref must be a place in this file (#/…) or in another schema file (NAME.json#/…)`},
		{"file $ref", header + `"$ref": "file:///etc/passwd"}`, `$ref must be a place in this file`},
		{"$ref out of the folder", header + `"$ref": "../../a.json"}`, `there is no schema file ../../a.json`},
		{"$ref to no file", header + `"$ref": "u.json#/definitions/a"}`, `there is no schema file u.json`},
		{"$ref to nothing", header + `"$ref": "#/definitions/a"}`, `there is no #/definitions/a`},
		{"$ref to what is no schema", header + `"properties": {"a": {"$ref": "#/properties"}}}`, `#/properties is not a schema`},
		{"$ref to an anchor", header + `"properties": {"a": {"$ref": "#a"}}}`, `after # a JSON pointer must follow`},
		{"self reference", header + `"$ref": "#/definitions/a", "definitions": {"a": {"allOf": [{"$ref": "#/definitions/a"}]}}}`, `the schema applies itself to the same value`},
		{"self reference by if", header + `"if": {"$ref": "#"}}`, `the schema applies itself to the same value`},
		{"self reference by dependencies", header + `"dependencies": {"a": {"$ref": "#"}}}`, `the schema applies itself to the same value`},
		{"XML type", header + `"x-root": "A", "properties": {"a": {"type": "integer"}}}`, `in a schema with x-root a type is object, array or string`},
		{"root keyword below", header + `"properties": {"a": {"x-keys": {"k": ["a"]}}}}`, `x-keys belongs at the root of the file`},
		{"x-whitespace", header + `"properties": {"a": {"x-whitespace": "trim"}}}`, `x-whitespace must be one of preserve, replace, collapse`},
		{"x-personal", header + `"properties": {"a": {"x-personal": "email"}}}`, `x-personal must be one of name, id, phone, address, account`},
		{"x-check", header + `"properties": {"a": {"x-check": "luhn"}}}`, `x-check must be one of gb11643, gb32100, gb11714`},
		{"x-totalDigits", header + `"properties": {"a": {"x-totalDigits": "3"}}}`, `x-totalDigits must be a whole number from 0`},
		{"x-minimum", header + `"properties": {"a": {"x-minimum": 3}}}`, `x-minimum must be a decimal in a string`},
		{"x-decimal", header + `"properties": {"a": {"x-decimal": "yes"}}}`, `x-decimal must be true or false`},
		{"x-unit", header + `"properties": {"a": {"x-unit": 1}}}`, `x-unit must be a string`},
		{"x-content", header + `"x-root": "A", "x-content": "(a | b"}`, `x-content: ) is missing`},
		{"x-codes", header + `"properties": {"a": {"x-codes": "country"}}}`, `x-codes: no code list "country"`},
		{"x-keys empty", header + `"x-keys": {}}`, `x-keys must be an object of key names with lists of paths`},
		{"x-keys path", header + `"properties": {"a": {}}, "x-keys": {"k": ["b.c"]}}`, `there is no "b.c" in the schema`},
		{"x-version path", header + `"x-version": "sentAt"}`, `there is no "sentAt" in the schema`},
		{"x-rules member", header + `"x-rules": [{"id": "a", "sums": ["b"], "equals": "b"}]}`, `unknown member "sums" of a rule`},
		{"x-rules without terms", header + `"x-rules": [{"id": "a", "equals": "b"}]}`, `a rule needs either sum or product`},
		{"x-rules tolerance", header + `"x-rules": [{"id": "a", "sum": ["b"], "equals": "b", "tolerance": 0.01}]}`, `tolerance must be a decimal in a string, not below 0`},
		{"x-rules severity", header + `"x-rules": [{"id": "a", "sum": ["b"], "equals": "b", "severity": "warning"}]}`, `severity must be flag or error`},
		{"x-rules condition", header + `"x-rules": [{"id": "a", "that": "value(", "zh": "x", "en": "x"}]}`, `t.json:1:100: expression "value(": unexpected token EOF`},
		{"x-rules condition that is none", header + `"properties": {"b": {"type": "string"}}, "x-rules": [{"id": "a", "that": "value('b')", "zh": "x", "en": "x"}]}`, `expected bool, but got string`},
		{"x-rules condition's function", header + `"properties": {"b": {"type": "string"}}, "x-rules": [{"id": "a", "that": "wire('b') == ''", "zh": "x", "en": "x"}]}`, `wire is not there in a rule`},
		{"x-rules condition's path", header + `"properties": {"b": {"type": "string"}}, "x-rules": [{"id": "a", "that": "value('c') == ''", "zh": "x", "en": "x"}]}`, `there is no "c" in the schema`},
		{"x-rules condition's text", header + `"properties": {"b": {"type": "string"}}, "x-rules": [{"id": "a", "that": "value('b') == ''", "zh": "{c}", "en": "x"}]}`, `there is no "c" in the schema`},
		{"x-rules condition without text", header + `"properties": {"b": {"type": "string"}}, "x-rules": [{"id": "a", "that": "value('b') == ''", "zh": "x"}]}`, `a rule with that needs en`},
		{"x-rules condition of many", header + `"properties": {"b": {"type": "array", "items": {"type": "string"}}}, "x-rules": [{"id": "a", "that": "value('b') == ''", "zh": "x", "en": "x"}]}`, `b has many values: use values("b")`},
		{"x-rules condition for each of one", header + `"properties": {"b": {"type": "string"}}, "x-rules": [{"id": "a", "each": "b", "that": "1 == 1", "zh": "x", "en": "x"}]}`, `there is no array "b" in the schema`},
		{"x-rules condition's member", header + `"x-rules": [{"id": "a", "that": "1 == 1", "equals": "b", "zh": "x", "en": "x"}]}`, `unknown member "equals" of a rule`},
		{"x-rules path", header + `"properties": {"a": {"type": "string"}}, "x-rules": [{"id": "a", "sum": ["b"], "equals": "a"}]}`, `there is no "b" in the schema`},
		{"x-rules type", header + `"properties": {"a": {"type": "object"}}, "x-rules": [{"id": "a", "sum": ["a"], "equals": "a"}]}`, `"a" is no number but object`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(fstest.MapFS{"t.json": {Data: []byte(tt.text)}}, lists)
			var problems conf.Problems
			require.ErrorAs(t, err, &problems)
			require.Contains(t, problems.Error(), tt.want)
		})
	}
}

// All problems of all files come back at once, in order.
func TestLintFindsAll(t *testing.T) {
	_, err := Load(fstest.MapFS{
		"b.json": {Data: []byte("{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n  \"$id\": \"x\",\n  \"typ\": 1,\n  \"$ref\": \"#/no\"\n}")},
		"a.json": {Data: []byte("{}")},
	}, nil)
	require.EqualError(t, err, strings.Join([]string{
		`a.json:1:1: $schema is missing: it must be "http://json-schema.org/draft-07/schema#"`,
		`a.json:1:1: $id is missing: it must be "a"`,
		`b.json:3:10: $id must be "b", the path of the file`,
		`b.json:4:10: unknown keyword "typ", did you mean type?`,
		`b.json:5:11: $ref: there is no #/no`,
	}, "\n"))
}

func TestReferences(t *testing.T) {
	const header = `"$schema": "http://json-schema.org/draft-07/schema#", `
	set, err := Load(fstest.MapFS{
		"canonical/order.v1.json": {Data: []byte(`{` + header + `"$id": "canonical/order.v1", "type": "object", "required": ["seller"], "x-keys": {"seller": ["seller.code"], "line": ["seller.code", "lines[].no"]}, "properties": {
			"seller": {"$ref": "common.v1.json#/definitions/party", "title": "卖方", "x-personal": "name"}, "platform": {"$ref": "common.v1.json#/definitions/party"},
			"lines": {"type": "array", "minItems": 1, "items": {"type": "object", "title": "行", "properties": {"no": {"type": "integer"}, "parts": {"$ref": "#/properties/lines"}}}}}}`)},
		"canonical/common.v1.json": {Data: []byte(`{` + header + `"$id": "canonical/common.v1", "definitions": {"party": {"type": "object", "title": "企业", "required": ["code"], "properties": {"code": {"$ref": "#/definitions/code"}}}, "code": {"type": "string", "maxLength": 3}}}`)},
	}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"canonical/common.v1", "canonical/order.v1"}, set.IDs())
	s, ok := set.Schema("canonical/order.v1")
	require.True(t, ok)
	shape := s.Shape()
	require.Equal(t, []Key{{"seller", []string{"seller.code"}}, {"line", []string{"seller.code", "lines[].no"}}}, shape.Keys)

	seller := shape.Prop("seller")
	require.Equal(t, "卖方", seller.Title)
	require.Equal(t, "name", seller.Personal)
	require.True(t, seller.Required)
	require.Equal(t, "企业", shape.Prop("platform").Title)
	require.False(t, shape.Prop("platform").Required)
	require.Equal(t, 3, shape.At("seller.code").MaxLength)
	require.Equal(t, Array, shape.At("lines").Kind)
	require.Equal(t, Object, shape.At("lines[]").Kind)
	require.Equal(t, "行", shape.At("lines").Title)
	require.Equal(t, Integer, shape.At("lines[].no").Kind)
	require.Equal(t, Integer, shape.At("lines[].parts[].parts[].no").Kind, "recursion is followed")
	require.Nil(t, shape.At("lines[].nosuch"))
	require.Nil(t, shape.Prop("nosuch"))

	require.Equal(t, []string{"1:21 /seller/code SCHEMA_TOO_LONG [maxLength 3]"}, lines(checkJSON(t, s, `{"seller": {"code": "abcd"}}`)))
}

func TestArrange(t *testing.T) {
	s := newSchema(t, `"type": "object", "properties": {"b": {"type": "object", "properties": {"y": {}, "x": {}}}, "a": {}, "l": {"type": "array", "items": {"type": "object", "properties": {"q": {}, "p": {}}}}}`)
	for text, want := range map[string]string{
		`{"z":1,"l":[{"p":1,"q":2}],"a":2,"b":{"x":1,"o":0,"y":2}}`: `{"b":{"y":2,"x":1,"o":0},"a":2,"l":[{"q":2,"p":1}],"z":1}`,
		`{"b":{"y":2},"a":1}`: `{"b":{"y":2},"a":1}`,
		`{}`:                  `{}`,
	} {
		root := parseJSON(t, text)
		s.Shape().Arrange(root)
		require.Equal(t, want, writeJSON(root))
	}
}

// TestKeysThroughArrays: only the last path of a key that is not the identity.
func TestKeysThroughArrays(t *testing.T) {
	for keys, ok := range map[string]bool{
		`{"a": ["no"], "b": ["lines[].no"]}`:       true,
		`{"a": ["no"], "b": ["no", "lines[].no"]}`: true,
		`{"a": ["lines[].no"]}`:                    false,
		`{"a": ["no"], "b": ["lines[].no", "no"]}`: false,
	} {
		_, err := Load(fstest.MapFS{"t.json": {Data: []byte(`{"$schema": "http://json-schema.org/draft-07/schema#", "$id": "t", "type": "object", "x-keys": ` + keys + `,
			"properties": {"no": {"type": "string"}, "lines": {"type": "array", "items": {"type": "object", "properties": {"no": {"type": "string"}}}}}}`)}}, nil)
		if ok {
			require.NoError(t, err, keys)
		} else {
			require.ErrorContains(t, err, "only the last path", keys)
		}
	}
}
