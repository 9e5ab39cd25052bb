package simulate

import (
	"maps"
	"time"
)

// customsStatus is the canonical type of what customs says.
const customsStatus = "customs.status.v1"

// state is a status code of customs (customs_ceb returnStatus) and what stands beside it.
type state struct{ code, info string }

var (
	submitted = state{"2", "新增申报成功"}
	entered   = state{"120", "[Code:1800;Desc:逻辑校验通过]"}
	released  = state{"800", "[Code:2600;Desc:放行]"}
	inspected = state{"500", "[Code:2300;Desc:查验]"}
	sentBack  = state{"700", "[Code:2700;Desc:退运]"}
	refused   = state{"100", "退单：申报要素与单证不符"}
)

// cebReceipts are the receipts of the messages of the unified version.
var cebReceipts = map[string]string{
	"customs_ceb/CEB311Message": "customs_ceb/CEB312Message",
	"customs_ceb/CEB411Message": "customs_ceb/CEB412Message",
	"customs_ceb/CEB511Message": "customs_ceb/CEB512Message",
	"customs_ceb/CEB513Message": "customs_ceb/CEB514Message",
	"customs_ceb/CEB621Message": "customs_ceb/CEB622Message",
	"customs_ceb/CEB303Message": "customs_ceb/CEB304Message",
	"customs_ceb/CEB403Message": "customs_ceb/CEB404Message",
	"customs_ceb/CEB505Message": "customs_ceb/CEB506Message",
	"customs_ceb/CEB603Message": "customs_ceb/CEB604Message",
}

// customs answers the three documents with 2 → 120, and what is declared with
// 2 → 120 → 800; of those one in ten is inspected first, one in twenty is
// rejected, and one in fifty sent back after inspection.
func customs(r *Request) []Reply {
	if r.Family == "customs.declaration" {
		return r.declaration()
	}
	message, ok := cebReceipts[r.Message]
	if !ok {
		return nil
	}
	states := []state{submitted, entered}
	if r.Family == "trade.inventory" {
		states = r.declared()
	}
	record := r.status()
	var replies []Reply
	for _, s := range states {
		replies = append(replies, Reply{Message: message, Record: func(now time.Time) map[string]any { return said(record, s, now) }})
	}
	return replies
}

// declared are the states of a declaration.
func (r *Request) declared() []state {
	switch chance := r.rng.Float64(); {
	case chance < 0.05:
		return []state{submitted, refused}
	case chance < 0.07:
		return []state{submitted, entered, inspected, sentBack}
	case chance < 0.17:
		return []state{submitted, entered, inspected, released}
	}
	return []state{submitted, entered, released}
}

// status is what all receipts of a record have in common.
func (r *Request) status() map[string]any {
	answers := r.echo(customsStatus, "answers")
	answers["type"] = r.Family
	answers["id"] = r.identity()
	record := map[string]any{"guid": r.text("guid"), "answers": answers, "transfer": map[string]any{"messageId": r.guid()}}
	if r.Family == "trade.inventory" {
		record["customs"] = r.text("declarationCustoms")
		answers["preNo"] = "B" + r.digits(17)
		answers["invtNo"] = r.text("declarationCustoms") + "2026I" + r.digits(9)
	}
	return record
}

// identity is the number by which a receipt names what it answers.
func (r *Request) identity() string {
	for _, path := range []string{"orderNo", "payTransactionId", "logisticsNo"} {
		if r.Family == map[string]string{"orderNo": "trade.order", "payTransactionId": "trade.payment", "logisticsNo": "trade.waybill"}[path] {
			return r.text(path)
		}
	}
	return r.text("guid")
}

func said(record map[string]any, s state, now time.Time) map[string]any {
	out := maps.Clone(record)
	out["status"], out["statusCode"], out["info"] = "submitted", s.code, s.info
	out["time"] = now.In(china).Format("2006-01-02T15:04:05.000Z07:00")
	return out
}
