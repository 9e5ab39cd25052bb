package author

import (
	"fmt"
	"slices"
	"strings"

	"tongqu/internal/schema"
)

// draft is a first table of a message.
type draft struct {
	message   string // the root element or the schema's name
	canonical string
	each      []string
	fromXSD   bool
	wire      []leaf
	values    map[string][]string
	guesser   *guesser
}

// row is a line of the table: what becomes of one wire value.
type row struct {
	canonical string // "" where nobody knows yet
	wire      string
	codec     string
	comment   string
}

// repeatsOn finds the element that makes one record: the outermost one that
// repeats, unless its values look like the items of one record.
func (d *draft) repeatsOn() []string {
	var best []string
	votes := 0
	for _, l := range d.wire {
		if len(l.arrays) == 0 || l.arrays[0] == len(l.steps)-1 {
			continue
		}
		array := l.steps[:l.arrays[0]+1]
		if best == nil || len(array) < len(best) {
			best, votes = array, 0
		}
		if !slices.Equal(array, best) {
			continue
		}
		if found := d.guesser.candidates(l); len(found) > 0 {
			if len(found[0].leaf.arrays) < len(l.arrays) {
				votes++
			} else {
				votes--
			}
		}
	}
	if votes < 0 {
		return nil
	}
	return best
}

// rows guesses; open are the values that no guess fits.
func (d *draft) rows() (mapped, fixed, open []row) {
	taken := map[string]bool{}
	feeds := map[string]string{} // canonical array → the wire array that feeds it
	for _, w := range d.wire {
		path := strings.Join(w.steps, "/")
		values := d.values[path]
		r := row{wire: w.wirePath(d.each), comment: describe(w.shape, values)}
		if len(w.steps) == 1 && w.name() == "version" && len(values) > 0 && !slices.ContainsFunc(values, func(v string) bool { return v != values[0] }) {
			fixed = append(fixed, row{wire: r.wire, canonical: values[0], comment: r.comment})
			continue
		}
		wireArray, depth := w.repeated(d.each)
		var fitting []guess
		for _, g := range d.guesser.candidates(w) {
			array, canonicalDepth := g.leaf.repeated(nil)
			if fed := feeds[array]; canonicalDepth == depth && !taken[g.leaf.canonicalPath()] && (depth == 0 || fed == "" || fed == wireArray) {
				fitting = append(fitting, g)
			}
		}
		if len(fitting) == 0 {
			open = append(open, r)
			continue
		}
		best := fitting[0]
		r.canonical = best.leaf.canonicalPath()
		codec, ok := d.guesser.codec(w.shape, best.leaf.shape, values, best.codec)
		r.codec = codec
		if tie := len(fitting) > 1 && fitting[1].score == best.score; tie || !ok {
			if tie {
				r.comment = "or " + fitting[1].leaf.canonicalPath() + "; " + r.comment
			}
			open = append(open, r)
			continue
		}
		taken[r.canonical] = true
		if depth > 0 {
			array, _ := best.leaf.repeated(nil)
			feeds[array] = wireArray
		}
		r.comment = best.why + "; " + r.comment
		mapped = append(mapped, r)
	}
	return mapped, fixed, open
}

// describe tells what is known of a wire value, without a value of a sample.
func describe(s *schema.Shape, values []string) string {
	var parts []string
	for _, p := range []string{s.Title, schema.FormOf(values)} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ", ")
}

func (r row) target() string {
	if r.codec == "" || r.codec == "text" {
		return quoted(r.wire)
	}
	return "{at: " + quoted(r.wire) + ", as: " + quoted(r.codec) + "}"
}

// quoted is a text as YAML takes it within braces.
func quoted(s string) string {
	if s != "" && !strings.ContainsAny(s, `,:{}[]&*!|>'"%#`+"`") && !strings.HasPrefix(s, "@") && !strings.HasPrefix(s, "-") && strings.TrimSpace(s) == s {
		return s
	}
	return fmt.Sprintf("%q", s)
}

func commented(line, comment string) string {
	if comment = strings.Trim(comment, "; \n"); comment == "" {
		return line
	}
	return fmt.Sprintf("%-60s # %s", line, strings.ReplaceAll(comment, "\n", " "))
}

// yaml writes the table. Of what is open it says so in comments that need only
// be completed; lint names the same values, with their place.
func (d *draft) yaml() []byte {
	mapped, fixed, open := d.rows()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("message: %s", d.message)
	line("canonical: %s", d.canonical)
	if len(d.each) > 0 {
		line("%s", commented("each: "+strings.Join(d.each, "/"), "a guess: the element that makes one record"))
	}
	if len(mapped) == 0 {
		line("fields: {}")
	} else {
		line("fields:                                                      # guessed by names and titles: check each row")
	}
	taken := map[string]bool{}
	for _, r := range mapped {
		taken[r.canonical] = true
		line("%s", commented("  "+r.canonical+": "+r.target(), r.comment))
	}
	if len(open) > 0 {
		line("  # TODO: %d wire values are neither mapped, fixed nor ignored. Write the canonical path before the colon,", len(open))
		line("  # add `as:` where the value is no text, or give a reason below `ignored`.")
	}
	for _, r := range open {
		name := r.canonical
		if name == "" {
			name = "?"
		}
		line("%s", commented("  # "+name+": "+r.target(), r.comment))
	}
	if len(fixed) > 0 {
		line("fixed:")
	}
	for _, r := range fixed {
		line("%s", commented("  "+quoted(r.wire)+": "+fmt.Sprintf("%q", r.canonical), "the same in all samples"))
	}
	d.offer(line, taken)
	return []byte(b.String())
}

// offer lists in comments which canonical values are still to be had.
func (d *draft) offer(line func(string, ...any), taken map[string]bool) {
	var needed, rest []string
	for _, c := range d.guesser.canonical {
		if p := c.canonicalPath(); !taken[p] {
			text := fmt.Sprintf("#   %-30s %s", p, c.shape.Title)
			if c.required {
				needed = append(needed, text)
			} else {
				rest = append(rest, text)
			}
		}
	}
	for _, part := range []struct {
		title string
		lines []string
	}{{"requires these, which no row produces yet:", needed}, {"has these too, which no row produces:", rest}} {
		if len(part.lines) == 0 {
			continue
		}
		line("# %s %s", d.canonical, part.title)
		for _, l := range part.lines {
			line("%s", strings.TrimRight(l, " "))
		}
	}
}
