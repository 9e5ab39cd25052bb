package adapter

import (
	"slices"
	"strings"

	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// takeKeys takes the business keys from the canonical value. A key exists only
// when all its parts do; one that goes through an array has a value an item.
func (r *Record) takeKeys(keys []schema.Key) {
	r.Keys = make([]record.Key, 0, len(keys))
	for i, k := range keys {
		if i > 0 && strings.Contains(k.Paths[len(k.Paths)-1], "[]") {
			r.takeEach(k)
			continue
		}
		value, ok := keyValue(r.Root, k.Paths)
		switch {
		case ok:
			r.Keys = append(r.Keys, record.Key{Name: k.Name, Value: value})
		case i == 0 && !r.Faults.Refuses():
			// without its identity a record is no version of anything
			r.Faults = append(r.Faults, fault.New(fault.SchemaRequired, r.Source.Place(), "", strings.Join(k.Paths, ", ")))
		}
	}
}

// takeEach takes a key whose last path goes through an array: each value once.
func (r *Record) takeEach(k schema.Key) {
	last := len(k.Paths) - 1
	prefix := ""
	if last > 0 {
		joined, ok := keyValue(r.Root, k.Paths[:last])
		if !ok {
			return
		}
		prefix = joined + "/"
	}
	var values []string
	each(r.Root, k.Paths[last], func(n *wire.Node) {
		if n.Text != "" {
			values = append(values, prefix+n.Text)
		}
	})
	slices.Sort(values)
	for _, v := range slices.Compact(values) {
		r.Keys = append(r.Keys, record.Key{Name: k.Name, Value: v})
	}
}

// each calls f with every node at the canonical path, going through the items of
// the arrays that the path marks with [].
func each(n *wire.Node, path string, f func(*wire.Node)) {
	step, rest, more := strings.Cut(path, ".")
	name, items := strings.CutSuffix(step, "[]")
	child := n.Child(name)
	if child == nil {
		return
	}
	visit := func(n *wire.Node) {
		if more {
			each(n, rest, f)
		} else {
			f(n)
		}
	}
	if !items {
		visit(child)
		return
	}
	for item := range child.Children() {
		visit(item)
	}
}

func keyValue(root *wire.Node, paths []string) (string, bool) {
	if len(paths) == 1 {
		n := value(root, paths[0])
		if n == nil || n.Text == "" {
			return "", false
		}
		return n.Text, true
	}
	parts := make([]string, len(paths))
	for i, p := range paths {
		n := value(root, p)
		if n == nil || n.Text == "" {
			return "", false
		}
		parts[i] = n.Text
	}
	return strings.Join(parts, "/"), true
}
