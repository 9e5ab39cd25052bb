package adapter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// Encoded is a document as an agency wants it.
type Encoded struct {
	Body        []byte
	ContentType string
	// Extension is the file name's ending, without the dot.
	Extension string
}

// Encode writes canonical records (compact JSON each) as one document of a format
// as Format knows them; tr is for its envelopes. A record that the format cannot
// express is not written half: the error is a fault.List that names all that is
// missing.
func (r *Registry) Encode(format string, bodies [][]byte, tr Transfer) (Encoded, error) {
	f, err := r.Format(format)
	if err != nil {
		return Encoded{}, fault.List{fault.New(fault.DeliveryNotEncoded, fault.Place{}, "", format, err)}
	}
	roots := make([]*wire.Node, len(bodies))
	for i, body := range bodies {
		doc, err := wire.ReadJSON(body, r.limits)
		if err != nil {
			return Encoded{}, fmt.Errorf("reading canonical record: %w", err)
		}
		roots[i] = doc.Root
	}
	return f.encode(roots, tr)
}

func (f *Format) encode(roots []*wire.Node, tr Transfer) (Encoded, error) {
	root, faults := f.message.Table.Encode(roots)
	if faults.Refuses() {
		return Encoded{}, faults
	}
	if found := f.message.Wire.Check(root); found.Refuses() {
		return Encoded{}, found
	}
	return f.write(root, tr, false)
}

// write puts a wire tree into the adapter's format and charset.
func (m *Message) write(root *wire.Node, style wire.XMLStyle) (Encoded, error) {
	switch m.Adapter.Format {
	case formatJSON:
		return Encoded{Body: wire.WriteJSON(root, style.Indent), ContentType: "application/json", Extension: "json"}, nil
	case formatCSV:
		body, err := wire.WriteCSV(m.sheet.lines(root), style.Charset)
		if err != nil {
			return Encoded{}, err
		}
		return Encoded{Body: body, ContentType: "text/csv; charset=" + style.Charset + "; header=present", Extension: "csv"}, nil
	}
	body, err := wire.WriteXML(root, style)
	if err != nil {
		return Encoded{}, err
	}
	return Encoded{Body: body, ContentType: "application/xml; charset=" + style.Charset, Extension: "xml"}, nil
}

// Answer is what became of one record, for the agency's own receipt.
type Answer struct {
	// Root is the record's canonical value, as far as it could be translated.
	Root *wire.Node
	// Outcome is accepted, rejected, duplicate or stale.
	Outcome string
	Faults  fault.List
	// Info is told when there are no faults to tell, e.g. the first record's id.
	Info string
}

// HasReceipt reports whether the translated message is answered in the agency's own format.
func (t *Translation) HasReceipt() bool { return t.message != nil && t.message.answer != nil }

// receiptTime is how times are written in receipts and envelopes: RFC 3339 with
// milliseconds.
const receiptTime = "2006-01-02T15:04:05.000Z07:00"

// Receipt writes the agency's own receipt for the answers; at is the receipt's
// time and id its own number. It goes back in the envelopes that the document came
// in, where they say so, from its receiver to its sender.
func (t *Translation) Receipt(answers []Answer, at time.Time, id string) (Encoded, error) {
	m := t.message
	format := Format{message: m.answer}
	tr := Transfer{ID: id, At: at}
	for _, e := range t.envelopes {
		if e.message.Envelope.Answers {
			format.envelopes = append(format.envelopes, e.message)
			tr.Sender, tr.Receiver = cmp.Or(e.receiver, tr.Sender), cmp.Or(e.sender, tr.Receiver)
		}
	}
	roots := make([]*wire.Node, len(answers))
	for i, a := range answers {
		roots[i] = m.Receipt.status(a, at.In(china).Format(receiptTime), id)
	}
	// A receipt for a document that could not be read whole lacks what could not
	// be read; it is sent all the same, as customs does.
	root, _ := m.answer.Table.Encode(roots)
	return format.write(root, tr, true)
}

// status builds the canonical record of a receipt.
func (r *Receipt) status(a Answer, at, id string) *wire.Node {
	root := &wire.Node{Kind: wire.Object}
	for _, path := range sorted(r.Fields) {
		var text string
		switch source := r.Fields[path]; source {
		case "$status":
			text = r.Status[a.Outcome]
		case "$time":
			text = at
		case "$id":
			text = id
		case "$info":
			text = r.info(a)
		default:
			if n := value(a.Root, source); n != nil {
				text = n.Text
			}
		}
		if text != "" {
			put(root, path, text)
		}
	}
	return root
}

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// maxInfo is the length of returnInfo in the CEB receipts, in characters.
const maxInfo = 1000

// info is the receipt's text: the faults, each with its place, or the template.
func (r *Receipt) info(a Answer) string {
	var b strings.Builder
	for _, f := range a.Faults {
		if f.Severity != fault.Error {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(';')
		}
		b.WriteString(f.ZH)
		if f.Line > 0 {
			fmt.Fprintf(&b, "[%s 第%d行第%d列]", f.Path, f.Line, f.Column)
		}
	}
	if b.Len() == 0 {
		b.WriteString(a.Info)
	}
	if b.Len() == 0 {
		b.WriteString(fillPaths(r.Info, a.Root))
	}
	if runes := []rune(b.String()); len(runes) > maxInfo {
		return string(runes[:maxInfo-1]) + "…"
	}
	return b.String()
}

// fillPaths replaces each {path} of the template by the record's value.
func fillPaths(template string, root *wire.Node) string {
	var b strings.Builder
	for {
		before, rest, open := strings.Cut(template, "{")
		b.WriteString(before)
		if !open {
			return b.String()
		}
		path, after, _ := strings.Cut(rest, "}")
		if n := value(root, path); n != nil {
			b.WriteString(n.Text)
		}
		template = after
	}
}

// put sets the text at a canonical path, making the objects on the way.
func put(root *wire.Node, path, text string) {
	for {
		step, rest, more := strings.Cut(path, ".")
		if !more {
			root.Append(&wire.Node{Kind: wire.Text, Name: step, Text: text})
			return
		}
		child := root.Child(step)
		if child == nil {
			child = root.Append(&wire.Node{Kind: wire.Object, Name: step})
		}
		root, path = child, rest
	}
}
