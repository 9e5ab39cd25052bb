package mapping

import (
	"slices"

	"tongqu/internal/expression"
)

// Feeds tells which canonical values each wire value goes to, by wire path from
// the document's root (/Order/OrderHead/buyerName), the values that expressions
// read included.
func (t *Table) Feeds() map[string][]string {
	feeds := map[string][]string{}
	add := func(wire, canonical string) {
		if !slices.Contains(feeds[wire], canonical) {
			feeds[wire] = append(feeds[wire], canonical)
		}
	}
	for _, r := range t.rows {
		if !r.decodes() {
			continue
		}
		for _, w := range r.wires {
			add(w.key(), r.path)
		}
		if r.expr == nil {
			continue
		}
		for _, ref := range r.expr.Reads {
			if w, err := resolveWire(ref.Path, t.wire, t.each); ref.Function == expression.Wire && err == nil {
				add(w.key(), r.path)
			}
		}
	}
	return feeds
}
