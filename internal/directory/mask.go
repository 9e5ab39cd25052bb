package directory

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// Masker hides the personal data of records of one canonical type. It is the
// only mask there is: delivery, pull, replay, export and console all use it.
type Masker struct {
	root maskStep
}

// maskStep is what the mask does at one place of the record and below.
type maskStep struct {
	name  string
	hide  func(string) string // nil: only below
	props []maskStep
	items *maskStep
}

// maskers are the kinds of personal data that a schema's x-personal names.
var maskers = map[string]func(string) string{
	"name":    maskName,
	"id":      MaskID,
	"phone":   maskPhone,
	"address": maskAddress,
	"account": maskAccount,
}

// NewMasker compiles the mask of a canonical schema from its x-personal marks.
func NewMasker(shape *schema.Shape) (*Masker, error) {
	root, _, err := maskOf(shape, 0)
	if err != nil {
		return nil, err
	}
	return &Masker{root}, nil
}

// maxDepth stops at a schema that refers to itself.
const maxDepth = 64

// maskOf returns what to do at the shape; ok is false when that is nothing.
func maskOf(s *schema.Shape, depth int) (step maskStep, ok bool, err error) {
	if depth > maxDepth {
		return step, false, fmt.Errorf("masking %s: the schema is nested deeper than %d levels", s.Name, maxDepth)
	}
	step.name = s.Name
	if s.Personal != "" {
		if step.hide = maskers[s.Personal]; step.hide == nil {
			return step, false, fmt.Errorf("masking %s: unknown kind of personal data %q", s.Name, s.Personal)
		}
	}
	for _, p := range s.Props {
		below, found, err := maskOf(p, depth+1)
		if err != nil {
			return step, false, err
		}
		if found {
			step.props = append(step.props, below)
		}
	}
	if s.Items != nil {
		below, found, err := maskOf(s.Items, depth+1)
		if err != nil {
			return step, false, err
		}
		if found {
			step.items = &below
		}
	}
	return step, step.hide != nil || len(step.props) > 0 || step.items != nil, nil
}

// Empty reports whether the type holds no personal data: its records need no mask.
func (m *Masker) Empty() bool {
	return m.root.hide == nil && len(m.root.props) == 0 && m.root.items == nil
}

// Mask hides the personal data of the record, in place.
func (m *Masker) Mask(root *wire.Node) { m.root.apply(root) }

func (s *maskStep) apply(n *wire.Node) {
	if s.hide != nil {
		hideAll(n, s.hide)
		return
	}
	for i := range s.props {
		if c := n.Child(s.props[i].name); c != nil {
			s.props[i].apply(c)
		}
	}
	if s.items != nil && n.Kind == wire.Array {
		for item := range n.Children() {
			s.items.apply(item)
		}
	}
}

// hideAll hides n, or all leaves below it where the data are not as the schema
// says. Whatever the kind was, the masked value is a text.
func hideAll(n *wire.Node, hide func(string) string) {
	if !n.IsLeaf() {
		for c := range n.Children() {
			hideAll(c, hide)
		}
		return
	}
	if n.Kind != wire.Null {
		n.Kind, n.Text = wire.Text, hide(n.Text)
	}
}

// MaskJSON returns the record with its personal data hidden; body stays as it is.
func (m *Masker) MaskJSON(body []byte, limits wire.Limits) ([]byte, error) {
	doc, err := wire.ReadJSON(body, limits)
	if err != nil {
		return nil, fmt.Errorf("reading record to mask: %w", err)
	}
	m.Mask(doc.Root)
	return wire.AppendJSON(make([]byte, 0, len(body)), doc.Root), nil
}

// maskName keeps the first character: 张三丰 → 张*. The star is one whatever the
// length, which would tell a name apart.
func maskName(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	if size == len(s) {
		return stars(s, 0, 0) // a name of one character is all of it
	}
	return s[:size] + "*"
}

// MaskID keeps the region and the last four characters of a citizen's number
// (130681********3332); of shorter documents, such as passports, less.
func MaskID(s string) string {
	switch n := utf8.RuneCountInString(s); {
	case n >= 15:
		return stars(s, 6, 4)
	case n >= 8:
		return stars(s, 1, 2)
	default:
		return stars(s, 0, n/4)
	}
}

// maskPhone keeps the network and the last four digits: 138****5940. A country
// code is kept too; of a landline number the last two digits stay.
func maskPhone(s string) string {
	switch n := utf8.RuneCountInString(s); {
	case n > 15: // more than one number
		return stars(s, 3, 4)
	case n >= 11:
		return stars(s, n-8, 4)
	case n >= 7:
		return stars(s, 0, 2)
	default:
		return stars(s, 0, 0)
	}
}

// maskAddress keeps the first six characters, about the city, of shorter ones
// half at most.
func maskAddress(s string) string {
	keep := min(6, utf8.RuneCountInString(s)/2)
	return s[:offset(s, keep)] + "***"
}

// maskAccount keeps the last four characters, of shorter ones half at most.
func maskAccount(s string) string {
	return stars(s, 0, min(4, utf8.RuneCountInString(s)/2))
}

// stars keeps head and tail characters and puts a star for each one between.
func stars(s string, head, tail int) string {
	n := utf8.RuneCountInString(s)
	if s == "" {
		return ""
	}
	return s[:offset(s, head)] + strings.Repeat("*", n-head-tail) + s[offset(s, n-tail):]
}

// offset is where the character with that index begins.
func offset(s string, index int) int {
	for i := range s {
		if index == 0 {
			return i
		}
		index--
	}
	return len(s)
}
