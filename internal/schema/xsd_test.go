package schema

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// ownSet imports and loads the XSD of the tests.
func ownSet(tb testing.TB) *Set {
	tb.Helper()
	made, err := ImportXSD(os.DirFS("testdata/xsd"), "declaration.xsd", ImportConfig{Folder: "test"})
	require.NoError(tb, err)
	fsys := fstest.MapFS{}
	for _, m := range made {
		fsys[m.ID+".json"] = &fstest.MapFile{Data: m.JSON}
	}
	set, err := Load(fsys, nil)
	require.NoError(tb, err)
	return set
}

// TestVerdicts holds an imported XSD that uses every construct against xmllint,
// on documents made up after the schema and on mutations of them.
func TestVerdicts(t *testing.T) {
	s, ok := ownSet(t).Schema("test/Declaration")
	require.True(t, ok)
	documents := corpus(s.shape, 3, 1200)
	n := compare(t, s, filepath.Join("testdata", "xsd", "declaration.xsd"), documents)
	require.Greater(t, n, len(documents)/5, "too few of the documents are valid to prove anything")
	require.Less(t, n, len(documents)*3/5, "too few of the documents are invalid to prove anything")
}
