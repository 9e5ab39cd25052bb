package adapter

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tongqu/internal/mapping"
	"tongqu/internal/wire"
)

// CaseResult is what running one golden case showed; no Diff means that it passed.
type CaseResult struct {
	Adapter string   `json:"adapter"`
	Case    string   `json:"case"`
	Diff    []string `json:"diff"`
}

// RunCases runs the golden cases of an adapter: adapters/NAME/cases/CASE with
// input.EXT and expected.json (a Summary). Where every record of an input without
// flags is accepted, the records must also encode back into the same document.
func (r *Registry) RunCases(files fs.FS, name string) ([]CaseResult, error) {
	var results []CaseResult
	err := eachCase(files, name, func(dir, input string) error {
		data, err := fs.ReadFile(files, input)
		if err != nil {
			return fmt.Errorf("reading case: %w", err)
		}
		t := r.Translate(data, "")
		res := CaseResult{Adapter: name, Case: path.Base(dir), Diff: []string{}}
		got, err := json.Marshal(t.Summary())
		if err != nil {
			return fmt.Errorf("writing summary: %w", err)
		}
		want, err := fs.ReadFile(files, dir+"/expected.json")
		switch {
		case errors.Is(err, fs.ErrNotExist):
			res.Diff = append(res.Diff, "expected.json is missing: run with --update and read it")
		case err != nil:
			return fmt.Errorf("reading case: %w", err)
		default:
			res.Diff = append(res.Diff, diffJSON(want, got)...)
		}
		res.Diff = append(res.Diff, r.roundTrip(t)...)
		results = append(results, res)
		return nil
	})
	return results, err
}

// UpdateCases writes expected.json of every case from what the adapter says now.
// dir is the folder on disk that holds the adapters.
func (r *Registry) UpdateCases(dir, name string) error {
	files := os.DirFS(filepath.Dir(dir))
	return eachCase(files, name, func(caseDir, input string) error {
		data, err := fs.ReadFile(files, input)
		if err != nil {
			return fmt.Errorf("reading case: %w", err)
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r.Translate(data, "").Summary()); err != nil {
			return fmt.Errorf("writing summary: %w", err)
		}
		target := filepath.Join(filepath.Dir(dir), filepath.FromSlash(caseDir), "expected.json")
		if err := os.WriteFile(target, b.Bytes(), 0o644); err != nil { //nolint:gosec // a file of the source tree
			return fmt.Errorf("writing case: %w", err)
		}
		return nil
	})
}

func eachCase(files fs.FS, name string, do func(dir, input string) error) error {
	root := "adapters/" + name + "/cases"
	entries, err := fs.ReadDir(files, root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing cases: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		dir := root + "/" + e.Name()
		inputs, err := fs.Glob(files, dir+"/input.*")
		if err != nil || len(inputs) != 1 {
			return fmt.Errorf("case %s needs exactly one input file, found %d", dir, len(inputs))
		}
		if err := do(dir, inputs[0]); err != nil {
			return err
		}
	}
	return nil
}

// roundTrip encodes the records back, in the envelopes that can be written, and
// compares documents.
func (r *Registry) roundTrip(t *Translation) []string {
	if t.message == nil || len(t.Faults) > 0 || len(t.Records) == 0 {
		return nil
	}
	roots := make([]*wire.Node, len(t.Records))
	for i := range t.Records {
		if len(t.Records[i].Faults) > 0 {
			return nil
		}
		roots[i] = t.Records[i].Root
	}
	format, tr := Format{message: t.message}, Transfer{ID: "1", At: time.Unix(0, 0)}
	for _, e := range t.envelopes {
		if len(e.message.Envelope.Fields) > 0 {
			format.envelopes = append(format.envelopes, e.message)
			tr.Sender, tr.Receiver = cmp.Or(tr.Sender, e.sender), cmp.Or(tr.Receiver, e.receiver)
		}
	}
	back, err := format.encode(roots, tr)
	if err != nil {
		return []string{"round trip: " + err.Error()}
	}
	again := r.Translate(back.Body, t.Adapter)
	if again.Document == nil {
		return []string{"round trip: " + again.Faults.Error()}
	}
	var diff []string
	for _, d := range diffMaps(flattenTree(t.Document.Root), flattenTree(again.Document.Root)) {
		diff = append(diff, "round trip: "+d)
	}
	return diff
}

// flattenTree is a document as path → value; empty elements and blanks do not count,
// neither as values nor among the elements of their name.
func flattenTree(root *wire.Node) map[string]string {
	flat := map[string]string{}
	var walk func(n *wire.Node, path string)
	walk = func(n *wire.Node, path string) {
		if n.IsLeaf() {
			flat[path] = strings.TrimSpace(n.Text)
			return
		}
		many, seen := map[string]int{}, map[string]int{}
		for c := range n.Children() {
			if holds(c) {
				many[step(c)]++
			}
		}
		for c := range n.Children() {
			if !holds(c) {
				continue
			}
			name := step(c)
			seen[name]++
			below := path + "/" + name
			if many[name] > 1 || n.Kind == wire.Array {
				below += fmt.Sprintf("[%d]", seen[name])
			}
			walk(c, below)
		}
	}
	walk(root, "/"+root.Name)
	return flat
}

// holds reports whether a value stands in the node or below.
func holds(n *wire.Node) bool {
	if n.IsLeaf() {
		return strings.TrimSpace(n.Text) != ""
	}
	for c := range n.Children() {
		if holds(c) {
			return true
		}
	}
	return false
}

func step(n *wire.Node) string {
	if n.Attr {
		return "@" + n.Name
	}
	return n.Name
}

// diffJSON compares two JSON values, member by member.
func diffJSON(want, got []byte) []string {
	limits := wire.NewDefaultLimits()
	w, err := wire.ReadJSON(want, limits)
	if err != nil {
		return []string{"expected.json: " + err.Error()}
	}
	g, err := wire.ReadJSON(got, limits)
	if err != nil {
		return []string{"result: " + err.Error()}
	}
	return diffMaps(flattenTree(w.Root), flattenTree(g.Root))
}

func diffMaps(want, got map[string]string) []string {
	var diff []string
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if g, ok := got[p]; !ok {
			diff = append(diff, fmt.Sprintf("%s: want %q, is missing", p, want[p]))
		} else if g != want[p] {
			diff = append(diff, fmt.Sprintf("%s: want %q, got %q", p, want[p], g))
		}
	}
	for _, p := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[p]; !ok {
			diff = append(diff, fmt.Sprintf("%s: got %q, not wanted", p, got[p]))
		}
	}
	return diff
}

// Explain says for each canonical value where it came from and by which row;
// nothing for canonical records, which came as they are.
func (t *Translation) Explain() []mapping.Row {
	if t.message == nil || t.message.Table == nil {
		return nil
	}
	return t.message.Table.Explain(t.Document.Root)
}
