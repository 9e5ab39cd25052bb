package table_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/table"
)

func TestPrint(t *testing.T) {
	tb := table.New("CODE", "名称", "NOTE")
	tb.Add("a", "报文", "x")
	tb.Add("long", "b", "")
	tb.Note("a note that is much longer than any of the columns and widens none")
	tb.Add("c", "two\nlines\t", "y")
	var b strings.Builder
	require.NoError(t, tb.Print(&b))
	require.Equal(t, `CODE  名称        NOTE
a     报文        x
long  b
  └ a note that is much longer than any of the columns and widens none
c     two lines   y
`, b.String())
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"short", 5, "short"},
		{"longer", 5, "long…"},
		{"报文报文", 8, "报文报文"},
		{"报文报文", 7, "报文报…"},
		{"报文报文", 6, "报文…"},
		{"", 3, ""},
	} {
		require.Equal(t, c.want, table.Cut(c.in, c.n), "%q cut to %d", c.in, c.n)
	}
}

// TestCutFits holds for any text: what is cut fits, and what fits is not cut.
func TestCutFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, n := rapid.String().Draw(t, "text"), rapid.IntRange(1, 40).Draw(t, "cells")
		cut := table.Cut(s, n)
		require.LessOrEqual(t, table.Width(cut), n)
		if table.Width(s) <= n {
			require.Equal(t, s, cut)
		}
	})
}
