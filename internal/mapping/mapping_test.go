package mapping

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/codes"
	"tongqu/internal/fault"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// world is the schemas and code lists of a folder.
type world struct {
	lists   *codes.Lists
	schemas *schema.Set
}

func loadWorld(tb testing.TB) world {
	tb.Helper()
	lists, err := codes.Load(os.DirFS("testdata/mappings/codes"))
	require.NoError(tb, err)
	schemas, err := schema.Load(os.DirFS("testdata/schemas"), lists)
	require.NoError(tb, err)
	return world{lists, schemas}
}

func (w world) canonical(name string) *schema.Schema {
	s, _ := w.schemas.Schema("canonical/" + name)
	return s
}

func (w world) table(tb testing.TB, name string) *Table {
	tb.Helper()
	s, ok := w.schemas.Schema(name)
	require.True(tb, ok, "no schema %s", name)
	table, err := Load(os.DirFS("testdata/mappings"), name, s, w.canonical, w.lists)
	require.NoError(tb, err)
	return table
}

func readXML(tb testing.TB, s string) *wire.Node {
	tb.Helper()
	doc, err := wire.ReadXML([]byte(s), wire.NewDefaultLimits())
	require.NoError(tb, err)
	return doc.Root
}

const shipment = `<?xml version="1.0" encoding="UTF-8"?>
<d:Shipment xmlns:d="urn:demo:shipment" id="M-1" version="1.0">
  <d:Parcel>
    <d:Head>
      <d:no>P-1</d:no>
      <d:flag>I</d:flag>
      <d:time>20260308112701</d:time>
      <d:day>20260309</d:day>
      <d:clock>180000</d:clock>
      <d:state>1</d:state>
      <d:owner>440001</d:owner>
      <d:ownerName> 广州测试有限公司 </d:ownerName>
      <d:place></d:place>
      <d:express>Y</d:express>
      <d:tags>cold, fragile</d:tags>
      <d:grams>1500</d:grams>
      <d:amount>+12.50</d:amount>
      <d:currency>142</d:currency>
      <d:note>小心轻放</d:note>
    </d:Head>
    <d:Line>
      <d:n>1</d:n><d:name>茶叶</d:name><d:qty>2</d:qty>
      <d:Lot no="L1">1</d:Lot>
      <d:Lot no="L2">1.0</d:Lot>
      <d:mark>A</d:mark><d:mark>B</d:mark>
    </d:Line>
    <d:Line><d:n>02</d:n><d:name>瓷器</d:name><d:qty>.5</d:qty></d:Line>
  </d:Parcel>
  <d:Parcel>
    <d:Head>
      <d:no>P-2</d:no><d:flag>E</d:flag><d:time>20260308112702</d:time><d:state>9</d:state>
      <d:owner>440002</d:owner><d:place>南沙</d:place><d:note>not for exports</d:note>
    </d:Head>
    <d:Line><d:n>1</d:n><d:name>灯</d:name><d:qty>1</d:qty></d:Line>
  </d:Parcel>
  <d:Sender><d:code>S-1</d:code><d:mode>HUB</d:mode></d:Sender>
  <d:Copy><d:to>T-1</d:to></d:Copy>
  <d:Copy><d:to>T-2</d:to><d:how>DATA</d:how></d:Copy>
  <d:Seal><d:value alg="sm3">QUJD</d:value></d:Seal>
</d:Shipment>`

