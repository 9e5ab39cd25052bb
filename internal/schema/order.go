package schema

import (
	"slices"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// sequence judges how the child elements of n follow each other. incomplete says
// that something is wrong with their number or kind already, which a content
// model would only repeat.
func (w *walker) sequence(n *wire.Node, s *Shape, ordered, incomplete bool) {
	if s.content != nil {
		if at, ended := s.content.match(n, s); at != nil || !ended {
			w.contentFault(n, s, at, incomplete)
		}
		return
	}
	if ordered || w.quiet > 0 {
		return
	}
	w.addAll(func() fault.List { return orderFaults(n, s) })
}

// contentFault reports a child that may not stand where it does (at), or an
// element that ends too early.
func (w *walker) contentFault(n *wire.Node, s *Shape, at *wire.Node, incomplete bool) {
	rule := "content " + s.Content
	switch {
	case at != nil && s.find(at, 0, true) < 0 && (s.content.wildcards || s.Open):
		w.unexpected(at)
	case incomplete:
		w.found = w.found || w.quiet == 0
	case at != nil:
		w.add(func() fault.Fault {
			return fault.New(fault.SchemaCondition, at.Place(), at.Text, s.Content).WithName(s.Title).WithRule(rule)
		})
	default:
		w.add(func() fault.Fault {
			return fault.New(fault.SchemaCondition, n.Place(), "", s.Content).WithName(s.Title).WithRule(rule)
		})
	}
}

// orderFaults names the elements that are really out of place: those outside
// the longest run of children that stand in the order of the schema.
func orderFaults(n *wire.Node, s *Shape) fault.List {
	var children []*wire.Node
	var order []int
	for c := n.First; c != nil; c = c.Next {
		if i := s.find(c, 0, true); i >= 0 && !c.Attr {
			children, order = append(children, c), append(order, i)
		}
	}
	keep := longestRun(order)
	var l fault.List
	for k, c := range children {
		if keep[k] {
			continue
		}
		p := s.Props[order[k]]
		before := successor(children, order, keep, order[k])
		if before == "" {
			before = "</" + n.Name + ">"
		}
		l = append(l, fault.New(fault.SchemaOrder, c.Place(), c.Text, c.Name, before).WithName(p.Title).WithRule("order before "+before))
	}
	return l
}

// successor is the name of the first kept element that comes after place i.
func successor(children []*wire.Node, order []int, keep []bool, i int) string {
	for k, c := range children {
		if keep[k] && order[k] > i {
			return c.Name
		}
	}
	return ""
}

// longestRun marks one longest non-decreasing subsequence; of several, one that
// keeps what comes first, so that an element which comes late is the one moved.
func longestRun(order []int) []bool {
	// starts[k] is the index of the largest start of a run of length k+1.
	var starts []int
	following := make([]int, len(order))
	for i, v := range slices.Backward(order) {
		k, _ := slices.BinarySearchFunc(starts, v, func(start, v int) int {
			if order[start] >= v {
				return -1
			}
			return 1
		})
		following[i] = -1
		if k > 0 {
			following[i] = starts[k-1]
		}
		if k == len(starts) {
			starts = append(starts, i)
		} else {
			starts[k] = i
		}
	}
	keep := make([]bool, len(order))
	if len(starts) > 0 {
		for i := starts[len(starts)-1]; i >= 0; i = following[i] {
			keep[i] = true
		}
	}
	return keep
}
