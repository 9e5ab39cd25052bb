package simulate

import (
	"maps"
	"strconv"
	"time"
)

// refundResult is the canonical type of what the tax office says of a batch.
const refundResult = "tax.refund-result.v1"

// told is what the office adds to the name of the batch, on the day it says so.
type told func(today string) map[string]any

// tax answers an application for a refund as the office goes about it: taken in,
// compared with customs and invoice data, audited, and of what is granted the
// amounts are approved and paid. One batch in twenty is not taken in, one in ten
// suspended with a doubt, one in twenty-five refused.
func tax(r *Request) []Reply {
	if r.Family != "tax.refund-application" {
		return nil
	}
	refund := r.text("summary.refund")
	if refund == "" {
		refund = "0.00"
	}
	chance := r.rng.Float64()
	if chance < 0.05 {
		return []Reply{r.refund("TSHZ", "acceptance", "rejected", fixed(map[string]any{"statusCode": "1", "info": "申报数据与汇总不符，不予受理"}))}
	}
	taken := r.refund("TSHZ", "acceptance", "accepted", fixed(map[string]any{"statusCode": "0", "info": "申报数据已受理", "acceptanceNo": "SL" + r.digits(14)}))
	switch {
	case chance < 0.15:
		return append([]Reply{taken}, r.doubted("suspended", "MTS_CKHW_BGD_WDZXX", "报关单电子信息不存在", vat("0.00", "0.00", refund))...)
	case chance < 0.19:
		return append([]Reply{taken}, r.doubted("refused", "MTS_CKHW_BGD_BYTS", "海关电子信息注明不予退税", vat("0.00", refund, "0.00"))...)
	}
	approval, book := r.guid(), r.digits(16)
	paid := r.refund("SEHZ", "approval", "paid", func(today string) map[string]any {
		return map[string]any{"approval": map[string]any{
			"id": approval, "approvedOn": today, "approved": map[string]any{"vat": refund}, "paid": map[string]any{"vat": refund},
			"vatRefundBookNo": book, "refundClearedOn": today,
		}}
	})
	say := paid.Record
	paid.Record = func(now time.Time) map[string]any { return say(now.Add(time.Second)) } // the treasury pays after the approval, and times have no fractions
	return []Reply{
		taken,
		r.refund("YDXX", "comparison", "clear", fixed(nil)),
		r.refund("SHXX", "audit", "granted", r.audit(vat(refund, "0.00", "0.00"))),
		r.refund("SEHZ", "approval", "approved", func(today string) map[string]any {
			return map[string]any{"approval": map[string]any{"id": approval, "approvedOn": today, "approved": map[string]any{"vat": refund}}}
		}),
		paid,
	}
}

// refund is one thing that the office says of the batch, in the message named.
func (r *Request) refund(message, stage, status string, more told) Reply {
	answers := r.echo(refundResult, "answers")
	answers["type"] = r.Family
	record := map[string]any{"stage": stage, "status": status, "answers": answers, "transfer": map[string]any{"messageId": r.guid()}}
	return Reply{Message: "tax_refund/" + message, Record: func(now time.Time) map[string]any {
		now = now.In(china)
		out := maps.Clone(record)
		out["time"] = now.Format(time.RFC3339)
		maps.Copy(out, more(now.Format(time.DateOnly)))
		return out
	}}
}

// doubted are a doubt of the comparison and what the audit makes of it.
func (r *Request) doubted(status, code, message string, amounts map[string]any) []Reply {
	raised := map[string]any{"code": code, "level": "error", "passes": false, "message": message, "object": "出口报关单", "lineNo": "0001"}
	audit := r.audit(amounts)
	return []Reply{
		r.refund("YDXX", "comparison", "doubts", fixed(map[string]any{"doubts": []any{raised}})),
		r.refund("SHXX", "audit", status, func(today string) map[string]any {
			out := audit(today)
			out["doubts"] = []any{map[string]any{"message": message, "lineNo": "0001"}}
			return out
		}),
	}
}

// audit is an audit that ends on the day it is told.
func (r *Request) audit(amounts map[string]any) told {
	flow := r.digits(16)
	return func(today string) map[string]any {
		return map[string]any{"flowNo": flow, "endedOn": today, "amounts": amounts}
	}
}

// vat are amounts of value-added tax; what was declared is their sum, of which
// only one is not zero.
func vat(granted, refused, suspended string) map[string]any {
	declared := granted
	for _, amount := range []string{refused, suspended} {
		if amount != "0.00" {
			declared = amount
		}
	}
	out := map[string]any{}
	for name, amount := range map[string]string{"declared": declared, "granted": granted, "refused": refused, "suspended": suspended} {
		out[name] = map[string]any{"vat": amount}
	}
	return out
}

// fixed says the same on every day.
func fixed(more map[string]any) told { return func(string) map[string]any { return more } }

// Refund makes the next application for the refund of tax on one export, in
// canonical form; declarationNo is the 18 digits of its goods declaration.
func (g *Generator) Refund(at time.Time, declarationNo string) map[string]any {
	at = at.In(china)
	g.n++
	serial := g.run + strconv.Itoa(g.n)
	period := at.AddDate(0, -1, 0)
	association := period.Format("200601") + "0010001"
	return map[string]any{
		"applicant":    map[string]any{"code": "91440101MA9TQ2001U", "name": "示例贸易有限公司"},
		"businessType": "trading-company-refund", "period": period.Format("2006-01"), "batchNo": serial, "part": "all", "sentAt": at.Format(time.RFC3339),
		"exports": []any{map[string]any{
			"lineNo": "0001", "associationNo": association, "invoiceNo": "FP" + serial, "declarationItemNo": declarationNo + "001", "declarationNo": declarationNo,
			"exportedOn": period.Format(time.DateOnly), "hsCode": "6404199000", "name": "布面运动鞋", "unitName": "双", "qty": "1200", "fobUSD": "3000.00",
		}},
		"purchases": []any{map[string]any{
			"lineNo": "0001", "associationNo": association, "tax": "vat", "voucherType": "special-tax-payment", "voucherNo": "26442000000012345678",
			"supplier": map[string]any{"code": "91440101MA9TQ30026"}, "invoicedOn": period.Format(time.DateOnly), "hsCode": "6404199000", "name": "布面运动鞋",
			"unitName": "双", "qty": "1200", "taxableAmount": "15000.00", "taxRate": "13", "taxAmount": "1950.00", "refundRate": "13", "refund": "1950.00",
		}},
		"summary":  map[string]any{"lines": 2, "fobUSD": "3000.00", "invoices": 1, "purchaseAmount": "15000.00", "purchaseTax": "1950.00", "refund": "1950.00", "vatRefund": "1950.00", "consumptionTaxRefund": "0.00"},
		"transfer": map[string]any{"messageId": "TSSB" + serial},
	}
}
