package schema

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"tongqu/internal/wire"
)

const spaceXSD = "http://www.w3.org/2001/XMLSchema"

// Imported is one schema file made from an XSD.
type Imported struct {
	// ID is the schema's id; the file is ID + ".json" below the schemas folder.
	ID string
	// JSON is the file, indented, with a final line break.
	JSON []byte
}

// ImportConfig says how ImportXSD names things.
type ImportConfig struct {
	// Folder is the folder of the schemas, usually the adapter's name; it begins
	// every id.
	Folder string
	// Names are Chinese names that go before those found in the documentation.
	// A key is "Parent/element", "Parent/@attribute", "element" or "@attribute".
	Names map[string]string
}

// ImportXSD makes a wire schema of every global element of an XSD that no other
// element refers to (of every one when they all are), and one file of
// definitions for each other namespace that they use. Included and imported
// files are read from fsys, relative to the file that names them. What JSON
// Schema has no keyword for becomes an x- keyword; wildcards are lax about what
// they admit, xsi:nil and substitution groups are not supported.
func ImportXSD(fsys fs.FS, file string, config ImportConfig) ([]Imported, error) {
	x := &xsd{fsys: fsys, config: config, files: map[string]*xsdFile{}, globals: map[component]*declared{}}
	main, err := x.load(file, "")
	if err != nil {
		return nil, err
	}
	var made []Imported
	for _, e := range x.documents(main) {
		g := newGenerator(x, main.namespace)
		made = append(made, Imported{ID: g.id(attr(e, "name")), JSON: g.message(&declared{node: e, file: main})})
	}
	made = append(made, x.definitions()...)
	if len(x.problems) > 0 {
		return nil, fmt.Errorf("importing %s: %w", file, errors.Join(x.problems...))
	}
	return made, nil
}

// documents lists the global elements of a file that are whole documents.
func (x *xsd) documents(main *xsdFile) []*wire.Node {
	used := map[component]bool{}
	for _, f := range x.files {
		for _, n := range inOrder(f.root) {
			if ref := attr(n, "ref"); n.Name == "element" && ref != "" {
				namespace, local := x.name(f, ref)
				used[component{"element", namespace, local}] = true
			}
		}
	}
	var all, roots []*wire.Node
	for e := range main.root.Children() {
		if e.Attr || e.Name != "element" {
			continue
		}
		all = append(all, e)
		if !used[component{"element", main.namespace, attr(e, "name")}] {
			roots = append(roots, e)
		}
	}
	if len(roots) == 0 {
		return all
	}
	return roots
}

// definitions makes the files of the other namespaces, again as long as that
// brings more of their elements into use.
func (x *xsd) definitions() []Imported {
	for used := -1; ; {
		var made []Imported
		now := 0
		for _, ns := range slices.Sorted(maps.Keys(x.shared)) {
			g := newGenerator(x, ns)
			made = append(made, Imported{ID: g.id(x.sharedFile(ns)), JSON: g.definitionsOnly()})
		}
		for _, names := range x.shared {
			now += len(names)
		}
		if now == used || len(x.problems) > 0 {
			return made
		}
		used = now
	}
}

// xsd is a set of XSD files under import.
type xsd struct {
	fsys    fs.FS
	config  ImportConfig
	files   map[string]*xsdFile // by path and namespace
	globals map[component]*declared
	// shared has, for each other namespace, the global elements that are used.
	shared map[string][]string
	// inProgress are the declarations being read, to notice one made of itself.
	inProgress []*wire.Node
	// problems are what was found wrong while generating.
	problems []error
}

type xsdFile struct {
	name      string
	namespace string
	root      *wire.Node
	prefixes  map[string]string
	// qualified says that local elements, local attributes are in the namespace.
	qualified bool
}

// component names a global declaration.
type component struct {
	kind, namespace, name string
}

// declared is a declaration and the file whose prefixes its names are written in.
type declared struct {
	node *wire.Node
	file *xsdFile
}

