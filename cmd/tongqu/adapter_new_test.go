package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/author"
)

const carrierSample = `<?xml version="1.0" encoding="UTF-8"?>
<StatusReport xmlns="http://carrier.example/status" version="1">
  <Head><messageId>M-1</messageId><carrierCode>4401960A01</carrierCode><sentAt>20260308112701</sentAt></Head>
  <Parcel><waybillNo>YT0001</waybillNo><state>S</state><stateTime>20260308101500</stateTime><signedBy>张三</signedBy></Parcel>
  <Parcel><waybillNo>YT0002</waybillNo><state>T</state><stateTime>20260308101600</stateTime></Parcel>
</StatusReport>
`

func TestAdapterNew(t *testing.T) {
	dir := t.TempDir()
	sample := file(t, dir, "status.xml", []byte(carrierSample))
	folder := filepath.Join(dir, "override")
	var done author.Started
	r := runCommand(t, "adapter", "new", "carrier", "--from", sample, "--type", "trade.waybill-status", "--dir", folder, "-o", "json")
	require.Equal(t, 0, r.code, r.err)
	r.json(t, &done)
	require.Equal(t, []author.StartedMessage{{Name: "StatusReport", Canonical: "trade.waybill-status.v1"}}, done.Messages)

	// What lint says is what new said is left; each value without a row stands in the table.
	r = runCommand(t, "adapter", "lint", "carrier", "--override", folder)
	require.Equal(t, exitFindings, r.code, r.out)
	require.Len(t, done.Open, strings.Count(r.out, "\n"))
	require.Contains(t, r.out, "waybillNo is neither mapped, fixed nor ignored")
	name := filepath.Join(folder, "mappings", "carrier", "StatusReport.yaml")
	table, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Contains(t, string(table), "each: Parcel")
	require.Contains(t, string(table), "  sentAt: {at: /Head/sentAt, as: time(20060102150405)}")
	require.Contains(t, string(table), "  # ?: waybillNo")
	require.NotContains(t, string(table), "张三")

	// Completed by hand, lint is silent and the golden case passes, round trip and all.
	completed := strings.NewReplacer(
		"  # ?: waybillNo", "  logisticsNo: waybillNo",
		"  # ?: /Head/carrierCode", "  logistics.code: /Head/carrierCode",
		"  # ?: stateTime", "  time: {at: stateTime, as: time(20060102150405)}",
		"  # ?: state\n", "  status: {at: state, as: code(carrier_state)}\n",
		"fixed:", "set: {direction: import, action: create}\nfixed:",
	).Replace(string(table))
	file(t, folder, "mappings/carrier/StatusReport.yaml", []byte(completed))
	file(t, folder, "mappings/codes/carrier_state.csv", []byte("status,carrier,zh,en\nin-transit,T,运输中,in transit\nsigned,S,已签收,signed for\n"))
	require.Equal(t, ran{err: "0 problems\n"}, runCommand(t, "adapter", "lint", "carrier", "--override", folder))
	test := []string{"adapter", "test", "carrier", "--override", folder, "--dir", filepath.Join(folder, "adapters")}
	r = runCommand(t, append(test, "--update")...)
	require.Equal(t, ran{out: "ok   carrier/sample-1\n1 cases, 0 failed\n"}, r)
	result, err := os.ReadFile(filepath.Join(folder, "adapters", "carrier", "cases", "sample-1", "expected.json"))
	require.NoError(t, err)
	require.Contains(t, string(result), `"status": "accepted"`)

	// Nothing is overwritten, and names and types are checked.
	r = runCommand(t, "adapter", "new", "carrier", "--from", sample, "--dir", folder)
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.err, "adapters/carrier is there already")
	require.Contains(t, runCommand(t, "adapter", "new", "customs_ceb", "--from", sample, "--dir", folder).err, "is there already")
	require.Contains(t, runCommand(t, "adapter", "new", "a-b", "--from", sample, "--dir", folder).err, "no name for an adapter")
	require.Contains(t, runCommand(t, "adapter", "new", "b", "--from", sample, "--type", "trade.oder", "--dir", folder).err, `did you mean "trade.order.v1"?`)
	require.NoFileExists(t, filepath.Join(folder, "adapters", "b", "adapter.yaml"), "what fails writes nothing")
}

