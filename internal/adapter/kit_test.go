package adapter

import (
	"flag"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tongqu/internal/wire"
)

// update rewrites the expected results of the cases in testdata.
var update = flag.Bool("update", false, "rewrite expected results")

// loadKit loads the adapters of testdata, which between them use all that an
// adapter can have.
func loadKit(t *testing.T) *Registry {
	t.Helper()
	r, err := Load(os.DirFS("testdata"), wire.NewDefaultLimits())
	require.NoError(t, err)
	return r
}

// TestKit runs the golden cases of testdata as those of real adapters are run.
func TestKit(t *testing.T) {
	r := loadKit(t)
	require.Empty(t, r.Lint(""))
	for _, a := range r.Adapters() {
		t.Run(a.Name, func(t *testing.T) {
			if *update {
				require.NoError(t, r.UpdateCases("testdata/adapters", a.Name))
			}
			results, err := r.RunCases(os.DirFS("testdata"), a.Name)
			require.NoError(t, err)
			require.NotEmpty(t, results)
			for _, c := range results {
				require.Empty(t, c.Diff, c.Case)
			}
		})
	}
}

// changedKit is testdata with one text in one file replaced.
func changedKit(t *testing.T, file, old, by string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	kit := os.DirFS("testdata")
	require.NoError(t, fs.WalkDir(kit, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "/cases/") {
			return err
		}
		data, err := fs.ReadFile(kit, path)
		files[path] = &fstest.MapFile{Data: data}
		return err
	}))
	require.Contains(t, files, file)
	require.Contains(t, string(files[file].Data), old)
	files[file].Data = []byte(strings.Replace(string(files[file].Data), old, by, 1))
	return files
}

func TestKitLint(t *testing.T) {
	const bank = "adapters/bank/adapter.yaml"
	for _, c := range []struct{ name, file, old, by, want string }{
		{"matches that do not tell them apart", bank, "match: {FILE: PAYA}", "match: {TOTAL: \"1\"}", "message Incoming: a document of it could also be bank/Outgoing"},
		{"the same match", bank, "match: {FILE: PAYA}", "match: {FILE: RCPA}", "message Incoming: a document of it could also be bank/Outgoing"},
		{"a match of what is not there", bank, "match: {FILE: PAYA}", "match: {FIEL: PAYA}", `message Outgoing: match: there is no "FIEL" in the schema`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Load(changedKit(t, c.file, c.old, c.by), wire.NewDefaultLimits())
			if err == nil {
				err = r.Lint("").Or()
			}
			require.ErrorContains(t, err, c.want)
		})
	}
	r, err := Load(changedKit(t, bank, "match: {FILE: PAYA}", `match: {FILE: RCPA, TOTAL: "1"}`), wire.NewDefaultLimits())
	require.NoError(t, err)
	require.Empty(t, r.Lint(""), "the message that asks for more is tried first")
	data, err := os.ReadFile("testdata/adapters/bank/cases/receipts/input.xml")
	require.NoError(t, err)
	require.Equal(t, "Incoming", r.Translate(data, "").Message)
	require.Equal(t, "Outgoing", r.Translate([]byte(strings.Replace(string(data), "<TOTAL>2", "<TOTAL>1", 1)), "").Message)
}
