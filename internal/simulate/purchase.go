// Package simulate makes what agencies would send, for trying the hub out, for
// tests and for measurements: the four documents of cross-border purchases, the
// receipts of customs, and the mistakes that real senders make. Everything comes
// from a seed; the people in it are invented.
package simulate

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// china is the zone in which agencies write their times.
var china = time.FixedZone("UTC+8", 8*60*60)

// Generator makes purchases. It is not safe for concurrent use.
type Generator struct {
	rng *rand.Rand
	run string // keeps the numbers of different runs apart
	n   int
}

// New makes a generator; run goes into every business number, so that two runs
// with different names never repeat each other's.
func New(seed uint64, run string) *Generator {
	return &Generator{rng: rand.New(rand.NewPCG(seed, 0x746f6e677175)), run: run} //nolint:gosec // repeatable on purpose
}

// Purchase is one purchase as the four parties report it, in canonical form.
type Purchase struct {
	OrderNo   string
	Order     map[string]any
	Payment   map[string]any
	Waybill   map[string]any
	Inventory map[string]any
}

type goods struct{ sku, name, model, barcode, unit, country, hs, price string }

var catalogue = []goods{
	{"MF-0900", "婴儿配方奶粉3段", "品牌:示例;规格:900g/罐", "9421025231001", "122", "NZL", "1901101000", "238.00"},
	{"SK-0030", "保湿面霜", "品牌:示例;规格:50ml/瓶", "3337871330001", "142", "FRA", "3304990039", "196.50"},
	{"VC-0100", "维生素C片", "品牌:示例;规格:100片/瓶", "9300807287001", "142", "AUS", "2106909090", "89.90"},
	{"DP-0046", "婴儿纸尿裤L码", "品牌:示例;规格:46片/包", "4902011751001", "125", "JPN", "9619001100", "118.00"},
	{"CF-0250", "烘焙咖啡豆", "品牌:示例;规格:250g/袋", "8000070038001", "136", "ITA", "0901210000", "64.80"},
	{"TB-0002", "电动牙刷", "品牌:示例;型号:E2", "4210201190001", "007", "DEU", "8509809000", "329.00"},
}

var (
	surnames  = []string{"王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周"}
	given     = []string{"测试", "示例", "样本", "试用", "演示", "虚构"}
	districts = []struct{ code, name string }{
		{"440106", "广东省广州市天河区示例路"},
		{"310115", "上海市浦东新区测试大道"},
		{"500112", "重庆市渝北区样本街"},
		{"330106", "浙江省杭州市西湖区演示巷"},
	}
)

// The parties of all purchases: customs registration numbers that are no one's.
var (
	platform  = party("4401T0P001", "示例跨境电商平台有限公司")
	seller    = party("4401T0S002", "示例电子商务有限公司")
	payer     = party("4401T0Z003", "示例支付有限公司")
	carrier   = party("4401T0L004", "示例国际物流有限公司")
	declarant = party("4401T0D005", "示例报关有限公司")
)

// signature stands where a declarant's client would sign; the hub passes it on.
const signature = `<SignedInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/><SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"/><Reference URI=""><Transforms><Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/></Transforms><DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/><DigestValue>ZGVtbyBkaWdlc3QgdmFsdWU=</DigestValue></Reference></SignedInfo><SignatureValue xmlns="http://www.w3.org/2000/09/xmldsig#">ZGVtbyBzaWduYXR1cmU=</SignatureValue><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><KeyName>demo</KeyName><X509Data><X509Certificate>ZGVtbyBjZXJ0aWZpY2F0ZQ==</X509Certificate></X509Data></KeyInfo>`

func party(code, name string) map[string]any { return map[string]any{"code": code, "name": name} }

