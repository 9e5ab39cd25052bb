package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xeipuuv/gojsonschema"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// ask lets the library validate the document and turns what it finds into faults.
func (s *Schema) ask(root *wire.Node, isXML bool) fault.List {
	v := values{isXML: isXML}
	result, err := s.library.Validate(gojsonschema.NewRawLoader(v.of(root, s.shape)))
	if err != nil {
		return fault.List{fault.New(fault.SchemaCondition, root.Place(), "", err)}
	}
	a := answer{values: v, root: root, shape: s.shape, errors: result.Errors()}
	return a.faults()
}

// answer is what the library found, on its way to becoming faults.
type answer struct {
	values
	root   *wire.Node
	shape  *Shape
	errors []gojsonschema.ResultError
	list   fault.List
}

// faults translates the errors. Of alternatives the library reports that none
// fits and the errors of the best one: the former is told unless the latter name
// a place inside the value, and then only those are.
func (a *answer) faults() fault.List {
	for _, e := range a.errors {
		steps := contextSteps(e)
		n, s := a.locate(a.root, a.shape, steps)
		switch e.Type() {
		case "number_all_of", "condition_then", "condition_else":
			continue // the errors inside tell
		case "number_any_of", "number_one_of":
			if a.explained(steps) {
				continue
			}
		case "required":
			if a.alternative(steps, s, property(e)) {
				continue
			}
		}
		a.translate(e, n, s)
	}
	return a.list
}

func contextSteps(e gojsonschema.ResultError) []string {
	return strings.Split(e.Context().String("\x00"), "\x00")[1:]
}

func property(e gojsonschema.ResultError) string {
	name, _ := e.Details()["property"].(string)
	return name
}

// explained reports whether another error stands deeper than steps.
func (a *answer) explained(steps []string) bool {
	return slices.ContainsFunc(a.errors, func(e gojsonschema.ResultError) bool {
		other := contextSteps(e)
		return len(other) > len(steps) && slices.Equal(other[:len(steps)], steps)
	})
}

// alternative reports whether a missing property is missing only from one of
// several alternatives, which are told as a whole.
func (a *answer) alternative(steps []string, s *Shape, name string) bool {
	if p := s.member(name); p != nil && p.Required {
		return false
	}
	return slices.ContainsFunc(a.errors, func(e gojsonschema.ResultError) bool {
		return (e.Type() == "number_any_of" || e.Type() == "number_one_of") && slices.Equal(contextSteps(e), steps)
	})
}

func (a *answer) add(f fault.Fault, s *Shape) {
	if f.Name == "" && s != nil {
		f.Name = s.Title
	}
	a.list = append(a.list, f)
}

// translate makes the fault of one error at node n, whose shape is s (nil when
// the schema does not name the place).
func (a *answer) translate(e gojsonschema.ResultError, n *wire.Node, s *Shape) {
	place, value := n.Place(), ""
	if n.IsLeaf() || n.Text != "" {
		value = n.Text
	}
	detail := func(name string) string { return fmt.Sprint(deref(e.Details()[name])) }
	add := func(code fault.Code, rule string, args ...any) {
		a.add(fault.New(code, place, value, args...).WithRule(rule), s)
	}
	switch e.Type() {
	case "required":
		a.missing(n, s, property(e))
	case "missing_dependency":
		a.missing(n, s, detail("dependency"))
	case "additional_property_not_allowed", "invalid_property_name", "false":
		a.unexpected(n, property(e))
	case "invalid_type":
		add(fault.SchemaType, "type "+detail("expected"), detail("expected"), detail("given"))
	case "enum":
		if s != nil && len(s.Enum) == 1 {
			add(fault.SchemaConst, "const "+s.Enum[0], s.Enum[0])
			return
		}
		allowed := detail("allowed")
		if s != nil && s.enum {
			allowed = strings.Join(s.Enum, " ")
		}
		add(fault.SchemaEnum, "enum "+allowed, allowed)
	case "const":
		allowed := unquote(detail("allowed"))
		add(fault.SchemaConst, "const "+allowed, allowed)
	case "string_gte":
		add(fault.SchemaTooShort, "minLength "+detail("min"), detail("min"), a.length(n, s))
	case "string_lte":
		add(fault.SchemaTooLong, "maxLength "+detail("max"), detail("max"), a.length(n, s))
	case "pattern":
		p := detail("pattern")
		add(fault.SchemaPattern, "pattern "+p, patternName(p))
	case "format":
		add(fault.SchemaFormat, "format "+detail("format"), detail("format"))
	case "number_gte":
		add(fault.SchemaRange, "minimum "+detail("min"), ">= "+detail("min"))
	case "number_gt":
		add(fault.SchemaRange, "exclusiveMinimum "+detail("min"), "> "+detail("min"))
	case "number_lte":
		add(fault.SchemaRange, "maximum "+detail("max"), "<= "+detail("max"))
	case "number_lt":
		add(fault.SchemaRange, "exclusiveMaximum "+detail("max"), "< "+detail("max"))
	case "multiple_of":
		add(fault.SchemaRange, "multipleOf "+detail("multiple"), "n × "+detail("multiple"))
	case "array_min_items", "array_max_items":
		a.count(e, n, s)
	case "array_min_properties":
		add(fault.SchemaTooFew, "minProperties "+detail("min"), label(n), detail("min"), members(n))
	case "array_max_properties":
		add(fault.SchemaTooMany, "maxProperties "+detail("max"), label(n), detail("max"), members(n))
	case "unique":
		add(fault.SchemaCondition, "uniqueItems", "uniqueItems")
	case "array_no_additional_items":
		add(fault.SchemaUnexpected, "additionalItems", label(n))
	default: // anyOf, oneOf, not, contains: conditions that only the schema's author can word
		keyword := keywordOf[e.Type()]
		add(fault.SchemaCondition, keyword, s.condition(keyword))
	}
}

