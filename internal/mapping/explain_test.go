package mapping

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExplain(t *testing.T) {
	table := loadWorld(t).table(t, "demo/Shipment")
	rows := table.Explain(readXML(t, shipment))
	const file = "mappings/demo/Shipment.yaml:"
	byPath := map[string]Row{}
	records := map[int]int{}
	for _, r := range rows {
		records[r.Record]++
		if r.Record == 1 {
			byPath[r.Canonical] = r
		}
	}
	require.Equal(t, map[int]int{1: 37, 2: 17}, records)
	for _, want := range []Row{
		{1, "no", "/Shipment/Parcel[1]/Head/no", 5, 13, "P-1", "P-1", file + "6", "text"},
		{1, "kind", "/Shipment/Parcel[1]", 3, 13, "", "parcel", file + "35", "set"},
		{1, "direction", "/Shipment/Parcel[1]/Head/flag", 6, 15, "I", "import", file + "7", "code(direction)"},
		{1, "dueAt", "/Shipment/Parcel[1]/Head/day", 8, 14, "20260309", "2026-03-09T18:00:00+08:00", file + "9", `join(" ") time(20060102 150405)`},
		{1, "owner.name", "/Shipment/Parcel[1]/Head/ownerName", 12, 20, " 广州测试有限公司 ", "广州测试有限公司", file + "13", "text"},
		{1, "place", "/Shipment/Parcel[1]", 3, 13, "", "unknown", file + "14", "default"},
		{1, "tags[2]", "/Shipment/Parcel[1]/Head/tags", 15, 15, "cold, fragile", "fragile", file + "16", `split(",")`},
		{1, "kilograms", "/Shipment/Parcel[1]/Head/grams", 16, 16, "1500", "1.5", file + "17", "expr"},
		{1, "items[2].lineNo", "/Shipment/Parcel[1]/Line[2]/n", 27, 18, "02", "2", file + "21", "integer"},
		{1, "items[1].lots[2].qty", "/Shipment/Parcel[1]/Line[1]/Lot[2]", 24, 22, "1.0", "1.0", file + "26", "decimal"},
		{1, "items[1].marks[2]", "/Shipment/Parcel[1]/Line[1]/mark[2]", 25, 33, "B", "B", file + "27", "text"},
		{1, "transfer.id", "/Shipment/@id", 2, 45, "M-1", "M-1", file + "28", "text"},
		{1, "transfer.copies[2].to", "/Shipment/Copy[2]/to", 38, 17, "T-2", "T-2", file + "31", "text"},
	} {
		require.Equal(t, want, byPath[want.Canonical])
	}
}

func TestFields(t *testing.T) {
	table := loadWorld(t).table(t, "demo/Shipment")
	byPath := map[string]Field{}
	var paths []string
	for _, f := range table.Fields() {
		byPath[f.WirePath] = f
		paths = append(paths, f.WirePath)
	}
	require.Equal(t, []string{
		"/@id", "/@version", "Head/no", "Head/flag", "Head/time", "Head/day", "Head/clock", "Head/state", "Head/owner", "Head/ownerName",
		"Head/place", "Head/express", "Head/tags", "Head/grams", "Head/amount", "Head/currency", "Head/note", "Line/n", "Line/name", "Line/qty",
		"Line/Lot/@no", "Line/Lot/#text", "Line/mark", "/Sender/code", "/Sender/mode", "/Sender/note", "/Copy/to", "/Copy/how", "/Seal",
	}, paths)
	for _, want := range []Field{
		{"/@id", "报文编号", "string 1..36", true, "transfer.id", "text"},
		{"/@version", "版本号", "string 1..", true, "", "fixed 1.0"},
		{"Head/flag", "进出口标志", "string I E", true, "direction", "code(direction)"},
		{"Head/state", "状态", "string 1..", true, "status, statusCode", "code(state.demo), text"},
		{"Head/amount", "金额", "decimal 19,5", false, "price.amount", "decimal"},
		{"Head/currency", "币制", "string 3", false, "price.currency, items[].currency", "code(currency.num)"},
		{"Line/Lot/#text", "批次数量", "string 1..", true, "items[].lots[].qty", "decimal"},
		{"/Seal", "签章", "any", false, "transfer.seal", "xml"},
	} {
		require.Equal(t, want, byPath[want.WirePath])
	}
	transport := loadWorld(t).table(t, "demo/Transport").Fields()
	require.Equal(t, Field{"driver", "", "string", false, "", "ignored"}, transport[len(transport)-1])
}
