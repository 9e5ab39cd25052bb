package adapter

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/wire"
)

// TestSafeFeedback answers a bank's file as SAFE does: what was taken is counted,
// what was not is listed with the fields of the file that are wrong.
func TestSafeFeedback(t *testing.T) {
	r, err := Load(os.DirFS("../.."), wire.NewDefaultLimits())
	require.NoError(t, err)
	feedback := func(name string) (text, record string) {
		body, err := os.ReadFile("../../adapters/safe_fx/cases/" + name + "/input.xml")
		require.NoError(t, err)
		tr := r.Translate(body, "")
		out, err := tr.Receipt(answerAll(tr), time.Date(2026, 3, 8, 3, 27, 1, 0, time.UTC), "")
		require.NoError(t, err)
		back := r.Translate(out.Body, "")
		require.Equal(t, "safe_fx/Feedback", back.Adapter+"/"+back.Message)
		require.Empty(t, back.Faults)
		require.Empty(t, back.Records[0].Faults)
		return string(out.Body), string(wire.AppendJSON(nil, back.Records[0].Root))
	}
	text, got := feedback("jshd-conditions")
	require.Contains(t, text, `encoding="GB18030"`)
	require.JSONEq(t, `{"application": "JSH", "file": "JSHD", "answers": {"type": "fx.settlement"}, "formatErrors": 0, "counts": {"total": 3, "succeeded": 0, "failed": 3}, "failures": [
		{"rptNo": "440100010201260308001U", "errors": [{"field": "OPPBANK", "title": "人民币账户开户行", "text": "有人民币账户时人民币账户开户行必填"}]},
		{"rptNo": "440100010201260308001X", "errors": [{"field": "RPTNO", "title": "申报号码", "text": "值不符合格式 ^[0-9]{18}[0-9]{3}[U-W]$"}]},
		{"rptNo": "440100010201260308002U", "errors": [{"field": "FCYACC", "title": "外汇账户账号", "text": "长度 0 小于下限 1"},
			{"field": "EXRATE", "title": "汇率", "text": "数值超出范围：> 0"}]}]}`, got)

	_, got = feedback("bopg-declaration")
	require.JSONEq(t, `{"application": "BOP", "file": "BOPG", "answers": {"type": "fx.declaration", "part": "declaration"}, "formatErrors": 0, "counts": {"total": 2, "succeeded": 2, "failed": 0}}`, got)

	_, got = feedback("bopa-count")
	require.JSONEq(t, `{"application": "BOP", "file": "BOPA", "answers": {"type": "fx.settlement"}, "formatErrors": 1, "formats": [{"text": "记录数应为 2，与报文中的记录数一致"}],
		"counts": {"total": 2, "succeeded": 0, "failed": 2}}`, got)
}
