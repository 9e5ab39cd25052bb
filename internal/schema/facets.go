package schema

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xeipuuv/gojsonschema"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// verdict is what the hub's own walk can say about a value and the JSON Schema
// keywords. Only the library refuses a document; the walk spares it the others.
type verdict uint8

const (
	valid   verdict = iota // the library would surely find nothing
	unsure                 // only the library knows
	invalid                // the library would surely find something
)

// The values of x-whitespace, as in XML Schema.
const (
	whitespacePreserve = "preserve"
	whitespaceReplace  = "replace"
	whitespaceCollapse = "collapse"
)

const xmlBlanks = " \t\r\n"

// normalize applies x-whitespace; the usual value is returned as it is.
func (s *Shape) normalize(text string) string {
	switch s.Whitespace {
	case whitespaceReplace:
		if strings.ContainsAny(text, "\t\r\n") {
			return strings.NewReplacer("\t", " ", "\r", " ", "\n", " ").Replace(text)
		}
	case whitespaceCollapse:
		text = strings.Trim(text, xmlBlanks)
		if strings.ContainsAny(text, "\t\r\n") || strings.Contains(text, "  ") {
			return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(xmlBlanks, r) }), " ")
		}
	}
	return text
}

// effective is the text of a leaf that the schema judges: normalised, the
// default of an empty element, and without the blanks around it when it is only
// valid so. It also returns what the JSON Schema keywords say of it.
func (s *Shape) effective(raw string, element bool) (text string, blanks bool, v verdict) {
	text = raw
	if s.Whitespace != "" {
		text = s.normalize(raw)
	}
	if raw == "" && s.HasDefault && element {
		text = s.Default
	}
	v = s.judge(text)
	if v != invalid && s.fits(text) {
		return text, false, v
	}
	trimmed := strings.TrimSpace(text)
	if len(trimmed) != len(text) {
		if tv := s.judge(trimmed); tv != invalid && s.fits(trimmed) {
			return trimmed, true, tv
		}
	}
	return text, false, v
}

// judge says what the library would say of a string.
func (s *Shape) judge(text string) verdict {
	switch {
	case s.wildcard || s.always:
		return valid
	case s.never, s.types != 0 && s.types&kindString == 0:
		return invalid
	}
	v := s.judgeFacets(text)
	if s.combines {
		v = max(v, s.judgeParts(text))
	}
	if s.exotic {
		v = max(v, unsure)
	}
	return v
}

func (s *Shape) judgeFacets(text string) verdict {
	if s.MinLength > 0 || s.MaxLength >= 0 {
		if !lengthWithin(text, s.MinLength, s.MaxLength) {
			return invalid
		}
	}
	if s.pattern != nil && !s.pattern.match(text) {
		return invalid
	}
	if s.enum && !slices.Contains(s.Enum, text) {
		if s.exotic { // there may be other values than strings
			return unsure
		}
		return invalid
	}
	if s.Format != "" {
		return s.judgeFormat(text)
	}
	return valid
}

// judgeParts judges a string by allOf, anyOf, oneOf, not and if.
func (s *Shape) judgeParts(text string) verdict {
	v := valid
	for _, b := range s.allOf {
		v = max(v, b.judge(text))
	}
	if s.anyOf != nil {
		v = max(v, anyOf(s.anyOf, func(b *Shape) verdict { return b.judge(text) }))
	}
	if s.oneOf != nil {
		v = max(v, oneOf(s.oneOf, func(b *Shape) verdict { return b.judge(text) }))
	}
	if s.not != nil {
		v = max(v, invalid-s.not.judge(text))
	}
	if s.cond == nil {
		return v
	}
	switch s.cond.judge(text) {
	case valid:
		if s.then != nil {
			v = max(v, s.then.judge(text))
		}
	case invalid:
		if s.other != nil {
			v = max(v, s.other.judge(text))
		}
	case unsure:
		v = max(v, unsure)
	}
	return v
}

// anyOf is the verdict of alternatives of which one must hold.
func anyOf(branches []*Shape, judge func(*Shape) verdict) verdict {
	v := invalid
	for _, b := range branches {
		v = min(v, judge(b))
	}
	return v
}

// oneOf is the verdict of alternatives of which exactly one must hold.
func oneOf(branches []*Shape, judge func(*Shape) verdict) verdict {
	hits, doubts := 0, 0
	for _, b := range branches {
		switch judge(b) {
		case valid:
			hits++
		case unsure:
			doubts++
		case invalid:
		}
	}
	switch {
	case hits > 1:
		return invalid
	case doubts > 0:
		return unsure
	case hits == 1:
		return valid
	}
	return invalid
}

// lengthWithin compares the number of characters; it counts them only when the
// number of bytes does not settle the matter.
func lengthWithin(text string, minimum, maximum int) bool {
	n := len(text)
	if (maximum < 0 || n <= maximum) && n >= minimum*utf8.UTFMax {
		return true
	}
	n = utf8.RuneCountInString(text)
	return n >= minimum && (maximum < 0 || n <= maximum)
}

// judgeFormat judges a format. Of dates the library is lenient; a value that
// only it accepts is left to it here and refused as the hub's own finding.
func (s *Shape) judgeFormat(text string) verdict {
	switch s.Format {
	case formatXSDate, formatXSDateTime, formatXSMonthDay, formatXSID:
		return valid // the library does not know it
	case formatDate:
		if isDate(text) {
			return valid
		}
		return unsure
	case formatDateTime:
		if isDateTime(text) {
			return valid
		}
		return unsure
	}
	if gojsonschema.FormatCheckers.IsFormat(s.Format, text) {
		return valid
	}
	return invalid
}

