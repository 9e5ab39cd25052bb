package schema

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/xeipuuv/gojsonschema"

	"tongqu/internal/wire"
)

// content of a keyword: what its value may be.
type keyword uint8

const (
	plainValue     keyword = iota // the meta-schema checks it
	oneSchema                     // a schema
	schemaOrList                  // a schema or a list of schemas
	schemaList                    // a list of schemas
	schemaMap                     // names with schemas
	schemaOrNames                 // names with a schema or a list of names
	patternValue                  // a regular expression
	formatValue                   // a known format
	textValue                     // an extension: a string
	boolValue                     // an extension: true or false
	countValue                    // an extension: a whole number ≥ 0
	numberText                    // an extension: a decimal in a string
	refValue                      // a reference
	whitespaceRule                // x-whitespace
	personalRule                  // x-personal
	checkRule                     // x-check
	contentRule                   // x-content
	codesRule                     // x-codes
	keysRule                      // x-keys
	rulesRule                     // x-rules
	headersRule                   // x-header
)

// keywords is what a schema may say; all else is a mistake.
var keywords = map[string]keyword{
	"$schema": plainValue, "$id": plainValue, "$ref": refValue, "$comment": plainValue,
	"title": plainValue, "description": plainValue, "default": plainValue, "examples": plainValue,
	"readOnly": plainValue, "writeOnly": plainValue,
	"type": plainValue, "enum": plainValue, "const": plainValue,
	"multipleOf": plainValue, "maximum": plainValue, "exclusiveMaximum": plainValue,
	"minimum": plainValue, "exclusiveMinimum": plainValue,
	"maxLength": plainValue, "minLength": plainValue, "pattern": patternValue, "format": formatValue,
	"contentMediaType": plainValue, "contentEncoding": plainValue,
	"items": schemaOrList, "additionalItems": oneSchema, "maxItems": plainValue, "minItems": plainValue,
	"uniqueItems": plainValue, "contains": oneSchema,
	"maxProperties": plainValue, "minProperties": plainValue, "required": plainValue,
	"properties": schemaMap, "patternProperties": schemaMap, "additionalProperties": oneSchema,
	"propertyNames": oneSchema, "dependencies": schemaOrNames, "definitions": schemaMap,
	"allOf": schemaList, "anyOf": schemaList, "oneOf": schemaList, "not": oneSchema,
	"if": oneSchema, "then": oneSchema, "else": oneSchema,

	"x-root": textValue, "x-namespace": textValue, "x-content": contentRule, "x-any": boolValue,
	"x-whitespace": whitespaceRule, "x-totalDigits": countValue, "x-fractionDigits": countValue,
	"x-minimum": numberText, "x-maximum": numberText, "x-exclusiveMinimum": numberText, "x-exclusiveMaximum": numberText,
	"x-keys": keysRule, "x-version": textValue, "x-action": textValue, "x-answers": textValue, "x-rules": rulesRule,
	"x-personal": personalRule, "x-codes": codesRule, "x-check": checkRule, "x-unit": textValue, "x-decimal": boolValue,
	"x-header": headersRule,
}

// rootOnly are the keywords that say something of a whole document.
var rootOnly = []string{"$schema", "$id", "definitions", "x-root", "x-keys", "x-version", "x-action", "x-answers", "x-rules"}

// besideRef are the keywords that count beside $ref: draft-07 ignores every
// keyword that judges values there.
var besideRef = []string{
	"$ref", "$schema", "$id", "$comment", "title", "description", "default", "examples", "definitions",
	"x-root", "x-namespace", "x-keys", "x-version", "x-action", "x-answers", "x-rules",
	"x-personal", "x-codes", "x-check", "x-unit", "x-decimal", "x-header",
}

// besideAny are the keywords that may describe an element of any content.
var besideAny = []string{"x-any", "title", "description", "$comment", "x-namespace", "x-root", "$schema", "$id", "definitions"}