// TestAdapterNewKnowsItsOwn starts an adapter from a document whose translation is
// known: the guesses must be those of the finished table.
func TestAdapterNewKnowsItsOwn(t *testing.T) {
	dir := t.TempDir()
	sample := file(t, dir, "order.xml", order(t, "NEW", 2))
	r := runCommand(t, "adapter", "new", "again", "--from", sample, "--dir", dir)
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.out, "again/CEB311Message ⇄ trade.order.v1")
	made, err := os.ReadFile(filepath.Join(dir, "mappings", "again", "CEB311Message.yaml"))
	require.NoError(t, err)
	finished, err := os.ReadFile("../../mappings/customs_ceb/CEB311Message.yaml")
	require.NoError(t, err)
	rows := 0
	for line := range strings.SplitSeq(string(made), "\n") {
		line, _, _ = strings.Cut(line, " #")
		if line = strings.TrimRight(line, " "); strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "  #") && !strings.Contains(line, "@version") {
			require.Contains(t, string(finished), line+"\n")
			rows++
		}
	}
	require.Greater(t, rows, 30)
}

func TestAdapterNewFromXSD(t *testing.T) {
	dir := t.TempDir()
	from := file(t, dir, "note.xsd", []byte(xsd))
	r := runCommand(t, "adapter", "new", "notes", "--xsd", from, "--type", "Note=trade.order", "--dir", dir)
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.out, "notes/Note ⇄ trade.order.v1")
	require.FileExists(t, filepath.Join(dir, "schemas", "notes", "Note.json"))
	r = runCommand(t, "adapter", "lint", "notes", "--override", dir)
	require.Contains(t, r.out, "text is neither mapped, fixed nor ignored")
	r = runCommand(t, "adapter", "new", "other", "--xsd", from, "--dir", dir)
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.err, "name one with --type")
}

// TestAdapterNewOfTablesAndJSON starts adapters from the other formats.
func TestAdapterNewOfTablesAndJSON(t *testing.T) {
	dir := t.TempDir()
	csv := file(t, dir, "orders.csv", []byte("订单编号,qty,金额\nA1,2,10.50\nA2,1,20.00\n"))
	r := runCommand(t, "adapter", "new", "shop", "--from", csv, "--type", "trade.order", "--dir", dir)
	require.Equal(t, 0, r.code, r.err)
	r = runCommand(t, "adapter", "lint", "shop", "--override", dir)
	require.Contains(t, r.out, "column3 (金额) is neither mapped, fixed nor ignored", "the order number was found by its title")
	r = runCommand(t, "check", csv, "--adapter", "shop", "--override", dir)
	require.NotContains(t, r.out, "DOCUMENT_UNKNOWN", "it is recognised by its header")

	json := file(t, dir, "orders.json", []byte(`{"messageType":"ORDER","rows":[{"orderNo":"A1","paid":10.5},{"orderNo":"A2","paid":3}]}`))
	r = runCommand(t, "adapter", "new", "shop_json", "--from", json, "--type", "trade.order", "--dir", dir)
	require.Equal(t, 0, r.code, r.err)
	manifest, err := os.ReadFile(filepath.Join(dir, "adapters", "shop_json", "adapter.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(manifest), `match: {messageType: "ORDER"}`)
	r = runCommand(t, "adapter", "lint", "shop_json", "--override", dir)
	require.Contains(t, r.out, "/messageType is neither mapped, fixed nor ignored")
	table, err := os.ReadFile(filepath.Join(dir, "mappings", "shop_json", "shop_json.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(table), "each: rows")
	require.Contains(t, string(table), "amounts.paid: {at: paid, as: decimal}")
}