// ownFormat reports whether the hub itself judges the format.
func (s *Shape) ownFormat() bool {
	switch s.Format {
	case formatDate, formatDateTime, formatXSDate, formatXSDateTime, formatXSMonthDay:
		return true
	}
	return false
}

// fits reports whether a string has the facets that JSON Schema cannot express.
func (s *Shape) fits(text string) bool {
	if !s.hasOwnFacets {
		return true
	}
	if !s.digitsFit(text) || !s.ownMin.fits(text, -1) || !s.ownMax.fits(text, 1) || !s.formatFits(text) {
		return false
	}
	for _, b := range s.allOf {
		if !b.fits(text) {
			return false
		}
	}
	return s.anyOf == nil || slices.ContainsFunc(s.anyOf, func(b *Shape) bool { return b.judge(text) != invalid && b.fits(text) })
}

// findOwnFacets notes in hasOwnFacets whether fits has anything to compare.
func (s *Shape) findOwnFacets() bool {
	s.hasOwnFacets = s.digits || s.ownMin != nil || s.ownMax != nil || s.ownFormat()
	for _, parts := range [][]*Shape{s.allOf, s.anyOf} {
		for _, b := range parts {
			s.hasOwnFacets = b.findOwnFacets() || s.hasOwnFacets
		}
	}
	return s.hasOwnFacets
}

func (s *Shape) digitsFit(text string) bool {
	if !s.digits {
		return true
	}
	total, fraction, ok := significant(text)
	if !ok {
		return true // the pattern says so
	}
	return (s.TotalDigits < 0 || total <= s.TotalDigits) && (s.FractionDigits < 0 || fraction <= s.FractionDigits)
}

func (s *Shape) formatFits(text string) bool {
	switch s.Format {
	case formatDate:
		return isDate(text)
	case formatDateTime:
		return isDateTime(text)
	case formatXSDate, formatXSDateTime, formatXSMonthDay:
		return isXSDate(s.Format, text)
	}
	return true
}

// limit is a bound on a decimal that stands in a string.
type limit struct {
	bound     number
	text      string
	exclusive bool
}

func newLimit(k *wire.Node) *limit {
	bound, _ := parseNumber(k.Text) // the lint has read it
	return &limit{bound: bound, text: k.Text, exclusive: strings.HasPrefix(k.Name, "x-exclusive")}
}

// fits reports whether text is no number, or one on the right side of the
// limit: side is -1 for a lower limit, 1 for an upper one.
func (l *limit) fits(text string, side int) bool {
	if l == nil {
		return true
	}
	n, ok := parseNumber(text)
	if !ok {
		return true
	}
	d := n.cmp(l.bound) * side
	return d < 0 || d == 0 && !l.exclusive
}

// rule writes a limit as ">= 5" or "< 10".
func (l *limit) rule(side int) string {
	sign := ">"
	if side > 0 {
		sign = "<"
	}
	if !l.exclusive {
		sign += "="
	}
	return sign + " " + l.text
}

// ownFaults says what is wrong with a string's own facets.
func (s *Shape) ownFaults(n *wire.Node, text string) fault.List {
	var l fault.List
	if !s.formatFits(text) {
		l = append(l, s.fault(fault.SchemaFormat, n, strings.TrimPrefix(s.Format, "xs:")).WithRule("format "+s.Format))
	}
	if !s.digitsFit(text) {
		l = append(l, s.fault(fault.SchemaDigits, n, s.digitArgs()...).WithRule(s.digitRule()))
	}
	if !s.ownMin.fits(text, -1) {
		l = append(l, s.fault(fault.SchemaRange, n, s.ownMin.rule(-1)).WithRule("minimum "+s.ownMin.text))
	}
	if !s.ownMax.fits(text, 1) {
		l = append(l, s.fault(fault.SchemaRange, n, s.ownMax.rule(1)).WithRule("maximum "+s.ownMax.text))
	}
	for _, b := range s.allOf {
		l = append(l, b.ownFaults(n, text)...)
	}
	if len(l) == 0 && !s.fits(text) {
		l = append(l, s.fault(fault.SchemaCondition, n, s.condition("anyOf")).WithRule("anyOf"))
	}
	return l
}

// digitArgs are the limits as SCHEMA_DIGITS words them; "∞" is no limit.
func (s *Shape) digitArgs() []any {
	args := []any{"∞", "∞"}
	if s.TotalDigits >= 0 {
		args[0] = s.TotalDigits
	}
	if s.FractionDigits >= 0 {
		args[1] = s.FractionDigits
	}
	return args
}

func (s *Shape) digitRule() string {
	var words []string
	if s.TotalDigits >= 0 {
		words = append(words, "totalDigits "+strconv.Itoa(s.TotalDigits))
	}
	if s.FractionDigits >= 0 {
		words = append(words, "fractionDigits "+strconv.Itoa(s.FractionDigits))
	}
	return strings.Join(words, " ")
}

// fault makes a fault about the value of n.
func (s *Shape) fault(code fault.Code, n *wire.Node, args ...any) fault.Fault {
	return fault.New(code, n.Place(), n.Text, args...).WithName(s.Title)
}
