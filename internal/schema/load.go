package schema

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/xeipuuv/gojsonschema"

	"tongqu/internal/codes"
	"tongqu/internal/conf"
	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// draft07 is the only meta-schema that schemas may name.
const draft07 = "http://json-schema.org/draft-07/schema#"

// base makes the address of a schema file for the JSON Schema library, which
// must never look for one on a disk or a network.
const base = "tongqu:///"

// Set is every schema of the hub.
type Set struct {
	schemas map[string]*Schema
}

// Schema returns the schema of that id, the file's path without ".json".
func (s *Set) Schema(id string) (*Schema, bool) {
	schema, ok := s.schemas[id]
	return schema, ok
}

// IDs returns the ids of all schemas, sorted.
func (s *Set) IDs() []string { return slices.Sorted(maps.Keys(s.schemas)) }

// Schema is one compiled schema, safe for concurrent use.
type Schema struct {
	id    string
	shape *Shape
	// rules are the sums and products of x-rules, conditions its expressions.
	rules      []rule
	conditions []condition
	library    *gojsonschema.Schema
	walkers    sync.Pool
}

// ID is the schema's id, such as "customs_ceb/CEB311Message".
func (s *Schema) ID() string { return s.id }

// Shape is the schema as the hub walks it.
func (s *Schema) Shape() *Shape { return s.shape }

// file is one schema file on its way into a set.
type file struct {
	id, name string
	root     *wire.Node
	// schemas are the nodes of the file that are schemas.
	schemas map[*wire.Node]bool
}

// loader reads the files of one set.
type loader struct {
	files    map[string]*file // by id
	lists    *codes.Lists
	library  *gojsonschema.SchemaLoader
	meta     *gojsonschema.Schema
	problems conf.Problems
	// targets has what each node with $ref refers to, owners each schema's file.
	targets map[*wire.Node]*wire.Node
	owners  map[*wire.Node]*file
}

// Load reads every *.json below fsys as a schema; its id is its path without
// ".json". Whatever is wrong in any file comes back together, as conf.Problems
// with file, line and column. lists may be nil when no schema uses x-codes.
func Load(fsys fs.FS, lists *codes.Lists) (*Set, error) {
	l := &loader{
		files: map[string]*file{}, lists: lists, library: gojsonschema.NewSchemaLoader(),
		targets: map[*wire.Node]*wire.Node{}, owners: map[*wire.Node]*file{},
	}
	if err := l.compileMeta(); err != nil {
		return nil, err
	}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".json" {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		if err == nil {
			l.read(name, data)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading schemas: %w", err)
	}
	for _, f := range l.sorted() {
		l.lint(f)
	}
	for _, f := range l.sorted() {
		l.resolve(f)
	}
	l.refuseCycles()
	if len(l.problems) > 0 {
		return nil, l.found()
	}
	return l.compile()
}

// found is every problem, in the order of the files.
func (l *loader) found() conf.Problems {
	slices.SortStableFunc(l.problems, func(a, b conf.Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return l.problems
}

func (l *loader) sorted() []*file {
	files := make([]*file, 0, len(l.files))
	for _, id := range slices.Sorted(maps.Keys(l.files)) {
		files = append(files, l.files[id])
	}
	return files
}

func (l *loader) problem(f *file, at *wire.Node, format string, args ...any) {
	l.problems = append(l.problems, conf.Problem{
		File: f.name, Line: int(at.Line), Column: int(at.Column), Message: fmt.Sprintf(format, args...),
	})
}

func (l *loader) compileMeta() (err error) {
	l.meta, err = gojsonschema.NewSchemaLoader().Compile(gojsonschema.NewReferenceLoader(draft07))
	if err != nil {
		return fmt.Errorf("compiling the meta-schema: %w", err)
	}
	return nil
}

func (l *loader) read(name string, data []byte) {
	f := &file{id: strings.TrimSuffix(name, ".json"), name: name, schemas: map[*wire.Node]bool{}}
	doc, err := wire.ReadJSON(data, wire.NewDefaultLimits())
	if err != nil {
		for _, ft := range fault.Of(err) {
			l.problems = append(l.problems, conf.Problem{File: name, Line: max(ft.Line, 1), Column: max(ft.Column, 1), Message: ft.EN})
		}
		return
	}
	f.root = doc.Root
	l.files[f.id] = f
}

// compile makes the set once all files are known to be sound.
func (l *loader) compile() (*Set, error) {
	for _, f := range l.sorted() {
		if err := l.library.AddSchema(base+f.id+".json", gojsonschema.NewRawLoader(l.plain(f, f.root))); err != nil {
			l.problem(f, f.root, "%v", err)
		}
	}
	set := &Set{schemas: map[string]*Schema{}}
	c := newCompiler(l)
	for _, f := range l.sorted() {
		set.schemas[f.id] = &Schema{id: f.id, shape: c.document(f)}
	}
	c.finish()
	for _, f := range l.sorted() {
		s := set.schemas[f.id]
		c.rules(f, s)
		c.checkPaths(f, s.shape)
		s.walkers.New = func() any { return new(walker) }
		var err error
		s.library, err = l.library.Compile(gojsonschema.NewReferenceLoader(base + f.id + ".json"))
		if err != nil {
			l.problem(f, f.root, "%v", err)
		}
	}
	if len(l.problems) > 0 {
		return nil, l.found()
	}
	return set, nil
}

// plain turns a schema into Go values for the library, with absolute references.
func (l *loader) plain(f *file, n *wire.Node) any {
	switch n.Kind {
	case wire.Object:
		m := make(map[string]any)
		for c := range n.Children() {
			if c.Name == "$id" && n == f.root {
				continue
			}
			m[c.Name] = l.plain(f, c)
		}
		if target := l.targets[n]; target != nil {
			_, pointer, _ := strings.Cut(n.Child("$ref").Text, "#")
			m["$ref"] = base + l.owners[target].id + ".json#" + pointer
		}
		return m
	case wire.Array:
		items := []any{}
		for c := range n.Children() {
			items = append(items, l.plain(f, c))
		}
		return items
	}
	return scalar(n)
}

// scalar is a JSON leaf as the library wants it.
func scalar(n *wire.Node) any {
	switch n.Kind {
	case wire.Number:
		return json.Number(n.Text)
	case wire.Bool:
		return n.Text == "true"
	case wire.Null:
		return nil
	}
	return n.Text
}
