package adapter

import (
	"fmt"
	"slices"
	"strings"

	"tongqu/internal/conf"
	"tongqu/internal/wire"
)

// present is the value of a match that only asks for something to be there.
const present = "*"

// recognise finds the message of a document by namespace and root, then by what
// Match demands, the message that demands most first; a root known under another
// namespace is taken too, and the schema then says what is wrong. only, where
// given, names the adapter.
func (r *Registry) recognise(root *wire.Node, only string) *Message {
	var near *Message
	for _, m := range r.byRoot[root.Name] {
		if only != "" && m.Adapter.Name != only || !m.matches(root) {
			continue
		}
		if root.Space == m.Wire.Shape().Namespace {
			return m
		}
		if near == nil {
			near = m
		}
	}
	return near
}

func (m *Message) matches(root *wire.Node) bool {
	for path, want := range m.Match {
		if n := find(root, path); n == nil || want != present && strings.TrimSpace(n.Text) != want {
			return false
		}
	}
	return true
}

// find follows a wire path of plain steps from n, taking the first of repeated
// elements and of array items.
func find(n *wire.Node, path string) *wire.Node {
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		for n != nil && n.Kind == wire.Array {
			n = n.First
		}
		if n == nil {
			return nil
		}
		if name, ok := strings.CutPrefix(step, "@"); ok {
			n = n.Attribute(name)
		} else {
			n = n.Child(step)
		}
	}
	return n
}

// Lint proves every table of every adapter (or of the one named) complete, and
// that a document can be told from those of other messages.
func (r *Registry) Lint(name string) conf.Problems {
	var ps conf.Problems
	for _, a := range r.adapters {
		if name != "" && a.Name != name {
			continue
		}
		for _, m := range a.messages {
			ps = append(ps, r.lintMatch(m)...)
			if m.Table != nil {
				ps = append(ps, m.Table.Lint()...)
			}
			if m.answer != nil && m.answer.Table != nil {
				ps = append(ps, m.lintReceipt()...)
			}
		}
	}
	return ps
}

// lintMatch finds match paths that the schema does not have, and the messages that
// a document of m could also be taken for.
func (r *Registry) lintMatch(m *Message) conf.Problems {
	var ps conf.Problems
	add := func(format string, args ...any) {
		ps = append(ps, conf.Problem{
			File: "adapters/" + m.Adapter.Name + "/adapter.yaml", Line: 1, Column: 1,
			Message: "message " + m.Name + ": " + fmt.Sprintf(format, args...),
		})
	}
	for _, path := range sorted(m.Match) {
		if s := m.Wire.Shape().At(path); s == nil {
			add("match: there is no %q in the schema", path)
		} else if want := m.Match[path]; want != present && len(s.Enum) > 0 && !slices.Contains(s.Enum, want) {
			add("match: %s cannot be %q: the schema has %v", path, want, s.Enum)
		}
	}
	shape := m.Wire.Shape()
	if m.sheet != nil {
		for _, other := range r.sheets {
			if other != m && m.sheet.couldBe(other.sheet) && other.sheet.couldBe(m.sheet) {
				add("its header could also be that of %s: let one of them require a column that the other does not know", other.ID())
			}
		}
		return ps
	}
	for _, other := range r.byRoot[shape.Root] {
		if other != m && other.Wire.Shape().Namespace == shape.Namespace && !m.differs(other) && other.couldTake(m) {
			add("a document of it could also be %s: give match something that only one of them has", other.ID())
		}
	}
	return ps
}

// differs reports whether both ask for different values at one path, or one of
// them for all that the other does and more.
func (m *Message) differs(other *Message) bool {
	shared := 0
	for path, want := range m.Match {
		have, ok := other.Match[path]
		switch {
		case ok && want != present && have != present && want != have:
			return true
		case ok && (want == have || have == present || want == present):
			shared++
		}
	}
	return len(m.Match) != len(other.Match) && shared == min(len(m.Match), len(other.Match))
}

// couldTake reports whether m is tried before (or with) other, and a document that
// other's schema allows may hold all that m asks for.
func (m *Message) couldTake(other *Message) bool {
	if len(m.Match) < len(other.Match) {
		return false
	}
	for path, want := range m.Match {
		s := other.Wire.Shape().At(path)
		if s == nil || want != present && len(s.Enum) > 0 && !slices.Contains(s.Enum, want) {
			return false
		}
		if have, ok := other.Match[path]; ok && have != present && want != present && have != want {
			return false
		}
	}
	return true
}
