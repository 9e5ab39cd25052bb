package conf_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/conf"
)

// FuzzDecode reads any text: it is taken, or all problems have a place in it.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "---", "name: a\nport: 1\n", "name: [\n", "items: [{code: 035}]", "texts: {a: &x b, c: *x}", "a: &a [*a]",
		"name: !!binary x", "? {a: b}\n: c", "name: \"\\u0000\"", "<<: {name: a}", "items: &i [*i]", "0\n:", "name: 'a\n\n b'\nname: c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var o outer
		err := conf.Decode("f.yaml", []byte(text), &o)
		if err == nil {
			return
		}
		var ps conf.Problems
		if !errors.As(err, &ps) || len(ps) == 0 {
			t.Fatalf("%v is no list of problems", err)
		}
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + strings.Count(text, "\u0085") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029") + 1
		for _, p := range ps {
			if p.File != "f.yaml" || p.Line < 1 || p.Line > lines+1 || p.Column < 1 || p.Message == "" {
				t.Fatalf("%+v is no place in %q", p, text)
			}
		}
	})
}

// TestDidYouMean holds for any word: one typing mistake is always understood.
func TestDidYouMean(t *testing.T) {
	names := []string{"listen", "data", "folders", "kafka", "intake", "delivery", "log", "stopTimeout"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names[:6]).Draw(t, "name")
		at := rapid.IntRange(0, len(name)-1).Draw(t, "at")
		word := name[:at] + name[at+1:] // a letter left out
		if rapid.Bool().Draw(t, "wrong letter") {
			word = name[:at] + "x" + name[at+1:]
		}
		require.Equal(t, `; did you mean "`+name+`"?`, conf.DidYouMean(word, names))
	})
	require.Equal(t, "; valid are data, log", conf.DidYouMean("zzzz", []string{"log", "data"}))
	require.Empty(t, conf.DidYouMean("zzzz", nil))
}

func TestProblems(t *testing.T) {
	require.NoError(t, conf.Problems(nil).Or())
	ps := conf.Problems{{File: "a.yaml", Line: 1, Column: 2, Message: "m"}, {File: "b.yaml", Line: 3, Column: 4, Message: "n"}}
	require.EqualError(t, ps.Or(), "a.yaml:1:2: m\nb.yaml:3:4: n")
}
