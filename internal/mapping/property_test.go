package mapping

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/fault"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// generator draws trees of one side of a table, with values that its codecs take.
type generator struct {
	table     *Table
	canonical bool
}

func (g generator) key(steps []step) string {
	if g.canonical {
		return canonicalPath(steps)
	}
	return wirePath(steps, nil)
}

// row finds the unconditional row that writes a leaf, or the constant that it is.
func (g generator) row(steps []step) (r *row, fixed string) {
	constants := g.table.fixed
	if g.canonical {
		constants = g.table.set
	}
	for _, c := range constants {
		if g.key(c.route.steps) == g.key(steps) {
			return nil, c.value
		}
	}
	for _, r := range g.table.rows {
		if !r.encodes() || !r.decodes() || r.when != nil || r.join != nil {
			continue
		}
		if g.canonical && g.key(r.canonical.steps) == g.key(steps) || !g.canonical && r.wires[0].key() == g.key(steps) {
			return r, ""
		}
	}
	return nil, ""
}

// onlyRead reports whether another row of the same element takes the text for a code
// that is read and not written, such as a country's number of old.
func (g generator) onlyRead(r *row, text string) bool {
	return slices.ContainsFunc(g.table.rows, func(o *row) bool {
		c, ok := o.codec.(*codeCodec)
		if !ok || o.encodes() || o.wires[0].key() != r.wires[0].key() {
			return false
		}
		_, known := c.column.Decode(text)
		return known
	})
}

// value draws what a leaf of that row can be.
func (g generator) value(t *rapid.T, r *row) string {
	word := func() string {
		s := rapid.StringMatching(`[A-Z0-9<&"'关区]([A-Z0-9 <&"'\p{Han}]{0,8}[A-Z0-9关区])?`).Draw(t, "text")
		if r.split != "" {
			return strings.ReplaceAll(s, r.split, "")
		}
		if g.onlyRead(r, s) {
			return "Q" + s
		}
		return s
	}
	var canonical string
	switch c := r.codec.(type) {
	case nil:
		switch {
		case r.expr != nil:
			if shape := r.canonical.shape(); g.canonical && shape.Pattern != "" && !shape.Decimal { // what the expression makes
				return rapid.StringMatching(shape.Pattern).Draw(t, "value")
			}
			return rapid.StringMatching(`[1-9][0-9]{0,4}`).Draw(t, "number")
		case r.xml:
			return fmt.Sprintf(`<v xmlns="urn:x" a="%d">%d</v>`, rapid.IntRange(0, 9).Draw(t, "a"), rapid.IntRange(0, 9).Draw(t, "v"))
		}
		return word()
	case blanksCodec:
		return "  " + word()
	case *codeCodec:
		canonical = rapid.SampledFrom(c.column.List().Codes()).Filter(func(code string) bool {
			wire, ok := c.column.Encode(code)
			back, _ := c.column.Decode(wire)
			return ok && back == code // a system may have one code for several of ours
		}).Draw(t, "code")
	case *timeCodec, *xsdTimeCodec, *dateCodec:
		at := time.Unix(rapid.Int64Range(-1e9, 4e9).Draw(t, "time"), 0).In(time.FixedZone("", 8*3600))
		canonical = at.Format(time.RFC3339)
		if dc, isDate := r.codec.(*dateCodec); isDate {
			canonical = at.Format(time.DateOnly)
			if !hasDay(dc.iso) {
				canonical = at.Format("2006-01")
			}
		} else if tc, ok := r.codec.(*timeCodec); ok {
			if tc.milli {
				canonical = at.Format("2006-01-02T15:04:05.000Z07:00")
			}
			wire, _ := tc.encode(canonical)
			canonical, _ = tc.decode(wire) // the zone's own offset
		}
	case *flagCodec:
		canonical = rapid.SampledFrom([]string{"true", "false"}).Draw(t, "flag")
	case integerCodec:
		canonical = rapid.StringMatching(`[1-9][0-9]{0,5}`).Draw(t, "integer")
	case decimalCodec:
		canonical = rapid.StringMatching(`-?[0-9]{1,6}(\.[0-9]{1,5})?`).Draw(t, "decimal")
	case *constCodec:
		canonical = c.value
	}
	if g.canonical {
		return canonical
	}
	wire, _ := r.codec.encode(canonical)
	return wire
}

