package schema

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// loadOne loads a schema that stands alone.
func loadOne(tb testing.TB, members string) *Schema {
	tb.Helper()
	text := `{"$schema": "http://json-schema.org/draft-07/schema#", "$id": "t", ` + members + `}`
	set, err := Load(fstest.MapFS{"t.json": {Data: []byte(text)}}, nil)
	require.NoError(tb, err)
	s, _ := set.Schema("t")
	return s
}

// told is each fault in one line.
func toldConditions(l fault.List) []string {
	lines := []string{}
	for _, f := range l {
		lines = append(lines, fmt.Sprintf("%s %s %d:%d %s=%q [%s] %s | %s", f.Severity, f.Path, f.Line, f.Column, f.Name, f.Value, f.Rule, f.ZH, f.EN))
	}
	return lines
}

const payments = `"x-root": "MSG", "type": "object", "properties": {
  "@kind": {"type": "string"}, "TOTAL": {"type": "string", "title": "总额"},
  "RECORDS": {"type": "object", "properties": {"REC": {"type": "array", "items": {"type": "object", "title": "记录", "properties": {
    "NO": {"type": "string", "title": "号码"}, "TYPE": {"type": "string", "title": "类型"},
    "AMT": {"type": "string", "title": "金额"}, "ACC": {"type": "string", "title": "账号"},
    "PART": {"type": "array", "items": {"type": "object", "properties": {"@unit": {"type": "string"}, "#text": {"type": "string"}}}}}}}}}},
"x-rules": [
  {"id": "type", "each": "RECORDS/REC", "that": "substr(value(\"NO\"), 2, 1) in (value(\"TYPE\") == \"C\" ? [\"N\", \"P\"] : [\"U\", \"V\"])", "at": "TYPE",
   "severity": "error", "zh": "类型 {TYPE} 与号码 {NO} 不一致", "en": "type {TYPE} does not agree with number {NO}"},
  {"id": "pair", "each": "RECORDS/REC", "that": "(compare(value(\"AMT\"), \"0\") > 0) == (value(\"ACC\") != \"\")", "at": "ACC", "zh": "金额与账号应同时填写", "en": "amount and account go together"},
  {"id": "whole", "each": "RECORDS/REC", "when": "value(\"AMT\") != \"\"", "that": "whole(value(\"AMT\"))", "at": "AMT", "zh": "金额应为整数", "en": "a whole number"},
  {"id": "parts", "each": "RECORDS/REC", "when": "len(values(\"PART/#text\")) > 0", "that": "compare(total(values(\"PART/#text\")), value(\"AMT\")) <= 0", "zh": "合计超过 {AMT}", "en": "more than {AMT}"},
  {"id": "total", "when": "value(\"@kind\") == \"full\"", "that": "near(total(values(\"RECORDS/REC/AMT\")), value(\"TOTAL\"), \"0.5\")", "at": "TOTAL", "zh": "总额不符", "en": "the total differs"},
  {"id": "below", "each": "RECORDS/REC", "that": "compare(value(\"AMT\"), value(\"/TOTAL\")) <= 0", "at": "AMT", "zh": "超过总额 {/TOTAL}", "en": "above {/TOTAL}"},
  {"id": "sum", "sum": ["RECORDS/REC/AMT"], "equals": "TOTAL", "tolerance": "5"}
]`

