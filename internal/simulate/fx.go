package simulate

import (
	"strings"
	"time"
)

// fx answers a file of receipts and payments as SAFE does: with feedback that
// counts what was taken and names the fields of what was not. One record in twelve
// is not taken: SAFE knows more than a bank, such as which enterprises exist.
func fx(r *Request) []Reply {
	file, ok := strings.CutPrefix(r.Message, "safe_fx/")
	if !ok || r.Family != "fx.settlement" && r.Family != "fx.declaration" {
		return nil
	}
	feedback := map[string]any{"application": file[:3], "file": file, "formatErrors": 0, "counts": taken(1, 0)}
	if r.rng.Float64() < 1.0/12 {
		feedback["counts"] = taken(0, 1)
		feedback["failures"] = []any{map[string]any{"rptNo": r.text("rptNo"), "errors": []any{r.unfit()}}}
	}
	return []Reply{{Message: "safe_fx/Feedback", Record: func(time.Time) map[string]any { return feedback }}}
}

func taken(succeeded, failed int) map[string]any {
	return map[string]any{"total": succeeded + failed, "succeeded": succeeded, "failed": failed}
}

// unfit is something that only SAFE can find wrong.
func (r *Request) unfit() map[string]any {
	wrong := func(field, title, text string) map[string]any {
		return map[string]any{"field": field, "title": title, "text": text}
	}
	if r.Family == "fx.declaration" {
		if r.Root.Child("transaction") == nil {
			return wrong("RPTNO", "申报号码", "没有对应的基础信息")
		}
		return wrong("TXCODE", "交易编码1", "交易编码与收付方向不符")
	}
	if r.text("customer.code") != "" {
		return wrong("CUSTCOD", "组织机构代码", "组织机构代码不存在，请先报送单位基本情况")
	}
	return wrong("IDCODE", "个人身份证件号码", "证件号码未通过核查")
}
