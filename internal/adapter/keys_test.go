package adapter

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

func TestKeys(t *testing.T) {
	keys := []schema.Key{
		{Name: "declaration", Paths: []string{"agent.code", "no"}},
		{Name: "containerNo", Paths: []string{"containers[].no"}},
		{Name: "goods", Paths: []string{"no", "items[].parts[].code"}},
		{Name: "billNo", Paths: []string{"billNo"}},
		{Name: "joined", Paths: []string{"absent", "containers[].no"}},
	}
	doc, err := wire.ReadJSON([]byte(`{"agent": {"code": "A"}, "no": "1",
		"containers": [{"no": "C2"}, {"no": "C1"}, {"size": "20"}, {"no": "C2"}, {"no": ""}],
		"items": [{"parts": [{"code": "x"}]}, {"parts": [{"code": "y"}, {"code": "x"}]}]}`), wire.NewDefaultLimits())
	require.NoError(t, err)
	r := Record{Root: doc.Root, Source: doc.Root}
	r.takeKeys(keys)
	require.Empty(t, r.Faults)
	require.Equal(t, []record.Key{
		{Name: "declaration", Value: "A/1"},
		{Name: "containerNo", Value: "C1"},
		{Name: "containerNo", Value: "C2"},
		{Name: "goods", Value: "1/x"},
		{Name: "goods", Value: "1/y"},
	}, r.Keys)
	require.Equal(t, map[string]any{
		"declaration": "A/1", "containerNo": []string{"C1", "C2"}, "goods": []string{"1/x", "1/y"},
	}, record.ByName(r.Keys))

	doc, err = wire.ReadJSON([]byte(`{"no": "1"}`), wire.NewDefaultLimits())
	require.NoError(t, err)
	r = Record{Root: doc.Root, Source: doc.Root}
	r.takeKeys(keys)
	require.Len(t, r.Faults, 1)
	require.Equal(t, fault.SchemaRequired, r.Faults[0].Code, "a record without identity is refused")
}
