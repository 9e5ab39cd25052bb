package directory

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"go.yaml.in/yaml/v3"

	"tongqu/internal/conf"
	"tongqu/internal/record"
)

// Load reads directory/*.yaml and agencies/*.yaml of the configuration folder.
// All that is wrong in them comes back as conf.Problems. Demo agencies are
// checked like the others and left out.
func Load(fsys fs.FS) (*Directory, error) { return load(fsys, false) }

// LoadDemo is Load with the demo agencies, whose tokens everybody knows.
func LoadDemo(fsys fs.FS) (*Directory, error) { return load(fsys, true) }

func load(fsys fs.FS, demo bool) (*Directory, error) {
	l := loader{
		directory:     Directory{byCode: map[string]*Resource{}, byType: map[string][]*Resource{}, byAgency: map[string]*Agency{}},
		tokens:        map[string]string{},
		subscriptions: map[string]string{},
		services:      map[string]string{},
		demo:          demo,
	}
	// Agencies speak of resources, so resources come first.
	if err := l.each(fsys, "directory/*.yaml", l.resources); err != nil {
		return nil, err
	}
	l.relate()
	if err := l.each(fsys, "agencies/*.yaml", l.agency); err != nil {
		return nil, err
	}
	if err := l.problems.Or(); err != nil {
		return nil, err
	}
	d := &l.directory
	slices.SortFunc(d.resources, func(a, b *Resource) int { return cmp.Compare(a.Code, b.Code) })
	slices.SortFunc(d.agencies, func(a, b *Agency) int { return cmp.Compare(a.Code, b.Code) })
	slices.SortFunc(d.subscriptions, func(a, b *Subscription) int { return cmp.Compare(a.ID, b.ID) })
	for _, of := range d.byType {
		slices.SortFunc(of, func(a, b *Resource) int { return cmp.Compare(a.Code, b.Code) })
	}
	return d, nil
}

// loader builds a Directory, collecting the problems of all files.
type loader struct {
	directory     Directory
	demo          bool
	tokens        map[string]string // hash → where it stands
	subscriptions map[string]string // id → where it stands
	services      map[string]string // resource → where it stands
	related       []place
	problems      conf.Problems
}

// place is a node of a file.
type place struct {
	file string
	node *yaml.Node
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.node.Line) }

// at goes down to a mapping's value (a string step) or a list's item (an int
// step). Where something is missing, it is the place of what should hold it.
func (p place) at(steps ...any) place {
	for _, step := range steps {
		n := p.node
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		switch s := step.(type) {
		case int:
			if s < len(n.Content) {
				p.node = n.Content[s]
			}
		case string:
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == s {
					p.node = n.Content[i+1]
				}
			}
		}
	}
	return p
}

func (l *loader) add(p place, format string, args ...any) {
	l.problems = append(l.problems, conf.Problem{File: p.file, Line: p.node.Line, Column: p.node.Column, Message: fmt.Sprintf(format, args...)})
}

