package author

import (
	"slices"
	"strings"

	"tongqu/internal/adapter"
	"tongqu/internal/codes"
	"tongqu/internal/schema"
)

// hint is a row of another adapter's table of the same canonical type.
type hint struct {
	parent, name, title string
	canonical, codec    string
}

// guesser finds canonical paths for wire values by what they are called.
type guesser struct {
	canonical []leaf
	hints     []hint
	lists     *codes.Lists
	// codecs are the code(…) of all tables, to try on the samples.
	codecs []string
}

func newGuesser(r *adapter.Registry, lists *codes.Lists, canonicalType string, shape *schema.Shape) *guesser {
	g := &guesser{canonical: leaves(shape), lists: lists}
	for _, a := range r.Adapters() {
		for _, m := range a.Messages() {
			if m.Table == nil {
				continue
			}
			for _, f := range m.Table.Fields() {
				if strings.HasPrefix(f.Codec, "code(") && !slices.Contains(g.codecs, f.Codec) {
					g.codecs = append(g.codecs, f.Codec)
				}
				if m.Table.Canonical() != canonicalType || f.Canonical == "" || strings.Contains(f.Canonical, ",") {
					continue
				}
				steps := strings.Split(strings.TrimPrefix(f.WirePath, "/"), "/")
				h := hint{name: plain(steps[len(steps)-1]), title: f.Title, canonical: f.Canonical, codec: f.Codec}
				if len(steps) > 1 {
					h.parent = plain(steps[len(steps)-2])
				}
				g.hints = append(g.hints, h)
			}
		}
	}
	return g
}

// plain makes names comparable: buyer_name, BuyerName and buyer.name are one.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("@_-.[]#", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// guess is a canonical path that a wire value may go to.
type guess struct {
	leaf  leaf
	score int
	codec string // of the table the guess is taken from
	why   string
}

// likely is the score from which a guess is taken.
const likely = 2

// candidates are the guesses for a wire value, best first.
func (g *guesser) candidates(w leaf) []guess {
	name, parent, title := plain(w.name()), plain(w.parent()), w.shape.Title
	var found []guess
	for _, c := range g.canonical {
		best := guess{leaf: c}
		take := func(score int, why, codec string) {
			if score > best.score {
				best.score, best.why, best.codec = score, why, codec
			}
		}
		sameTitle := title != "" && title == c.shape.Title
		whole := plain(c.canonicalPath())
		switch {
		case name == whole || parent+name == whole:
			take(4, "same name", "")
		case plain(c.name()) == name && sameTitle:
			take(4, "same name and title", "")
		case plain(c.name()) == name:
			take(2, "same name", "")
		case sameTitle:
			take(2, "same title", "")
		}
		for _, h := range g.hints {
			if h.canonical != c.canonicalPath() || h.name != name {
				continue
			}
			score := 3
			if h.parent == parent {
				score++
			}
			if title != "" && h.title == title {
				score++
			}
			take(score, "as other adapters", h.codec)
		}
		if best.score >= likely {
			found = append(found, best)
		}
	}
	slices.SortStableFunc(found, func(a, b guess) int { return b.score - a.score })
	return found
}

// codec says how a value that looks like the samples' becomes the canonical one;
// false when that cannot be told.
func (g *guesser) codec(w, c *schema.Shape, values []string, hinted string) (string, bool) {
	form := schema.FormOf(values)
	kind, layout, _ := strings.Cut(form, " ")
	switch {
	case w.AnyContent:
		return "xml", c.Kind == schema.String
	case c.Decimal:
		return "decimal", true
	case c.Kind == schema.Integer:
		return "integer", true
	case c.Kind == schema.Boolean:
		return flagOf(w, values, hinted)
	case c.Format == "date-time" && (kind == "time" || kind == "date"):
		return "time(" + layout + ")", true
	case c.Format == "date" && kind == "date":
		return "date(" + layout + ")", true
	case c.Format == "date-time" || c.Format == "date":
		return timeOf(w, c.Format, hinted, len(values) > 0)
	case c.Codes != "" || len(c.Enum) > 0:
		return g.code(c, values, hinted)
	case w.Kind == schema.Integer:
		return "integer", true
	case w.Kind == schema.Number || w.Kind == schema.Boolean:
		return "", false
	}
	return "text", true
}

func flagOf(w *schema.Shape, values []string, hinted string) (string, bool) {
	if w.Kind == schema.Boolean {
		return "flag", true
	}
	for _, pair := range [][2]string{{"Y", "N"}, {"1", "0"}, {"true", "false"}} {
		if len(values) > 0 && !slices.ContainsFunc(values, func(v string) bool { return v != pair[0] && v != pair[1] }) {
			return "flag(" + pair[0] + "," + pair[1] + ")", true
		}
	}
	return hinted, len(values) == 0 && strings.HasPrefix(hinted, "flag")
}

// timeOf tells the layout by the schema where there are no values to tell it.
func timeOf(w *schema.Shape, format, hinted string, sampled bool) (string, bool) {
	if sampled {
		return "", false // and they are of no form we know
	}
	if format == "date-time" && (w.MaxLength == 14 || w.Pattern == "^[0-9]{14}$") {
		return "time(20060102150405)", true
	}
	if w.MaxLength == 8 || w.Pattern == "^[0-9]{8}$" {
		return map[string]string{"date-time": "time(20060102)", "date": "date(20060102)"}[format], true
	}
	return hinted, strings.HasPrefix(hinted, "time(") || strings.HasPrefix(hinted, "date(")
}

// code finds the coding that all values belong to.
func (g *guesser) code(c *schema.Shape, values []string, hinted string) (string, bool) {
	if len(values) == 0 {
		return hinted, hinted != ""
	}
	list, _, _ := strings.Cut(c.Codes, ".")
	known := func(v string) bool {
		if len(c.Enum) > 0 {
			return slices.Contains(c.Enum, v)
		}
		l, ok := g.lists.List(list)
		return ok && l.Has(v)
	}
	canonical := !slices.ContainsFunc(values, func(v string) bool { return !known(v) })
	for i, codec := range append([]string{hinted}, g.codecs...) {
		if i == 1 && canonical {
			break // no other coding is needed
		}
		ref, ok := strings.CutPrefix(codec, "code(")
		if !ok || codec != hinted && list != "" && !strings.HasPrefix(ref, list+".") && ref != list+")" || codec != hinted && list == "" {
			continue
		}
		column, err := g.lists.Column(strings.TrimSuffix(ref, ")"))
		if err != nil {
			continue
		}
		if !slices.ContainsFunc(values, func(v string) bool { canonical, ok := column.Decode(v); return !ok || !known(canonical) }) {
			return codec, true
		}
	}
	return "text", canonical
}
