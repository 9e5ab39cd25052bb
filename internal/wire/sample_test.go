package wire

import (
	"fmt"
	"strings"
)

// orderMessage writes an import order document with n orders, as the customs
// message CEB311 has them: prefix, indentation, Chinese names, empty elements.
func orderMessage(n int) string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
		"<ceb:CEB311Message guid=\"5D6F2C1E-7A40-4E0B-9B7E-2C51A0F3D9A1\" version=\"1.0\"\n" +
		"    xmlns:ceb=\"http://www.chinaport.gov.cn/ceb\">\n")
	for i := range n {
		b.WriteString("  <ceb:Order>\n    <ceb:OrderHead>\n")
		for _, f := range [][2]string{
			{"guid", fmt.Sprintf("5D6F2C1E-7A40-4E0B-9B7E-%012d", i)},
			{"appType", "1"},
			{"appTime", "20260308112701"},
			{"appStatus", "2"},
			{"orderType", "I"},
			{"orderNo", fmt.Sprintf("SZ2026030800%06d", i)},
			{"ebpCode", "4403660012"},
			{"ebpName", "深圳海贝电子商务有限公司"},
			{"ebcCode", "4403660013"},
			{"ebcName", "珠江优选贸易（深圳）有限公司"},
			{"goodsValue", "298.00"},
			{"freight", "12.00"},
			{"discount", "0"},
			{"taxTotal", "27.12"},
			{"acturalPaid", "337.12"},
			{"currency", "142"},
			{"buyerRegNo", "hb_80217"},
			{"buyerName", "陈小满"},
			{"buyerTelephone", "13900000000"},
			{"buyerIdType", "1"},
			{"buyerIdNumber", "11010119900307001X"},
			{"payCode", "4403660020"},
			{"payName", "南海支付有限公司"},
			{"payTransactionId", "NH2026030811270000017"},
			{"batchNumbers", ""},
			{"consignee", "陈小满"},
			{"consigneeTelephone", "13900000000"},
			{"consigneeAddress", "广东省深圳市南山区海德三道 8 号"},
			{"consigneeDistrict", "440305"},
			{"note", ""},
		} {
			fmt.Fprintf(&b, "      <ceb:%s>%s</ceb:%s>\n", f[0], f[1], f[0])
		}
		b.WriteString("    </ceb:OrderHead>\n    <ceb:OrderList>\n")
		for _, f := range [][2]string{
			{"gnum", "1"},
			{"itemNo", "HB-MILK-800"},
			{"itemName", "婴幼儿配方奶粉 3 段"},
			{"gmodel", "800克/罐"},
			{"itemDescribe", "荷兰产"},
			{"barCode", "8712345678906"},
			{"unit", "122"},
			{"qty", "2"},
			{"price", "149.00"},
			{"totalPrice", "298.00"},
			{"currency", "142"},
			{"country", "309"},
			{"note", ""},
		} {
			fmt.Fprintf(&b, "      <ceb:%s>%s</ceb:%s>\n", f[0], f[1], f[0])
		}
		b.WriteString("    </ceb:OrderList>\n  </ceb:Order>\n")
	}
	b.WriteString("  <ceb:BaseTransfer>\n    <ceb:copCode>4403660012</ceb:copCode>\n" +
		"    <ceb:copName>深圳海贝电子商务有限公司</ceb:copName>\n    <ceb:dxpMode>DXP</ceb:dxpMode>\n" +
		"    <ceb:dxpId>DXPENT0000017520</ceb:dxpId>\n    <ceb:note></ceb:note>\n  </ceb:BaseTransfer>\n" +
		"</ceb:CEB311Message>\n")
	return b.String()
}
