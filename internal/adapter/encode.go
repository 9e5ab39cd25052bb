package adapter

import (
	"fmt"
	"maps"
	"slices"

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
	if h := f.message.Heading; h != nil {
		h.putOn(root)
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

func sorted[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
