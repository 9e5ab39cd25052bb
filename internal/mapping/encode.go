package mapping

import (
	"fmt"
	"strings"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// Encode writes canonical records as one document of the table's message. What
// stands once in the document must be the same in all records. A document that
// lacks something the wire schema requires comes with a MAP_MISSING for each; it
// is then no document to be sent, as little as with any other error among the
// faults. Codes that the list does not know pass, flagged with MAP_CODE.
func (t *Table) Encode(records []*wire.Node) (*wire.Node, fault.List) {
	s, _ := t.encoding.Get().(*state)
	root, faults := t.encode(s, records)
	s.reset()
	t.encoding.Put(s)
	return root, faults
}

func (t *Table) encode(s *state, records []*wire.Node) (*wire.Node, fault.List) {
	s.open(0, nil)
	s.records = len(records)
	for _, r := range records {
		f := s.open(1, r)
		s.link(0, 0, f)
		s.pick(s.root, r, f)
	}
	if len(t.each) == 0 && len(records) != 1 {
		s.faults = append(s.faults, fault.New(fault.MapValue, fault.Place{}, "", fmt.Sprintf("%s: 1 ≠ %d", t.message, len(records))))
	}
	if len(records) == 0 {
		return nil, append(s.faults, fault.New(fault.MapMissing, fault.Place{}, "", wirePath(t.each, nil)))
	}
	s.current[1] = s.first(0, 0)
	s.each([]int{1}, func() bool { s.check(); return true })
	s.arena.Reserve(s.picked + 2*len(s.frames) + s.objects)
	root, _ := s.object(s.plan)
	if root == nil {
		root = s.new(s.plan)
	}
	if len(t.each) > 0 && t.each[0].name == "" {
		root.Kind = wire.Array
	}
	for _, p := range s.missing {
		s.faults = append(s.faults, p.lack())
	}
	return root, s.faults
}

// lack is the fault of a required node without a value. It has no place in any
// document; its path is the target's.
func (p *plan) lack() fault.Fault {
	var from []string
	for _, l := range p.leads {
		if l.row != nil {
			from = append(from, l.row.path)
		}
	}
	what := p.path
	if len(from) > 0 {
		what += " ← " + strings.Join(from, ", ")
	}
	return fault.New(fault.MapMissing, fault.Place{Path: p.path}, "", what).WithName(p.title).WithRule("required")
}