// formats are the values of "format" that are really checked.
var formats = []string{
	"date", "date-time", "time", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid", "regex", "json-pointer",
	formatXSDate, formatXSDateTime, formatXSMonthDay, formatXSID,
}

// lint checks one file by itself.
func (l *loader) lint(f *file) {
	if f.root.Kind != wire.Object {
		l.problem(f, f.root, "a schema file must hold an object")
		delete(l.files, f.id)
		return
	}
	if n := f.root.Child("$schema"); n == nil {
		l.problem(f, f.root, "$schema is missing: it must be %q", draft07)
	} else if n.Text != draft07 {
		l.problem(f, n, "$schema must be %q", draft07)
	}
	if n := f.root.Child("$id"); n == nil {
		l.problem(f, f.root, "$id is missing: it must be %q", f.id)
	} else if n.Text != f.id {
		l.problem(f, n, "$id must be %q, the path of the file", f.id)
	}
	l.lintMeta(f)
	l.lintSchema(f, f.root, f.root.Child("x-root") != nil)
}

// lintMeta lets the library check the values of the keywords. Of alternatives
// it reports the best match and the alternative itself; the latter is noise.
func (l *loader) lintMeta(f *file) {
	result, err := l.meta.Validate(gojsonschema.NewRawLoader(l.plain(f, f.root)))
	if err != nil {
		l.problem(f, f.root, "%v", err)
		return
	}
	for _, e := range result.Errors() {
		if e.Type() == "number_any_of" || e.Type() == "number_all_of" {
			continue
		}
		at := f.root
		for _, step := range strings.Split(e.Context().String("\x00"), "\x00")[1:] {
			next := member(at, step)
			if next == nil {
				break
			}
			at = next
		}
		l.problem(f, at, "%s", e.Description())
	}
}

// member is the child of a JSON object or array that a pointer's step names.
func member(n *wire.Node, step string) *wire.Node {
	if n.Kind != wire.Array {
		return n.Child(step)
	}
	i, err := strconv.Atoi(step)
	if err != nil {
		return nil
	}
	for c := range n.Children() {
		if i == 0 {
			return c
		}
		i--
	}
	return nil
}

// lintSchema checks a schema and all schemas in it.
func (l *loader) lintSchema(f *file, n *wire.Node, isXML bool) {
	f.schemas[n] = true
	l.owners[n] = f
	if n.Kind != wire.Object {
		if n.Kind != wire.Bool {
			l.problem(f, n, "a schema must be an object, true or false, not %s", n.Kind)
		}
		return
	}
	ref, open := n.Child("$ref"), n.Child("x-any")
	for c := range n.Children() {
		kind, known := keywords[c.Name]
		switch {
		case !known:
			l.problem(f, c, "unknown keyword %q%s", c.Name, hint(c.Name))
		case n != f.root && slices.Contains(rootOnly, c.Name):
			l.problem(f, c, "%s belongs at the root of the file", c.Name)
		case ref != nil && !slices.Contains(besideRef, c.Name):
			l.problem(f, c, "%s has no effect beside $ref", c.Name)
		case open != nil && !slices.Contains(besideAny, c.Name):
			l.problem(f, c, "%s contradicts x-any", c.Name)
		default:
			l.lintKeyword(f, c, kind, isXML)
		}
	}
	if isXML {
		l.lintXMLType(f, n)
	}
}

// lintXMLType refuses types that XML does not have: its leaves are strings.
func (l *loader) lintXMLType(f *file, n *wire.Node) {
	t := n.Child("type")
	if t == nil {
		return
	}
	if t.Kind != wire.Text || t.Text != "object" && t.Text != "array" && t.Text != "string" {
		l.problem(f, t, "in a schema with x-root a type is object, array or string")
	}
}

// hint names the keyword that was probably meant.
func hint(name string) string {
	for k := range keywords {
		if strings.EqualFold(k, name) {
			return ", did you mean " + k + "?"
		}
	}
	best, at := "", 3
	for k := range keywords {
		if d := distance(k, name); d < at || d == at && k < best {
			best, at = k, d
		}
	}
	if best == "" || at > 2 {
		return ""
	}
	return ", did you mean " + best + "?"
}

