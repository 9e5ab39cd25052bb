package mapping

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/wire"
)

// TestComputedRows has rows that compute from others, and of several rows the first.
func TestComputedRows(t *testing.T) {
	w := loadWorld(t)
	table, err := w.loadText(t, "Shipment", shipmentTable(`
  no: [{at: Head/no, when: 'this startsWith "P"', only: decode}, {at: Head/owner, only: decode}]
  direction: {at: Head/flag, as: code(direction)}
  status: {at: Head/state, when: 'value("direction") == "export"', default: none}
  place: {expr: 'value("direction") == "import" ? wire("Head/place") : wire("/Sender/code")'}
  kilograms: {expr: 'total(values("items[].qty"))'}
  items[].qty: {at: Line/qty, as: decimal}
  items[].name: {at: Line/name, when: 'value("items[].qty") != "0" && value("direction") == "import"'}
`))
	require.NoError(t, err)
	d := table.Decode(readXML(t, `<Shipment><Parcel><Head><no>P-1</no><flag>I</flag><owner>O</owner><place>here</place></Head>`+
		`<Line><name>a</name><qty>1.5</qty></Line><Line><name>b</name><qty>0</qty></Line></Parcel>`+
		`<Parcel><Head><no>X-1</no><flag>E</flag><owner>O</owner><place>here</place></Head><Line><name>a</name><qty>x</qty></Line></Parcel>`+
		`<Sender><code>S</code></Sender></Shipment>`))
	requireText(t, `[{"no":"P-1","direction":"import","place":"here","kilograms":"1.5","items":[{"name":"a","qty":"1.5"},{"qty":"0"}]},`+
		`{"no":"O","direction":"export","status":"none","place":"S"}]`, jsonOf(d))
	require.Empty(t, d.Records[0].Faults)
	require.Equal(t, []string{"MAP_NUMBER error /Shipment/Parcel[2]/Line/qty 1:289 x"}, told(d.Records[1].Faults), "a value that another row reads is told once")

	root, _ := table.Encode([]*wire.Node{d.Records[0].Root})
	require.Contains(t, writeXML(t, root), "<Parcel><Head><flag>I</flag><place></place></Head><Line><name>a</name><qty>1.5</qty></Line><Line><qty>0</qty></Line></Parcel>")
}