// tree draws an object; nil when it would be empty.
func (g generator) tree(t *rapid.T, shape *schema.Shape, steps []step) *wire.Node {
	n := &wire.Node{Kind: wire.Object, Space: shape.Namespace}
	for _, attributes := range []bool{true, false} {
		for _, p := range shape.Props {
			if strings.HasPrefix(p.Name, "@") != attributes {
				continue
			}
			g.member(t, n, shape, p, steps)
		}
	}
	if n.First == nil && n.Text == "" {
		return nil
	}
	return n
}

func (g generator) member(t *rapid.T, n *wire.Node, shape, p *schema.Shape, steps []step) {
	st, err := stepInto(shape, p.Name)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Required && rapid.Bool().Draw(t, "absent") {
		return
	}
	steps = append(slices.Clip(steps), st)
	into, count := n, 1
	if st.repeats {
		count = rapid.IntRange(1, 3).Draw(t, "count")
		if g.canonical || g.table.wire.Root == "" { // as JSON and CSV have them
			into = &wire.Node{Kind: wire.Array, Name: p.Name}
		}
	}
	for range count {
		c := g.node(t, st, steps)
		if c == nil {
			continue
		}
		if st.name == text {
			n.Text = c.Text
			if n.First == nil {
				n.Kind = wire.Text
			}
			continue
		}
		if c.Name = st.name; into != n {
			c.Name = ""
		}
		if c.Attr = st.attr; c.Attr {
			c.Space = ""
		}
		into.Append(c)
	}
	if into != n && into.First != nil {
		n.Append(into)
	}
}

func (g generator) node(t *rapid.T, st step, steps []step) *wire.Node {
	r, fixed := g.row(steps)
	if r == nil && fixed == "" {
		if st.shape.Kind == schema.Object {
			return g.tree(t, st.shape, steps)
		}
		return nil
	}
	c := &wire.Node{Kind: leafKind(st.shape), Text: fixed, Space: st.shape.Namespace}
	if r == nil {
		return c
	}
	c.Text = g.value(t, r)
	if r.xml && !g.canonical {
		nodes, err := wire.ReadFragment(c.Text)
		if err != nil {
			t.Fatal(err)
		}
		c.Kind, c.Text = wire.Object, ""
		for _, inner := range nodes {
			c.Append(inner)
		}
	}
	return c
}

// eachTable runs f with all tables of the hub and those of the tests.
func eachTable(t *testing.T, f func(t *testing.T, table *Table)) {
	t.Helper()
	w, mappings := repository(t)
	files, err := fs.Glob(mappings, "*/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(file, ".yaml")
		t.Run(name, func(t *testing.T) {
			table := w.load(t, mappings, name)
			if table.canonical == "identity.check-result.v1" {
				t.Skip("an answer is read and never written: its outcome is computed of several values, which random ones contradict")
			}
			f(t, table)
		})
	}
	own := loadWorld(t)
	for _, name := range []string{"demo/Shipment", "demo/Transport"} {
		t.Run(name, func(t *testing.T) { f(t, own.load(t, os.DirFS("testdata/mappings"), name)) })
	}
}

// TestRoundTripWire: encode(decode(x)) is x, for documents of every table.
func TestRoundTripWire(t *testing.T) {
	eachTable(t, func(t *testing.T, table *Table) {
		t.Helper()
		rapid.Check(t, func(t *rapid.T) {
			g := generator{table: table}
			root := g.tree(t, table.wire, nil)
			root.Name = table.wire.Root
			sayCount(table, root)
			d := table.Decode(root)
			require.False(t, d.Faults.Refuses(), "%v", d.Faults)
			for _, r := range d.Records {
				require.False(t, r.Faults.Refuses(), "%v", r.Faults)
			}
			back, faults := table.Encode(roots(d))
			for _, f := range faults {
				require.True(t, f.Severity == fault.Flag || onlyWhen(table, f), "%v", f)
			}
			dropEchoes(table, back, "")
			require.Equal(t, written(root), written(back))
		})
	})
}

