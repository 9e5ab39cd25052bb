package author

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"tongqu/internal/adapter"
	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// Difference is one thing that two versions of an adapter make differently of a document.
type Difference struct {
	// Record is the index of the record, from 1; 0 for what belongs to none.
	Record int `json:"record"`
	// Path is the canonical path, or what else differs: adapter, message, records,
	// type, status, key NAME, or faults.
	Path string `json:"path"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Compare translates a document with two versions of an adapter and returns what
// they make differently of it: values, keys, and faults by code and place.
func Compare(old, now *adapter.Registry, name string, data []byte) []Difference {
	before, after := old.Translate(data, name).Summary(), now.Translate(data, name).Summary()
	var all []Difference
	add := func(record int, path, a, b string) {
		if a != b {
			all = append(all, Difference{record, path, a, b})
		}
	}
	add(0, "adapter", before.Adapter, after.Adapter)
	add(0, "message", before.Message, after.Message)
	add(0, "records", strconv.Itoa(len(before.Records)), strconv.Itoa(len(after.Records)))
	differ(0, found(before.Errors), found(after.Errors), add)
	for i := range max(len(before.Records), len(after.Records)) {
		var a, b map[string]string
		if i < len(before.Records) {
			a = flat(&before.Records[i])
		}
		if i < len(after.Records) {
			b = flat(&after.Records[i])
		}
		differ(i+1, a, b, add)
	}
	return all
}

// differ adds what two maps have differently, sorted.
func differ(record int, a, b map[string]string, add func(int, string, string, string)) {
	names := slices.Sorted(maps.Keys(a))
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		add(record, name, a[name], b[name])
	}
}

// found are faults by place and code.
func found(faults fault.List) map[string]string {
	all := map[string]string{}
	for i := range faults {
		f := &faults[i]
		all[fmt.Sprintf("fault %s %s %d:%d", f.Code, f.Path, f.Line, f.Column)] = string(f.Severity)
	}
	return all
}

// flat is a record as path → value.
func flat(r *adapter.RecordSummary) map[string]string {
	all := found(r.Errors)
	all["type"], all["status"] = r.Type, string(r.Status)
	for name, value := range r.Keys {
		all["key "+name] = fmt.Sprint(value)
	}
	doc, err := wire.ReadJSON(r.Record, wire.NewDefaultLimits())
	if err != nil {
		return all // a record that cannot be had has its faults
	}
	var walk func(n *wire.Node, path string)
	walk = func(n *wire.Node, path string) {
		if n.IsLeaf() {
			all[path] = n.Text
			return
		}
		i := 0
		for c := range n.Children() {
			i++
			switch {
			case n.Kind == wire.Array:
				walk(c, fmt.Sprintf("%s[%d]", path, i))
			case path == "":
				walk(c, c.Name)
			default:
				walk(c, path+"."+c.Name)
			}
		}
	}
	walk(doc.Root, "")
	return all
}
