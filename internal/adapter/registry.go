package adapter

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"tongqu/internal/codes"
	"tongqu/internal/conf"
	"tongqu/internal/mapping"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// Adapter is one loaded adapter folder.
type Adapter struct {
	Manifest
	messages []*Message
	// types are the canonical schemas of an identity adapter, by type.
	types map[string]*schema.Schema
}

// Messages returns the adapter's messages in the order of the manifest.
func (a *Adapter) Messages() []*Message { return a.messages }

// Types returns the canonical types of an identity adapter, sorted.
func (a *Adapter) Types() []string { return slices.Sorted(maps.Keys(a.types)) }

// Message is one message of an adapter with its schemas and its table.
type Message struct {
	MessageManifest
	Adapter *Adapter
	Wire    *schema.Schema
	// Table and Canonical are nil for an envelope and for the control file of a batch.
	Table     *mapping.Table
	Canonical *schema.Schema
	style     wire.XMLStyle
	sheet     *sheet   // of a CSV message
	answer    *Message // the message of Receipt
}

// ID is ADAPTER/MESSAGE.
func (m *Message) ID() string { return m.Adapter.Name + "/" + m.Name }

// Registry holds all adapters of a hub. It does not change once loaded.
type Registry struct {
	adapters []*Adapter
	byRoot   map[string][]*Message // of XML by root element's local name, of JSON under ""
	sheets   []*Message            // of CSV
	schemas  *schema.Set
	lists    *codes.Lists
	limits   wire.Limits
}

// Load reads all adapters from files, which has the folders adapters, schemas
// and mappings. Everything that is wrong with them comes back as conf.Problems.
func Load(files fs.FS, limits wire.Limits) (*Registry, error) {
	lists, schemas, err := loadShared(files)
	if err != nil {
		return nil, err
	}
	r := &Registry{byRoot: map[string][]*Message{}, schemas: schemas, lists: lists, limits: limits}
	folders, err := fs.ReadDir(files, "adapters")
	if err != nil {
		return nil, fmt.Errorf("listing adapters: %w", err)
	}
	var problems conf.Problems
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		a, err := r.loadAdapter(files, folder.Name())
		var ps conf.Problems
		switch {
		case errors.As(err, &ps):
			problems = append(problems, ps...)
		case err != nil:
			return nil, err
		default:
			r.adapters = append(r.adapters, a)
			for _, m := range a.messages {
				if m.sheet != nil {
					r.sheets = append(r.sheets, m)
					continue
				}
				root := m.Wire.Shape().Root
				r.byRoot[root] = append(r.byRoot[root], m)
			}
		}
	}
	for _, ms := range r.byRoot { // the most demanding message is tried first
		slices.SortStableFunc(ms, func(a, b *Message) int { return len(b.Match) - len(a.Match) })
	}
	return r, problems.Or()
}

func loadShared(files fs.FS) (*codes.Lists, *schema.Set, error) {
	codesFS, err := fs.Sub(files, "mappings/codes")
	if err != nil {
		return nil, nil, fmt.Errorf("opening mappings/codes: %w", err)
	}
	lists, err := codes.Load(codesFS)
	if err != nil {
		return nil, nil, fmt.Errorf("loading code lists: %w", err)
	}
	schemaFS, err := fs.Sub(files, "schemas")
	if err != nil {
		return nil, nil, fmt.Errorf("opening schemas: %w", err)
	}
	schemas, err := schema.Load(schemaFS, lists)
	if err != nil {
		return nil, nil, fmt.Errorf("loading schemas: %w", err)
	}
	return lists, schemas, nil
}

