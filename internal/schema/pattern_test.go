package schema

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var followed = []string{
	patternInteger, patternHexBinary, patternLanguage, patternDay, patternMonth, patternTime, patternDate, patternDateTime, patternYear,
	`^-?[0-9]+(\.[0-9]*)?$`, `^[0-9]{10}$`, `^[A-Z]{2}[0-9]{3,5}$`, `^a(bc)*d$`, `^[海关]{1,3}[a-z]*$`, `^(?:I|E)$`, `^\p{Nd}{4}-x$`, `^a{2,}$`,
}

var unfollowed = []string{
	`^[0-9]*[0-9]$`, `[0-9]+`, `^[0-9]+`, `^(a|ab)c$`, `^(?i)abc$`, `^(a*)*$`, `^a??b$`, `^a*(ab)?$`, patternDouble, patternQName,
}

// The walk over items says the same as package regexp, and which patterns are
// walked is not left to chance.
func TestPattern(t *testing.T) {
	for _, source := range followed {
		p, err := newPattern(source)
		require.NoError(t, err)
		require.NotNil(t, p.items, "%s could be followed", source)
	}
	for _, source := range unfollowed {
		p, err := newPattern(source)
		require.NoError(t, err)
		require.Nil(t, p.items, "%s cannot be followed", source)
	}
	alphabet := rapid.StringOf(rapid.SampledFrom([]rune("0129-+.:TZabcdefFIEx海关\n ")))
	rapid.Check(t, func(t *rapid.T) {
		p, err := newPattern(rapid.SampledFrom(followed).Draw(t, "pattern"))
		if err != nil {
			t.Fatal(err)
		}
		s := rapid.OneOf(rapid.StringMatching(p.source), alphabet).Draw(t, "s")
		if rapid.Bool().Draw(t, "cut") && s != "" {
			s = s[:len(s)-1]
		}
		if got, want := p.match(s), p.regexp.MatchString(s); got != want {
			t.Fatalf("%s on %q: %v, regexp says %v", p.source, s, got, want)
		}
	})
}

// Random expressions, so that the conditions of following hold for all.
func TestPatternOfAnyForm(t *testing.T) {
	var expression func(depth int) *rapid.Generator[string]
	expression = func(depth int) *rapid.Generator[string] {
		atom := rapid.SampledFrom([]string{"a", "b", "[ab]", "[b-d]", "0", "-", "é"})
		if depth == 0 {
			return atom
		}
		inner := expression(depth - 1)
		return rapid.Custom(func(t *rapid.T) string {
			parts := rapid.SliceOfN(inner, 1, 3).Draw(t, "parts")
			switch rapid.IntRange(0, 2).Draw(t, "form") {
			case 0:
				return strings.Join(parts, "")
			case 1:
				return "(" + strings.Join(parts, "|") + ")"
			}
			return "(" + strings.Join(parts, "") + ")" + rapid.SampledFrom([]string{"?", "*", "+", "{2}", "{1,3}"}).Draw(t, "times")
		})
	}
	seen := 0
	rapid.Check(t, func(t *rapid.T) {
		p, err := newPattern("^" + expression(3).Draw(t, "expression") + "$")
		if err != nil {
			t.Fatal(err)
		}
		if p.items == nil {
			return
		}
		seen++
		s := rapid.OneOf(rapid.StringMatching(p.source), rapid.StringOf(rapid.SampledFrom([]rune("abcd0-é")))).Draw(t, "s")
		if got, want := p.match(s), p.regexp.MatchString(s); got != want {
			t.Fatalf("%s on %q: %v, regexp says %v", p.source, s, got, want)
		}
	})
	require.Positive(t, seen)
}

func TestPatternByHand(t *testing.T) {
	alphabet := rapid.StringOf(rapid.SampledFrom([]rune("AQUZgw048+/=-. *")))
	for source, byHand := range byHand {
		p, err := newPattern(source)
		require.NoError(t, err)
		rapid.Check(t, func(t *rapid.T) {
			s := rapid.OneOf(rapid.StringMatching(source), alphabet).Draw(t, "s")
			s = strings.Join(strings.Fields(s), " ") // as white space is collapsed before
			if got, want := byHand(s), p.regexp.MatchString(s); got != want {
				t.Fatalf("%s on %q: %v, regexp says %v", source, s, got, want)
			}
		})
	}
}

func BenchmarkPattern(b *testing.B) {
	for _, tt := range []struct{ name, source, value string }{
		{"decimal", patternDecimal, "1234.50"}, {"digits", `^[0-9]{10}$`, "1901101000"}, {"dateTime", patternDateTime, "2026-03-08T11:27:01"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			p, err := newPattern(tt.source)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				p.match(tt.value)
			}
		})
	}
}
