package mapping

import (
	"tongqu/internal/expression"
	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// program is a table compiled for one direction. It reads a source tree in one
// pass into frames, and then builds the target tree in the order of the target's
// schema. Both directions run on the same machine: decoding reads wire trees and
// builds canonical ones, encoding the reverse.
type program struct {
	// root picks values out of the source tree.
	root *branch
	// scopes are the contexts in which values stand once: the whole document, one
	// record, one item of an array. Scope 0 is the whole.
	scopes []scope
	// plan is what is built.
	plan *plan
	// checks are the constants that the source tree must hold.
	checks []check
	// encoding tells the direction.
	encoding bool
	// objects is the number of objects in the plan, items aside.
	objects int
	// expressive says that some row has an expression.
	expressive bool
}

// scope is one kind of frame.
type scope struct {
	parent int
	// list is which of the parent's lists holds the frames.
	list int
	// slots and lists are how many of either a frame has.
	slots, lists int
	// shared marks what several records have in common.
	shared bool
}

// branch is a name in the source tree on the way to values.
type branch struct {
	name string
	attr bool
	// slot keeps the node itself; -1 when nothing reads it.
	slot int
	// scope is the scope that each occurrence opens; 0 when the name does not repeat.
	scope int
	next  []*branch
}

// frame is one occurrence of a scope in a document: its values and its lists of
// inner frames. slot and list are where they begin in the state.
type frame struct {
	node       *wire.Node
	slot, list int32
	next       int32
}

// span is a linked list of frames.
type span struct{ first, last int32 }

// none ends a list of frames; no list holds frame 0, which is the whole document.
const none int32 = 0

// state is one run of a program.
type state struct {
	*program
	frames []frame
	slots  []*wire.Node
	lists  []span
	// current is the frame that each scope is at, while building.
	current []int32
	// picked counts the values that were found, records the records of the document.
	picked, records int
	arena           wire.Arena
	spare           *wire.Node
	faults          fault.List
	// common are the faults of what records share.
	common fault.List
	told   map[complaint]bool
	// failed says that the last value could not be translated, which is told;
	// skipped that its row did not apply.
	failed, skipped bool
	contents        map[*wire.Node]string
	missing         []*plan
	env             *expression.Environment
	reading         *evaluation
	quiet           bool
	// trace, where wanted, collects which lead made each leaf, in tree order.
	trace   []*lead
	tracing bool
}

// open makes a new frame of a scope.
func (s *state) open(of int, n *wire.Node) int32 {
	f := int32(len(s.frames)) //nolint:gosec // the reader limits the nodes of a document
	sc := &s.scopes[of]
	s.frames = append(s.frames, frame{node: n, slot: int32(len(s.slots)), list: int32(len(s.lists))}) //nolint:gosec // as above
	for range sc.slots {
		s.slots = append(s.slots, nil)
	}
	for range sc.lists {
		s.lists = append(s.lists, span{})
	}
	return f
}

// link adds frame f to a list of frame parent.
func (s *state) link(parent int32, list int, f int32) {
	l := &s.lists[int(s.frames[parent].list)+list]
	if l.first == none {
		l.first = f
	} else {
		s.frames[l.last].next = f
	}
	l.last = f
}

// node returns what a slot of the current frame of a scope holds, or nil.
func (s *state) node(of, slot int) *wire.Node {
	return s.slots[int(s.frames[s.current[of]].slot)+slot]
}

// first returns the first frame of a list of the current frame of a scope.
func (s *state) first(of, list int) int32 {
	return s.lists[int(s.frames[s.current[of]].list)+list].first
}

// pick keeps what branch b, at node n in frame f, is wanted for, and goes on to
// the children. Of a name that should not repeat the first occurrence counts.
func (s *state) pick(b *branch, n *wire.Node, f int32) {
	if b.slot >= 0 {
		if at := int(s.frames[f].slot) + b.slot; s.slots[at] == nil {
			s.slots[at] = n
			s.picked++
		}
	}
	if len(b.next) == 0 {
		return
	}
	likely := 0 // documents come in the order of their schema
	for c := n.First; c != nil; c = c.Next {
		i := likely
		for b.next[i].name != c.Name || b.next[i].attr != c.Attr {
			if i++; i == len(b.next) {
				i = 0
			}
			if i == likely {
				i = -1
				break
			}
		}
		if i < 0 {
			continue
		}
		likely = i
		inner := b.next[i]
		switch {
		case c.Kind == wire.Null:
		case inner.scope == 0:
			s.pick(inner, c, f)
		case c.Kind == wire.Array:
			for item := c.First; item != nil; item = item.Next {
				if item.Kind != wire.Null {
					s.enter(inner, item, f)
				}
			}
		default:
			s.enter(inner, c, f)
		}
	}
}

// enter opens a frame for one occurrence of a repeating branch.
func (s *state) enter(b *branch, n *wire.Node, parent int32) {
	f := s.open(b.scope, n)
	s.link(parent, s.scopes[b.scope].list, f)
	s.pick(b, n, f)
}

// maxKept bounds the memory that a state keeps between runs.
const maxKept = 1 << 14

// reset makes the state ready for another run and lets go of the last document.
func (s *state) reset() {
	clear(s.slots)
	clear(s.frames)
	if cap(s.slots) > maxKept || cap(s.frames) > maxKept {
		s.slots, s.frames, s.lists = nil, nil, nil
	}
	s.slots, s.frames, s.lists = s.slots[:0], s.frames[:0], s.lists[:0]
	clear(s.current)
	s.arena, s.spare = wire.Arena{}, nil
	s.faults, s.common, s.told, s.contents = nil, nil, nil, nil
	s.missing, s.trace, s.tracing = s.missing[:0], nil, false
	if s.env != nil {
		s.env.Release()
	}
	s.reading, s.quiet, s.picked = nil, false, 0
}
