package mapping

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// FuzzTable: whatever a table says, loading it does not panic, its problems have
// places, and a table that loads translates.
func FuzzTable(f *testing.F) {
	w := loadWorld(f)
	files, err := filepath.Glob("testdata/mappings/demo/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	s, _ := w.schemas.Schema("demo/Shipment")
	root := readXML(f, shipment)
	records := readRecords(f, shipmentRecords)
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := Load(fstest.MapFS{"x.yaml": {Data: data}}, "x", s, w.canonical, w.lists)
		if err != nil {
			return
		}
		for _, p := range table.Lint() {
			require.Positive(t, p.Line, p.Message)
			require.Positive(t, p.Column, p.Message)
		}
		table.Fields()
		d := table.Decode(root)
		require.Len(t, table.Explain(root), leafCount(d))
		_, _ = table.Encode(roots(d))
		_, _ = table.Encode(records)
	})
}

func leafCount(d Decoding) int {
	n := 0
	for _, r := range d.Records {
		n += leavesBelow(r.Root)
	}
	return n
}

func leavesBelow(n *wire.Node) int {
	if n.IsLeaf() {
		return 1
	}
	sum := 0
	for c := range n.Children() {
		sum += leavesBelow(c)
	}
	return sum
}

// FuzzDecode: any document, even of another message, decodes without a panic into
// records that can be written, with faults that have a place.
func FuzzDecode(f *testing.F) {
	w := loadWorld(f)
	xml, json := w.table(f, "demo/Shipment"), w.table(f, "demo/Permits")
	f.Add([]byte(shipment))
	f.Add([]byte(permits))
	f.Add([]byte(`<Shipment><Parcel><Head a="b">x<no/></Head><Line/><Line><Lot/></Line></Parcel><Parcel>y</Parcel></Shipment>`))
	f.Add([]byte(`{"permits":{"no":[1]},"batch":[[]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := wire.Read(data, wire.Limits{MaxDepth: 20})
		if err != nil {
			return
		}
		for _, table := range []*Table{xml, json} {
			_, _ = table.Encode([]*wire.Node{doc.Root, doc.Root})
			d := table.Decode(doc.Root)
			checkPlaces(t, d.Faults)
			for _, r := range d.Records {
				checkPlaces(t, r.Faults)
				_, err := wire.ReadJSON(wire.AppendJSON(nil, r.Root), wire.NewDefaultLimits())
				require.NoError(t, err)
			}
			require.Len(t, table.Explain(doc.Root), leafCount(d))
			if len(d.Records) > 0 {
				root, _ := table.Encode(roots(d))
				require.NotNil(t, root)
			}
		}
	})
}

func checkPlaces(t *testing.T, faults fault.List) {
	t.Helper()
	for _, f := range faults {
		require.NotEmpty(t, f.Path)
		require.Positive(t, f.Line, f.Error())
	}
}
