package mapping

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/wire"
)

func TestExpression(t *testing.T) {
	env := &environment{
		This:   "报关单1500",
		Wire:   func(path string) string { return "wire " + path },
		Value:  func(path string) string { return "value " + path },
		Values: func(string) []string { return []string{"1.10", "", "2.20"} },
	}
	tests := []struct{ source, want, err string }{
		{source: `this`, want: "报关单1500"},
		{source: `substr(this, 0, 3)`, want: "报关单"},
		{source: `substr(this, 3, 100)`, want: "1500"},
		{source: `substr(this, 9, 1)`, want: ""},
		{source: `substr(this, -1, 1)`, want: ""},
		{source: `mul(substr(this, 3, 4), "0.001")`, want: "1.5"},
		{source: `mul("", "5")`, want: ""},
		{source: `add("0.1", "0.2", "")`, want: "0.3"},
		{source: `sub("1", "0.9")`, want: "0.1"},
		{source: `add("", "")`, want: ""},
		{source: `total(values("items[].qty"))`, want: "3.3"},
		{source: `round("2.345", 2)`, want: "2.35"},
		{source: `round("2", 2)`, want: "2.00"},
		{source: `round("2", 99)`, err: "round to 99 places (1:1)"},
		{source: `add("x", "1")`, err: `"x" is no decimal (1:1)`},
		{source: `add("1e40", "1" )`, want: "10000000000000000000000000000000000000001"},
		{source: `wire("A/B") + value("c")`, want: "wire A/Bvalue c"},
		{source: `this == "" ? nil : 7`, want: "7"},
		{source: `nil`, want: ""},
		{source: `len(this)`, want: "7"},
		{source: `this startsWith "报"`, want: "true"},
		{source: `split(this, "单")`, err: "the result is a []string, not a text"},
		{source: `join(map(1..20000, this))`, err: "memory budget exceeded (1:11)"},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			e, err := compileExpression(tt.source, false)
			require.NoError(t, err)
			got, err := e.run(env)
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestExpressionRefused(t *testing.T) {
	for source, want := range map[string]string{
		`this[0:2]`:           "slices count bytes: use substr(text, from, length)",
		`this[0]`:             "type string[int] is undefined",
		`this == "" ? 0.5:1`:  `no floating point: write decimals as text, "0.001"`,
		`10 / 4`:              "no floating point: use mul and round",
		`2 ** 3`:              "no floating point: use mul and round",
		`now()`:               "unknown name now",
		`float("1")`:          "unknown name float",
		`fromJSON(this)`:      "unknown name fromJSON",
		`wire(this)`:          "wire needs a path written out as text",
		`value("a" + "b")`:    "value needs a path written out as text",
		`wire("")`:            "wire needs a path written out as text",
		`this + 1`:            "invalid operation: +",
		`that`:                "unknown name that",
		`wire("a", "b")`:      "too many arguments to call wire",
		`repeat(this, 99999)`: "unknown name repeat",
	} {
		_, err := compileExpression(source, false)
		require.ErrorContains(t, err, want, source)
	}
}

// TestComputedRows has rows that compute from others, and of several rows the first.
func TestComputedRows(t *testing.T) {
	w := loadWorld(t)
	table, err := w.loadText(t, "Shipment", shipmentTable(`
  no: [{at: Head/no, when: 'wire("Head/no") startsWith "P"', only: decode}, {at: Head/owner, only: decode}]
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
