package adapter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tongqu/internal/fault"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// maxPreamble is how many lines may stand before the header of a table.
const maxPreamble = 20

// sheet is how a CSV message is laid out, by its wire schema: an object with one
// array of objects, the rows, and besides it the values of the block that may
// stand before the table. All leaves are texts.
type sheet struct {
	shape *schema.Shape
	rows  *schema.Shape // the array's property
	// columns and block find a property of a row, of the whole, by its titles.
	columns, block map[string]*schema.Shape
}

func newSheet(shape *schema.Shape) (*sheet, error) {
	s := &sheet{shape: shape, columns: map[string]*schema.Shape{}, block: map[string]*schema.Shape{}}
	for _, p := range shape.Props {
		switch {
		case p.Kind == schema.String:
			if err := learn(s.block, p); err != nil {
				return nil, err
			}
		case p.Kind == schema.Array && s.rows == nil && p.Items != nil && p.Items.Kind == schema.Object:
			s.rows = p
		default:
			return nil, fmt.Errorf("the schema of a CSV message has texts and one array of objects: %s is neither", p.Name)
		}
	}
	if s.rows == nil {
		return nil, errors.New("the schema of a CSV message has one array of objects: the rows")
	}
	for _, p := range s.rows.Items.Props {
		if p.Kind != schema.String {
			return nil, fmt.Errorf("a cell is a string: column %s is not", p.Name)
		}
		if err := learn(s.columns, p); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// learn keeps p under all its titles.
func learn(known map[string]*schema.Shape, p *schema.Shape) error {
	for _, title := range append([]string{p.Name, p.Title}, p.Headers...) {
		key := titleKey(title)
		if key == "" {
			continue
		}
		if other := known[key]; other != nil && other != p {
			return fmt.Errorf("title %q is that of %s and of %s", title, other.Name, p.Name)
		}
		known[key] = p
	}
	return nil
}

// titleKey is a title without what people write differently: blanks, letter case,
// the star of required columns.
func titleKey(title string) string {
	return strings.ToLower(strings.Trim(strings.Join(strings.Fields(title), ""), "*"))
}

// header is a header line found in a document.
type header struct {
	line    *wire.Node
	columns []*schema.Shape // by cell; nil for one that is not known
	known   int
	missing []*schema.Shape // required columns that are not there
}

// find returns the line that has most of the columns; nil when none has any.
func (s *sheet) find(lines *wire.Node) *header {
	var best *header
	n := 0
	for line := range lines.Children() {
		if n++; n > maxPreamble {
			break
		}
		h := s.read(line)
		if h.known > 0 && (best == nil || h.known > best.known) {
			best = h
		}
	}
	return best
}

func (s *sheet) read(line *wire.Node) *header {
	h := &header{line: line}
	for c := range line.Children() {
		p := s.columns[titleKey(c.Text)]
		h.columns = append(h.columns, p)
		if p != nil {
			h.known++
		}
	}
	for _, p := range s.rows.Items.Props {
		if p.Required && !slices.Contains(h.columns, p) {
			h.missing = append(h.missing, p)
		}
	}
	return h
}

// couldBe reports whether a document of other may have all that s requires, and s
// is tried first or with it.
func (s *sheet) couldBe(other *sheet) bool {
	for _, p := range s.rows.Items.Props {
		if !p.Required {
			continue
		}
		known := false
		for _, title := range append([]string{p.Name, p.Title}, p.Headers...) {
			known = known || other.columns[titleKey(title)] != nil
		}
		if !known {
			return false
		}
	}
	return true
}

// takeSheet finds the message whose header a CSV document has, brings the lines
// into the form of its schema, and translates them.
func (r *Registry) takeSheet(t *Translation, only string) {
	var m *Message
	var best *header
	for _, candidate := range r.sheets {
		if only != "" && candidate.Adapter.Name != only {
			continue
		}
		h := candidate.sheet.find(t.Document.Root)
		if h == nil || only == "" && len(h.missing) > 0 {
			continue // a document that names its adapter is told what its header lacks
		}
		if best == nil || len(h.missing) < len(best.missing) || len(h.missing) == len(best.missing) && h.known > best.known {
			m, best = candidate, h
		}
	}
	if m == nil {
		var titles []string
		for c := range t.Document.Root.First.Children() {
			titles = append(titles, strings.TrimSpace(c.Text))
		}
		t.Faults = append(t.Faults, fault.New(fault.DocumentUnknown, t.Document.Root.Place(), "", strings.Join(titles, ","), "CSV"))
		return
	}
	t.Adapter, t.Message, t.message = m.Adapter.Name, m.Name, m
	found := m.sheet.checkHeader(best)
	settle(m.Adapter.Deviations, found)
	t.Faults = append(t.Faults, found...)
	found = m.sheet.arrange(t.Document, best)
	settle(m.Adapter.Deviations, found)
	if t.Faults.Refuses() { // one fault of the header would be one of every row
		t.Faults = append(t.Faults, found...)
		return
	}
	m.decode(t, found)
}

// arrange makes of lines what the schema describes. The nodes stay the same, and
// so do their places.
func (s *sheet) arrange(doc *wire.Document, h *header) fault.List {
	lines := doc.Root.First
	root := &wire.Node{Kind: wire.Object, Line: doc.Root.Line, Column: doc.Root.Column}
	doc.Root = root
	rows := &wire.Node{Kind: wire.Array, Name: s.rows.Name, Line: h.line.Line, Column: h.line.Column}
	var faults fault.List
	for lines != h.line {
		next := lines.Next
		faults = append(faults, s.preamble(root, &next, lines, h.line)...)
		lines = next
	}
	root.Append(rows)
	var ragged []oddRow
	for line := h.line.Next; line != nil; {
		next := line.Next
		if !isEmpty(line) && !s.repeatsHeader(line, h) {
			if odd := s.row(rows, line, h); odd.row != nil {
				ragged = append(ragged, odd)
			}
		}
		line = next
	}
	for _, odd := range ragged { // paths are known when all rows stand
		f := fault.New(fault.CSVRowLength, odd.row.Place(), "", odd.cells, len(h.columns))
		if !odd.extra {
			f = f.Flagged()
		}
		faults = append(faults, f)
	}
	return faults
}

// oddRow is a row with more or fewer cells than the header. Cells that are not
// there are empty; one too many that holds something has shifted the others.
type oddRow struct {
	row   *wire.Node
	cells int
	extra bool
}

// preamble takes a line before the header: names and values in turn, or names with
// their values in the next line. A title stands alone in its line.
func (s *sheet) preamble(root *wire.Node, next **wire.Node, line, end *wire.Node) fault.List {
	cells := slices.Collect(line.Children())
	for len(cells) > 0 && titleKey(cells[len(cells)-1].Text) == "" {
		cells = cells[:len(cells)-1]
	}
	known := func(c *wire.Node) *schema.Shape {
		return s.block[titleKey(strings.TrimRight(strings.TrimSpace(c.Text), "：:"))]
	}
	allNames := len(cells) > 0
	for _, c := range cells {
		allNames = allNames && (known(c) != nil || titleKey(c.Text) == "")
	}
	if allNames && *next != end {
		value := (*next).First
		*next = (*next).Next
		for _, c := range cells {
			if value == nil {
				break
			}
			after := value.Next
			if p := known(c); p != nil {
				s.keep(root, p, value)
			}
			value = after
		}
		return nil
	}
	var faults fault.List
	for i := 0; i < len(cells); i++ {
		switch p := known(cells[i]); {
		case p != nil && i+1 < len(cells):
			i++
			s.keep(root, p, cells[i])
		case p == nil && titleKey(cells[i].Text) != "" && len(cells) > 1:
			faults = append(faults, unknownTitle(cells[i]))
		}
	}
	return faults
}

// keep makes a cell the value of property p of n; an empty one is none.
func (s *sheet) keep(n *wire.Node, p *schema.Shape, cell *wire.Node) {
	cell.Name, cell.Text = p.Name, strings.TrimSpace(cell.Text)
	if cell.Text != "" && n.Child(p.Name) == nil {
		n.Append(cell)
	}
}

func unknownTitle(c *wire.Node) fault.Fault {
	title := strings.TrimSpace(c.Text)
	at := fault.Place{Path: "/" + title, Line: int(c.Line), Column: int(c.Column)}
	return fault.New(fault.CSVColumnUnknown, at, title, title).Flagged()
}

// checkHeader tells of columns that are missing, not known, or there twice.
func (s *sheet) checkHeader(h *header) fault.List {
	var faults fault.List
	i := 0
	for c := range h.line.Children() {
		at := fault.Place{Path: "/" + strings.TrimSpace(c.Text), Line: int(c.Line), Column: int(c.Column)}
		switch p := h.columns[i]; {
		case p == nil && titleKey(c.Text) != "":
			faults = append(faults, unknownTitle(c))
		case p != nil && slices.Contains(h.columns[:i], p):
			faults = append(faults, fault.New(fault.CSVColumnTwice, at, c.Text, title(p)))
		}
		i++
	}
	for _, p := range h.missing {
		at := fault.Place{Path: "/" + s.rows.Name, Line: int(h.line.Line), Column: int(h.line.Column)}
		faults = append(faults, fault.New(fault.SchemaRequired, at, "", title(p)).WithRule("required").WithName(p.Title))
	}
	return faults
}

// row makes a line an object of the rows.
func (s *sheet) row(rows, line *wire.Node, h *header) oddRow {
	cell := line.First
	line.Kind, line.First, line.Last = wire.Object, nil, nil
	rows.Append(line)
	count, extra := 0, false
	for i := 0; cell != nil; i++ {
		next := cell.Next
		count++
		switch {
		case i >= len(h.columns):
			extra = extra || titleKey(cell.Text) != ""
		case h.columns[i] != nil:
			s.keep(line, h.columns[i], cell)
		}
		cell = next
	}
	if !extra && count >= len(h.columns) {
		return oddRow{}
	}
	return oddRow{line, count, extra}
}

func isEmpty(line *wire.Node) bool {
	for c := range line.Children() {
		if strings.TrimSpace(c.Text) != "" {
			return false
		}
	}
	return true
}

// repeatsHeader reports whether a line below the header names the columns once
// more, as templates do that have field names and titles.
func (s *sheet) repeatsHeader(line *wire.Node, h *header) bool {
	i := 0
	for c := range line.Children() {
		if key := titleKey(c.Text); key != "" && (i >= len(h.columns) || h.columns[i] == nil || s.columns[key] != h.columns[i]) {
			return false
		}
		i++
	}
	return true
}

// title is how a column is headed when it is written.
func title(p *schema.Shape) string {
	if len(p.Headers) > 0 {
		return p.Headers[0]
	}
	return p.Name
}

// lines are the block, the header and the rows of a wire tree.
func (s *sheet) lines(root *wire.Node) [][]string {
	var lines [][]string
	for _, p := range s.shape.Props {
		if n := root.Child(p.Name); n != nil && p != s.rows {
			lines = append(lines, []string{title(p), n.Text})
		}
	}
	columns := s.rows.Items.Props
	head := make([]string, len(columns))
	for i, p := range columns {
		head[i] = title(p)
	}
	lines = append(lines, head)
	rows := root.Child(s.rows.Name)
	if rows == nil {
		return lines
	}
	for row := range rows.Children() {
		cells := make([]string, len(columns))
		for i, p := range columns {
			if n := row.Child(p.Name); n != nil {
				cells[i] = n.Text
			}
		}
		lines = append(lines, cells)
	}
	return lines
}