const shipmentRecords = `[{"no":"P-1","kind":"parcel","direction":"import","sentAt":"2026-03-08T11:27:01+08:00","dueAt":"2026-03-09T18:00:00+08:00",` +
	`"status":"open","statusCode":"1","owner":{"code":"440001","name":"广州测试有限公司"},"place":"unknown","express":true,"tags":["cold","fragile"],` +
	`"kilograms":"1.5","price":{"amount":"12.50","currency":"CNY"},"remark":"小心轻放","items":[` +
	`{"lineNo":1,"name":"茶叶","qty":"2","currency":"CNY","lots":[{"no":"L1","qty":"1"},{"no":"L2","qty":"1.0"}],"marks":["A","B"]},` +
	`{"lineNo":2,"name":"瓷器","qty":"0.5","currency":"CNY"}],` +
	`"transfer":{"id":"M-1","sender":"S-1","copies":[{"to":"T-1"},{"to":"T-2","how":"DATA"}],"seal":"<value xmlns=\"urn:demo:shipment\" alg=\"sm3\">QUJD</value>"}},` +
	`{"no":"P-2","kind":"parcel","direction":"export","sentAt":"2026-03-08T11:27:02+08:00","status":"9","statusCode":"9",` +
	`"owner":{"code":"440002"},"place":"南沙","items":[{"lineNo":1,"name":"灯","qty":"1"}],` +
	`"transfer":{"id":"M-1","sender":"S-1","copies":[{"to":"T-1"},{"to":"T-2","how":"DATA"}],"seal":"<value xmlns=\"urn:demo:shipment\" alg=\"sm3\">QUJD</value>"}}]`

// shipmentBack is what the records make again: canonical values, schema order.
const shipmentBack = `<Shipment xmlns="urn:demo:shipment" id="M-1" version="1.0">` +
	`<Parcel><Head><no>P-1</no><flag>I</flag><time>20260308112701</time><day>20260309</day><clock>180000</clock><state>1</state>` +
	`<owner>440001</owner><ownerName>广州测试有限公司</ownerName><place>unknown</place><express>Y</express><tags>cold,fragile</tags>` +
	`<grams>1500</grams><amount>12.50</amount><currency>142</currency><note>小心轻放</note></Head>` +
	`<Line><n>1</n><name>茶叶</name><qty>2</qty><Lot no="L1">1</Lot><Lot no="L2">1.0</Lot><mark>A</mark><mark>B</mark></Line>` +
	`<Line><n>2</n><name>瓷器</name><qty>0.5</qty></Line></Parcel>` +
	`<Parcel><Head><no>P-2</no><flag>E</flag><time>20260308112702</time><state>9</state><owner>440002</owner><place>南沙</place></Head>` +
	`<Line><n>1</n><name>灯</name><qty>1</qty></Line></Parcel>` +
	`<Sender><code>S-1</code><mode>HUB</mode></Sender><Copy><to>T-1</to></Copy><Copy><to>T-2</to><how>DATA</how></Copy>` +
	`<Seal><value alg="sm3">QUJD</value></Seal></Shipment>`

// jsonOf writes records as one JSON array.
func jsonOf(d Decoding) string {
	b := []byte{'['}
	for i, r := range d.Records {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendJSON(b, r.Root)
	}
	return string(append(b, ']'))
}

// requireText compares texts, JSON too, to the letter: the order of members counts.
func requireText(t *testing.T, want, got string) {
	t.Helper()
	require.Equal(t, want, got)
}

func roots(d Decoding) []*wire.Node {
	var out []*wire.Node
	for _, r := range d.Records {
		out = append(out, r.Root)
	}
	return out
}

func readRecords(tb testing.TB, array string) []*wire.Node {
	tb.Helper()
	doc, err := wire.ReadJSON([]byte(array), wire.NewDefaultLimits())
	require.NoError(tb, err)
	return slices.Collect(doc.Root.Children())
}

func writeXML(tb testing.TB, root *wire.Node) string {
	tb.Helper()
	out, err := wire.WriteXML(root, wire.XMLStyle{Prefixes: map[string]string{"urn:demo:shipment": ""}})
	require.NoError(tb, err)
	return strings.TrimSpace(string(out))
}

// told is the faults in one line each: code, severity, path, line:column, value.
func told(faults fault.List) []string {
	var out []string
	for _, f := range faults {
		out = append(out, fmt.Sprintf("%s %s %s %d:%d %s", f.Code, f.Severity, f.Path, f.Line, f.Column, f.Value))
	}
	return out
}