// Purchase makes the next purchase, sent at the given time.
func (g *Generator) Purchase(at time.Time) Purchase {
	g.n++
	at = at.In(china).Truncate(time.Second)
	no := fmt.Sprintf("%s%s%06d", at.Format("20060102"), g.run, g.n)
	name := pick(g.rng, surnames) + pick(g.rng, given)
	where := pick(g.rng, districts)
	buyer := map[string]any{"name": name, "idType": "id-card", "idNumber": g.citizenID(where.code), "phone": g.phone(), "account": "U" + no}
	consignee := map[string]any{"name": name, "phone": buyer["phone"], "address": fmt.Sprintf("%s%d号", where.name, 1+g.rng.IntN(300)), "district": where.code}

	var traded, declared []any
	goodsValue := decimal.Zero
	weight := decimal.Zero
	var words []string
	for line := 1; line <= 1+g.rng.IntN(3); line++ {
		item := pick(g.rng, catalogue)
		qty := decimal.NewFromInt(int64(1 + g.rng.IntN(3)))
		total := qty.Mul(decimal.RequireFromString(item.price))
		goodsValue = goodsValue.Add(total)
		weight = weight.Add(qty.Mul(decimal.RequireFromString("0.45")))
		words = append(words, item.name+"x"+qty.String())
		traded = append(traded, map[string]any{
			"lineNo": line, "itemNo": item.sku, "name": item.name, "specification": item.model, "barcode": item.barcode, "unit": item.unit,
			"qty": qty.String(), "price": item.price, "total": total.StringFixed(2), "currency": "CNY", "originCountry": item.country,
		})
		declared = append(declared, map[string]any{
			"lineNo": line, "itemNo": item.sku, "itemName": item.name, "hsCode": item.hs, "name": item.name, "specification": item.model, "barcode": item.barcode,
			"originCountry": item.country, "currency": "CNY", "qty": qty.String(), "unit": item.unit,
			"legalQty": qty.Mul(decimal.RequireFromString("0.4")).String(), "legalUnit": "035", "price": item.price, "total": total.StringFixed(2),
		})
	}
	freight := decimal.NewFromInt(int64(g.rng.IntN(3) * 10))
	tax := goodsValue.Mul(decimal.RequireFromString("0.091")).Round(2)
	paid := goodsValue.Add(freight).Add(tax)
	stamp := at.Format(time.RFC3339)
	head := func(extra map[string]any) map[string]any {
		m := map[string]any{
			"guid": g.guid(), "direction": "import", "action": "create", "stage": "declared", "sentAt": stamp,
			"transfer": map[string]any{"messageId": g.guid(), "mode": "DXP", "channelId": "DXPENT0000000001"},
		}
		maps.Copy(m, extra)
		return m
	}
	sender := func(m map[string]any, p map[string]any) map[string]any {
		if t, ok := m["transfer"].(map[string]any); ok {
			t["senderCode"], t["senderName"] = p["code"], p["name"]
		}
		return m
	}
	signed := func(m map[string]any) map[string]any {
		if t, ok := m["transfer"].(map[string]any); ok {
			t["signature"] = signature
		}
		return m
	}
	transactionID, logisticsNo := "P"+no, "L"+no
	return Purchase{
		OrderNo: no,
		Order: sender(head(map[string]any{
			"orderNo": no, "platform": platform, "seller": seller, "buyer": buyer, "consignee": consignee, "items": traded,
			"amounts":         map[string]any{"goods": goodsValue.StringFixed(2), "freight": freight.String(), "discount": "0", "tax": tax.StringFixed(2), "paid": paid.StringFixed(2), "currency": "CNY"},
			"paymentProvider": payer, "payTransactionId": transactionID,
		}), platform),
		Payment: sender(head(map[string]any{
			"payTransactionId": transactionID, "paymentProvider": payer, "orderNo": no, "platform": platform,
			"payer":   map[string]any{"name": name, "idType": "id-card", "idNumber": buyer["idNumber"], "phone": buyer["phone"]},
			"amounts": map[string]any{"paid": paid.StringFixed(2), "currency": "CNY"}, "paidAt": at.Add(-90 * time.Second).Format(time.RFC3339),
		}), payer),
		Waybill: sender(head(map[string]any{
			"logisticsNo": logisticsNo, "logistics": carrier, "orderNo": no, "billNo": "B" + at.Format("20060102"), "packages": 1, "grossWeight": weight.String(),
			"amounts": map[string]any{"freight": freight.String(), "insurance": "0", "currency": "CNY"}, "goodsDescription": strings.Join(words, ";"),
			"consignee": map[string]any{"name": name, "phone": buyer["phone"], "address": consignee["address"]},
		}), carrier),
		Inventory: signed(sender(head(map[string]any{
			"orderNo": no, "platform": platform, "seller": seller, "logistics": carrier, "logisticsNo": logisticsNo, "copNo": "C" + no[len(no)-min(len(no), 19):],
			"guarantorCode": seller["code"], "bookNo": "H5165C000001", "declaredOn": at.Format(time.DateOnly), "declarationCustoms": "5165", "portCustoms": "5165",
			"buyer":     map[string]any{"name": name, "idType": "id-card", "idNumber": buyer["idNumber"], "phone": buyer["phone"]},
			"consignee": map[string]any{"address": consignee["address"]}, "agent": declarant,
			"zoneEnterprise": party("4401T0W006", "示例保税仓储有限公司"), "supervisionMode": "1210", "transport": map[string]any{"mode": "4"}, "departureCountry": "CHN",
			"amounts": map[string]any{"freight": freight.String(), "insurance": "0", "currency": "CNY"}, "packages": 1,
			"grossWeight": weight.String(), "netWeight": weight.Mul(decimal.RequireFromString("0.9")).String(), "items": declared,
		}), declarant)),
	}
}

// JSON is a canonical record as compact JSON.
func JSON(rec map[string]any) []byte {
	b, err := json.Marshal(rec)
	if err != nil {
		panic(err) // a map of strings, numbers and lists always marshals
	}
	return b
}

// Together are records that go into one document, as compact JSON: the transport
// header is the document's, so all have that of the first.
func Together(records ...map[string]any) [][]byte {
	bodies := make([][]byte, len(records))
	for i, r := range records {
		one := maps.Clone(r)
		one["transfer"] = records[0]["transfer"]
		bodies[i] = JSON(one)
	}
	return bodies
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// guid is a unique number of 36 characters in upper case, as the standard asks.
func (g *Generator) guid() string {
	return fmt.Sprintf("%08X-%04X-4%03X-8%03X-%012X", g.rng.Uint32(), g.rng.IntN(1<<16), g.rng.IntN(1<<12), g.rng.IntN(1<<12), g.rng.Int64N(1<<48))
}

// phone is a number in a range that no operator gives out.
func (g *Generator) phone() string { return fmt.Sprintf("1000%07d", g.rng.IntN(10_000_000)) }

// citizenID is a number with the right check digit (GB 11643-1999) for someone
// born in 1900, so that it is no living person's.
func (g *Generator) citizenID(district string) string {
	body := fmt.Sprintf("%s1900%02d%02d%03d", district, 1+g.rng.IntN(12), 1+g.rng.IntN(28), g.rng.IntN(1000))
	sum := 0
	for i, c := range body {
		sum += int(c-'0') * (1 << (17 - i) % 11)
	}
	return body + string("10X98765432"[sum%11])
}
