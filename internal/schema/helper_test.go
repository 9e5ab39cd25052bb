package schema

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/codes"
)

// shippedLists are the code lists of the hub.
func shippedLists(t testing.TB) *codes.Lists {
	t.Helper()
	lists, err := codes.Load(os.DirFS("../../mappings/codes"))
	require.NoError(t, err)
	return lists
}