func TestDecode(t *testing.T) {
	w := loadWorld(t)
	table := w.table(t, "demo/Shipment")
	root := readXML(t, shipment)
	d := table.Decode(root)
	requireText(t, shipmentRecords, jsonOf(d))
	require.Empty(t, d.Faults)
	require.Empty(t, d.Records[0].Faults)
	require.Equal(t, []string{"MAP_CODE flag /Shipment/Parcel[2]/Head/state 31:81 9"}, told(d.Records[1].Faults))
	require.Equal(t, "code state.demo", d.Records[1].Faults[0].Rule)
	require.Equal(t, "状态", d.Records[1].Faults[0].Name)
	for i, r := range d.Records {
		require.Equal(t, fmt.Sprintf("/Shipment/Parcel[%d]", i+1), r.Source.Path())
		require.Empty(t, w.canonical("demo.parcel.v1").Check(r.Root))
	}
	require.Equal(t, "demo.parcel.v1", table.Canonical())
	require.Equal(t, "Shipment", table.Message())
}

// TestBlanks: a code in which positions count keeps its blanks in both directions.
func TestBlanks(t *testing.T) {
	table, err := loadWorld(t).loadText(t, "Transport", strings.Replace(transport, "plate: plate", "plate: {at: plate, as: text(blanks)}", 1))
	require.NoError(t, err)
	root := readXML(t, `<Transport><sent>20260308</sent><Truck><plate>  5 </plate></Truck><Truck><plate>  </plate></Truck></Transport>`)
	d := table.Decode(root)
	require.Equal(t, "  5 ", d.Records[0].Root.Child("plate").Text)
	require.Nil(t, d.Records[1].Root.Child("plate"), "nothing but blanks is no value")
	back, faults := table.Encode([]*wire.Node{d.Records[0].Root})
	require.Empty(t, faults)
	require.Equal(t, "  5 ", back.Child("Truck").Child("plate").Text)
}

// TestDecodePlaces: every canonical node knows the sender's.
func TestDecodePlaces(t *testing.T) {
	d := loadWorld(t).table(t, "demo/Shipment").Decode(readXML(t, shipment))
	root := d.Records[0].Root
	items := root.Child("items")
	for path, n := range map[string]*wire.Node{
		"/Shipment/Parcel[1]":                root,
		"/Shipment/Parcel[1]/Head/no":        root.Child("no"),
		"/Shipment/Parcel[1]/Head":           root.Child("owner"),
		"/Shipment/Parcel[1]/Head/owner":     root.Child("owner").Child("code"),
		"/Shipment/Parcel[1]/Line[2]":        items.Last,
		"/Shipment/Parcel[1]/Line[2]/qty":    items.Last.Child("qty"),
		"/Shipment/Parcel[1]/Line[1]/Lot[2]": items.First.Child("lots").Last,
		"/Shipment/@id":                      root.Child("transfer").Child("id"),
		"/Shipment":                          root.Child("transfer"),
		"/Shipment/Copy[2]/how":              root.Child("transfer").Child("copies").Last.Child("how"),
	} {
		require.Equal(t, path, n.Place().Path)
		require.Positive(t, n.Place().Line)
	}
	require.Equal(t, "/Shipment/Parcel[1]", root.Child("kind").Place().Path, "what is set stands for the record")
}

func TestEncode(t *testing.T) {
	w := loadWorld(t)
	table := w.table(t, "demo/Shipment")
	root, faults := table.Encode(readRecords(t, shipmentRecords))
	require.Empty(t, faults)
	require.Equal(t, shipmentBack, writeXML(t, root))
	s, _ := w.schemas.Schema("demo/Shipment")
	require.Empty(t, s.Check(root))
	again := table.Decode(root)
	requireText(t, shipmentRecords, jsonOf(again))
}

