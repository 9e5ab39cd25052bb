package mapping

import (
	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// Decoding is a document translated into canonical records.
type Decoding struct {
	Records []Decoded
	// Faults are about what the records share; an error among them concerns them all.
	Faults fault.List
}

// Decoded is one canonical record.
type Decoded struct {
	// Source is the sender's element that makes the record.
	Source *wire.Node
	// Root is the canonical value, in the order of its schema. Every node's From is
	// the sender's node it came from; for what was computed or set, and for objects
	// and items, the element around.
	Root *wire.Node
	// Faults are what could not be translated; such a value is not in Root.
	Faults fault.List
}

// Decode translates a document of the table's message. It needs no valid document:
// what the schema would refuse is left out, what a codec refuses is a fault with the
// sender's place (MAP_TIME, MAP_NUMBER, MAP_VALUE, MAP_EXPRESSION; MAP_CODE and
// differing constants are flags).
func (t *Table) Decode(root *wire.Node) Decoding {
	s, _ := t.decoding.Get().(*state)
	d := t.decode(s, root)
	s.reset()
	t.decoding.Put(s)
	return d
}

func (t *Table) decode(s *state, root *wire.Node) Decoding {
	s.open(0, root)
	s.pick(s.root, root, 0)
	s.current[0] = 0
	var d Decoding
	s.arena.Reserve(s.picked + 2*len(s.frames) + s.objects)
	s.records = t.expected(s)
	d.Records = make([]Decoded, 0, s.records)
	s.each(t.chain, func() bool {
		source := s.frames[s.current[t.recordScope]].node
		if t.recordSlot >= 0 {
			if source = s.node(t.recordScope, t.recordSlot); source == nil {
				return true
			}
		}
		s.check()
		canonical, _ := s.object(s.plan)
		if canonical == nil {
			canonical = &wire.Node{Kind: wire.Object}
		}
		canonical.From = source
		d.Records = append(d.Records, Decoded{Source: source, Root: canonical, Faults: s.faults})
		s.faults = nil
		return true
	})
	d.Faults = s.common
	return d
}

// expected is how many records the document has.
func (t *Table) expected(s *state) int {
	n := 0
	s.each(t.chain, func() bool {
		n++
		return true
	})
	return n
}
