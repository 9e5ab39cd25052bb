package schema

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/wire"
)

func shippedSchema(tb testing.TB, id string) *Schema {
	tb.Helper()
	set, err := Load(os.DirFS("../../schemas"), shippedLists(tb))
	require.NoError(tb, err)
	s, ok := set.Schema(id)
	require.True(tb, ok)
	return s
}

func readFile(tb testing.TB, name string) *wire.Document {
	tb.Helper()
	data, err := os.ReadFile(name)
	require.NoError(tb, err)
	doc, err := wire.Read(data, wire.NewDefaultLimits())
	require.NoError(tb, err)
	return doc
}

// BenchmarkCheck checks an order of customs (2.5 kB, 45 fields) as agencies send
// it, and broken in three places.
func BenchmarkCheck(b *testing.B) {
	for _, tt := range []struct {
		name, file, schema string
		faults             int
	}{
		{"wire/valid", "testdata/order.xml", "customs_ceb/CEB311Message", 0},
		{"wire/invalid", "testdata/order_broken.xml", "customs_ceb/CEB311Message", 4},
		{"canonical/valid", "testdata/order.json", "canonical/trade.order.v1", 0},
	} {
		b.Run(tt.name, func(b *testing.B) {
			s, doc := shippedSchema(b, tt.schema), readFile(b, tt.file)
			require.Len(b, s.Check(doc.Root), tt.faults, "%v", s.Check(doc.Root))
			b.ReportAllocs()
			for b.Loop() {
				_ = s.Check(doc.Root)
			}
		})
	}
}