// onlyWhen reports whether a fault is the lack of an element that only rows with
// `when` read, which the generator leaves out.
func onlyWhen(table *Table, f fault.Fault) bool {
	return f.Code == fault.MapMissing && !slices.ContainsFunc(table.rows, func(r *row) bool {
		return r.when == nil && r.decodes() && slices.ContainsFunc(r.wires, func(w wireRef) bool { return strings.HasSuffix(f.Path, w.key()) })
	})
}

// dropEchoes takes out what is only written, never read: numbers that a document
// says again, which the generator leaves out.
func dropEchoes(table *Table, n *wire.Node, path string) {
	for c := range n.Children() {
		at := path + "/" + c.Name
		of := func(r *row) bool { return len(r.wires) == 1 && r.wires[0].key() == at }
		if read := slices.ContainsFunc(table.rows, func(r *row) bool { return of(r) && r.decodes() }); !read && slices.ContainsFunc(table.rows, of) {
			c.Text = ""
		}
		dropEchoes(table, c, at)
	}
}

// sayCount writes the number of records where a document says it.
func sayCount(table *Table, root *wire.Node) {
	for _, c := range table.fixed {
		if !c.counts {
			continue
		}
		n := root
		for _, st := range c.route.steps {
			if n = n.Child(st.name); n == nil {
				break
			}
		}
		if n != nil {
			n.Text = strconv.Itoa(len(table.Decode(root).Records))
		}
	}
}

// written is the outline of a tree without its empty leaves.
func written(n *wire.Node) string {
	var lines []string
	for line := range strings.SplitSeq(outline(n), "\n") {
		if !strings.HasSuffix(line, `false ""`) || strings.Contains(line, "Seal") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// TestRoundTripCanonical: decode(encode(v)) says all that v says, and settles.
func TestRoundTripCanonical(t *testing.T) {
	eachTable(t, func(t *testing.T, table *Table) {
		t.Helper()
		rapid.Check(t, func(t *rapid.T) {
			g := generator{table: table, canonical: true}
			root := g.tree(t, table.record, nil)
			doc, faults := table.Encode([]*wire.Node{root})
			for _, f := range faults { // what only `when` rows give may be missing
				require.Equal(t, "MAP_MISSING", string(f.Code), "%v", f)
			}
			first := table.Decode(doc)
			require.Len(t, first.Records, 1)
			back := first.Records[0].Root
			require.Empty(t, lost(root, back))
			doc, _ = table.Encode([]*wire.Node{back})
			again := table.Decode(doc)
			require.Equal(t, jsonOf(first), jsonOf(again))
		})
	})
}

// lost are the leaves of v that w lacks or has different.
func lost(v, w *wire.Node) []string {
	if w == nil {
		return []string{v.Path()}
	}
	if v.IsLeaf() {
		if v.Text != w.Text || v.Kind != w.Kind {
			return []string{v.Path() + ": " + v.Text + " became " + w.Text}
		}
		return nil
	}
	var out []string
	d := w.First
	for c := range v.Children() {
		if v.Kind == wire.Array {
			out = append(out, lost(c, d)...)
			if d != nil {
				d = d.Next
			}
			continue
		}
		out = append(out, lost(c, w.Child(c.Name))...)
	}
	return out
}

// TestDecodeIsPure: the same document gives the same records, whatever ran before
// and beside it.
func TestDecodeIsPure(t *testing.T) {
	table := loadWorld(t).table(t, "demo/Shipment")
	broken := readXML(t, strings.ReplaceAll(shipment, "2026", "x"))
	whole := readXML(t, shipment)
	done := make(chan string)
	for range 4 {
		go func() {
			for range 20 {
				table.Decode(broken)
			}
			done <- jsonOf(table.Decode(whole))
		}()
	}
	for range 4 {
		requireText(t, shipmentRecords, <-done)
	}
}