func TestConditionsOfXML(t *testing.T) {
	s := loadOne(t, payments)
	check := func(text string) []string {
		doc, err := wire.ReadXML([]byte(text), wire.NewDefaultLimits())
		require.NoError(t, err)
		return toldConditions(s.Check(doc.Root))
	}
	require.Empty(t, check(`<MSG kind="full"><TOTAL>15</TOTAL><RECORDS><REC><NO>01N</NO><TYPE>C</TYPE><AMT>10</AMT><ACC>A</ACC></REC>`+
		`<REC><NO>02U</NO><TYPE>D</TYPE><AMT>5.0</AMT><ACC>B</ACC><PART unit="1">2</PART><PART>3.0</PART></REC></RECORDS></MSG>`))
	require.Empty(t, check(`<MSG/>`))
	require.Equal(t, []string{
		`error /MSG/RECORDS/REC[1]/TYPE 2:24 类型="D" [rule type] 类型 D 与号码 01N 不一致 | type D does not agree with number 01N`,
		`flag /MSG/RECORDS/REC[2] 3:6 记录="" [rule parts] 合计超过 3 | more than 3`,
		`flag /MSG/RECORDS/REC[2]/ACC 3:6 账号="" [rule pair] 金额与账号应同时填写 | amount and account go together`,
		`flag /MSG/RECORDS/REC[3]/AMT 4:37 金额="1.5" [rule whole] 金额应为整数 | a whole number`,
	}, check("<MSG><TOTAL>5</TOTAL><RECORDS>\n<REC><NO>01N</NO><TYPE>D</TYPE></REC>\n<REC><NO>02N</NO><TYPE>C</TYPE><AMT>3</AMT><PART>2</PART><PART>1.5</PART></REC>\n"+
		"<REC><NO>03P</NO><TYPE>C</TYPE><AMT>1.5</AMT><ACC>B</ACC></REC></RECORDS></MSG>"))
	require.Equal(t, []string{
		`flag /MSG/TOTAL 1:25 总额="2" [rule total] 总额不符 | the total differs`,
		`flag /MSG/TOTAL 1:25 总额="2" [sum sum] 金额不符：总额 应等于 20（RECORDS/REC/AMT），实际 2 | does not add up: must be 20 (RECORDS/REC/AMT), found 2`,
		`flag /MSG/RECORDS/REC/AMT 1:79 金额="20" [rule below] 超过总额 2 | above 2`,
	}, check(`<MSG kind="full"><TOTAL>2</TOTAL><RECORDS><REC><NO>01N</NO><TYPE>C</TYPE><AMT>20</AMT><ACC>A</ACC></REC></RECORDS></MSG>`))
	for _, l := range check(`<MSG><RECORDS><REC><NO>01N</NO><TYPE>C</TYPE><AMT>x</AMT><ACC>A</ACC></REC></RECORDS></MSG>`) {
		require.NotContains(t, l, "rule", "what is no number is for the schema to tell")
	}
}

// TestConditionsOfRecords: a fault of a canonical value stands where the sender
// wrote what it came from.
func TestConditionsOfRecords(t *testing.T) {
	s := loadOne(t, `"type": "object", "properties": {"rate": {"type": "string"}, "declared": {"type": "string", "title": "申报"}, "fob": {"type": "string"},
"items": {"type": "array", "items": {"type": "object", "title": "行", "properties": {"base": {"type": "string"}, "rate": {"type": "string"}, "refund": {"type": "string", "title": "应退税额"}}}}},
"x-rules": [
  {"id": "fob", "that": "near(value(\"declared\"), value(\"fob\"), \"1\") || near(value(\"declared\"), value(\"fob\"), mul(abs(value(\"fob\")), \"0.05\"))", "at": "declared", "zh": "{declared} 与 {fob} 相差过大", "en": "{declared} is far from {fob}"},
  {"id": "refund", "each": "items[]", "when": "value(\"base\") != \"\"", "that": "near(value(\"refund\"), mul(value(\"base\"), value(\"rate\"), \"0.01\"), \"0.01\")", "at": "refund", "zh": "应退税额不符", "en": "the refund differs"}
]`)
	check := func(text string) []string { return toldConditions(s.Check(parseJSON(t, text))) }
	require.Empty(t, check(`{"declared":"104","fob":"100","items":[{"base":"100.00","rate":"13","refund":"13.01"},{}]}`))
	require.Equal(t, []string{
		`flag /declared 1:13 申报="106" [rule fob] 106 与 100 相差过大 | 106 is far from 100`,
		`flag /items[2]/refund 1:99 应退税额="14" [rule refund] 应退税额不符 | the refund differs`,
	}, check(`{"declared":"106","fob":"100","items":[{"base":"","rate":"13"},{"base":"100","rate":"13","refund":"14"}]}`))

	record := parseJSON(t, `{"items":[{"base":"100","rate":"13"}]}`)
	source := &wire.Node{Kind: wire.Object, Name: "ROW", Line: 7, Column: 3}
	record.Child("items").First.From = source
	require.Equal(t, []string{`flag /ROW 7:3 应退税额="" [rule refund] 应退税额不符 | the refund differs`}, toldConditions(s.Check(record)))
}

// BenchmarkConditions is what rules with expressions cost; a schema without any
// pays nothing.
func BenchmarkConditions(b *testing.B) {
	s := loadOne(b, payments)
	var text strings.Builder
	text.WriteString(`<MSG><TOTAL>150</TOTAL><RECORDS>`)
	for range 10 {
		text.WriteString(`<REC><NO>01N</NO><TYPE>C</TYPE><AMT>15</AMT><ACC>A</ACC></REC>`)
	}
	text.WriteString(`</RECORDS></MSG>`)
	doc, err := wire.ReadXML([]byte(text.String()), wire.NewDefaultLimits())
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if s.Check(doc.Root) != nil {
			b.Fatal("the document is valid")
		}
	}
}
