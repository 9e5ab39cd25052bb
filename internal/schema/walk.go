package schema

import (
	"slices"
	"strings"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// schemaInstance is the namespace of xsi:schemaLocation and its like, which
// every element may carry.
const schemaInstance = "http://www.w3.org/2001/XMLSchema-instance"

// walker walks a tree and a shape side by side, once. It says what the JSON
// Schema library would say, as far as that is plain, and finds what JSON Schema
// cannot express: order, namespaces, stray text, blanks, digits, codes, check
// digits. Without report it only notes that there is something to find, and
// allocates nothing.
type walker struct {
	isXML  bool
	report *fault.List
	// found says that there is something which JSON Schema cannot express.
	found bool
	// quiet is above zero inside alternatives, which may fail without harm.
	quiet int
	// partial is above zero inside parts of a combination, which know only some of
	// the properties: they say nothing of order, number and text.
	partial int
	// counts has, for each object on the way, how often each property was seen.
	counts []int32
	// namespaces are those already reported.
	namespaces []string
	// ids are the values of xs:ID so far.
	ids []string
}

// add notes a finding; make is called only when it is to be reported.
func (w *walker) add(create func() fault.Fault) {
	if w.quiet > 0 {
		return
	}
	w.found = true
	if w.report != nil {
		*w.report = append(*w.report, create())
	}
}

// value judges n by s.
func (w *walker) value(n *wire.Node, s *Shape) verdict {
	switch {
	case s.wildcard || s.always:
		return valid
	case s.never:
		return invalid
	}
	var v verdict
	if w.isXML {
		v = w.element(n, s)
	} else {
		v = w.json(n, s)
	}
	if s.exotic {
		v = max(v, unsure)
	}
	if s.combines && !w.isText(n, s) {
		v = max(v, w.combined(n, s))
	}
	return v
}

// isText reports whether n is judged as a string, with all parts of a
// combination at once.
func (w *walker) isText(n *wire.Node, s *Shape) bool {
	if w.isXML {
		return s.Kind == String || s.Kind == Any && n.IsLeaf()
	}
	return n.Kind == wire.Text
}

// element judges an XML element or attribute: what it is depends on the schema,
// since XML knows no types.
func (w *walker) element(n *wire.Node, s *Shape) verdict {
	switch {
	case s.Kind == Object, s.Kind == Any && (s.requires != nil || s.Props != nil && n.Kind == wire.Object):
		return w.object(n, s)
	case s.Kind == String:
		if !n.IsLeaf() && w.partial == 0 {
			w.strayChildren(n)
		}
		return w.text(n, s, n.Text, !n.Attr)
	case s.Kind == Any && n.IsLeaf():
		return w.text(n, s, n.Text, !n.Attr)
	case s.Kind == Any:
		return valid
	}
	return unsure
}

// json judges a JSON value.
func (w *walker) json(n *wire.Node, s *Shape) verdict {
	typed := func(k kinds) bool { return s.types == 0 || s.types&k != 0 }
	v := valid
	switch n.Kind {
	case wire.Object:
		if !typed(kindObject) {
			return invalid
		}
		v = w.object(n, s)
	case wire.Array:
		if !typed(kindArray) {
			return invalid
		}
		v = w.array(n, s)
	case wire.Text:
		if !typed(kindString) {
			return invalid
		}
		return w.text(n, s, n.Text, false)
	case wire.Number:
		v = w.number(n, s)
	case wire.Bool:
		if !typed(kindBoolean) {
			return invalid
		}
	case wire.Null:
		if !typed(kindNull) {
			return invalid
		}
	}
	if s.enum { // its values are strings
		return invalid
	}
	return v
}

func (w *walker) array(n *wire.Node, s *Shape) verdict {
	v, count := valid, 0
	for c := n.First; c != nil; c = c.Next {
		count++
		if s.Items != nil {
			v = max(v, w.value(c, s.Items))
		}
	}
	if count < s.MinItems || s.MaxItems >= 0 && count > s.MaxItems {
		return invalid
	}
	return v
}

// number judges a JSON number; only short whole ones are plain.
func (w *walker) number(n *wire.Node, s *Shape) verdict {
	if !numberSane(n.Text) {
		w.add(func() fault.Fault { return s.fault(fault.SchemaRange, n, n.Text).WithRule("number") })
		return valid
	}
	i, whole := wholeNumber(n.Text)
	switch {
	case s.types != 0 && s.types&(kindNumber|kindInteger) == 0:
		return invalid
	case whole:
		if s.number.hasMin && i < s.number.min || s.number.hasMax && i > s.number.max {
			return invalid
		}
		return valid
	case s.types == 0 || s.types&kindNumber != 0:
		if s.number.hasMin || s.number.hasMax {
			return unsure
		}
		return valid
	}
	return unsure
}

// wholeNumber reads a JSON number without point or exponent that fits an int64.
func wholeNumber(s string) (i int64, ok bool) {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) == 0 || len(digits) > maxDigits || !isDigits(digits) {
		return 0, false
	}
	for k := range len(digits) {
		i = i*10 + int64(digits[k]-'0')
	}
	if len(digits) < len(s) {
		i = -i
	}
	return i, true
}