func (r *Registry) loadAdapter(files fs.FS, folder string) (*Adapter, error) {
	file := "adapters/" + folder + "/adapter.yaml"
	data, err := fs.ReadFile(files, file)
	if err != nil {
		return nil, fmt.Errorf("reading adapter %s: %w", folder, err)
	}
	a := &Adapter{}
	if err := conf.Decode(file, data, &a.Manifest); err != nil {
		return nil, err
	}
	problems := a.lint(file, folder)
	add := func(format string, args ...any) {
		problems = append(problems, conf.Problem{File: file, Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)})
	}
	if a.Identity {
		a.types = r.canonical()
	}
	for _, mm := range a.Manifest.Messages {
		m, err := r.loadMessage(files, a, mm)
		var ps conf.Problems
		switch {
		case errors.As(err, &ps):
			problems = append(problems, ps...)
		case err != nil:
			add("message %s: %v", mm.Name, err)
		default:
			a.messages = append(a.messages, m)
		}
	}
	if a.Namespace != "" && !slices.ContainsFunc(a.messages, func(m *Message) bool { return m.Wire.Shape().Namespace == a.Namespace }) {
		add("namespace %s is that of no message's schema (x-namespace)", a.Namespace)
	}
	if a.Batch != nil && len(problems) == 0 {
		a.Batch.lint(add, a)
	}
	for _, m := range a.messages {
		if m.Receipt != nil {
			m.answer = a.message(m.Receipt.Message)
		}
	}
	return a, problems.Or()
}

func (r *Registry) loadMessage(files fs.FS, a *Adapter, mm MessageManifest) (*Message, error) {
	m := &Message{MessageManifest: mm, Adapter: a}
	prefixes := a.Prefixes
	if mm.Prefixes != nil {
		prefixes = mm.Prefixes
	}
	m.style = wire.XMLStyle{Charset: a.Charset, Prefixes: prefixes, Indent: "  ", Declaration: true, Standalone: mm.Standalone}
	var ok bool
	if m.Wire, ok = r.schemas.Schema(a.Name + "/" + mm.Name); !ok {
		return nil, fmt.Errorf("no schema schemas/%s/%s.json", a.Name, mm.Name)
	}
	if a.Format == formatCSV {
		var err error
		if m.sheet, err = newSheet(m.Wire.Shape()); err != nil {
			return nil, err
		}
	}
	if m.Envelope != nil {
		if ps := m.lintEnvelope(); len(ps) > 0 {
			return nil, ps
		}
		return m, nil
	}
	if a.Batch != nil && a.Batch.Control == mm.Name {
		return m, nil
	}
	if m.Heading != nil {
		if problem := m.Heading.lint(m.Wire.Shape()); problem != "" {
			return nil, errors.New(problem)
		}
	}
	mappings, err := fs.Sub(files, "mappings")
	if err != nil {
		return nil, fmt.Errorf("opening mappings: %w", err)
	}
	m.Table, err = mapping.Load(mappings, a.Name+"/"+mm.Name, m.Wire, func(canonical string) *schema.Schema {
		m.Canonical, _ = r.schemas.Schema("canonical/" + canonical)
		return m.Canonical
	}, r.lists)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (a *Adapter) message(name string) *Message {
	i := slices.IndexFunc(a.messages, func(m *Message) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return a.messages[i]
}

// Adapters returns all adapters, by name.
func (r *Registry) Adapters() []*Adapter { return r.adapters }

// Adapter returns the adapter of that name, or nil.
func (r *Registry) Adapter(name string) *Adapter {
	i := slices.IndexFunc(r.adapters, func(a *Adapter) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return r.adapters[i]
}

// Message returns the message ADAPTER/MESSAGE, or nil.
func (r *Registry) Message(id string) *Message {
	adapter, message, _ := strings.Cut(id, "/")
	a := r.Adapter(adapter)
	if a == nil {
		return nil
	}
	return a.message(message)
}

// canonical returns the schemas of all canonical types. What has no keys is no
// type of records: the shared definitions.
func (r *Registry) canonical() map[string]*schema.Schema {
	types := map[string]*schema.Schema{}
	for _, id := range r.schemas.IDs() {
		name, ok := strings.CutPrefix(id, "canonical/")
		if s, _ := r.schemas.Schema(id); ok && len(s.Shape().Keys) > 0 {
			types[name] = s
		}
	}
	return types
}

// Canonical returns the schema of a canonical type such as trade.order.v1.
func (r *Registry) Canonical(canonicalType string) (*schema.Schema, bool) {
	return r.schemas.Schema("canonical/" + canonicalType)
}

// Types returns the canonical types that some adapter can produce, sorted.
func (r *Registry) Types() []string {
	var types []string
	for _, a := range r.adapters {
		types = append(types, a.Types()...)
		for _, m := range a.messages {
			if m.Table != nil {
				types = append(types, m.Table.Canonical())
			}
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}