// distance is the Levenshtein distance of two ASCII words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost++
			}
			corner = row[j+1]
			row[j+1] = min(cost, row[j]+1, corner+1)
		}
	}
	return row[len(b)]
}

func (l *loader) lintKeyword(f *file, n *wire.Node, kind keyword, isXML bool) {
	switch kind {
	case plainValue, refValue:
	case oneSchema:
		l.lintSchema(f, n, isXML)
	case schemaOrList:
		if n.Kind != wire.Array {
			l.lintSchema(f, n, isXML)
			return
		}
		fallthrough
	case schemaList, schemaMap:
		for c := range n.Children() {
			l.lintSchema(f, c, isXML)
		}
	case schemaOrNames:
		for c := range n.Children() {
			if c.Kind != wire.Array {
				l.lintSchema(f, c, isXML)
			}
		}
	case patternValue:
		if _, err := regexp.Compile(n.Text); err != nil {
			l.problem(f, n, "pattern: %v", err)
		}
	case formatValue:
		if !slices.Contains(formats, n.Text) {
			l.problem(f, n, "format %q is not checked; use one of %s", n.Text, strings.Join(formats, ", "))
		}
	default:
		l.lintExtension(f, n, kind)
	}
}

func (l *loader) lintExtension(f *file, n *wire.Node, kind keyword) {
	oneOf := func(values ...string) {
		if n.Kind != wire.Text || !slices.Contains(values, n.Text) {
			l.problem(f, n, "%s must be one of %s", n.Name, strings.Join(values, ", "))
		}
	}
	switch kind { //nolint:exhaustive // the others are plain JSON Schema
	case textValue:
		if n.Kind != wire.Text {
			l.problem(f, n, "%s must be a string", n.Name)
		}
	case boolValue:
		if n.Kind != wire.Bool {
			l.problem(f, n, "%s must be true or false", n.Name)
		}
	case countValue:
		if v, err := strconv.Atoi(n.Text); n.Kind != wire.Number || err != nil || v < 0 {
			l.problem(f, n, "%s must be a whole number from 0", n.Name)
		}
	case numberText:
		if _, ok := parseNumber(n.Text); n.Kind != wire.Text || !ok {
			l.problem(f, n, "%s must be a decimal in a string", n.Name)
		}
	case whitespaceRule:
		oneOf(whitespacePreserve, whitespaceReplace, whitespaceCollapse)
	case personalRule:
		oneOf("name", "id", "phone", "address", "account")
	case checkRule:
		oneOf(checkCitizen, checkCredit, checkOrg)
	case contentRule:
		if n.Kind != wire.Text {
			l.problem(f, n, "x-content must be a string")
		} else if _, err := parseContent(n.Text); err != nil {
			l.problem(f, n, "x-content: %v", err)
		}
	case codesRule:
		switch {
		case n.Kind != wire.Text:
			l.problem(f, n, "x-codes must be a string")
		case l.lists == nil:
			l.problem(f, n, "x-codes: there are no code lists")
		default:
			if _, err := l.lists.Column(n.Text); err != nil {
				l.problem(f, n, "x-codes: %v", err)
			}
		}
	case keysRule:
		l.lintKeys(f, n)
	case rulesRule:
		l.lintRules(f, n)
	case headersRule:
		if n.Kind != wire.Array || n.First == nil {
			l.problem(f, n, "x-header must be a list of column titles")
		}
		for title := range n.Children() {
			if title.Kind != wire.Text || strings.TrimSpace(title.Text) == "" {
				l.problem(f, title, "a column title must be a string")
			}
		}
	}
}