// numberSane refuses numbers that exact arithmetic could not hold: more than
// 1,000 digits, or an exponent of more than three digits.
func numberSane(s string) bool {
	const most = 1000
	if len(s) > most {
		return false
	}
	at := strings.IndexAny(s, "eE")
	return at < 0 || len(strings.TrimLeft(s[at+1:], "+-0")) <= 3
}

// text judges a string by the facets of s.
func (w *walker) text(n *wire.Node, s *Shape, raw string, element bool) verdict {
	text, blanks, v := s.effective(raw, element)
	if w.partial > 0 && strings.TrimSpace(raw) != raw {
		v = unsure // whether the blanks count is for the whole schema to say
	}
	if blanks {
		w.add(func() fault.Fault { return s.fault(fault.SchemaBlanks, n).WithRule("blanks") })
	}
	if s.hasOwnFacets && v != invalid && !s.fits(text) {
		w.addAll(func() fault.List { return s.ownFaults(n, text) })
	}
	if text == "" {
		return v
	}
	if s.Format == formatXSID && v == valid && w.quiet == 0 {
		w.unique(n, s, text)
	}
	w.meaning(n, s, text)
	return v
}

// meaning looks a value up in code lists and verifies check digits.
func (w *walker) meaning(n *wire.Node, s *Shape, text string) {
	for _, b := range s.allOf {
		w.meaning(n, b, text)
	}
	if s.codes != nil && !s.codes.Has(text) {
		w.add(func() fault.Fault {
			return s.fault(fault.RuleCodeList, n, s.Codes).WithRule("codes " + s.Codes).Flagged()
		})
	}
	if s.Check != "" && !digitRight(s.Check, text) {
		w.add(func() fault.Fault {
			return s.fault(fault.RuleCheckDigit, n, checkNames[s.Check]).WithRule("check " + s.Check).Flagged()
		})
	}
}

// unique notes a value that must stand only once in the document.
func (w *walker) unique(n *wire.Node, s *Shape, text string) {
	if slices.Contains(w.ids, text) {
		w.add(func() fault.Fault { return s.fault(fault.SchemaCondition, n, "xs:ID "+text).WithRule("unique") })
		return
	}
	w.ids = append(w.ids, text)
}

func (w *walker) addAll(create func() fault.List) {
	if w.quiet > 0 {
		return
	}
	w.found = true
	if w.report != nil {
		*w.report = append(*w.report, create()...)
	}
}

// combined judges allOf, anyOf, oneOf, not and if of s.
func (w *walker) combined(n *wire.Node, s *Shape) verdict {
	v := valid
	w.partial++
	for _, b := range s.allOf {
		v = max(v, w.value(n, b))
	}
	w.quiet++
	if s.anyOf != nil {
		v = max(v, anyOf(s.anyOf, func(b *Shape) verdict { return w.value(n, b) }))
	}
	if s.oneOf != nil {
		v = max(v, oneOf(s.oneOf, func(b *Shape) verdict { return w.value(n, b) }))
	}
	if s.not != nil {
		v = max(v, invalid-w.value(n, s.not))
	}
	cond := unsure
	if s.cond != nil {
		cond = w.value(n, s.cond)
	}
	w.quiet--
	switch {
	case s.cond == nil:
	case cond == valid && s.then != nil:
		v = max(v, w.value(n, s.then))
	case cond == invalid && s.other != nil:
		v = max(v, w.value(n, s.other))
	case cond == unsure:
		v = max(v, unsure)
	}
	w.partial--
	return v
}