// each hands the root of every matching file to read; what the YAML reader finds
// wrong is kept with the other problems.
func (l *loader) each(fsys fs.FS, pattern string, read func(place) error) error {
	files, err := fs.Glob(fsys, pattern)
	if err != nil {
		return fmt.Errorf("listing %s: %w", pattern, err)
	}
	for _, file := range files {
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return fmt.Errorf("reading %s: %w", path.Base(file), err)
		}
		root, err := conf.Node(file, data)
		if err == nil && root != nil {
			err = read(place{file, root})
		}
		if problems, ok := errors.AsType[conf.Problems](err); ok {
			l.problems = append(l.problems, problems...)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// resourceFile is one file of directory/: the resources of one 目.
type resourceFile struct {
	// Code is the front part (前段码) that all codes of the file begin with.
	Code      string     `yaml:"code"`
	Category  Title      `yaml:"category"`
	Resources []Resource `yaml:"resources"`
}

func (l *loader) resources(at place) error {
	var f resourceFile
	if err := conf.DecodeNode(at.file, at.node, &f); err != nil {
		return err
	}
	l.title(at, "category", f.Category)
	for i := range f.Resources {
		r := &f.Resources[i]
		r.Category = f.Category
		l.resource(at.at("resources", i), f.Code, r)
	}
	return nil
}

func (l *loader) resource(at place, front string, r *Resource) {
	d := &l.directory
	switch {
	case !codeForm.MatchString(r.Code):
		l.add(at.at("code"), "code %q must have the form 301002/000001", r.Code)
	case r.Code[:6] != front:
		l.add(at.at("code"), "code %s does not begin with the file's code %q", r.Code, front)
	case d.byCode[r.Code] != nil:
		l.add(at.at("code"), "resource %s stands twice", r.Code)
	}
	l.title(at, "title", r.Title)
	l.title(at, "summary", r.Summary)
	l.title(at, "provider", r.Provider)
	l.word(at, "share", string(r.Share), shares)
	l.word(at, "format", r.Format, formats)
	l.word(at, "method", r.Method, methods)
	l.word(at, "cycle", r.Cycle, cycles)
	if r.Share != ShareUnconditional {
		l.title(at, "condition", r.Condition)
	}
	if r.Published.IsZero() {
		l.add(at.at("published"), "published is missing")
	}
	if len(r.Types) == 0 {
		l.add(at.at("types"), "a resource needs at least one canonical type")
	}
	for i, t := range r.Types {
		if !typeForm.MatchString(t) || record.Family(t) != t {
			l.add(at.at("types", i), "%q is not a canonical type without version", t)
		}
		d.byType[t] = append(d.byType[t], r)
	}
	for i, name := range r.Interfaces {
		if !formatForm.MatchString(name) {
			l.add(at.at("interfaces", i), "%q is not ADAPTER/MESSAGE", name)
		}
	}
	if r.Query != nil {
		l.asking(at.at("query"), r)
	}
	for i := range r.Related {
		l.related = append(l.related, at.at("related", i))
	}
	d.resources = append(d.resources, r)
	d.byCode[r.Code] = r
}

// relate checks the related codes once all resources are known.
func (l *loader) relate() {
	for _, at := range l.related {
		l.known(at, at.node.Value)
	}
}

// known returns the resource of the code, or nil and adds a problem.
func (l *loader) known(at place, code string) *Resource {
	r := l.directory.byCode[code]
	if r == nil {
		l.add(at, "unknown resource %q%s", code, conf.DidYouMean(code, keys(l.directory.byCode)))
	}
	return r
}

func keys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

func (l *loader) title(at place, key string, t Title) {
	if t.ZH == "" || t.EN == "" {
		l.add(at.at(key), "%s needs a text in zh and in en", key)
	}
}

func (l *loader) word(at place, key, value string, words []string) {
	switch {
	case value == "":
		l.add(at, "%s is missing%s", key, conf.DidYouMean(value, words))
	case !slices.Contains(words, value):
		l.add(at.at(key), "%s %q is not known%s", key, value, conf.DidYouMean(value, words))
	}
}

func (l *loader) agency(at place) error {
	a := new(Agency)
	if err := conf.DecodeNode(at.file, at.node, a); err != nil {
		return err
	}
	d := &l.directory
	switch {
	case !idForm.MatchString(a.Code):
		l.add(at.at("code"), "code %q must be made of a–z, 0–9 and single hyphens", a.Code)
	case d.byAgency[a.Code] != nil:
		l.add(at.at("code"), "agency %s stands twice", a.Code)
	}
	l.title(at, "title", a.Title)
	l.word(at, "kind", a.Kind, kinds)
	d.byAgency[a.Code] = a
	tokens := l.readTokens(at.at("tokens"), a)
	l.provides(at.at("provides"), a)
	l.queries(at.at("queries"), a)
	for i := range a.Services {
		if a.Demo && !l.demo {
			continue // another agency may answer in its place
		}
		l.service(at.at("services", i), &a.Services[i])
	}
	if a.Files != nil && a.Files.Folder == "" {
		l.add(at.at("files"), "files needs a folder")
	}
	for i := range a.Subscriptions {
		a.Subscriptions[i].Agency = a.Code
		l.subscription(at.at("subscriptions", i), &a.Subscriptions[i])
	}
	if a.Demo && !l.demo {
		delete(d.byAgency, a.Code)
		return nil
	}
	d.agencies = append(d.agencies, a)
	d.tokens = append(d.tokens, tokens...)
	for i := range a.Subscriptions {
		d.subscriptions = append(d.subscriptions, &a.Subscriptions[i])
	}
	return nil
}

func (l *loader) readTokens(at place, a *Agency) []token {
	tokens := make([]token, 0, len(a.Tokens))
	ids := map[string]bool{}
	for i, t := range a.Tokens {
		p := at.at(i)
		if t.ID == "" || ids[t.ID] {
			l.add(p.at("id"), "a token needs an id of its own")
		}
		ids[t.ID] = true
		hash, err := hex.DecodeString(t.SHA256)
		if err != nil || len(hash) != 32 {
			l.add(p.at("sha256"), "sha256 must be 64 hexadecimal digits")
			continue
		}
		first, taken := l.tokens[string(hash)]
		if taken {
			l.add(p.at("sha256"), "the same token stands at %s", first)
			continue
		}
		l.tokens[string(hash)] = p.String()
		tokens = append(tokens, token{[32]byte(hash), t.Expires, a})
	}
	return tokens
}

func (l *loader) provides(at place, a *Agency) {
	a.provides = map[string]string{}
	for i, code := range a.Provides {
		r := l.known(at.at(i), code)
		if r == nil {
			continue
		}
		for _, t := range r.Types {
			if other, taken := a.provides[t]; taken {
				l.add(at.at(i), "the agency already provides %s as %s", t, other)
			}
			a.provides[t] = code
		}
	}
}
