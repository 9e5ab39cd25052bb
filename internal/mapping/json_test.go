package mapping

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/wire"
)

const permits = `[
  {"batch": 7, "permits": [
    {"no": "A", "valid": true, "fee": 12.50, "goods": [{"seq": 1, "labels": ["x", "y"]}, {"seq": 2}]},
    {"no": "B", "valid": false, "fee": 1e2}
  ]},
  {"batch": 8, "permits": [{"no": "C", "valid": true, "fee": null, "goods": []}, null]},
  {"batch": 9, "permits": []}
]`

const permitRecords = `[{"no":"A","valid":true,"fee":"12.50","batch":7,"goods":[{"seq":1,"labels":["x","y"]},{"seq":2}]},` +
	`{"no":"B","valid":false,"fee":"100","batch":7},{"no":"C","valid":true,"batch":8}]`

// TestJSON translates a JSON document whose root is an array and whose records
// stand two arrays deep.
func TestJSON(t *testing.T) {
	w := loadWorld(t)
	table := w.table(t, "demo/Permits")
	doc, err := wire.ReadJSON([]byte(permits), wire.NewDefaultLimits())
	require.NoError(t, err)
	d := table.Decode(doc.Root)
	requireText(t, permitRecords, jsonOf(d))
	require.Empty(t, d.Faults)
	require.Equal(t, "/[1]/permits[2]", d.Records[1].Source.Path())
	require.Equal(t, "/[1]/permits[1]/goods[1]/labels[2]", d.Records[0].Root.Child("goods").First.Child("labels").Last.Place().Path)

	root, faults := table.Encode(readRecords(t, permitRecords)[:2])
	require.Empty(t, faults)
	requireText(t, `[{"batch":7,"permits":[{"no":"A","valid":true,"fee":12.50,"goods":[{"seq":1,"labels":["x","y"]},{"seq":2}]},`+
		`{"no":"B","valid":false,"fee":100}]}]`, string(wire.AppendJSON(nil, root)))
	s, _ := w.schemas.Schema("demo/Permits")
	require.Empty(t, s.Check(root))

	_, faults = table.Encode(readRecords(t, permitRecords))
	require.Equal(t, []string{"MAP_VALUE error /[3]/batch 1:177 8"}, told(faults), "one batch cannot have two numbers")

	root, faults = table.Encode(readRecords(t, `[{"no":"A","valid":true,"fee":"007.5","batch":7}]`))
	require.Empty(t, faults)
	requireText(t, `[{"batch":7,"permits":[{"no":"A","valid":true,"fee":7.5}]}]`, string(wire.AppendJSON(nil, root)))
}

// TestJSONKinds: what is no number or boolean never becomes one.
func TestJSONKinds(t *testing.T) {
	table, err := loadWorld(t).loadText(t, "Permits", `
message: Permits
canonical: demo.permit.v1
each: permits
fields:
  no: no
  valid: valid
  batch: no
`)
	require.NoError(t, err)
	doc, err := wire.ReadJSON([]byte(`[{"permits":[{"no":"0x1","valid":"perhaps"}]}]`), wire.NewDefaultLimits())
	require.NoError(t, err)
	d := table.Decode(doc.Root)
	requireText(t, `[{"no":"0x1"}]`, jsonOf(d))
	require.Equal(t, []string{
		"MAP_VALUE error /[1]/permits[1]/valid 1:34 perhaps",
		"MAP_NUMBER error /[1]/permits[1]/no 1:20 0x1",
	}, told(d.Records[0].Faults))
}

// TestOneRecord: without `each` the document itself is the record.
func TestOneRecord(t *testing.T) {
	table, err := loadWorld(t).loadText(t, "Transport", `
message: Transport
canonical: demo.truck.v1
fields:
  sentOn: {at: sent, as: date(20060102)}
  plate: /sent
`)
	require.NoError(t, err)
	d := table.Decode(readXML(t, "<Transport><sent>20260308</sent></Transport>"))
	requireText(t, `[{"plate":"20260308","sentOn":"2026-03-08"}]`, jsonOf(d))
	require.Equal(t, "/Transport", d.Records[0].Source.Path())
	one := readRecords(t, `[{"sentOn":"2026-03-08"}]`)
	root, faults := table.Encode(one)
	require.Empty(t, faults)
	require.Equal(t, "<Transport><sent>20260308</sent></Transport>", writePlain(t, root))
	_, faults = table.Encode(append(one, one...))
	require.Equal(t, []string{"MAP_VALUE error  0:0 "}, told(faults), "one document cannot hold two")
}

func writePlain(t *testing.T, root *wire.Node) string {
	t.Helper()
	out, err := wire.WriteXML(root, wire.XMLStyle{})
	require.NoError(t, err)
	return string(out)
}

// TestValuesAsRecords: `each` may be a value, however deep, and constants may stand
// in any of the elements around it.
func TestValuesAsRecords(t *testing.T) {
	table, err := loadWorld(t).loadText(t, "Permits", `
message: Permits
canonical: demo.permit.v1
each: permits/goods/labels
fields:
  no: .
  batch: {at: /permits/goods/seq, as: integer}
set:
  valid: true
fixed:
  /batch: 7
  /permits/no: A
`)
	require.NoError(t, err)
	doc, err := wire.ReadJSON([]byte(permits), wire.NewDefaultLimits())
	require.NoError(t, err)
	d := table.Decode(doc.Root)
	requireText(t, `[{"no":"x","valid":true,"batch":1},{"no":"y","valid":true,"batch":1}]`, jsonOf(d))
	require.Empty(t, d.Faults)
	require.Equal(t, "/[1]/permits[1]/goods[1]/labels[2]", d.Records[1].Source.Path())

	root, faults := table.Encode(roots(d))
	require.Empty(t, faults)
	requireText(t, `[{"batch":7,"permits":[{"no":"A","goods":[{"seq":1,"labels":["x","y"]}]}]}]`, string(wire.AppendJSON(nil, root)))

	doc, err = wire.ReadJSON([]byte(`[{"batch":8,"permits":[{"no":"B","goods":[{"labels":["x","y"]}]}]}]`), wire.NewDefaultLimits())
	require.NoError(t, err)
	d = table.Decode(doc.Root)
	require.Len(t, d.Records, 2)
	require.Equal(t, []string{"MAP_VALUE flag /[1]/batch 1:11 8", "MAP_VALUE flag /[1]/permits[1]/no 1:30 B"}, told(d.Faults))
	require.Empty(t, d.Records[0].Faults)
}
