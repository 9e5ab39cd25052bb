package simulate

import (
	"maps"
	"strconv"
	"time"
)

// inspectionResult is the canonical type of what inspection and quarantine says of
// a declaration.
const inspectionResult = "ciq.result.v1"

// inspection answers a declaration with an application number (1000), an inspection
// number (1100) and the outcome (1300). Of the declarations one in twenty is not
// taken in; of those that are, one in ten is inspected on the spot, and one in twenty
// found not to conform. Of exports that conform the outcome names the electronic
// ledger, by which customs clears them.
func inspection(r *Request) []Reply {
	if r.Family != "ciq.declaration" {
		return nil
	}
	if r.rng.Float64() < 0.05 {
		return []Reply{r.inspected(map[string]any{"status": "refused", "statusCode": "-1", "info": "报检资料不全，不予受理"})}
	}
	office := r.text("inspection.acceptingOffice")
	if office == "" {
		office = "440000"
	}
	number := office + r.digits(9)
	chance := r.rng.Float64()
	accepted := "已受理"
	if chance < 0.15 {
		accepted = "已受理，须现场查验"
	}
	done := map[string]any{"status": "processed", "statusCode": "1300", "info": "检验检疫合格，准予放行", "inspectionNo": number}
	switch {
	case chance < 0.05:
		done["info"] = "检验检疫不合格，出具处理通知书"
	case r.text("direction") == "export":
		done["ledger"] = number + "000"
	}
	return []Reply{
		r.inspected(map[string]any{"status": "applied", "statusCode": "1000", "info": "报检申请已登记", "applicationNo": "E" + r.digits(14)}),
		r.inspected(map[string]any{"status": "accepted", "statusCode": "1100", "info": accepted, "inspectionNo": number}),
		r.inspected(done),
	}
}

// inspected is one answer to the declaration.
func (r *Request) inspected(record map[string]any) Reply {
	answers := r.echo(inspectionResult, "answers")
	answers["type"] = r.Family
	return Reply{Message: "ciq_eciq/Ciqresult", Record: func(now time.Time) map[string]any {
		out := maps.Clone(record)
		out["answers"] = answers
		out["time"] = now.In(china).Format(time.RFC3339)
		return out
	}}
}

// Inspection makes the next declaration of an export for inspection, in canonical form.
func (g *Generator) Inspection(at time.Time) map[string]any {
	g.n++
	return map[string]any{
		"declNo": "TQB" + g.run + strconv.Itoa(g.n), "direction": "export", "declarationType": "24",
		"agent":         map[string]any{"inspectionCode": "4400910001"},
		"consignor":     map[string]any{"name": "示例陶瓷有限公司"},
		"consignee":     map[string]any{"foreignName": "Example Imports (NZ) Limited"},
		"departurePort": "CHN754", "destinationPort": "NZL003", "transport": map[string]any{"mode": "2"},
		"departedOn": at.In(china).AddDate(0, 0, 7).Format(time.DateOnly),
		"items": []any{map[string]any{
			"lineNo": 1, "hsCode": "6911101900", "name": "瓷制餐具", "qty": "500", "unit": "006", "total": "25000.00", "currency": "CNY",
			"maker": map[string]any{"registrationNo": "4400TQ0001", "name": "示例陶瓷有限公司"},
		}},
	}
}
