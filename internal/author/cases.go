package author

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"tongqu/internal/adapter"
	"tongqu/internal/wire"
)

// caseHeader begins cases/README.md.
func caseHeader(name string) string {
	return fmt.Sprintf("# Golden cases of %s\n\nEach folder holds a document as an agency would send it and what the adapter must make of it.\n\n| case | what it shows | faults |\n|---|---|---|\n", name)
}

// appendCase adds a row to the table of cases.
func appendCase(list []byte, name, shows, faults string) []byte {
	text := strings.TrimRight(string(list), "\n") + "\n"
	return fmt.Appendf([]byte(text), "| `%s` | %s | %s |\n", name, strings.ReplaceAll(shows, "|", "\\|"), faults)
}

var caseForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Case is a golden case that was written.
type Case struct {
	Folder string `json:"folder"`
	// Faults are the codes of what the adapter finds wrong with it.
	Faults []string `json:"faults"`
	// Problems are those of the round trip: what does not come back when the records
	// are encoded again.
	Problems []string `json:"problems"`
}

// AddCase writes a document as golden case adapters/NAME/cases/CASE below dir, with
// what the adapter makes of it now, and lists it. An empty caseName is made up of
// the message's. A case that is there already is an error.
func AddCase(r *adapter.Registry, dir, name, caseName string, data []byte) (*Case, error) {
	t := r.Translate(data, "")
	if t.Adapter != name && t.Adapter != "" {
		return nil, fmt.Errorf("the document is one of %s/%s", t.Adapter, t.Message)
	}
	cases := filepath.Join(dir, "adapters", name, "cases")
	if caseName == "" {
		stem := strings.ToLower(strings.NewReplacer("_", "-", " ", "-").Replace(t.Message))
		if stem == "" {
			stem = "unknown"
		}
		for n := 1; caseName == "" || exists(filepath.Join(cases, caseName)); n++ {
			caseName = fmt.Sprintf("%s-%d", stem, n)
		}
	}
	folder := filepath.Join(cases, caseName)
	switch {
	case !caseForm.MatchString(caseName):
		return nil, fmt.Errorf("%q is no name for a case: a–z, 0–9 and hyphens", caseName)
	case exists(folder):
		return nil, fmt.Errorf("%s is there already", folder)
	}
	summary := t.Summary()
	c := &Case{Folder: folder, Faults: []string{}, Problems: []string{}}
	note := func(code string) {
		if !slices.Contains(c.Faults, code) {
			c.Faults = append(c.Faults, code)
		}
	}
	for i := range summary.Errors {
		note(string(summary.Errors[i].Code))
	}
	for i := range summary.Records {
		for j := range summary.Records[i].Errors {
			note(string(summary.Records[i].Errors[j].Code))
		}
	}
	var expected bytes.Buffer
	enc := json.NewEncoder(&expected)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(summary); err != nil {
		return nil, fmt.Errorf("writing the case: %w", err)
	}
	list, err := os.ReadFile(filepath.Join(cases, "README.md"))
	if errors.Is(err, fs.ErrNotExist) {
		list, err = []byte(caseHeader(name)), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the list of cases: %w", err)
	}
	faults := "–"
	if len(c.Faults) > 0 {
		faults = strings.Join(c.Faults, ", ")
	}
	ending := wire.XML
	if t.Document != nil {
		ending = t.Document.Format
	}
	files := []struct {
		name string
		data []byte
	}{
		{filepath.Join(folder, "input."+extension(ending)), data},
		{filepath.Join(folder, "expected.json"), expected.Bytes()},
		{filepath.Join(cases, "README.md"), appendCase(list, caseName, "TODO: what it shows", faults)},
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, fmt.Errorf("writing the case: %w", err)
	}
	for _, f := range files {
		if err := os.WriteFile(f.name, f.data, 0o644); err != nil { //nolint:gosec // source files that people share
			return nil, fmt.Errorf("writing the case: %w", err)
		}
	}
	results, err := r.RunCases(os.DirFS(dir), name)
	if err != nil {
		return nil, err
	}
	for _, result := range results {
		if result.Case == caseName {
			c.Problems = append(c.Problems, result.Diff...)
		}
	}
	return c, nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
