package schema_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/codes"
	"tongqu/internal/schema"
)

// The schemas and code lists that the hub ships are sound.
func TestShippedSchemas(t *testing.T) {
	lists, err := codes.Load(os.DirFS("../../mappings/codes"))
	require.NoError(t, err)
	set, err := schema.Load(os.DirFS("../../schemas"), lists)
	require.NoError(t, err)
	require.Contains(t, set.IDs(), "canonical/trade.order.v1")
}
