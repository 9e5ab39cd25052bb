package faults

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/record"
	"tongqu/internal/wire"
)

// TestOrders has the documents be what the ledger takes them for.
func TestOrders(t *testing.T) {
	registry, err := adapter.Load(tongqu.Files, wire.NewDefaultLimits())
	require.NoError(t, err)
	o := NewOrders(t)
	d := o.Order("F0102", 17)
	got := registry.Translate(d.Body, "")
	require.Len(t, got.Records, 1)
	require.False(t, got.Records[0].Faults.Refuses())
	require.Equal(t, d.Name(), nameOf(&record.Record{Keys: got.Records[0].Keys, Version: got.Records[0].Version}))

	d = o.Refused("R000001")
	got = registry.Translate(d.Body, "")
	require.Len(t, got.Records, 1)
	require.True(t, got.Records[0].Faults.Refuses())
}