// keywordOf names the keyword of an error that has no text of its own.
var keywordOf = map[string]string{
	"number_any_of": "anyOf", "number_one_of": "oneOf", "number_not": "not", "contains": "contains", "internal": "internal",
}

// condition words a combination: the titles of its parts, or what they require.
func (s *Shape) condition(keyword string) string {
	if s == nil {
		return keyword
	}
	parts := map[string][]*Shape{"anyOf": s.anyOf, "oneOf": s.oneOf, "not": {s.not}}[keyword]
	var words []string
	for _, p := range parts {
		if p == nil {
			continue
		}
		if p.Title != "" {
			words = append(words, p.Title)
		} else if p.requires != nil {
			words = append(words, strings.Join(p.requires, " + "))
		}
	}
	if len(words) == 0 {
		return keyword
	}
	return keyword + " " + strings.Join(words, " | ")
}

// missing reports that n lacks a child: at the place of n, since there is no
// better one, with the path that the child would have.
func (a *answer) missing(n *wire.Node, s *Shape, name string) {
	place := n.Place()
	if n.From == nil { // otherwise the place is one in the sender's document, which names things its own way
		place.Path = strings.TrimSuffix(place.Path, "/") + "/" + name
	}
	f := fault.New(fault.SchemaRequired, place, "", name).WithRule("required " + name)
	if p := s.member(name); p != nil {
		f.Name = p.Title
	}
	a.add(f, s)
}

// unexpected reports every child of that name.
func (a *answer) unexpected(n *wire.Node, name string) {
	found := false
	for c := range n.Children() {
		if c == a.child(n, name) || a.isXML && !c.Attr && c.Name == name {
			found = true
			a.add(fault.New(fault.SchemaUnexpected, c.Place(), c.Text, label(c)).WithRule("additionalProperties"), nil)
		}
	}
	if !found {
		a.add(fault.New(fault.SchemaUnexpected, n.Place(), n.Text, label(n)).WithRule("additionalProperties"), nil)
	}
}

// count reports an array, or an element, that repeats too often or too seldom:
// at the first one too many, or at the parent.
func (a *answer) count(e gojsonschema.ResultError, n *wire.Node, s *Shape) {
	least := e.Type() == "array_min_items"
	code, keyword, detail := fault.SchemaTooMany, "maxItems ", "max"
	if least {
		code, keyword, detail = fault.SchemaTooFew, "minItems ", "min"
	}
	limit, _ := deref(e.Details()[detail]).(int)
	name, items := n.Name, slices.Collect(n.Children())
	if a.isXML && s != nil {
		name = s.Name
		items = slices.DeleteFunc(items, func(c *wire.Node) bool { return c.Attr || c.Name != name })
	}
	place := n.Place()
	if !least && len(items) > limit {
		place = items[limit].Place()
	}
	a.add(fault.New(code, place, "", name, limit, len(items)).WithRule(keyword+strconv.Itoa(limit)), s)
}

// length is the number of characters that the schema counts.
func (a *answer) length(n *wire.Node, s *Shape) int {
	text := n.Text
	if s != nil {
		text, _, _ = s.effective(n.Text, a.isXML && !n.Attr)
	}
	return len([]rune(text))
}

func members(n *wire.Node) int {
	count := 0
	for range n.Children() {
		count++
	}
	return count
}

// deref unwraps the pointers in which the library keeps some of its numbers.
func deref(v any) any {
	if p, ok := v.(*int); ok {
		return *p
	}
	return v
}

func unquote(s string) string {
	if u, err := strconv.Unquote(s); err == nil {
		return u
	}
	return s
}
