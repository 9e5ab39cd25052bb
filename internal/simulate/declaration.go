package simulate

import (
	"maps"
	"strconv"
	"time"
)

// DXP numbers of the two sides of a goods declaration: the single window's and
// the demo declarant's.
const (
	windowDXP    = "DXPDSWDECCUSSH11"
	declarantDXP = "DXPESW0000000001"
)

// channel is a state of a goods declaration (DEC_RESULT CHANNEL) and what stands beside it.
type channel struct{ code, status, note string }

var (
	declaredDirectly = channel{"7", "declared", "直接申报成功"}
	storedAtCustoms  = channel{"L", "registered", "成功入海关预录入库"}
	examined         = channel{"J", "examined", "通关无纸化审结"}
	toBeInspected    = channel{"C", "inspection", "查验通知"}
	letGo            = channel{"P", "released", "报关单放行"}
	turnedDown       = channel{"E", "rejected", "退单：申报要素填报不规范"}
	cleared          = channel{"R", "closed", "结关"}
)

// declaration answers a goods declaration: the single window stores it, customs
// registers, examines and releases it. One in twenty is sent back, one in eight
// inspected first. All of it comes in envelopes, as from the electronic port.
func (r *Request) declaration() []Reply {
	seqNo := map[string]string{"import": "I", "export": "E"}[r.text("direction")] + "2026" + r.digits(13)
	answers := map[string]any{"type": r.Family, "id": r.text("clientSeqNo"), "clientSeqNo": r.text("clientSeqNo"), "seqNo": seqNo}
	envelope := func(message string, record func(now time.Time) map[string]any) Reply {
		return Reply{Message: "customs_dxp/DxpMsg+customs_qp/" + message, Sender: windowDXP, Receiver: declarantDXP, Record: record}
	}
	replies := []Reply{envelope("DecImportResponse", func(time.Time) map[string]any {
		return map[string]any{"guid": seqNo, "status": "imported", "statusCode": "0", "info": "暂存成功", "answers": answers}
	})}
	channels := []channel{declaredDirectly, storedAtCustoms, examined, letGo, cleared}
	switch chance := r.rng.Float64(); {
	case chance < 0.05:
		channels = []channel{declaredDirectly, storedAtCustoms, turnedDown}
	case chance < 0.175:
		channels = []channel{declaredDirectly, storedAtCustoms, examined, toBeInspected, letGo, cleared}
	}
	customs := r.text("declarationCustoms")
	declarationNo := customs + "2026" + strconv.Itoa(r.rng.IntN(2)) + r.digits(9)
	for _, c := range channels {
		replies = append(replies, envelope("DEC_RESULT", func(now time.Time) map[string]any {
			now = now.In(china).Truncate(time.Second)
			names := map[string]any{"type": r.Family, "id": seqNo, "seqNo": seqNo}
			out := map[string]any{
				"guid": now.Format("2006-01-02T15:04:05"), "status": c.status, "statusCode": c.code, "time": now.Format(time.RFC3339),
				"info": seqNo + c.note, "customs": customs, "answers": names,
			}
			if c != declaredDirectly { // customs gives its number when it registers the declaration
				names = maps.Clone(names)
				names["declarationNo"] = declarationNo
				out["answers"] = names
			}
			return out
		}))
	}
	return replies
}

// Declaration makes the next goods declaration of an export under 市场采购
// (supervision mode 1039), in canonical form.
func (g *Generator) Declaration(at time.Time) map[string]any {
	at = at.In(china)
	g.n++
	serial := g.run + strconv.Itoa(g.n)
	enterprise := func(code, credit, name string) map[string]any {
		return map[string]any{"code": code, "creditCode": credit, "name": name}
	}
	broker := enterprise("4401T0D005", "91440101MA9TQ100XB", "示例报关有限公司")
	lines := []any{}
	for i, c := range []struct{ hs, name, unit, legal, qty, legalQty, price, total string }{
		{"6404199000", "布面运动鞋", "025", "035", "1200", "480", "2.5", "3000"},
		{"9503008900", "塑料玩具", "007", "035", "5000", "750", "0.8", "4000"},
	} {
		lines = append(lines, map[string]any{
			"lineNo": i + 1, "hsCode": c.hs, "name": c.name, "specification": "0|0|" + c.name, "originCountry": "CHN", "destinationCountry": "HKG",
			"qty": c.qty, "unit": c.unit, "legalQty": c.legalQty, "legalUnit": c.legal, "price": c.price, "total": c.total, "currency": "USD", "dutyMode": "1", "domesticRegion": "44019",
		})
	}
	return map[string]any{
		"clientSeqNo": "TQ" + serial, "direction": "export", "operation": "declare", "edition": "4.8", "entryType": "M", "declarationMark": "1", "transitRelation": "0",
		"declarationCustoms": "5141", "portCustoms": "5141", "agent": broker,
		"trader":            enterprise("4401960022", "91440101MA9TQ2001U", "示例贸易有限公司"),
		"owner":             enterprise("4401960033", "91440101MA9TQ30026", "示例制造有限公司"),
		"enteredBy":         enterprise("100000011", "91440101MA9TQ100XB", "示例报关有限公司"),
		"overseasConsignee": map[string]any{"code": "NO", "foreignName": "EXAMPLE BUYER LTD."},
		"transport":         map[string]any{"billNo": "TQBL" + serial, "mode": "2", "vehicle": "EXAMPLE STAR/026E", "voyage": "026E"},
		"movedOn":           at.Format(time.DateOnly), "entryPort": "440002", "destinationPort": "HKG003", "destinationCountry": "HKG", "tradeCountry": "HKG",
		"supervisionMode": "1039", "levyNature": "101", "transactionMode": "3", "contractNo": "TQ-" + serial,
		"packages": 860, "packageType": "06", "grossWeight": "1320.5", "netWeight": "1200", "marks": "N/M", "confirmations": "00099",
		"typist":    map[string]any{"cardNo": "8900000000011", "name": "测试录入员"},
		"declarant": map[string]any{"name": "测试申报员", "phone": "020-00000000"},
		"signature": map[string]any{"cardNo": "8900000000011", "enterpriseCode": "100000011", "operator": "测试录入员", "value": "c2lnbmF0dXJl", "signedAt": at.Format("2006-01-02T15:04:05.00Z07:00"), "certificateNo": "4d0001"},
		"items":     lines, "containers": []any{map[string]any{"no": "TQTU3026017", "type": "21", "lineNos": []any{1, 2}}},
	}
}
