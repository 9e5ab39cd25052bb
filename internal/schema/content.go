package schema

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"tongqu/internal/wire"
)

// content is a compiled content model, the value of x-content: which elements
// may follow each other in an element whose children are not a plain sequence.
// It is written as in a DTD, with XML Schema's wildcards and bounds:
//
//	name, "##any" (any element), "##other" (any element of another namespace)
//	a, b  (sequence)    a | b  (choice)    a & b  (any order, only at the top)
//	x?  x*  x+  x{2,5}  x{2,}    ( … )
type content struct {
	// symbols has what each position of the model accepts; follow, per position,
	// the set of positions that may come next; first and last are sets as well.
	symbols     []string
	follow      []uint64
	first, last uint64
	nullable    bool
	wildcards   bool
	unordered   bool
}

// maxPositions is the largest model, in positions: sets of them are bit masks.
const maxPositions = 64

const (
	anyElement   = "##any"
	otherElement = "##other"
)

// part is a part of a model while it is built (Glushkov's construction).
type part struct {
	first, last uint64
	nullable    bool
}

type contentParser struct {
	*content
	rest string
}

var errContentSize = fmt.Errorf("more than %d positions", maxPositions)

func parseContent(source string) (*content, error) {
	p := &contentParser{content: &content{}, rest: source}
	all, err := p.choice()
	if err != nil {
		return nil, err
	}
	if p.skip(); p.rest != "" {
		return nil, fmt.Errorf("unexpected %q", p.rest)
	}
	p.first, p.last, p.nullable = all.first, all.last, all.nullable
	return p.content, nil
}

func (p *contentParser) skip() { p.rest = strings.TrimLeft(p.rest, " ") }

// next consumes c when it comes next.
func (p *contentParser) next(c byte) bool {
	p.skip()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *contentParser) choice() (part, error) {
	a, err := p.sequence()
	for err == nil && p.next('|') {
		var b part
		b, err = p.sequence()
		a = part{a.first | b.first, a.last | b.last, a.nullable || b.nullable}
	}
	return a, err
}

func (p *contentParser) sequence() (part, error) {
	a, err := p.repeated()
	for err == nil {
		var b part
		switch {
		case p.next(','):
			if b, err = p.repeated(); err == nil {
				a = p.join(a, b)
			}
		case p.next('&'):
			p.unordered = true
			b, err = p.repeated()
			a = part{a.first | b.first, a.last | b.last, a.nullable && b.nullable}
		default:
			return a, nil
		}
	}
	return a, err
}

// join makes b follow a.
func (p *contentParser) join(a, b part) part {
	p.link(a.last, b.first)
	j := part{a.first, b.last, a.nullable && b.nullable}
	if a.nullable {
		j.first |= b.first
	}
	if b.nullable {
		j.last |= a.last
	}
	return j
}

func (p *contentParser) link(from, to uint64) {
	for ; from != 0; from &= from - 1 {
		p.follow[bits.TrailingZeros64(from)] |= to
	}
}

func (p *contentParser) repeated() (part, error) {
	p.skip()
	start := p.rest
	a, err := p.atom()
	if err != nil {
		return a, err
	}
	source := start[:len(start)-len(p.rest)]
	switch {
	case p.next('?'):
		a.nullable = true
	case p.next('*'):
		p.link(a.last, a.first)
		a.nullable = true
	case p.next('+'):
		p.link(a.last, a.first)
	case p.next('{'):
		return p.bounded(a, source)
	}
	return a, nil
}

// bounded writes out x{low,high} as copies of x, whose source is parsed again.
func (p *contentParser) bounded(a part, source string) (part, error) {
	bounds, rest, ok := strings.Cut(p.rest, "}")
	if !ok {
		return a, errors.New("} is missing")
	}
	p.rest = rest
	lowText, highText, _ := strings.Cut(bounds, ",")
	low, err := strconv.Atoi(strings.TrimSpace(lowText))
	if err != nil || low < 0 {
		return a, fmt.Errorf("{%s} must be {low,high} or {low,}", bounds)
	}
	high, open := low, strings.TrimSpace(highText) == "" && strings.Contains(bounds, ",")
	if !open && strings.Contains(bounds, ",") {
		if high, err = strconv.Atoi(strings.TrimSpace(highText)); err != nil || high < low {
			return a, fmt.Errorf("{%s} must be {low,high} or {low,}", bounds)
		}
	}
	if high == 0 && !open {
		return part{nullable: true}, nil
	}
	if max(low, high) > maxPositions {
		return a, errContentSize
	}
	all := a
	if low == 0 {
		all.nullable = true
	}
	if open && low <= 1 {
		p.link(a.last, a.first)
	}
	for i := 1; i < max(low, high); i++ {
		again := &contentParser{content: p.content, rest: source}
		b, err := again.atom()
		if err != nil {
			return a, err
		}
		if i >= low {
			b.nullable = true
		}
		if open && i == low-1 {
			p.link(b.last, b.first)
		}
		all = p.join(all, b)
	}
	return all, nil
}

func (p *contentParser) atom() (part, error) {
	if p.next('(') {
		a, err := p.choice()
		if err == nil && !p.next(')') {
			err = errors.New(") is missing")
		}
		return a, err
	}
	p.skip()
	end := strings.IndexAny(p.rest, " ,|&?*+{}()")
	if end < 0 {
		end = len(p.rest)
	}
	if end == 0 {
		return part{}, fmt.Errorf("a name is missing before %q", p.rest)
	}
	symbol := p.rest[:end]
	p.rest = p.rest[end:]
	if len(p.symbols) == maxPositions {
		return part{}, errContentSize
	}
	if symbol[0] == '#' {
		if symbol != anyElement && symbol != otherElement {
			return part{}, fmt.Errorf("%q: only %s and %s are wildcards", symbol, anyElement, otherElement)
		}
		p.wildcards = true
	}
	at := uint64(1) << len(p.symbols)
	p.symbols, p.follow = append(p.symbols, symbol), append(p.follow, 0)
	return part{first: at, last: at}, nil
}

// match walks the child elements of n. It returns the first child that may not
// stand where it does; or nil and whether the model may end after the last child.
func (c *content) match(n *wire.Node, s *Shape) (*wire.Node, bool) {
	if c.unordered {
		return nil, true
	}
	candidates, ended := c.first, c.nullable
	for child := n.First; child != nil; child = child.Next {
		if child.Attr {
			continue
		}
		var here, next uint64
		for set := candidates; set != 0; set &= set - 1 {
			i := bits.TrailingZeros64(set)
			if s.accepts(c.symbols[i], child) {
				here |= 1 << i
				next |= c.follow[i]
			}
		}
		if here == 0 {
			return child, false
		}
		candidates, ended = next, here&c.last != 0
	}
	return nil, ended
}

// accepts reports whether a symbol of the shape's content model stands for n.
func (s *Shape) accepts(symbol string, n *wire.Node) bool {
	switch symbol {
	case anyElement:
		return true
	case otherElement:
		return n.Space != s.Namespace && n.Space != ""
	}
	return n.Name == symbol && (!s.content.wildcards || s.find(n, 0, true) >= 0)
}
