package mapping

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/codes"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// world is the schemas and code lists of a folder.
type world struct {
	lists   *codes.Lists
	schemas *schema.Set
}

func loadWorld(t testing.TB) world {
	t.Helper()
	lists, err := codes.Load(os.DirFS("testdata/mappings/codes"))
	require.NoError(t, err)
	schemas, err := schema.Load(os.DirFS("testdata/schemas"), lists)
	require.NoError(t, err)
	return world{lists, schemas}
}

func (w world) canonical(name string) *schema.Schema {
	s, _ := w.schemas.Schema("canonical/" + name)
	return s
}

func (w world) table(t testing.TB, name string) *Table {
	t.Helper()
	s, ok := w.schemas.Schema(name)
	require.True(t, ok, "no schema %s", name)
	table, err := Load(os.DirFS("testdata/mappings"), name, s, w.canonical, w.lists)
	require.NoError(t, err)
	return table
}

func readXML(t testing.TB, s string) *wire.Node {
	t.Helper()
	doc, err := wire.ReadXML([]byte(s), wire.NewDefaultLimits())
	require.NoError(t, err)
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

func TestSmoke(t *testing.T) {
	w := loadWorld(t)
	table := w.table(t, "demo/Shipment")
	d := table.Decode(readXML(t, shipment))
	for _, r := range d.Records {
		t.Log(string(wire.AppendJSON(nil, r.Root)), r.Faults)
	}
	t.Log(d.Faults)
	var roots []*wire.Node
	for _, r := range d.Records {
		roots = append(roots, r.Root)
	}
	root, faults := table.Encode(roots)
	t.Log(faults)
	out, err := wire.WriteXML(root, wire.XMLStyle{Indent: " ", Prefixes: map[string]string{"urn:demo:shipment": ""}})
	require.NoError(t, err)
	t.Log(string(out))
	for _, r := range table.Explain(readXML(t, shipment)) {
		t.Logf("%+v", r)
	}
}
