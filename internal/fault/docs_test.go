package fault

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated part of docs/errors.md")

const (
	docsPage  = "../../docs/errors.md"
	docsBegin = "<!-- docs:begin codes -->"
	docsEnd   = "<!-- docs:end codes -->"
)

// TestErrorsPage holds docs/errors.md against the codes: each has its row with
// the texts as they are, and says what to do. The texts are written with
// go test ./internal/fault -run TestErrorsPage -update; the advice, the last
// column, is written by hand and kept.
func TestErrorsPage(t *testing.T) {
	page, err := os.ReadFile(docsPage)
	require.NoError(t, err)
	before, rest, begun := strings.Cut(string(page), docsBegin)
	table, after, ended := strings.Cut(rest, docsEnd)
	require.True(t, begun && ended, "the markers %s and %s are missing", docsBegin, docsEnd)

	advice := adviceOf(table)
	want := errorsTable(advice)
	if *update {
		require.NoError(t, os.WriteFile(docsPage, []byte(before+docsBegin+want+docsEnd+after), 0o600)) //nolint:gosec // a file of the source tree
		table = want
	}
	stale := slices.DeleteFunc(strings.Split(want, "\n"), func(row string) bool { return strings.Contains(table, row) })
	require.Empty(t, stale, "run go test ./internal/fault -run TestErrorsPage -update")
	require.Len(t, table, len(want), "docs/errors.md has rows of codes that are no more")
	for _, code := range Codes() {
		require.NotEmpty(t, advice[code], "docs/errors.md does not say what to do about %s", code)
	}
}

// adviceOf reads the last column of the table, by code.
func adviceOf(table string) map[Code]string {
	advice := map[Code]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if name, ok := strings.CutPrefix(cells[0], "| `"); ok && len(cells) == 4 {
			advice[Code(strings.TrimSuffix(name, "`"))] = strings.TrimSpace(strings.TrimSuffix(cells[3], "|"))
		}
	}
	return advice
}

// errorsTable writes one row a code, sorted.
func errorsTable(advice map[Code]string) string {
	var b strings.Builder
	b.WriteString("\n\n| code | 中文 | English | what it means, what to do |\n|---|---|---|---|\n")
	for _, code := range Codes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", code, texts[code].zh, texts[code].en, advice[code])
	}
	b.WriteString("\n")
	return b.String()
}
