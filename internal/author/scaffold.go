package author

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"tongqu/internal/adapter"
	"tongqu/internal/codes"
	"tongqu/internal/conf"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// Sample is a document of the agency.
type Sample struct {
	Name string
	Data []byte
}

// Start says from what a new adapter is started.
type Start struct {
	// Name is the adapter's.
	Name string
	// Samples of one message, XSD a file of the messages' XSD; one of them or both.
	Samples []Sample
	XSD     string
	// Types are canonical types by message; "" is that of all others. What is left
	// out is chosen by the names in the message.
	Types map[string]string
	// Each is the wire path of the element that makes one record; "" lets it be guessed.
	Each string
}

// Started is what was written and what is left to do.
type Started struct {
	Files    []string         `json:"files"`
	Messages []StartedMessage `json:"messages"`
	// Open are what lint still finds.
	Open conf.Problems `json:"open"`
	// Notes are choices that people should look at.
	Notes []string `json:"notes,omitempty"`
}

// StartedMessage is one message of a new adapter.
type StartedMessage struct {
	Name      string `json:"name"`
	Canonical string `json:"canonical"`
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// New writes the folders of a new adapter below dir: manifest, wire schemas, first
// tables, README, and a golden case of each sample. overlay shows the files of a
// folder over the hub's own. Nothing is written when anything of the kind is there
// already or the start cannot be read.
func New(r *adapter.Registry, overlay func(dir string) fs.FS, dir string, s Start) (*Started, error) {
	if !nameForm.MatchString(s.Name) {
		return nil, fmt.Errorf("%q is no name for an adapter: a–z, 0–9 and underscores", s.Name)
	}
	for _, folder := range []string{"adapters", "schemas", "mappings"} {
		if _, err := fs.Stat(overlay(dir), folder+"/"+s.Name); err == nil {
			return nil, fmt.Errorf("%s/%s is there already", folder, s.Name)
		}
	}
	work, err := os.MkdirTemp("", "tongqu-adapter-")
	if err != nil {
		return nil, fmt.Errorf("making a folder to work in: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	b := &builder{Start: s, registry: r, dir: work, files: overlays(overlay(dir), work)}
	if err := b.build(); err != nil {
		return nil, err
	}
	if err := b.install(dir); err != nil {
		return nil, err
	}
	return &b.started, nil
}

// builder makes an adapter in a folder of its own.
type builder struct {
	Start
	registry *adapter.Registry
	dir      string
	files    fs.FS
	docs     []*wire.Document
	messages []string // the names of the schemas with a root
	skipped  []string
	headers  map[string]string // of the columns of a table, by property
	started  Started
}

// layered shows the files of a folder over others.
type layered struct{ top, base fs.FS }

func overlays(base fs.FS, dir string) fs.FS { return layered{os.DirFS(dir), base} }

// Open opens the upper file, or else the lower one.
func (l layered) Open(name string) (fs.File, error) {
	f, err := l.top.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return l.base.Open(name)
	}
	return f, err
}

// ReadDir lists both.
func (l layered) ReadDir(name string) ([]fs.DirEntry, error) {
	top, topErr := fs.ReadDir(l.top, name)
	base, baseErr := fs.ReadDir(l.base, name)
	if topErr != nil && baseErr != nil {
		return nil, baseErr
	}
	all := slices.Concat(top, base)
	slices.SortStableFunc(all, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return slices.CompactFunc(all, func(a, b fs.DirEntry) bool { return a.Name() == b.Name() }), nil
}

func (b *builder) write(name string, data []byte) error {
	target := filepath.Join(b.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := os.WriteFile(target, data, 0o644); err != nil { //nolint:gosec // source files that people share
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func (b *builder) build() error {
	if len(b.Samples) == 0 && b.XSD == "" {
		return errors.New("give samples or an XSD")
	}
	for _, s := range b.Samples {
		doc, err := wire.Read(s.Data, wire.NewDefaultLimits())
		if err != nil {
			return fmt.Errorf("reading %s: %w", s.Name, err)
		}
		if doc.Format == wire.CSV {
			if doc, err = b.table(doc); err != nil {
				return fmt.Errorf("reading %s: %w", s.Name, err)
			}
		}
		b.docs = append(b.docs, doc)
	}
	if err := b.schemas(); err != nil {
		return err
	}
	if err := b.tables(); err != nil {
		return err
	}
	if err := b.manifest(); err != nil {
		return err
	}
	if err := b.readmes(); err != nil {
		return err
	}
	return b.finish()
}

// table makes of the rows of a sheet the document that a CSV adapter sees: objects
// below "row", one property a column. The row with the most cells that comes first
// is the header.
func (b *builder) table(sheet *wire.Document) (*wire.Document, error) {
	var header *wire.Node
	most := 0
	for row := range sheet.Root.Children() {
		cells := 0
		for c := range row.Children() {
			if strings.TrimSpace(c.Text) != "" {
				cells++
			}
		}
		if cells > most {
			header, most = row, cells
		}
	}
	if header == nil {
		return nil, errors.New("the table is empty")
	}
	if b.headers == nil {
		b.headers = map[string]string{}
	}
	var names []string
	for c := range header.Children() {
		title := strings.TrimSpace(c.Text)
		name := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
				return r
			}
			return -1
		}, title)
		if name == "" || name[0] <= '9' || slices.Contains(names, name) {
			name = fmt.Sprintf("column%d", len(names)+1)
		}
		names = append(names, name)
		b.headers[name] = title
	}
	root := &wire.Node{Kind: wire.Object}
	rows := root.Append(&wire.Node{Kind: wire.Array, Name: "row"})
	for at := header.Next; at != nil; at = at.Next {
		row := &wire.Node{Kind: wire.Object}
		i := 0
		for c := range at.Children() {
			if text := strings.TrimSpace(c.Text); text != "" && i < len(names) {
				row.Append(&wire.Node{Kind: wire.Text, Name: names[i], Text: text})
			}
			i++
		}
		if row.First != nil {
			rows.Append(row)
		}
	}
	if rows.First == nil {
		return nil, errors.New("the table has a header and no rows")
	}
	return &wire.Document{Root: root, Format: wire.CSV, Charset: sheet.Charset}, nil
}

// schemas writes the wire schemas.
func (b *builder) schemas() error {
	var made []schema.Imported
	if b.XSD != "" {
		var err error
		made, err = schema.ImportXSD(os.DirFS(filepath.Dir(b.XSD)), filepath.Base(b.XSD), schema.ImportConfig{Folder: b.Name})
		if err != nil {
			return err
		}
	} else {
		names := make([]string, len(b.Samples))
		for i, s := range b.Samples {
			names[i] = s.Name
		}
		config := schema.InferConfig{Folder: b.Name, From: names, Headers: b.headers}
		if b.docs[0].Root.Name == "" {
			config.Message = b.Name
		}
		one, err := schema.Infer(b.docs, config)
		if err != nil {
			return err
		}
		made = append(made, one)
		b.note("the wire schema is inferred from samples: check what is optional and what repeats")
	}
	for _, m := range made {
		if err := b.write("schemas/"+m.ID+".json", m.JSON); err != nil {
			return err
		}
		b.messages = append(b.messages, path.Base(m.ID))
	}
	return nil
}

func (b *builder) note(format string, args ...any) {
	b.started.Notes = append(b.started.Notes, fmt.Sprintf(format, args...))
}

// tables writes a first table for each message.
func (b *builder) tables() error {
	lists, set, err := loadShared(b.files)
	if err != nil {
		return err
	}
	seen := values(b.docs)
	for _, name := range b.messages {
		s, _ := set.Schema(b.Name + "/" + name)
		shape := s.Shape()
		if shape.Root == "" && len(b.docs) == 0 {
			continue // definitions that other schemas use
		}
		d := &draft{message: name, fromXSD: b.XSD != "", wire: leaves(shape), values: map[string][]string{}}
		if shape.Root != "" {
			d.message = shape.Root
		}
		if len(b.docs) > 0 && b.docs[0].Root.Name == shape.Root {
			d.values = seen
		}
		canonical, g, err := b.choose(name, set, lists, d.wire)
		if err != nil {
			return err
		}
		if g == nil {
			b.skipped = append(b.skipped, name)
			b.note("no canonical type resembles %s: it has a schema, but is no message of the adapter yet; name its type with --type %s=TYPE", name, name)
			continue
		}
		d.canonical, d.guesser = canonical, g
		if b.Each != "" {
			d.each = strings.Split(strings.Trim(b.Each, "/"), "/")
		} else {
			d.each = d.repeatsOn()
		}
		if err := b.write("mappings/"+b.Name+"/"+name+".yaml", d.yaml()); err != nil {
			return err
		}
		b.started.Messages = append(b.started.Messages, StartedMessage{Name: name, Canonical: canonical})
	}
	if len(b.started.Messages) == 0 {
		return errors.New("no canonical type resembles the message: name one with --type, see 'tongqu adapter list'")
	}
	return nil
}

// choose takes the canonical type that was named, or the one whose values are
// called most like those of the message.
func (b *builder) choose(message string, set *schema.Set, lists *codes.Lists, wanted []leaf) (string, *guesser, error) {
	types := canonicalTypes(set)
	named := cmp.Or(b.Types[message], b.Types[""])
	if named != "" {
		full := slices.DeleteFunc(slices.Clone(types), func(t string) bool { return t != named && !strings.HasPrefix(t, named+".v") })
		if len(full) == 0 {
			return "", nil, fmt.Errorf("no canonical type %q%s", named, conf.DidYouMean(named, types))
		}
		last := full[len(full)-1]
		s, _ := set.Schema("canonical/" + last)
		return last, newGuesser(b.registry, lists, last, s.Shape()), nil
	}
	var best string
	var bestGuesser *guesser
	bestScore := 0
	for _, t := range types {
		s, _ := set.Schema("canonical/" + t)
		g := newGuesser(b.registry, lists, t, s.Shape())
		score := 0
		for _, w := range wanted {
			if found := g.candidates(w); len(found) > 0 {
				score += found[0].score
			}
		}
		if score > bestScore {
			best, bestGuesser, bestScore = t, g, score
		}
	}
	if bestScore < 2*likely {
		return "", nil, nil
	}
	b.note("%s is translated to %s, which it resembles most; if that is not right, begin again with --type", message, best)
	return best, bestGuesser, nil
}

func canonicalTypes(set *schema.Set) []string {
	var types []string
	for _, id := range set.IDs() {
		name, ok := strings.CutPrefix(id, "canonical/")
		if s, _ := set.Schema(id); ok && len(s.Shape().Keys) > 0 {
			types = append(types, name)
		}
	}
	return types
}

func loadShared(files fs.FS) (*codes.Lists, *schema.Set, error) {
	lists, err := sub(files, "mappings/codes", codes.Load)
	if err != nil {
		return nil, nil, fmt.Errorf("loading code lists: %w", err)
	}
	set, err := sub(files, "schemas", func(fsys fs.FS) (*schema.Set, error) { return schema.Load(fsys, lists) })
	if err != nil {
		return nil, nil, fmt.Errorf("loading schemas: %w", err)
	}
	return lists, set, nil
}

func sub[T any](files fs.FS, dir string, load func(fs.FS) (T, error)) (T, error) {
	fsys, err := fs.Sub(files, dir)
	if err != nil {
		var none T
		return none, err
	}
	return load(fsys)
}

// manifest writes adapter.yaml.
func (b *builder) manifest() error {
	format, charset, namespace := "xml", "UTF-8", ""
	if len(b.docs) > 0 {
		d := b.docs[0]
		switch d.Format {
		case wire.XML:
		case wire.CSV:
			format = "csv"
		case wire.JSON, wire.NDJSON:
			format = "json"
		}
		namespace = d.Root.Space
		if d.Charset != "" {
			charset = d.Charset
		}
	}
	if _, set, err := loadShared(b.files); err == nil && namespace == "" {
		s, _ := set.Schema(b.Name + "/" + b.started.Messages[0].Name)
		namespace = s.Shape().Namespace
	}
	var y strings.Builder
	fmt.Fprintf(&y, "name: %s\ntitle: {zh: %s, en: %s}            # TODO: as the agency calls its interface\nversion: \"1\"\nformat: %s\ncharset: %s\n", b.Name, b.Name, b.Name, format, charset)
	if namespace != "" {
		fmt.Fprintf(&y, "namespace: %q\nprefixes: {%q: \"\"}\n", namespace, namespace)
	}
	y.WriteString("messages:\n")
	for _, m := range b.started.Messages {
		fmt.Fprintf(&y, "  - name: %s\n    title: {zh: %s, en: %s}    # TODO\n", m.Name, m.Name, m.Name)
		if format == "json" {
			y.WriteString(b.match())
		}
	}
	for _, name := range b.skipped {
		fmt.Fprintf(&y, "  # - name: %s                    # has a schema, no table yet\n", name)
	}
	return b.write("adapters/"+b.Name+"/adapter.yaml", []byte(y.String()))
}

// match guesses by what a JSON message is known: a word at its root.
func (b *builder) match() string {
	root := b.docs[0].Root
	for c := range root.Children() {
		name := plain(c.Name)
		if c.Kind == wire.Text && c.Text != "" && (strings.Contains(name, "type") || strings.Contains(name, "message") || strings.Contains(name, "service") || strings.Contains(name, "method")) {
			return fmt.Sprintf("    match: {%s: %q}             # a guess: by what the message is known\n", c.Name, c.Text)
		}
	}
	return "    # TODO match: {PATH: VALUE}         by what the message is known\n"
}

// readmes writes the pages with the markers, and the golden cases.
func (b *builder) readmes() error {
	text := fmt.Sprintf("# %s\n\nTODO: whose interface this is, where its description is published, what differs from it in practice.\n\n## Fields\n\n<!-- docs:begin fields -->\n<!-- docs:end fields -->\n", b.Name)
	if err := b.write("adapters/"+b.Name+"/README.md", []byte(text)); err != nil {
		return err
	}
	if err := b.write("adapters/"+b.Name+"/cases/README.md", []byte(caseHeader(b.Name))); err != nil {
		return err
	}
	for i, s := range b.Samples {
		name := fmt.Sprintf("sample-%d", i+1)
		dir := "adapters/" + b.Name + "/cases/" + name
		if err := b.write(dir+"/input."+extension(b.docs[i].Format), s.Data); err != nil {
			return err
		}
		list, err := os.ReadFile(filepath.Join(b.dir, "adapters", b.Name, "cases", "README.md"))
		if err != nil {
			return fmt.Errorf("reading the list of cases: %w", err)
		}
		if err := b.write("adapters/"+b.Name+"/cases/README.md", appendCase(list, name, "the sample "+s.Name, "–")); err != nil {
			return err
		}
	}
	return nil
}

func extension(f wire.Format) string {
	if f == wire.NDJSON {
		return "json"
	}
	return string(f)
}

// finish writes what only a loaded adapter can tell: the cases' results and the
// field tables. What keeps it from loading is what is left to do.
func (b *builder) finish() error {
	r, err := adapter.Load(b.files, wire.NewDefaultLimits())
	if problems, ok := errors.AsType[conf.Problems](err); ok {
		b.started.Open = problems
		return nil
	}
	if err != nil {
		return fmt.Errorf("loading what was written: %w", err)
	}
	b.started.Open = r.Lint(b.Name)
	if err := r.UpdateCases(filepath.Join(b.dir, "adapters"), b.Name); err != nil {
		return err
	}
	name := filepath.Join(b.dir, "adapters", b.Name, "README.md")
	readme, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading the README: %w", err)
	}
	after, err := adapter.InsertDocs(string(readme), r.Adapter(b.Name).Docs())
	if err != nil {
		return err
	}
	return b.write("adapters/"+b.Name+"/README.md", []byte(after))
}

// install copies the finished files to where they belong.
func (b *builder) install(dir string) error {
	return fs.WalkDir(os.DirFS(b.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(b.dir, filepath.FromSlash(name)))
		if err != nil {
			return fmt.Errorf("installing %s: %w", name, err)
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
			return fmt.Errorf("installing %s: %w", name, err)
		}
		b.started.Files = append(b.started.Files, target)
		return os.WriteFile(target, data, 0o644) //nolint:gosec // source files that people share
	})
}
