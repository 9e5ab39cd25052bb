package mapping

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/codes"
	"tongqu/internal/schema"
)

// repository loads the hub's own schemas and code lists.
func repository(tb testing.TB) (w world, mappings fs.FS) {
	tb.Helper()
	mappings = os.DirFS("../../mappings")
	lists, err := codes.Load(os.DirFS("../../mappings/codes"))
	require.NoError(tb, err)
	schemas, err := schema.Load(os.DirFS("../../schemas"), lists)
	require.NoError(tb, err)
	return world{lists, schemas}, mappings
}

func (w world) load(tb testing.TB, mappings fs.FS, name string) *Table {
	tb.Helper()
	s, ok := w.schemas.Schema(name)
	require.True(tb, ok, "no schema %s", name)
	table, err := Load(mappings, name, s, w.canonical, w.lists)
	require.NoError(tb, err)
	return table
}

// TestTables loads and lints every table of the hub.
func TestTables(t *testing.T) {
	w, mappings := repository(t)
	files, err := fs.Glob(mappings, "*/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(file, ".yaml")
		t.Run(name, func(t *testing.T) {
			table := w.load(t, mappings, name)
			require.Empty(t, lines(table.Lint()))
		})
	}
}
