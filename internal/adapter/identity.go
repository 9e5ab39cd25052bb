package adapter

import (
	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// identity returns the adapter whose documents are canonical records, when root
// is such a document: {"type": T, "record": {…}}, or an array of them.
func (r *Registry) identity(root *wire.Node, only string) *Adapter {
	first := root
	if root.Kind == wire.Array {
		first = root.First
	}
	if first == nil || first.Kind != wire.Object || first.Child("type") == nil {
		return nil
	}
	for _, a := range r.adapters {
		if a.Identity && (only == "" || only == a.Name) {
			return a
		}
	}
	return nil
}

// takeCanonical checks each item as the canonical record it claims to be.
func (r *Registry) takeCanonical(t *Translation, a *Adapter) {
	t.Adapter, t.Message = a.Name, "record"
	if t.Document.Root.Kind != wire.Array {
		t.take(a, t.Document.Root)
		return
	}
	for item := range t.Document.Root.Children() {
		t.take(a, item)
	}
}

func (t *Translation) take(a *Adapter, item *wire.Node) {
	rec := Record{Source: item, Root: &wire.Node{Kind: wire.Object, Line: item.Line, Column: item.Column, From: item}}
	defer func() { t.Records = append(t.Records, rec) }()
	refuse := func(f fault.Fault) { rec.Faults = append(rec.Faults, f) }
	if item.Kind != wire.Object {
		refuse(fault.New(fault.SchemaType, item.Place(), item.Text, "object", item.Kind))
		return
	}
	for member := range item.Children() {
		if member.Name != "type" && member.Name != "record" {
			refuse(fault.New(fault.SchemaUnexpected, member.Place(), member.Text, member.Name))
		}
	}
	kind, value := item.Child("type"), item.Child("record")
	if kind == nil {
		refuse(fault.New(fault.SchemaRequired, item.Place(), "", "type"))
		return
	}
	rec.Type = kind.Text
	canonical, ok := a.types[kind.Text]
	if !ok {
		refuse(fault.New(fault.TypeUnknown, kind.Place(), kind.Text, kind.Text))
		return
	}
	if value == nil {
		refuse(fault.New(fault.SchemaRequired, item.Place(), "", "record"))
		return
	}
	rec.Root = value
	rec.finish(canonical, a.Deviations)
	if !rec.Faults.Refuses() {
		canonical.Shape().Arrange(value)
	}
}
