package schema

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/codes"
	"tongqu/internal/wire"
)

// shippedLists are the code lists of the hub.
func shippedLists(t testing.TB) *codes.Lists {
	t.Helper()
	lists, err := codes.Load(os.DirFS("../../mappings/codes"))
	require.NoError(t, err)
	return lists
}

func parseJSON(t testing.TB, text string) *wire.Node {
	t.Helper()
	doc, err := wire.ReadJSON([]byte(text), wire.NewDefaultLimits())
	require.NoError(t, err)
	return doc.Root
}

func writeJSON(n *wire.Node) string { return string(wire.AppendJSON(nil, n)) }
