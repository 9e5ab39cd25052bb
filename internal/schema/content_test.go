package schema

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/wire"
)

// A content model says the same as the regular expression that it looks like.
func TestContent(t *testing.T) {
	var model func(depth int) *rapid.Generator[string]
	model = func(depth int) *rapid.Generator[string] {
		name := rapid.SampledFrom([]string{"a", "b", "c"})
		if depth == 0 {
			return name
		}
		inner := model(depth - 1)
		return rapid.Custom(func(t *rapid.T) string {
			parts := rapid.SliceOfN(inner, 1, 3).Draw(t, "parts")
			sign := rapid.SampledFrom([]string{", ", " | "}).Draw(t, "sign")
			times := rapid.SampledFrom([]string{"", "?", "*", "+", "{2}", "{0,2}", "{1,3}", "{2,}", "{0,}"}).Draw(t, "times")
			return "(" + strings.Join(parts, sign) + ")" + times
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		source := model(2).Draw(t, "model")
		c, err := parseContent(source)
		if err != nil {
			require.ErrorIs(t, err, errContentSize)
			return
		}
		re := regexp.MustCompile("^(?:" + strings.NewReplacer(", ", "", " ", "").Replace(source) + ")$")
		s := &Shape{compiled: compiled{content: c}}
		names := rapid.StringOfN(rapid.SampledFrom([]rune("abc")), 0, 7, -1).Draw(t, "children")
		n := &wire.Node{Kind: wire.Object}
		for _, name := range names {
			n.Append(&wire.Node{Kind: wire.Text, Name: string(name)})
		}
		at, ended := c.match(n, s)
		if got, want := at == nil && ended, re.MatchString(names); got != want {
			t.Fatalf("%s on %q: %v, regexp says %v", source, names, got, want)
		}
	})
}

func TestContentFaults(t *testing.T) {
	for source, want := range map[string]string{
		"": "a name is missing", "(a": ") is missing", "a)": `unexpected ")"`, "a{2": "} is missing", "a{x}": "must be {low,high}", "a{3,2}": "must be {low,high}",
		"a |": "a name is missing", "##local": "only ##any and ##other are wildcards", "a{65}": "more than 64 positions", "(a{40}){2}": "more than 64 positions", "a b": `unexpected "b"`,
	} {
		_, err := parseContent(source)
		require.ErrorContains(t, err, want, source)
	}
}
