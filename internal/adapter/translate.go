package adapter

import (
	"slices"
	"strings"
	"time"

	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// Translation is a document read, recognised, checked and translated.
type Translation struct {
	// Adapter and Message are empty when no adapter knows the document.
	Adapter string
	Message string
	// Document is the document itself, out of its envelopes; nil when not readable.
	Document *wire.Document
	Records  []Record
	// Faults belong to no single record; an error among them refuses all records.
	Faults fault.List

	message   *Message // of a table-driven adapter
	envelopes []opened // outermost first
}

// Record is one canonical record of a Translation.
type Record struct {
	// Type is the canonical type with its version.
	Type string
	// Root is the canonical value; its leaves know where in the document they came from.
	Root *wire.Node
	// Source is the element that makes the record.
	Source  *wire.Node
	Keys    []record.Key
	Version time.Time
	Action  record.Action
	Faults  fault.List
}

// Refused reports whether the record cannot be accepted.
func (t *Translation) Refused(r *Record) bool { return t.Faults.Refuses() || r.Faults.Refuses() }

// Translate reads data and translates it with the adapter that knows it (only
// the one named, where only is not empty). It always returns what it could find
// out; what is wrong is in the faults.
func (r *Registry) Translate(data []byte, only string) *Translation {
	return r.take(r.read(data), only, 0)
}

// read reads data, and no more.
func (r *Registry) read(data []byte) *Translation {
	t := &Translation{}
	doc, err := wire.Read(data, r.limits)
	if err != nil {
		t.Faults = fault.Of(err)
		return t
	}
	t.Document, t.Faults = doc, doc.Faults
	return t
}

// take recognises and translates a document that was read; depth is how many
// envelopes it came in.
func (r *Registry) take(t *Translation, only string, depth int) *Translation {
	doc := t.Document
	if doc == nil {
		return t
	}
	if doc.Format == wire.CSV {
		r.takeSheet(t, only)
		return t
	}
	if doc.Format != wire.XML {
		if a := r.identity(doc.Root, only); a != nil {
			r.takeCanonical(t, a)
			return t
		}
	}
	m := r.recognise(doc.Root, only)
	if m == nil && only != "" {
		if outer := r.recognise(doc.Root, ""); outer != nil && outer.Envelope != nil {
			m = outer // the named adapter's message may come in any envelope
		}
	}
	switch {
	case m == nil:
		t.Faults = append(t.Faults, fault.New(fault.DocumentUnknown, doc.Root.Place(), "", orNone(doc.Root.Name), orNone(doc.Root.Space)))
	case m.Envelope != nil:
		return r.open(t, m, only, depth)
	case m.Table == nil: // a control file: it names others and holds no records
		t.Adapter, t.Message, t.message = m.Adapter.Name, m.Name, m
		found := m.Wire.Check(doc.Root)
		settle(m.Adapter.Deviations, found)
		t.Faults = append(t.Faults, found...)
	default:
		t.Adapter, t.Message, t.message = m.Adapter.Name, m.Name, m
		m.decode(t, nil)
	}
	return t
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// decode checks the document against the wire schema, translates it, and checks
// each record against the canonical schema. before is what is known of the document
// already, settled.
func (m *Message) decode(t *Translation, before fault.List) {
	root := t.Document.Root
	if m.Heading != nil {
		before = append(before, m.Heading.takeOff(root)...)
	}
	found := m.Wire.Check(root)
	settle(m.Adapter.Deviations, found)
	found = append(before, found...)
	decoding := m.Table.Decode(root)
	t.Records = make([]Record, len(decoding.Records))
	for i, d := range decoding.Records {
		t.Records[i] = Record{Type: m.Table.Canonical(), Root: d.Root, Source: d.Source, Faults: d.Faults}
	}
	t.assign(found)
	t.Faults = append(t.Faults, decoding.Faults...)
	if len(t.Records) == 0 && !t.Faults.Refuses() {
		t.Faults = append(t.Faults, fault.New(fault.NoRecords, root.Place(), "", m.Name))
	}
	for i := range t.Records {
		t.Records[i].finish(m.Canonical, m.Adapter.Deviations)
	}
}

// assign gives each fault to the record it stands in, or to the document.
func (t *Translation) assign(found fault.List) {
	if len(found) == 0 {
		return
	}
	byPath := make(map[string]int, len(t.Records))
	for i := range t.Records {
		byPath[t.Records[i].Source.Path()] = i
	}
	for _, f := range found {
		if i, ok := within(byPath, f.Path); ok {
			t.Records[i].Faults = append(t.Records[i].Faults, f)
		} else {
			t.Faults = append(t.Faults, f)
		}
	}
}

// within finds the record whose element has the path or one above it; "/" is the
// root of a document without a name.
func within(byPath map[string]int, path string) (int, bool) {
	for up := len(path); up >= 0; up = strings.LastIndexByte(path, '/') {
		path = path[:up]
		if i, ok := byPath[path]; ok {
			return i, true
		}
	}
	i, ok := byPath["/"]
	return i, ok
}

// finish checks the canonical value and takes keys, version and action from it.
func (r *Record) finish(canonical *schema.Schema, ds []Deviation) {
	found := canonical.Check(r.Root)
	if len(found)+len(r.Faults) > 0 {
		settle(ds, r.Faults)
		settle(ds, found)
		r.add(found)
	}
	shape := canonical.Shape()
	r.takeKeys(shape.Keys)
	if n := value(r.Root, shape.Version); n != nil {
		if v, err := time.Parse(time.RFC3339Nano, n.Text); err == nil {
			r.Version = v
		}
	}
	r.Action = record.Create
	if n := value(r.Root, shape.Action); n != nil {
		r.Action = record.Action(n.Text)
	}
}

// add takes faults of the canonical value, except those that only repeat what
// was found before: errors of a record that is refused already, a second error
// at the same place, a code list's flag on a code that could not be translated.
func (r *Record) add(found fault.List) {
	refused := r.Faults.Refuses()
	before := r.Faults
	for _, f := range found {
		isRule := strings.HasPrefix(string(f.Code), "RULE_")
		if refused && !isRule {
			continue
		}
		repeats := slices.ContainsFunc(before, func(b fault.Fault) bool {
			if b.Path != f.Path || b.Line != f.Line || b.Column != f.Column {
				return false
			}
			return !isRule && b.Severity == fault.Error || f.Code == fault.RuleCodeList && b.Code == fault.MapCode
		})
		if !repeats {
			r.Faults = append(r.Faults, f)
		}
	}
}

// Value is the text at a canonical path of plain steps, or "".
func Value(root *wire.Node, path string) string {
	if n := value(root, path); n != nil {
		return n.Text
	}
	return ""
}

// value follows a canonical path of plain steps; nil when it is not there.
func value(n *wire.Node, path string) *wire.Node {
	if path == "" {
		return nil
	}
	for more := true; more && n != nil; {
		var step string
		step, path, more = strings.Cut(path, ".")
		n = n.Child(step)
	}
	return n
}
