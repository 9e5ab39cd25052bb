package schema

import (
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// pattern is a compiled regular expression. Most expressions of schemas are
// anchored and can be followed without ever going back ("^[0-9]{10}$",
// "^-?[0-9]+(\.[0-9]+)?$"); those are matched by a walk over their items, which
// is many times faster than the general matcher.
type pattern struct {
	source  string
	regexp  *regexp.Regexp
	items   []item // nil when only the regexp can tell
	special func(string) bool
}

// item is one part of a pattern: a set of characters, or a choice of sequences
// of items, repeated min to max times.
type item struct {
	set      *charSet
	choices  [][]item
	min, max int
}

// charSet is a set of characters: ASCII by bits, others by ranges.
type charSet struct {
	ascii  [2]uint64
	ranges []rune // pairs lo, hi as regexp/syntax has them
}

func newCharSet(ranges []rune) *charSet {
	c := &charSet{ranges: ranges}
	for pair := range slices.Chunk(ranges, 2) {
		for r := pair[0]; r <= min(pair[1], utf8.RuneSelf-1); r++ {
			c.ascii[r/64] |= 1 << (r % 64)
		}
	}
	return c
}

func (c *charSet) has(r rune) bool {
	if r < utf8.RuneSelf {
		return c.ascii[r/64]&(1<<(r%64)) != 0
	}
	for i := 0; i < len(c.ranges); i += 2 {
		if c.ranges[i] <= r && r <= c.ranges[i+1] {
			return true
		}
	}
	return false
}

func (c *charSet) overlaps(d *charSet) bool {
	for i := 0; i < len(c.ranges); i += 2 {
		for j := 0; j < len(d.ranges); j += 2 {
			if c.ranges[i] <= d.ranges[j+1] && d.ranges[j] <= c.ranges[i+1] {
				return true
			}
		}
	}
	return false
}

// newPattern compiles an expression in the syntax of package regexp.
func newPattern(source string) (*pattern, error) {
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, err
	}
	p := &pattern{source: source, regexp: re, special: byHand[source]}
	if p.special != nil {
		return p, nil
	}
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, err
	}
	p.items = followable(tree)
	return p, nil
}

func (p *pattern) match(s string) bool {
	switch {
	case p.special != nil:
		return p.special(s)
	case p.items != nil:
		rest, ok := follow(p.items, s)
		return ok && rest == ""
	}
	return p.regexp.MatchString(s)
}

// follow matches items greedily at the start of s.
func follow(items []item, s string) (rest string, ok bool) {
	for i := range items {
		it := &items[i]
		n := 0
		for n < it.max {
			next, ok := it.once(s)
			if !ok {
				break
			}
			s = next
			n++
		}
		if n < it.min {
			return s, false
		}
	}
	return s, true
}

// once matches the item one time.
func (it *item) once(s string) (rest string, ok bool) {
	if it.set == nil {
		for _, choice := range it.choices {
			if rest, ok = follow(choice, s); ok {
				return rest, true
			}
		}
		return s, false
	}
	if s == "" {
		return s, false
	}
	r, size := rune(s[0]), 1
	if r >= utf8.RuneSelf {
		r, size = utf8.DecodeRuneInString(s)
	}
	return s[size:], it.set.has(r)
}

// followable turns a parsed expression into items, or nil when the expression is
// not anchored at both ends or could be matched in more than one way.
func followable(tree *syntax.Regexp) []item {
	if tree.Op != syntax.OpConcat || len(tree.Sub) < 2 {
		return nil
	}
	first, last := tree.Sub[0], tree.Sub[len(tree.Sub)-1]
	if first.Op != syntax.OpBeginText || last.Op != syntax.OpEndText {
		return nil
	}
	items, ok := toItems(tree.Sub[1 : len(tree.Sub)-1])
	if !ok || !deterministic(items, nil) || items == nil {
		return nil
	}
	return items
}

