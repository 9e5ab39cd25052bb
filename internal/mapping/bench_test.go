package mapping

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/wire"
)

// order is a CEB311 document of about 2.5 kB with one order of two lines.
func order(orders int) string {
	const line = `
      <ceb:OrderList>
        <ceb:gnum>%d</ceb:gnum>
        <ceb:itemNo>SKU-2026-000%d</ceb:itemNo>
        <ceb:itemName>测试奶粉三段</ceb:itemName>
        <ceb:gmodel>品牌：测试；规格：900克/罐；用途：婴幼儿</ceb:gmodel>
        <ceb:itemDescribe>测试用商品</ceb:itemDescribe>
        <ceb:barCode>6901234567892</ceb:barCode>
        <ceb:unit>122</ceb:unit>
        <ceb:qty>2</ceb:qty>
        <ceb:price>160.5</ceb:price>
        <ceb:totalPrice>321</ceb:totalPrice>
        <ceb:currency>142</ceb:currency>
        <ceb:country>303</ceb:country>
      </ceb:OrderList>`
	const head = `
    <ceb:Order>
      <ceb:OrderHead>
        <ceb:guid>4D1B7A2C-0000-4000-8000-%012d</ceb:guid>
        <ceb:appType>1</ceb:appType>
        <ceb:appTime>20260308112701</ceb:appTime>
        <ceb:appStatus>2</ceb:appStatus>
        <ceb:orderType>I</ceb:orderType>
        <ceb:orderNo>T2026030800%d</ceb:orderNo>
        <ceb:ebpCode>4401960TST</ceb:ebpCode>
        <ceb:ebpName>测试电商平台有限公司</ceb:ebpName>
        <ceb:ebcCode>4401960ABC</ceb:ebcCode>
        <ceb:ebcName>测试电商企业有限公司</ceb:ebcName>
        <ceb:goodsValue>642</ceb:goodsValue>
        <ceb:freight>0</ceb:freight>
        <ceb:discount>0</ceb:discount>
        <ceb:taxTotal>58.42</ceb:taxTotal>
        <ceb:acturalPaid>700.42</ceb:acturalPaid>
        <ceb:currency>142</ceb:currency>
        <ceb:buyerRegNo>tester001</ceb:buyerRegNo>
        <ceb:buyerName>测试甲</ceb:buyerName>
        <ceb:buyerTelephone>13000000000</ceb:buyerTelephone>
        <ceb:buyerIdType>1</ceb:buyerIdType>
        <ceb:buyerIdNumber>11010119900307803X</ceb:buyerIdNumber>
        <ceb:consignee>测试乙</ceb:consignee>
        <ceb:consigneeTelephone>13000000001</ceb:consigneeTelephone>
        <ceb:consigneeAddress>广东省广州市南沙区测试路1号</ceb:consigneeAddress>
      </ceb:OrderHead>`
	var b strings.Builder
	b.WriteString(`<ceb:CEB311Message xmlns:ceb="http://www.chinaport.gov.cn/ceb" guid="4D1B7A2C-0000-4000-8000-000000000000" version="1.0">`)
	for i := range orders {
		fmt.Fprintf(&b, head, i, i)
		fmt.Fprintf(&b, line, 1, 1)
		fmt.Fprintf(&b, line, 2, 2)
		b.WriteString("\n    </ceb:Order>")
	}
	b.WriteString(`
    <ceb:BaseTransfer>
      <ceb:copCode>4401960TST</ceb:copCode>
      <ceb:copName>测试电商平台有限公司</ceb:copName>
      <ceb:dxpMode>DXP</ceb:dxpMode>
      <ceb:dxpId>DXPENT0000000001</ceb:dxpId>
    </ceb:BaseTransfer>
</ceb:CEB311Message>`)
	return b.String()
}

func BenchmarkDecode(b *testing.B) {
	w, mappings := repository(b)
	table := w.load(b, mappings, "customs_ceb/CEB311Message")
	for _, orders := range []int{1, 100} {
		b.Run(fmt.Sprintf("orders=%d", orders), func(b *testing.B) {
			text := order(orders)
			root := readXML(b, text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if d := table.Decode(root); len(d.Records) != orders || len(d.Faults)+len(d.Records[0].Faults) > 0 {
					b.Fatal(d.Faults, d.Records[0].Faults)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	w, mappings := repository(b)
	table := w.load(b, mappings, "customs_ceb/CEB311Message")
	for _, orders := range []int{1, 100} {
		b.Run(fmt.Sprintf("orders=%d", orders), func(b *testing.B) {
			text := order(orders)
			records := roots(table.Decode(readXML(b, text)))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, faults := table.Encode(records); len(faults) > 0 {
					b.Fatal(faults)
				}
			}
		})
	}
}

// TestOrder: the document of the benchmarks is valid, and comes back whole.
func TestOrder(t *testing.T) {
	w, mappings := repository(t)
	table := w.load(t, mappings, "customs_ceb/CEB311Message")
	s, _ := w.schemas.Schema("customs_ceb/CEB311Message")
	root := readXML(t, order(3))
	require.Empty(t, s.Check(root))
	d := table.Decode(root)
	for _, r := range d.Records {
		require.Empty(t, w.canonical(table.Canonical()).Check(r.Root))
	}
	back, faults := table.Encode(roots(d))
	require.Empty(t, faults)
	require.Equal(t, outline(root), outline(back))
}

// outline is a tree as a document says it: names, spaces and trimmed values.
func outline(n *wire.Node) string {
	var b strings.Builder
	var walk func(n *wire.Node, indent string)
	walk = func(n *wire.Node, indent string) {
		fmt.Fprintf(&b, "%s{%s}%s %v %q\n", indent, n.Space, n.Name, n.Attr, trim(n.Text))
		for c := range n.Children() {
			walk(c, indent+" ")
		}
	}
	walk(n, "")
	return b.String()
}
