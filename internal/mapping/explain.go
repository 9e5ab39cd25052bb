package mapping

import (
	"fmt"

	"tongqu/internal/wire"
)

// Row explains one canonical value.
type Row struct {
	// Record is the index of the record in the document, from 1.
	Record int `json:"record"`
	// Canonical is the path of the value, with indexes from 1: items[2].name.
	Canonical string `json:"canonical"`
	// WirePath, Line and Column are where the sender has it; for what the table sets
	// or computes, the element around.
	WirePath string `json:"wirePath"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	// Raw is the sender's text, Value the canonical one.
	Raw   string `json:"raw"`
	Value string `json:"value"`
	// TableLine is the row that put the value there: file:line.
	TableLine string `json:"tableLine"`
	// Codec is the codec as the table has it; "text" when it has none, "set" for a
	// constant, "default" for a default, "expr" for a computed value.
	Codec string `json:"codec"`
}

// Explain tells of every canonical value of the document where it comes from and
// which row put it there, in the order of the records.
func (t *Table) Explain(root *wire.Node) []Row {
	s := newState(t.decoder)
	s.tracing = true
	d := t.decode(s, root)
	e := explainer{table: t, trace: s.trace}
	for i, r := range d.Records {
		e.record = i + 1
		e.walk(r.Root, "")
	}
	return e.rows
}

type explainer struct {
	table  *Table
	trace  []*lead
	record int
	rows   []Row
}

func (e *explainer) walk(n *wire.Node, path string) {
	if n.IsLeaf() {
		e.leaf(n, path)
		return
	}
	i := 0
	for c := range n.Children() {
		i++
		switch {
		case n.Kind == wire.Array:
			e.walk(c, fmt.Sprintf("%s[%d]", path, i))
		case path == "":
			e.walk(c, c.Name)
		default:
			e.walk(c, path+"."+c.Name)
		}
	}
}

// leaf explains one value; the trace has the leads in the order of the tree.
func (e *explainer) leaf(n *wire.Node, path string) {
	l := e.trace[0]
	e.trace = e.trace[1:]
	row := Row{Record: e.record, Canonical: path, Value: n.Text, Codec: "set"}
	if n.From != nil {
		at := n.Place()
		row.WirePath, row.Line, row.Column = at.Path, at.Line, at.Column
		if l.slot >= 0 {
			row.Raw = n.From.Text
		}
	}
	if l.row == nil {
		row.TableLine = fmt.Sprintf("%s:%d", e.table.file, l.constant.line)
	} else {
		row.TableLine, row.Codec = fmt.Sprintf("%s:%d", e.table.file, l.row.line), l.row.codecName()
		if l.form == leadXML {
			row.Raw = n.Text
		}
		if l.hasDefault && n.From != nil && !n.From.IsLeaf() {
			row.Codec, row.Raw = "default", ""
		}
	}
	e.rows = append(e.rows, row)
}

// codecName is what the row says after `as:`.
func (r *row) codecName() string {
	switch {
	case r.expr != nil:
		return "expr"
	case r.as == "":
		return "text"
	}
	return r.as
}