func (l *loader) lintKeys(f *file, n *wire.Node) {
	if n.Kind != wire.Object || n.First == nil {
		l.problem(f, n, "x-keys must be an object of key names with lists of paths")
		return
	}
	for key := range n.Children() {
		if key.Kind != wire.Array || key.First == nil {
			l.problem(f, key, "key %q must be a list of paths", key.Name)
			continue
		}
		for p := range key.Children() {
			switch {
			case p.Kind != wire.Text || p.Text == "":
				l.problem(f, p, "key %q: a path must be a string", key.Name)
			case strings.Contains(p.Text, "[]") && (key == n.First || p.Next != nil):
				l.problem(f, p, "key %q: only the last path of a key that is not the identity may go through an array", key.Name)
			}
		}
	}
}

// resolve finds what each $ref of the file refers to.
func (l *loader) resolve(f *file) {
	for n := range f.schemas {
		ref := n.Child("$ref")
		if n.Kind != wire.Object || ref == nil {
			continue
		}
		target, message := l.target(f, ref)
		if message != "" {
			l.problem(f, ref, "%s", message)
			continue
		}
		l.targets[n] = target
	}
}

func (l *loader) target(f *file, ref *wire.Node) (*wire.Node, string) {
	if ref.Kind != wire.Text {
		return nil, "$ref must be a string"
	}
	name, pointer, _ := strings.Cut(ref.Text, "#")
	owner := f
	if name != "" {
		if strings.Contains(name, ":") || strings.HasPrefix(name, "/") || !strings.HasSuffix(name, ".json") {
			return nil, "$ref must be a place in this file (#/…) or in another schema file (NAME.json#/…)"
		}
		id := strings.TrimSuffix(path.Join(path.Dir(f.id), name), ".json")
		if owner = l.files[id]; owner == nil {
			return nil, "$ref: there is no schema file " + id + ".json"
		}
	}
	n := owner.root
	if pointer != "" {
		if pointer[0] != '/' {
			return nil, "$ref: after # a JSON pointer must follow (#/definitions/NAME)"
		}
		unescape := strings.NewReplacer("~1", "/", "~0", "~")
		for step := range strings.SplitSeq(pointer[1:], "/") {
			if n = member(n, unescape.Replace(step)); n == nil {
				return nil, "$ref: there is no " + ref.Text
			}
		}
	}
	if !owner.schemas[n] {
		return nil, "$ref: " + ref.Text + " is not a schema"
	}
	return n, ""
}

// refuseCycles finds schemas that apply themselves to the very value they are
// checking, which would never end.
func (l *loader) refuseCycles() {
	const (
		open = 1
		done = 2
	)
	state := map[*wire.Node]int{}
	var visit func(n *wire.Node)
	visit = func(n *wire.Node) {
		if n.Kind != wire.Object || state[n] == done {
			return
		}
		if state[n] == open {
			f := l.owners[n]
			l.problem(f, n, "the schema applies itself to the same value")
			return
		}
		state[n] = open
		if target := l.targets[n]; target != nil {
			visit(target)
		} else {
			for _, s := range sameValue(n) {
				visit(s)
			}
		}
		state[n] = done
	}
	for _, f := range l.sorted() {
		for _, n := range inOrder(f.root) {
			if f.schemas[n] {
				visit(n)
			}
		}
	}
}

// sameValue lists the schemas inside n that judge the value that n judges.
func sameValue(n *wire.Node) []*wire.Node {
	var all []*wire.Node
	for c := range n.Children() {
		switch c.Name {
		case "not", "if", "then", "else":
			all = append(all, c)
		case "allOf", "anyOf", "oneOf":
			all = slices.AppendSeq(all, c.Children())
		case "dependencies":
			for d := range c.Children() {
				if d.Kind == wire.Object {
					all = append(all, d)
				}
			}
		}
	}
	return all
}

// inOrder lists n and every node below it.
func inOrder(n *wire.Node) []*wire.Node {
	all := []*wire.Node{n}
	for c := range n.Children() {
		all = append(all, inOrder(c)...)
	}
	return all
}
