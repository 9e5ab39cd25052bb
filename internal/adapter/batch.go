package adapter

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tongqu/internal/conf"
	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// Batch says that the adapter's documents come as several files that belong
// together: a control file names the data files. Either all of them are taken, or none.
type Batch struct {
	// Control is the message that names the files; it needs a schema and no table.
	Control string `yaml:"control"`
	// Files is the wire path of the names below the control file's root, Count that
	// of how many there are.
	Files string `yaml:"files"`
	Count string `yaml:"count"`
	// Alone are the messages of the adapter that belong to no batch.
	Alone []string `yaml:"alone"`
	// Wait is how long files in a mailbox wait for the others; 30 minutes when left out.
	Wait time.Duration `yaml:"wait"`
	// Names says what the names of the files tell.
	Names *BatchNames `yaml:"names"`

	pattern *regexp.Regexp
}

// BatchNames holds file names against contents.
type BatchNames struct {
	// Pattern is a regular expression with named groups.
	Pattern string `yaml:"pattern"`
	// Content are wire paths below each file's root → what must stand there, with
	// {group} for a part of the name.
	Content map[string]string `yaml:"content"`
	// Same are the groups that the names of a batch have in common.
	Same []string `yaml:"same"`
}

// lint checks the batch by itself and makes it ready.
func (b *Batch) lint(add func(format string, args ...any), a *Adapter) {
	b.Wait = cmp.Or(b.Wait, 30*time.Minute)
	if b.Wait < 0 {
		add("batch: wait must not be negative")
	}
	control := a.message(b.Control)
	if control == nil {
		add("batch: control %q is no message of this adapter", b.Control)
		return
	}
	for _, name := range b.Alone {
		if a.message(name) == nil {
			add("batch: alone: %q is no message of this adapter", name)
		}
	}
	shape := control.Wire.Shape()
	for key, p := range map[string]string{"files": b.Files, "count": b.Count} {
		if p == "" || shape.At(p) == nil {
			add("batch: %s %q is no path of %s", key, p, b.Control)
		}
	}
	if b.Names == nil {
		return
	}
	var err error
	if b.pattern, err = regexp.Compile(b.Names.Pattern); err != nil {
		add("batch: names.pattern: %v", err)
		return
	}
	groups := b.pattern.SubexpNames()
	for _, g := range b.Names.Same {
		if !slices.Contains(groups, g) {
			add("batch: names.same: the pattern has no group %q%s", g, conf.DidYouMean(g, groups))
		}
	}
	for p, want := range b.Names.Content {
		for _, g := range placeholder.FindAllStringSubmatch(want, -1) {
			if !slices.Contains(groups, g[1]) {
				add("batch: names.content: %s: the pattern has no group %q%s", p, g[1], conf.DidYouMean(g[1], groups))
			}
		}
	}
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// File is one file of a batch.
type File struct {
	Name string
	Data []byte
}

// BatchMember is what a file tells of the batch it belongs to.
type BatchMember struct {
	Adapter *Adapter
	// Names are the files that a control file names; nil for a data file.
	Names []string
	// Control says that it is the control file.
	Control bool
}

// BatchMember tells to which batch the document belongs: its Adapter is nil when to
// none. It reports whether the document is known at all; without an adapter that
// has batches nothing is read.
func (r *Registry) BatchMember(data []byte) (BatchMember, bool) {
	if !slices.ContainsFunc(r.adapters, func(a *Adapter) bool { return a.Batch != nil }) {
		return BatchMember{}, true
	}
	doc := r.read(data).Document
	if doc == nil || doc.Format == wire.CSV {
		return BatchMember{}, false
	}
	m := r.recognise(doc.Root, "")
	if m == nil || !m.batches() {
		return BatchMember{}, m != nil
	}
	member := BatchMember{Adapter: m.Adapter, Control: m.Name == m.Adapter.Batch.Control}
	if member.Control {
		for _, n := range findAll(doc.Root, m.Adapter.Batch.Files) {
			member.Names = append(member.Names, strings.TrimSpace(n.Text))
		}
	}
	return member, true
}

// Produces returns the canonical types of the adapter's messages.
func (a *Adapter) Produces() []string {
	var types []string
	for _, m := range a.messages {
		if m.Table != nil && !slices.Contains(types, m.Table.Canonical()) {
			types = append(types, m.Table.Canonical())
		}
	}
	return types
}

// Batches reports whether the translated document belongs to a batch.
func (t *Translation) Batches() bool { return t.message != nil && t.message.batches() }

func (m *Message) batches() bool {
	return m.Adapter.Batch != nil && !slices.Contains(m.Adapter.Batch.Alone, m.Name)
}

// BatchTranslation is a batch translated.
type BatchTranslation struct {
	// Whole has the records of all files, and the faults of the batch and of every
	// file; the paths in them begin with the file's name.
	Whole *Translation
	// Names and Files are the files, the control file first.
	Names []string
	Files []*Translation
}

// TranslateBatch translates files that came together and holds them against the
// control file among them: that it names each, how many there are, and what their
// names tell. Whatever does not agree refuses all of them, and so does a file that
// cannot be taken as a whole.
func (r *Registry) TranslateBatch(a *Adapter, files []File) *BatchTranslation {
	files = slices.Clone(files)
	b := &BatchTranslation{Whole: &Translation{Adapter: a.Name, Message: a.Batch.Control}}
	all := make(map[string]*Translation, len(files))
	var controls []string
	for i := range files {
		files[i].Name = path.Base(strings.ReplaceAll(files[i].Name, "\\", "/"))
		t := r.Translate(files[i].Data, "")
		all[files[i].Name] = t
		if t.message != nil && t.message.Adapter == a && t.Message == a.Batch.Control {
			controls = append(controls, files[i].Name)
		}
	}
	slices.SortStableFunc(files, func(x, y File) int {
		isControl := func(f File) int {
			if slices.Contains(controls, f.Name) {
				return 0
			}
			return 1
		}
		return cmp.Or(isControl(x)-isControl(y), strings.Compare(x.Name, y.Name))
	})
	for _, f := range files {
		b.Names = append(b.Names, f.Name)
		b.Files = append(b.Files, all[f.Name])
	}
	c := batchCheck{batch: a.Batch, faults: &b.Whole.Faults, files: all, names: b.Names}
	if len(controls) != 1 {
		*c.faults = append(*c.faults, fault.New(fault.BatchControl, fault.Place{Path: "/", Line: 1, Column: 1}, "", len(controls)))
	}
	for i := 1; i < len(b.Names); i++ {
		if b.Names[i] == b.Names[i-1] {
			c.add(b.Names[i], fault.BatchUnnamed, nil, b.Names[i], b.Names[i])
		}
	}
	for _, name := range controls {
		b.Whole.message = all[name].message
		c.control(name)
	}
	c.fileNames(a)
	for i, t := range b.Files {
		at := "/" + b.Names[i]
		for _, f := range t.Faults {
			f.Path = at + f.Path
			b.Whole.Faults = append(b.Whole.Faults, f)
		}
		for j := range t.Records {
			for k := range t.Records[j].Faults {
				t.Records[j].Faults[k].Path = at + t.Records[j].Faults[k].Path
			}
		}
		b.Whole.Records = append(b.Whole.Records, t.Records...)
	}
	return b
}

// batchCheck holds the files of a batch against each other.
type batchCheck struct {
	batch  *Batch
	faults *fault.List
	files  map[string]*Translation
	names  []string
}

func (c *batchCheck) add(file string, code fault.Code, at *wire.Node, value string, args ...any) {
	place := fault.Place{Path: "/", Line: 1, Column: 1}
	if at != nil {
		place = at.Place()
	}
	place.Path = strings.TrimSuffix("/"+file+place.Path, "/")
	*c.faults = append(*c.faults, fault.New(code, place, value, args...))
}

// control checks what one control file names and counts.
func (c *batchCheck) control(file string) {
	root := c.files[file].Document.Root
	named := map[string]bool{file: true}
	listed := 0
	for _, n := range findAll(root, c.batch.Files) {
		name := strings.TrimSpace(n.Text)
		if name == "" {
			continue
		}
		if !named[name] {
			listed++
		}
		named[name] = true
		if c.files[name] == nil {
			c.add(file, fault.BatchMissing, n, name, name)
		}
	}
	if n := find(root, c.batch.Count); n != nil {
		if said, err := strconv.Atoi(strings.TrimSpace(n.Text)); err != nil || said != listed {
			c.add(file, fault.BatchCount, n, n.Text, strings.TrimSpace(n.Text), listed)
		}
	}
	for _, name := range c.names {
		if !named[name] {
			c.add(name, fault.BatchUnnamed, nil, name, name)
		}
	}
}

// fileNames checks what the names tell: of the contents, and of each other.
func (c *batchCheck) fileNames(a *Adapter) {
	names := c.batch.Names
	var first []string // of the groups that are the same
	for _, file := range c.names {
		t := c.files[file]
		if t.Adapter != a.Name {
			if t.Adapter != "" {
				c.add(file, fault.BatchForeign, nil, t.Adapter, file, t.Adapter)
			}
			continue // what cannot be read says so itself
		}
		if names == nil {
			continue
		}
		parts := c.batch.pattern.FindStringSubmatch(file)
		if parts == nil {
			c.add(file, fault.BatchName, nil, file, file, "-", names.Pattern)
			continue
		}
		part := func(group string) string { return parts[c.batch.pattern.SubexpIndex(group)] }
		for _, p := range sorted(names.Content) {
			want := placeholder.ReplaceAllStringFunc(names.Content[p], func(g string) string { return part(g[1 : len(g)-1]) })
			n := find(t.Document.Root, p)
			got := ""
			if n != nil {
				got = strings.TrimSpace(n.Text)
			}
			if !strings.EqualFold(got, want) {
				c.add(file, fault.BatchName, n, got, file, p, fmt.Sprintf("%q", want))
			}
		}
		var same []string
		for _, g := range names.Same {
			same = append(same, part(g))
		}
		if first == nil {
			first = same
		}
		for i, g := range names.Same {
			if !strings.EqualFold(same[i], first[i]) {
				c.add(file, fault.BatchName, nil, same[i], file, g, fmt.Sprintf("%q", first[i]))
			}
		}
	}
}

// findAll follows a wire path of plain steps and returns all that it leads to.
func findAll(n *wire.Node, p string) []*wire.Node {
	found := []*wire.Node{n}
	for step := range strings.SplitSeq(strings.TrimPrefix(p, "/"), "/") {
		var next []*wire.Node
		for _, at := range found {
			for c := range at.Children() {
				if at.Kind == wire.Array || !c.Attr && c.Name == step {
					next = append(next, items(c)...)
				}
			}
		}
		found = next
	}
	return found
}

// items are the items of an array, or n itself.
func items(n *wire.Node) []*wire.Node {
	if n.Kind != wire.Array {
		return []*wire.Node{n}
	}
	return slices.Collect(n.Children())
}