// load reads a file and all it includes and imports. namespace is the including
// file's, which a file without target namespace takes on.
func (x *xsd) load(name, namespace string) (*xsdFile, error) {
	key := name + " " + namespace
	if f := x.files[key]; f != nil {
		return f, nil
	}
	data, err := fs.ReadFile(x.fsys, name)
	if err != nil {
		return nil, fmt.Errorf("reading XSD: %w", err)
	}
	doc, err := wire.ReadXML(data, wire.NewDefaultLimits())
	if err != nil {
		return nil, fmt.Errorf("reading XSD %s: %w", name, err)
	}
	f := &xsdFile{name: name, namespace: namespace, root: doc.Root, prefixes: rootPrefixes(data)}
	if f.root.Name != "schema" || f.root.Space != spaceXSD {
		return nil, fmt.Errorf("reading XSD %s: the root element is %s, not xs:schema", name, f.root.Name)
	}
	if target := f.root.Attribute("targetNamespace"); target != nil {
		f.namespace = target.Text
	}
	f.qualified = attr(f.root, "elementFormDefault") == "qualified"
	x.files[key] = f
	for c := range f.root.Children() {
		if c.Attr || c.Space != spaceXSD {
			continue
		}
		switch c.Name {
		case "include", "import":
			location := attr(c, "schemaLocation")
			if location == "" {
				continue // the namespace must come from elsewhere
			}
			into := ""
			if c.Name == "include" {
				into = f.namespace
			}
			if _, err := x.load(path.Join(path.Dir(name), location), into); err != nil {
				return nil, err
			}
		case "redefine", "override":
			return nil, fmt.Errorf("%s:%d:%d: xs:%s is not supported", name, c.Line, c.Column, c.Name)
		case "element", "complexType", "simpleType", "group", "attributeGroup", "attribute":
			x.globals[component{c.Name, f.namespace, attr(c, "name")}] = &declared{node: c, file: f}
		}
	}
	return f, nil
}

// rootPrefixes returns the namespace prefixes that the root element declares.
func rootPrefixes(data []byte) map[string]string {
	prefixes := map[string]string{"xml": "http://www.w3.org/XML/1998/namespace"}
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		t, err := d.RawToken()
		if err != nil {
			return prefixes
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range start.Attr {
			switch {
			case a.Name.Space == "xmlns":
				prefixes[a.Name.Local] = a.Value
			case a.Name.Space == "" && a.Name.Local == "xmlns":
				prefixes[""] = a.Value
			}
		}
		return prefixes
	}
}

// problem notes that a declaration cannot be imported.
func (x *xsd) problem(f *xsdFile, at *wire.Node, format string, args ...any) {
	x.problems = append(x.problems, fmt.Errorf("%s:%d:%d: %s", f.name, at.Line, at.Column, fmt.Sprintf(format, args...)))
}

// name resolves a QName as written in file f.
func (x *xsd) name(f *xsdFile, qname string) (namespace, local string) {
	prefix, local, found := strings.Cut(strings.TrimSpace(qname), ":")
	if !found {
		prefix, local = "", prefix
	}
	namespace, known := f.prefixes[prefix]
	if !known && prefix == "" {
		namespace = ""
	}
	if namespace == "" && f.namespace != "" && attr(f.root, "targetNamespace") == "" {
		namespace = f.namespace // included into a namespace
	}
	return namespace, local
}

// global finds a global declaration, or notes that there is none.
func (x *xsd) global(f *xsdFile, at *wire.Node, kind, qname string) *declared {
	namespace, local := x.name(f, qname)
	d := x.globals[component{kind, namespace, local}]
	if d == nil {
		x.problem(f, at, "there is no %s %s", kind, qname)
	}
	return d
}

// share notes that a global element of another namespace is used.
func (x *xsd) share(namespace, name string) {
	if x.shared == nil {
		x.shared = map[string][]string{}
	}
	if !slices.Contains(x.shared[namespace], name) {
		x.shared[namespace] = append(x.shared[namespace], name)
	}
}

// enter begins reading a declaration; ok is false when it is being read already.
func (x *xsd) enter(d *declared) (leave func(), ok bool) {
	if slices.Contains(x.inProgress, d.node) {
		x.problem(d.file, d.node, "%s %s is made of itself", d.node.Name, attr(d.node, "name"))
		return nil, false
	}
	x.inProgress = append(x.inProgress, d.node)
	return func() { x.inProgress = x.inProgress[:len(x.inProgress)-1] }, true
}

// sharedFile names the file of definitions of a namespace after its XSD.
func (x *xsd) sharedFile(namespace string) string {
	for _, key := range slices.Sorted(maps.Keys(x.files)) {
		if f := x.files[key]; f.namespace == namespace {
			return strings.TrimSuffix(path.Base(f.name), path.Ext(f.name))
		}
	}
	return "definitions"
}

// attr is the value of an attribute, or "".
func attr(n *wire.Node, name string) string {
	if a := n.Attribute(name); a != nil {
		return strings.TrimSpace(a.Text)
	}
	return ""
}

// children lists the XSD elements inside n, but for annotations.
func children(n *wire.Node) []*wire.Node {
	var all []*wire.Node
	for c := range n.Children() {
		if !c.Attr && c.Space == spaceXSD && c.Name != "annotation" {
			all = append(all, c)
		}
	}
	return all
}

// documentation is the text of a declaration's annotation.
func documentation(n *wire.Node) string {
	a := n.Child("annotation")
	if a == nil {
		return ""
	}
	var words []string
	for d := range a.Children() {
		if d.Name == "documentation" {
			words = append(words, strings.Fields(d.Text)...)
		}
	}
	return strings.Join(words, " ")
}
