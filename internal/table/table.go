// Package table lays texts out in columns for a terminal. Chinese characters
// take two cells.
package table

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// gap stands between two columns.
const gap = "  "

// Table collects rows. Columns are as wide as their widest cell.
type Table struct {
	header []string
	rows   []row
}

type row struct {
	cells []string
	notes []string
}

// New makes a table with these column titles.
func New(header ...string) *Table { return &Table{header: header} }

// Add appends a row with one cell a column. Line breaks and other control
// characters are shown as blanks.
func (t *Table) Add(cells ...string) {
	clean := make([]string, len(cells))
	for i, c := range cells {
		clean[i] = oneLine(c)
	}
	t.rows = append(t.rows, row{cells: clean})
}

// Note puts a line below the last row; it may be longer than the columns are wide.
func (t *Table) Note(text string) {
	last := &t.rows[len(t.rows)-1]
	last.notes = append(last.notes, oneLine(text))
}

// Print writes the table.
func (t *Table) Print(w io.Writer) error {
	widths := make([]int, len(t.header))
	for i := range widths {
		widths[i] = Width(t.header[i])
		for _, r := range t.rows {
			widths[i] = max(widths[i], Width(r.cells[i]))
		}
	}
	var b strings.Builder
	line(&b, widths, t.header)
	for _, r := range t.rows {
		line(&b, widths, r.cells)
		for _, n := range r.notes {
			b.WriteString("  └ " + n + "\n")
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("printing a table: %w", err)
	}
	return nil
}

// line writes one row; nothing is padded after its last cell that holds something.
func line(b *strings.Builder, widths []int, cells []string) {
	pad := 0
	for i, c := range cells {
		if c != "" {
			b.WriteString(strings.Repeat(" ", pad))
			pad = 0
			b.WriteString(c)
		}
		pad += widths[i] - Width(c) + len(gap)
	}
	b.WriteByte('\n')
}

// Width is the number of terminal cells that a text takes.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += cells(r)
	}
	return n
}

// Cut shortens a text to at most n cells, the last of them "…" when something is
// left out.
func Cut(s string, n int) string {
	if Width(s) <= n {
		return s
	}
	used := 1 // for the ellipsis
	for i, r := range s {
		if used += cells(r); used > n {
			return s[:i] + "…"
		}
	}
	return s
}

func cells(r rune) int {
	if unicode.Is(unicode.Mn, r) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
