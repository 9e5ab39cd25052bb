package schema

import (
	"cmp"
	"slices"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// Check returns everything that is wrong with a document, or nil. Faults stand
// in the order of the sender's document; those of x-rules, x-codes and x-check
// are flags unless the schema says otherwise, all others are errors.
//
// A plainly valid document costs one walk and no allocation. JSON Schema's own
// keywords are in the end judged by the library alone.
func (s *Schema) Check(root *wire.Node) fault.List {
	isXML := s.shape.Root != "" && root.Name != ""
	if isXML && root.Name != s.shape.Root {
		return fault.List{fault.New(fault.SchemaUnexpected, root.Place(), "", root.Name).WithRule("root " + s.shape.Root)}
	}
	w, _ := s.walkers.Get().(*walker)
	*w = walker{isXML: isXML, counts: w.counts[:0], ids: w.ids[:0]}
	defer func() {
		clear(w.ids) // they would keep the document in memory
		s.walkers.Put(w)
	}()
	v := w.document(root, s)
	if v == valid && !w.found {
		return nil
	}
	var l fault.List
	if w.found {
		w.report, w.ids = &l, w.ids[:0]
		w.document(root, s)
		w.report, w.namespaces = nil, nil
	}
	if v != valid {
		l = append(l, s.ask(root, isXML)...)
	}
	return inPlaceOrder(l)
}

// document walks the whole document and applies the rules.
func (w *walker) document(root *wire.Node, s *Schema) verdict {
	w.namespace(root, s.shape)
	v := w.value(root, s.shape)
	for i := range s.rules {
		if !s.rules[i].check(root, w.report) {
			w.found = true
		}
	}
	if len(s.conditions) > 0 && w.conditions(root, s) {
		w.found = true
	}
	return v
}

// inPlaceOrder sorts faults by place and drops those that say the same again.
func inPlaceOrder(l fault.List) fault.List {
	slices.SortStableFunc(l, func(a, b fault.Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Rule, b.Rule))
	})
	return slices.CompactFunc(l, func(a, b fault.Fault) bool {
		return a.Code == b.Code && a.Rule == b.Rule && a.Path == b.Path && a.Line == b.Line && a.Column == b.Column
	})
}