// TestDecodeFaults breaks the shipment in one place at a time.
func TestDecodeFaults(t *testing.T) {
	table := loadWorld(t).table(t, "demo/Shipment")
	tests := []struct {
		name, old, new string
		record, common []string
		// absent is what the first record must not have, present what it must.
		absent, present string
	}{
		{
			name: "time", old: "20260308112701", new: "20260230112701",
			record: []string{"MAP_TIME error /Shipment/Parcel[1]/Head/time 7:15 20260230112701"}, absent: `"sentAt"`,
		},
		{
			name: "joined time", old: "<d:clock>180000</d:clock>", new: "",
			record: []string{"MAP_TIME error /Shipment/Parcel[1]/Head/day 8:14 20260309 "}, absent: `"dueAt"`,
		},
		{
			name: "flag", old: "<d:express>Y", new: "<d:express>yes",
			record: []string{"MAP_VALUE error /Shipment/Parcel[1]/Head/express 14:18 yes"}, absent: `"express"`,
		},
		{
			name: "decimal", old: "+12.50", new: "12,50",
			record: []string{"MAP_NUMBER error /Shipment/Parcel[1]/Head/amount 17:17 12,50"}, absent: `"amount"`,
			present: `"price":{"currency":"CNY"}`,
		},
		{
			name: "integer of an item", old: "<d:n>02", new: "<d:n>2a",
			record: []string{"MAP_NUMBER error /Shipment/Parcel[1]/Line[2]/n 27:18 2a"}, present: `{"name":"瓷器"`,
		},
		{
			name: "decimal of a nested item", old: "1.0</d:Lot>", new: "x</d:Lot>",
			record: []string{"MAP_NUMBER error /Shipment/Parcel[1]/Line[1]/Lot[2] 24:22 x"}, present: `{"no":"L2"}`,
		},
		{
			name: "shared by items", old: ">142<", new: ">143<",
			record:  []string{"MAP_CODE flag /Shipment/Parcel[1]/Head/currency 18:19 143"},
			present: `"currency":"143"`,
		},
		{
			name: "fixed", old: `id="M-1" version="1.0"`, new: `id="M-1" version="2.0"`,
			common: []string{"MAP_VALUE flag /Shipment/@version 2:59 2.0"},
		},
		{
			name: "fixed element", old: "<d:mode>HUB", new: "<d:mode>FTP",
			common: []string{"MAP_VALUE flag /Shipment/Sender/mode 36:41 FTP"},
		},
		{
			name: "computed", old: "<d:grams>1500", new: "<d:grams>heavy",
			record: []string{"MAP_EXPRESSION error /Shipment/Parcel[1]/Head/grams 16:16 "}, absent: `"kilograms"`,
		},
		{name: "absent element", old: "<d:no>P-1</d:no>", new: "", absent: `"no":"P-1"`},
		{name: "blank element", old: "<d:no>P-1<", new: "<d:no> \n <", absent: `"no":"P-1"`},
		{name: "first of two counts", old: "<d:no>P-1</d:no>", new: "<d:no>P-1</d:no><d:no>P-0</d:no>", present: `"no":"P-1"`},
		{name: "unknown elements are passed over", old: "<d:no>P-1</d:no>", new: "<d:x><d:no>P-0</d:no></d:x><d:no>P-1</d:no>", present: `"no":"P-1"`},
		{name: "attribute of an element's name", old: "<d:Head>", new: `<d:Head no="P-0">`, present: `"no":"P-1"`},
		{name: "guarded", old: "<d:flag>I", new: "<d:flag>E", absent: `"remark"`},
		{name: "guard reads what is unknown", old: "<d:flag>I", new: "<d:flag>X", absent: `"remark"`, record: []string{"MAP_CODE flag /Shipment/Parcel[1]/Head/flag 6:15 X"}},
		{name: "order of elements", old: "<d:no>P-1</d:no>\n      <d:flag>I</d:flag>", new: "<d:flag>I</d:flag>\n<d:no>P-1</d:no>", present: `{"no":"P-1","kind":"parcel","direction":"import"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, shipment, tt.old)
			d := table.Decode(readXML(t, strings.Replace(shipment, tt.old, tt.new, 1)))
			require.Len(t, d.Records, 2)
			require.Equal(t, tt.record, told(d.Records[0].Faults))
			require.Equal(t, tt.common, told(d.Faults))
			first := string(wire.AppendJSON(nil, d.Records[0].Root))
			if tt.absent != "" {
				require.NotContains(t, first, tt.absent)
			}
			require.Contains(t, first, tt.present)
		})
	}
}

// TestDecodeCommon: a fault in what records share is told once.
func TestDecodeCommon(t *testing.T) {
	table := loadWorld(t).table(t, "demo/Transport")
	d := table.Decode(readXML(t, `<Transport><sent>20260230</sent><Truck><plate>A</plate></Truck><Truck><plate>B</plate></Truck></Transport>`))
	require.Len(t, d.Records, 2)
	require.Equal(t, []string{"MAP_TIME error /Transport/sent 1:18 20260230"}, told(d.Faults))
	for _, r := range d.Records {
		require.Empty(t, r.Faults)
	}
}

func TestDecodeForeign(t *testing.T) {
	table := loadWorld(t).table(t, "demo/Shipment")
	require.Empty(t, table.Decode(readXML(t, "<Other/>")).Records)
	require.Empty(t, table.Decode(&wire.Node{Kind: wire.Text, Text: "x"}).Records)
	d := table.Decode(readXML(t, "<Shipment><Parcel/></Shipment>"))
	requireText(t, `[{"kind":"parcel","place":"unknown"}]`, jsonOf(d))
}

// TestEncodeFaults changes the first of the canonical records.
func TestEncodeFaults(t *testing.T) {
	table := loadWorld(t).table(t, "demo/Shipment")
	tests := []struct {
		name, old, new string
		want           []string
	}{
		{name: "missing", old: `"no":"P-1",`, want: []string{"MAP_MISSING error /Shipment/Parcel/Head/no 0:0 "}},
		{name: "missing object", old: `"owner":{"code":"440001","name":"广州测试有限公司"},`, want: []string{"MAP_MISSING error /Shipment/Parcel/Head/owner 0:0 "}},
		{name: "missing list", old: `"items":[{"lineNo":1,"name":"灯","qty":"1"}],`, want: []string{"MAP_MISSING error /Shipment/Parcel/Line 0:0 "}},
		{
			name: "missing in an item", old: `"lineNo":2,"name":"瓷器",`,
			want: []string{"MAP_MISSING error /Shipment/Parcel/Line/n 0:0 ", "MAP_MISSING error /Shipment/Parcel/Line/name 0:0 "},
		},
		{name: "optional", old: `"remark":"小心轻放",`},
		{name: "default", old: `"place":"unknown",`},
		{name: "time", old: "2026-03-08T11:27:01+08:00", new: "2026-03-08", want: []string{
			"MAP_TIME error /[1]/sentAt 1:60 2026-03-08",
		}},
		{name: "code", old: `"currency":"CNY"}`, new: `"currency":"XAU"}`, want: []string{"MAP_CODE flag /[1]/price/currency 1:315 XAU"}},
		{name: "set", old: `"kind":"parcel"`, new: `"kind":"letter"`, want: []string{"MAP_VALUE error /[1]/kind 1:21 letter"}},
		{name: "not set", old: `"kind":"parcel",`},
		{name: "separator in an item", old: `"cold"`, new: `"very,cold"`, want: []string{"MAP_VALUE error /[1]/tags[1] 1:242 very,cold"}},
		{name: "disagree", old: `"id":"M-1"`, new: `"id":"M-2"`, want: []string{"MAP_VALUE error /[2]/transfer/id 1:902 M-1"}},
		{name: "disagree in a list", old: `"to":"T-1"`, new: `"to":"T-3"`, want: []string{"MAP_VALUE error /[2]/transfer/copies 1:932 "}},
		{name: "one has none", old: `"sender":"S-1",`, want: []string{"MAP_VALUE error /[2]/transfer/sender 1:902 S-1"}},
		{name: "computed", old: `"kilograms":"1.5"`, new: `"kilograms":"x"`, want: []string{"MAP_EXPRESSION error /[1]/kilograms 1:272 "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, shipmentRecords, tt.old)
			_, faults := table.Encode(readRecords(t, strings.Replace(shipmentRecords, tt.old, tt.new, 1)))
			require.Equal(t, tt.want, told(faults))
		})
	}
	broken := strings.ReplaceAll(shipmentRecords, "</value>", "</valu>")
	_, faults := table.Encode(readRecords(t, broken))
	require.Equal(t, []string{`MAP_VALUE error /[1]/transfer/seal 1:622 <value xmlns="urn:demo:shipment" alg="sm3">QUJD</valu>`}, told(faults))
	_, faults = table.Encode(nil)
	require.Equal(t, []string{"MAP_MISSING error  0:0 "}, told(faults))
}
