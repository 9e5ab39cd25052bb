package schema

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/codes"
	"tongqu/internal/wire"
)

// shippedLists are the code lists of the hub.
func shippedLists(tb testing.TB) *codes.Lists {
	tb.Helper()
	lists, err := codes.Load(os.DirFS("../../mappings/codes"))
	require.NoError(tb, err)
	return lists
}

func parseJSON(tb testing.TB, text string) *wire.Node {
	tb.Helper()
	doc, err := wire.ReadJSON([]byte(text), wire.NewDefaultLimits())
	require.NoError(tb, err)
	return doc.Root
}

func writeJSON(n *wire.Node) string { return string(wire.AppendJSON(nil, n)) }
