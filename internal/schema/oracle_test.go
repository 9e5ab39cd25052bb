package schema

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// judgeXML is what the hub says of a document, without any tolerance.
func judgeXML(data []byte, s *Schema) fault.List {
	doc, err := wire.ReadXML(data, wire.NewDefaultLimits())
	if err != nil {
		return fault.Of(err)
	}
	return s.Check(doc.Root)
}

// xmllint validates documents with libxml2, an implementation of XML Schema
// that has nothing in common with this one.
func xmllint(t *testing.T, xsd string, documents [][]byte) []bool {
	t.Helper()
	path, err := exec.LookPath("xmllint")
	if err != nil {
		if os.Getenv("TONGQU_ORACLE") == "required" {
			require.NoError(t, err, "the oracle is required")
		}
		t.Skip("xmllint is not installed")
	}
	dir := t.TempDir()
	verdicts := make([]bool, len(documents))
	const batch = 500
	for from := 0; from < len(documents); from += batch {
		args := []string{"--noout", "--nonet", "--schema", xsd}
		for i := from; i < min(from+batch, len(documents)); i++ {
			file := filepath.Join(dir, fmt.Sprintf("%d.xml", i))
			require.NoError(t, os.WriteFile(file, documents[i], 0o600))
			args = append(args, file)
		}
		var out bytes.Buffer
		cmd := exec.CommandContext(t.Context(), path, args...) //nolint:gosec // a tool of the test, on files of the test
		cmd.Stderr = &out
		_ = cmd.Run() // its exit status only says that some document is invalid
		require.NotContains(t, out.String(), "failed to compile")
		for line := range strings.SplitSeq(out.String(), "\n") {
			var i int
			if file, ok := strings.CutSuffix(line, ".xml validates"); ok {
				_, err := fmt.Sscan(filepath.Base(file), &i)
				require.NoError(t, err)
				verdicts[i] = true
			}
		}
	}
	return verdicts
}

// compare requires the hub and xmllint to agree on every document.
func compare(t *testing.T, s *Schema, xsd string, documents [][]byte) (validCount int) {
	t.Helper()
	want := xmllint(t, xsd, documents)
	for i, d := range documents {
		if want[i] {
			validCount++
		}
		found := judgeXML(d, s)
		if got := !found.Refuses(); got != want[i] && !libxmlErrs(d, found) {
			t.Errorf("valid: got %v, xmllint says %v\nfaults: %v\n%s", got, want[i], found, d)
		}
	}
	return validCount
}

// libxmlErrs reports whether the verdicts may differ because libxml2 departs
// from XML Schema: it does not collapse the blanks around numbers and durations, and skips
// characters that base64 does not have.
func libxmlErrs(d []byte, found fault.List) bool {
	for _, f := range found {
		if f.Code != fault.SchemaPattern || !strings.Contains(f.EN, "base64Binary") || patternStrayBase64.FindString(f.Value) == "" {
			return false
		}
	}
	return len(found) > 0 || patternPaddedNumber.Match(d)
}

var (
	patternStrayBase64  = regexp.MustCompile(`[^A-Za-z0-9+/= ]`)
	patternPaddedNumber = regexp.MustCompile(`(\s|&#10;|&#9;)([-+]?[0-9]|-?P|-?INF|NaN)|[0-9A-Z](\s|&#10;|&#9;)`)
)

// TestOfficialVerdicts holds the imported schemas of customs against the
// official XSD: on every official sample, on mutations of them, and on documents
// made up after the schemas.
func TestOfficialVerdicts(t *testing.T) {
	dir := os.Getenv("TONGQU_FORMATS")
	if dir == "" {
		t.Skip("TONGQU_FORMATS names no folder with the official formats")
	}
	set, err := Load(os.DirFS("../../schemas"), shippedLists(t))
	require.NoError(t, err)
	specs := filepath.Join(dir, "spec", "customs_ceb-2022")
	for _, tt := range []struct{ xsd, folder string }{
		{"海关跨境进口业务节点报文定义202205.xsd", "customs_ceb"},
		{"海关跨境出口业务节点报文定义202205.xsd", "customs_ceb"},
		{"海关跨境终端节点报文定义202205.xsd", "customs_dxp"},
	} {
		xsd, err := os.ReadFile(filepath.Join(specs, tt.xsd)) //nolint:gosec // an XSD of the configured folder
		require.NoError(t, err)
		files, err := filepath.Glob(filepath.Join(dir, "samples", "*", "*.xml"))
		require.NoError(t, err)
		byMessage := map[string][][]byte{}
		for _, file := range files {
			data, err := os.ReadFile(file) //nolint:gosec // a sample of the configured folder
			require.NoError(t, err)
			if doc, err := wire.ReadXML(data, wire.NewDefaultLimits()); err == nil {
				byMessage[doc.Root.Name] = append(byMessage[doc.Root.Name], data)
			}
		}
		for _, id := range set.IDs() {
			s, _ := set.Schema(id)
			declared := bytes.Contains(xsd, []byte(`name="`+s.shape.Root+`"`)) // in this XSD
			if !strings.HasPrefix(id, tt.folder+"/") || s.shape.Root == "" || !declared {
				continue
			}
			t.Run(id, func(t *testing.T) {
				documents := corpus(s.shape, 7, 120)
				a := newAuthor(11)
				for _, data := range byMessage[s.shape.Root] {
					documents = append(documents, data)
					for range 60 {
						doc, err := wire.ReadXML(data, wire.NewDefaultLimits())
						require.NoError(t, err)
						a.mutate(doc.Root)
						documents = append(documents, a.render(doc.Root))
					}
				}
				n := compare(t, s, filepath.Join(specs, tt.xsd), documents)
				require.Positive(t, n)
				t.Logf("%d documents, %d of them valid", len(documents), n)
			})
		}
	}
}
