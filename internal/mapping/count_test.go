package mapping

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tongqu/internal/schema"
)

const (
	fleetSchema = `{"$schema": "http://json-schema.org/draft-07/schema#", "$id": "demo/Fleet", "type": "object", "x-root": "Fleet", "properties": {
		"count": {"type": "string", "title": "车辆数"},
		"Truck": {"type": "array", "items": {"type": "object", "properties": {"plate": {"type": "string"}}}}}}`
	fleetTable = "message: Fleet\ncanonical: demo.truck.v1\neach: Truck\nfields:\n  plate: plate\nfixed:\n  /count: $records\n"
)

func TestCountOfRecords(t *testing.T) {
	w := loadWorld(t)
	schemas, err := schema.Load(fstest.MapFS{"demo/Fleet.json": {Data: []byte(fleetSchema)}}, nil)
	require.NoError(t, err)
	fleet, _ := schemas.Schema("demo/Fleet")
	load := func(text string) (*Table, error) {
		return Load(fstest.MapFS{"demo/Fleet.yaml": {Data: []byte(text)}}, "demo/Fleet", fleet, w.canonical, w.lists)
	}
	table, err := load(fleetTable)
	require.NoError(t, err)
	require.Empty(t, table.Lint())

	const trucks = "<Truck><plate>A</plate></Truck><Truck><plate>B</plate></Truck>"
	for _, tt := range []struct {
		name, count string
		want        []string
	}{
		{"right", "<count>2</count>", nil},
		{"with blanks and zeros", "<count> 02 </count>", nil},
		{"absent", "", nil},
		{"too few", "<count>1</count>", []string{"MAP_COUNT error /Fleet/count 1:15 1"}},
		{"no number", "<count>two</count>", []string{"MAP_COUNT error /Fleet/count 1:15 two"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := table.Decode(readXML(t, "<Fleet>"+tt.count+trucks+"</Fleet>"))
			require.Len(t, d.Records, 2)
			require.Equal(t, tt.want, told(d.Faults))
			back, faults := table.Encode(roots(d))
			require.Empty(t, faults)
			require.Equal(t, "2", back.Child("count").Text)
		})
	}

	_, err = load(strings.NewReplacer("each: Truck\n", "", "plate: plate", "plate: count").Replace(fleetTable))
	require.ErrorContains(t, err, "$records needs `each`: without it the document is one record")
}
