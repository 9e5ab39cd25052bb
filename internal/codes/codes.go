// Package codes holds the code lists of the agencies: tables in which every row
// is one canonical code, its names, and its coding in each system.
package codes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Lists is every code list of the hub. It is read-only and safe for concurrent use.
type Lists struct {
	lists map[string]*List
}

// Names returns the names of the lists, sorted.
func (l *Lists) Names() []string { return slices.Sorted(maps.Keys(l.lists)) }

// List returns the list of that name.
func (l *Lists) List(name string) (*List, bool) {
	list, ok := l.lists[name]
	return list, ok
}

// Column resolves a reference as mapping tables and schemas write it:
// LIST.COLUMN, or LIST alone for the only coding column of the list, or for the
// canonical codes themselves when the list has no other coding.
func (l *Lists) Column(ref string) (*Column, error) {
	name, column, dotted := strings.Cut(ref, ".")
	list, ok := l.lists[name]
	if !ok {
		return nil, fmt.Errorf("no code list %q", name)
	}
	if dotted {
		for _, c := range list.columns {
			if c.name == column {
				return c, nil
			}
		}
		return nil, fmt.Errorf("code list %q has no column %q, only %s", name, column, list.columnNames())
	}
	switch len(list.columns) {
	case 1:
		return list.columns[0], nil
	case 2:
		return list.columns[1], nil
	}
	return nil, fmt.Errorf("code list %q has several codings: write %s.COLUMN with one of %s", name, name, list.columnNames())
}

// List is one code list.
type List struct {
	name  string
	codes []string
	names map[string]texts
	// columns has the canonical coding first, then the others in file order.
	columns []*Column
}

type texts struct{ zh, en string }

// Codes returns the canonical codes in the order of the file.
func (l *List) Codes() []string { return slices.Clone(l.codes) }

// Has reports whether code is a canonical code of the list.
func (l *List) Has(code string) bool {
	_, ok := l.names[code]
	return ok
}

// Name returns the name of a canonical code in lang, "zh" or "en"; empty when
// the list has none.
func (l *List) Name(code, lang string) string {
	if lang == "zh" {
		return l.names[code].zh
	}
	return l.names[code].en
}

func (l *List) columnNames() string {
	names := make([]string, len(l.columns))
	for i, c := range l.columns {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// Column is one system's coding of a list: a translation between canonical codes
// and the codes that system writes.
type Column struct {
	list *List
	name string
	// decode and encode are nil for the canonical coding, which translates every
	// code of the list to itself.
	decode, encode map[string]string
}

// List returns the list that the column belongs to.
func (c *Column) List() *List { return c.list }

// String returns the full reference, LIST.COLUMN.
func (c *Column) String() string { return c.list.name + "." + c.name }

// Decode returns the canonical code of a system's code; ok is false when the
// list does not know it.
func (c *Column) Decode(wire string) (canonical string, ok bool) {
	if c.decode == nil {
		return wire, c.list.Has(wire)
	}
	canonical, ok = c.decode[wire]
	return canonical, ok
}

// Encode returns a system's code of a canonical code; ok is false when the
// system has none.
func (c *Column) Encode(canonical string) (wire string, ok bool) {
	if c.encode == nil {
		return canonical, c.list.Has(canonical)
	}
	wire, ok = c.encode[canonical]
	return wire, ok
}

// Has reports whether canonical is a canonical code of the column's list.
func (c *Column) Has(canonical string) bool { return c.list.Has(canonical) }