func toItems(subs []*syntax.Regexp) ([]item, bool) {
	var items []item
	for _, sub := range subs {
		its, ok := toItem(sub)
		if !ok {
			return nil, false
		}
		items = append(items, its...)
	}
	return items, true
}

func toItem(re *syntax.Regexp) ([]item, bool) {
	switch re.Op { //nolint:exhaustive // what is not listed is left to the general matcher
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return nil, false
		}
		var items []item
		for _, r := range re.Rune {
			items = append(items, item{set: newCharSet([]rune{r, r}), min: 1, max: 1})
		}
		return items, true
	case syntax.OpCharClass:
		return []item{{set: newCharSet(re.Rune), min: 1, max: 1}}, true
	case syntax.OpCapture:
		return toItem(re.Sub[0])
	case syntax.OpConcat:
		return toItems(re.Sub)
	case syntax.OpEmptyMatch:
		return nil, true
	case syntax.OpAlternate:
		return alternatives(re)
	case syntax.OpQuest:
		return repeated(re, 0, 1)
	case syntax.OpStar:
		return repeated(re, 0, math.MaxInt)
	case syntax.OpPlus:
		return repeated(re, 1, math.MaxInt)
	case syntax.OpRepeat:
		if re.Max < 0 {
			return repeated(re, re.Min, math.MaxInt)
		}
		return repeated(re, re.Min, re.Max)
	}
	return nil, false
}

func alternatives(re *syntax.Regexp) ([]item, bool) {
	it := item{min: 1, max: 1}
	for _, sub := range re.Sub {
		items, ok := toItem(sub)
		if !ok || nullable(items) {
			return nil, false
		}
		it.choices = append(it.choices, items)
	}
	return []item{it}, true
}

func repeated(re *syntax.Regexp, minimum, maximum int) ([]item, bool) {
	if re.Flags&syntax.NonGreedy != 0 {
		return nil, false
	}
	items, ok := toItem(re.Sub[0])
	if !ok || len(items) == 0 {
		return nil, false
	}
	if len(items) == 1 && items[0].min == 1 && items[0].max == 1 {
		it := items[0]
		it.min, it.max = minimum, maximum
		return []item{it}, true
	}
	if nullable(items) {
		return nil, false
	}
	return []item{{choices: [][]item{items}, min: minimum, max: maximum}}, true
}

// nullable reports whether items can match nothing; no choice ever can.
func nullable(items []item) bool {
	for _, it := range items {
		if it.min > 0 {
			return false
		}
	}
	return true
}

// firsts returns the sets with which a match of items, then of what follows
// them, can begin.
func firsts(items []item, after []*charSet) []*charSet {
	var sets []*charSet
	for _, it := range items {
		sets = append(sets, it.firsts()...)
		if it.min > 0 {
			return sets
		}
	}
	return append(sets, after...)
}

func (it *item) firsts() []*charSet {
	if it.set != nil {
		return []*charSet{it.set}
	}
	var sets []*charSet
	for _, choice := range it.choices {
		sets = append(sets, firsts(choice, nil)...)
	}
	return sets
}

// deterministic reports whether the next character settles each choice: between
// alternatives, and between repeating an item and going on. An alternative that
// has begun and fails then fails the whole match, since nothing else can begin
// with the same character.
func deterministic(items []item, after []*charSet) bool {
	for i, it := range items {
		follows := firsts(items[i+1:], after)
		own := it.firsts()
		inner := follows
		if it.max > 1 {
			inner = append(slices.Clone(own), follows...)
		}
		for k, choice := range it.choices {
			if !deterministic(choice, inner) {
				return false
			}
			for _, other := range it.choices[:k] {
				if overlap(firsts(choice, nil), firsts(other, nil)) {
					return false
				}
			}
		}
		if it.min != it.max && overlap(own, follows) {
			return false
		}
	}
	return true
}

func overlap(a, b []*charSet) bool {
	return slices.ContainsFunc(a, func(x *charSet) bool { return slices.ContainsFunc(b, x.overlaps) })
}
