// Package conf reads strict YAML: an unknown key, a duplicate key or a wrong
// type is a problem with file, line and column, and with the nearest valid key.
package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one thing that is wrong in a file that people edit.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

// String prints "file:line:column: message", as editors and compilers do.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// Problems is everything wrong in one or more files; it is an error.
type Problems []Problem

// Error joins the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, q := range p {
		lines[i] = q.String()
	}
	return strings.Join(lines, "\n")
}

// Or returns p as an error, nil when there is no problem.
func (p Problems) Or() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// Node parses data as one YAML document and returns its root node; nil for an
// empty document. file is what problems call it.
func Node(file string, data []byte) (*yaml.Node, error) {
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil //nolint:nilnil // an empty file is a document without a root
		}
		return nil, Problems{syntax(file, err)}
	}
	var more yaml.Node
	switch err := dec.Decode(&more); {
	case errors.Is(err, io.EOF):
		return doc.Content[0], nil
	case err != nil:
		return nil, Problems{syntax(file, err)}
	}
	return nil, Problems{{File: file, Line: more.Line, Column: max(more.Column, 1), Message: "more than one YAML document"}}
}

// Decode reads data into out, a pointer to a struct with yaml tags. All
// problems are found, not just the first; they come back as Problems.
func Decode(file string, data []byte, out any) error {
	root, err := Node(file, data)
	if err != nil || root == nil {
		return err
	}
	return DecodeNode(file, root, out)
}

// DecodeNode is Decode for a part of a document that Node returned.
func DecodeNode(file string, root *yaml.Node, out any) error {
	c := checker{file: file}
	c.check(root, reflect.TypeOf(out).Elem())
	if len(c.problems) > 0 {
		return c.problems
	}
	if err := root.Decode(out); err != nil {
		return Problems{syntax(file, err)}
	}
	return nil
}

// syntax takes the line out of a yaml error, which knows no column.
func syntax(file string, err error) Problem {
	msg := err.Error()
	if te, ok := errors.AsType[*yaml.TypeError](err); ok {
		msg = strings.Join(te.Errors, "; ")
	}
	msg = strings.TrimPrefix(msg, "yaml: ")
	p := Problem{File: file, Line: 1, Column: 1, Message: msg}
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		if n, after, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(n); err == nil {
				p.Line, p.Message = line, after
			}
		}
	}
	return p
}

type checker struct {
	file     string
	problems Problems
}

func (c *checker) add(n *yaml.Node, format string, args ...any) {
	c.problems = append(c.problems, Problem{c.file, n.Line, n.Column, fmt.Sprintf(format, args...)})
}

var unmarshaler = reflect.TypeFor[yaml.Unmarshaler]()

func (c *checker) check(n *yaml.Node, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Tag == "!!null" || t == reflect.TypeFor[yaml.Node]() {
		return
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		if err := n.Decode(reflect.New(t).Interface()); err != nil {
			c.add(n, "%s", syntax(c.file, err).Message)
		}
		return
	}
	switch t.Kind() { //nolint:exhaustive // what has no inner structure is left to scalar
	case reflect.Struct:
		if n.Kind == yaml.MappingNode {
			c.checkStruct(n, t)
			return
		}
		c.scalar(n, t)
	case reflect.Map:
		if n.Kind != yaml.MappingNode {
			c.add(n, "must be a mapping")
			return
		}
		c.unique(n)
		for i := 0; i+1 < len(n.Content); i += 2 {
			c.check(n.Content[i+1], t.Elem())
		}
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			c.add(n, "must be a list")
			return
		}
		for _, item := range n.Content {
			c.check(item, t.Elem())
		}
	default:
		c.scalar(n, t)
	}
}

// scalar tries the value alone, so that its problem has a column.
func (c *checker) scalar(n *yaml.Node, t reflect.Type) {
	if t.Kind() == reflect.String && n.Kind == yaml.ScalarNode {
		return // the text as written: 0101210000 keeps its zero
	}
	if err := n.Decode(reflect.New(t).Interface()); err != nil {
		c.add(n, "%s", syntax(c.file, err).Message)
	}
}

func (c *checker) unique(n *yaml.Node) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if line, ok := seen[k.Value]; ok {
			c.add(k, "key %q stands twice (first on line %d)", k.Value, line)
		}
		seen[k.Value] = k.Line
	}
}

func (c *checker) checkStruct(n *yaml.Node, t reflect.Type) {
	c.unique(n)
	fields := map[string]reflect.Type{}
	var names []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		fields[name] = f.Type
		names = append(names, name)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		ft, ok := fields[k.Value]
		if !ok {
			c.add(k, "unknown key %q%s", k.Value, DidYouMean(k.Value, names))
			continue
		}
		c.check(n.Content[i+1], ft)
	}
}

// DidYouMean is `; did you mean "x"?` for the nearest of the names, or the list
// of them when none is near.
func DidYouMean(word string, names []string) string {
	best, distance := "", len(word)/2+1
	for _, name := range names {
		if d := levenshtein(strings.ToLower(word), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	if len(names) == 0 || len(names) > 20 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(names))
	return "; valid are " + strings.Join(sorted, ", ")
}

func levenshtein(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
