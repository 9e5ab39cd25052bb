package schema

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tongqu/internal/codes"
	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// lines prints faults one a line, as far as the tests look at them.
func lines(l fault.List) []string {
	all := []string{}
	for _, f := range l {
		flag := ""
		if f.Severity == fault.Flag {
			flag = " flag"
		}
		all = append(all, fmt.Sprintf("%d:%d %s %s [%s]%s", f.Line, f.Column, f.Path, f.Code, f.Rule, flag))
	}
	return all
}

// TestOrderFaults breaks one order in every way and expects every fault, once,
// at its place.
func TestOrderFaults(t *testing.T) {
	s := shippedSchema(t, "customs_ceb/CEB311Message")
	data, err := os.ReadFile("testdata/order.xml")
	require.NoError(t, err)
	const head, list = "/CEB311Message/Order/OrderHead", "/CEB311Message/Order/OrderList"
	for _, tt := range []struct {
		name, old, to string
		want          []string
	}{
		{"valid", "", "", nil},
		{"missing element", "<ceb:orderNo>YS202603081127010042</ceb:orderNo>", "", []string{"4:20 " + head + "/orderNo SCHEMA_REQUIRED [required orderNo]"}},
		{"missing attribute", ` version="1.0" xmlns:ceb`, " xmlns:ceb", []string{"2:162 /CEB311Message/@version SCHEMA_REQUIRED [required @version]"}},
		{"unknown element", "<ceb:appType>1</ceb:appType>", "<ceb:appType>1</ceb:appType><ceb:apptype>1</ceb:apptype>", []string{"6:48 " + head + "/apptype SCHEMA_UNEXPECTED [additionalProperties]"}},
		{"unknown element twice", "<ceb:appType>", "<ceb:x/><ceb:x/><ceb:appType>", []string{"6:15 " + head + "/x[1] SCHEMA_UNEXPECTED [additionalProperties]", "6:23 " + head + "/x[2] SCHEMA_UNEXPECTED [additionalProperties]"}},
		{"unknown attribute", "<ceb:appType>", `<ceb:appType kind="1">`, []string{"6:26 " + head + "/appType/@kind SCHEMA_UNEXPECTED [additionalProperties]"}},
		{"element in a value", "<ceb:appType>1", "<ceb:appType>1<ceb:b/>", []string{"6:29 " + head + "/appType/b SCHEMA_UNEXPECTED [additionalProperties]"}},
		{"order", "<ceb:qty>2</ceb:qty>\n      <ceb:price>178</ceb:price>", "<ceb:price>178</ceb:price>\n      <ceb:qty>2</ceb:qty>", []string{"45:16 " + list + "/qty SCHEMA_ORDER [order before price]"}},
		{"twice", "<ceb:appType>1</ceb:appType>", "<ceb:appType>1</ceb:appType><ceb:appType>2</ceb:appType><ceb:appType>3</ceb:appType>", []string{"6:48 " + head + "/appType[2] SCHEMA_TOO_MANY [maxItems 1]"}},
		{"too short", "<ceb:orderNo>YS202603081127010042", "<ceb:orderNo>", []string{"10:20 " + head + "/orderNo SCHEMA_TOO_SHORT [minLength 1]"}},
		{"too long", "<ceb:orderType>I", "<ceb:orderType>进口", []string{"9:22 " + head + "/orderType SCHEMA_TOO_LONG [maxLength 1]"}},
		{"no number", "<ceb:freight>12.5", "<ceb:freight>12,5", []string{"16:20 " + head + "/freight SCHEMA_PATTERN [pattern ^[-+]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)$]"}},
		{"empty number", "<ceb:freight>12.5", "<ceb:freight>", []string{"16:20 " + head + "/freight SCHEMA_PATTERN [pattern ^[-+]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)$]"}},
		{"digits", "<ceb:freight>12.5", "<ceb:freight>012345678901234.123456", []string{"16:20 " + head + "/freight SCHEMA_DIGITS [totalDigits 19 fractionDigits 5]"}},
		{"digits that do not count", "<ceb:freight>12.5", "<ceb:freight>0000000000000000012.500000", nil},
		{"range", "<ceb:gnum>1", "<ceb:gnum>2147483648", []string{"37:17 " + list + "/gnum SCHEMA_RANGE [maximum 2147483647]"}},
		{"fixed value", "<ceb:currency>142</ceb:currency>\n      <ceb:buyerRegNo>", "<ceb:currency>502</ceb:currency>\n      <ceb:buyerRegNo>", []string{"20:21 " + head + "/currency SCHEMA_CONST [const 142]"}},
		{"fixed value left empty", "<ceb:currency>142</ceb:currency>\n      <ceb:buyerRegNo>", "<ceb:currency/>\n      <ceb:buyerRegNo>", nil},
		{"blanks", "<ceb:orderType>I", "<ceb:orderType> I\u3000", []string{"9:22 " + head + "/orderType SCHEMA_BLANKS [blanks]"}},
		{"blanks that collapse", "<ceb:freight>12.5", "<ceb:freight>\n 12.5 ", nil},
		{"stray text", "<ceb:appType>1", "报文<ceb:appType>1", []string{"4:20 " + head + " SCHEMA_TEXT [text]"}},
		{"no namespace", ` xmlns:ceb="http://www.chinaport.gov.cn/ceb"`, ` xmlns:ceb=""`, nil},
		{"other namespace", `gov.cn/ceb"`, `gov.cn/CEB"`, []string{"2:176 /CEB311Message NAMESPACE_WRONG [namespace http://www.chinaport.gov.cn/ceb]"}},
		{"other root", "CEB311Message", "CEB303Message", []string{"2:176 /CEB303Message SCHEMA_UNEXPECTED [root CEB311Message]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := string(data)
			if tt.old != "" {
				require.Contains(t, text, tt.old)
				text = strings.ReplaceAll(text, tt.old, tt.to)
			}
			if tt.name == "no namespace" {
				text = strings.ReplaceAll(strings.ReplaceAll(text, "ceb:", ""), ` xmlns:=""`, "")
				text = strings.Replace(text, ` xmlns:ceb=""`, "", 1)
				tt.want = []string{"2:128 /CEB311Message NAMESPACE_MISSING [namespace http://www.chinaport.gov.cn/ceb]"}
			}
			doc, err := wire.ReadXML([]byte(text), wire.NewDefaultLimits())
			require.NoError(t, err)
			want := tt.want
			if want == nil {
				want = []string{}
			}
			require.Equal(t, want, lines(s.Check(doc.Root)))
		})
	}
}

// Each fault has what people need: the Chinese name, the value, both texts.
func TestFaultTexts(t *testing.T) {
	s := shippedSchema(t, "customs_ceb/CEB311Message")
	found := s.Check(readFile(t, "testdata/order_broken.xml").Root)
	var texts []string
	for _, f := range found {
		texts = append(texts, strings.Join([]string{f.Name, f.Value, f.ZH, f.EN}, " | "))
	}
	require.Equal(t, []string{
		"订购人证件类型 |  | 缺少必填项 buyerIdType | required buyerIdType is missing",
		"商品价格 | 356.001234 | 数值最多 19 位，其中小数最多 5 位 | at most 19 digits, 5 of them after the point",
		"数量 | 二 | qty 的顺序不对，应在 price 之前 | qty is out of order: it belongs before price",
		"数量 | 二 | 值不符合格式 decimal | the value does not match decimal",
	}, texts)
}

const (
	schemaHeader = `"$schema": "http://json-schema.org/draft-07/schema#", "$id": "t", `
	listsHeader  = "iso,customs\nCNY,142\nUSD,502\n"
)

// newSchema loads one schema whose root has the given members.
func newSchema(tb testing.TB, members string) *Schema {
	tb.Helper()
	lists, err := codes.Load(fstest.MapFS{"currency.csv": {Data: []byte(listsHeader)}})
	require.NoError(tb, err)
	set, err := Load(fstest.MapFS{"t.json": {Data: []byte("{" + schemaHeader + members + "}")}}, lists)
	require.NoError(tb, err)
	s, ok := set.Schema("t")
	require.True(tb, ok)
	return s
}

func checkJSON(tb testing.TB, s *Schema, text string) fault.List {
	tb.Helper()
	return s.Check(parseJSON(tb, text))
}

// TestJSONFaults has one case for every keyword on JSON values.
func TestJSONFaults(t *testing.T) {
	for _, tt := range []struct {
		name, schema, document string
		want                   []string
	}{
		{"type", `"properties": {"a": {"type": "string"}}`, `{"a": 1}`, []string{"1:7 /a SCHEMA_TYPE [type string]"}},
		{"null", `"properties": {"a": {"type": "string"}}`, `{"a": null}`, []string{"1:7 /a SCHEMA_TYPE [type string]"}},
		{"number for integer", `"properties": {"a": {"type": "integer"}}`, `{"a": 1.5}`, []string{"1:7 /a SCHEMA_TYPE [type integer]"}},
		{"whole number with a fraction", `"properties": {"a": {"type": "integer"}}`, `{"a": 1.0}`, nil},
		{"enum", `"properties": {"a": {"enum": ["x", "y"]}}`, `{"a": "z"}`, []string{"1:7 /a SCHEMA_ENUM [enum x y]"}},
		{"enum of numbers", `"properties": {"a": {"enum": [1, 2]}}`, `{"a": 3}`, []string{"1:7 /a SCHEMA_ENUM [enum 1 2]"}},
		{"minimum", `"properties": {"a": {"type": "integer", "minimum": 1}}`, `{"a": 0}`, []string{"1:7 /a SCHEMA_RANGE [minimum 1]"}},
		{"exclusiveMaximum", `"properties": {"a": {"type": "number", "exclusiveMaximum": 1}}`, `{"a": 1}`, []string{"1:7 /a SCHEMA_RANGE [exclusiveMaximum 1]"}},
		{"multipleOf", `"properties": {"a": {"type": "number", "multipleOf": 0.01}}`, `{"a": 1.005}`, []string{"1:7 /a SCHEMA_RANGE [multipleOf 0.01]"}},
		{"number beyond reason", `"properties": {"a": {"type": "number"}}`, `{"a": 1e999999999}`, []string{"1:7 /a SCHEMA_RANGE [number]"}},
		{"minItems", `"properties": {"a": {"type": "array", "minItems": 2}}`, `{"a": [1]}`, []string{"1:7 /a SCHEMA_TOO_FEW [minItems 2]"}},
		{"maxItems", `"properties": {"a": {"type": "array", "maxItems": 1}}`, `{"a": [1, 2]}`, []string{"1:11 /a[2] SCHEMA_TOO_MANY [maxItems 1]"}},
		{"uniqueItems", `"properties": {"a": {"type": "array", "uniqueItems": true}}`, `{"a": [1, 1]}`, []string{"1:7 /a SCHEMA_CONDITION [uniqueItems]"}},
		{"items", `"properties": {"a": {"type": "array", "items": {"type": "string", "maxLength": 1}}}`, `{"a": ["x", "yy"]}`, []string{"1:13 /a[2] SCHEMA_TOO_LONG [maxLength 1]"}},
		{"additionalProperties", `"additionalProperties": false, "properties": {"a": true}`, `{"a": 1, "b": 2}`, []string{"1:15 /b SCHEMA_UNEXPECTED [additionalProperties]"}},
		{"minProperties", `"minProperties": 2`, `{"a": 1}`, []string{"1:1 / SCHEMA_TOO_FEW [minProperties 2]"}},
		{"required without description", `"required": ["a"]`, `{"b": 1}`, []string{"1:1 /a SCHEMA_REQUIRED [required a]"}},
		{"dependencies", `"dependencies": {"a": ["b"]}, "properties": {"a": true, "b": true}`, `{"a": 1}`, []string{"1:1 /b SCHEMA_REQUIRED [required b]"}},
		{"if then", `"if": {"properties": {"a": {"const": "x"}}}, "then": {"required": ["b"]}`, `{"a": "x"}`, []string{"1:1 /b SCHEMA_REQUIRED [required b]"}},
		{"if else", `"if": {"properties": {"a": {"const": "x"}}}, "then": {"required": ["b"]}`, `{"a": "y"}`, nil},
		{"oneOf, none", `"oneOf": [{"required": ["a"]}, {"required": ["b", "c"]}]`, `{"d": 1}`, []string{"1:1 / SCHEMA_CONDITION [oneOf]"}},
		{"oneOf, both", `"oneOf": [{"required": ["a"]}, {"required": ["b"]}]`, `{"a": 1, "b": 1}`, []string{"1:1 / SCHEMA_CONDITION [oneOf]"}},
		{"anyOf on a value", `"properties": {"a": {"anyOf": [{"minLength": 3}, {"pattern": "^x"}]}}`, `{"a": "y"}`, []string{"1:7 /a SCHEMA_CONDITION [anyOf]", "1:7 /a SCHEMA_TOO_SHORT [minLength 3]"}},
		{"not", `"properties": {"a": {"not": {"const": "x"}}}`, `{"a": "x"}`, []string{"1:7 /a SCHEMA_CONDITION [not]"}},
		{"date-time", `"properties": {"a": {"type": "string", "format": "date-time"}}`, `{"a": "2026-02-30T00:00:00+08:00"}`, []string{"1:7 /a SCHEMA_FORMAT [format date-time]"}},
		{"date-time that is only a date", `"properties": {"a": {"type": "string", "format": "date-time"}}`, `{"a": "2026-02-28"}`, []string{"1:7 /a SCHEMA_FORMAT [format date-time]"}},
		{"date", `"properties": {"a": {"type": "string", "format": "date"}}`, `{"a": "2024-02-29"}`, nil},
		{"blanks", `"properties": {"a": {"type": "string", "pattern": "^[0-9]+$"}}`, `{"a": " 12"}`, []string{"1:7 /a SCHEMA_BLANKS [blanks]"}},
		{"code list", `"properties": {"a": {"type": "string", "x-codes": "currency"}}`, `{"a": "142"}`, []string{"1:7 /a RULE_CODE_LIST [codes currency] flag"}},
		{"code in list", `"properties": {"a": {"type": "string", "x-codes": "currency.customs"}}`, `{"a": "CNY"}`, nil},
		{"citizen number", `"properties": {"a": {"type": "string", "x-check": "gb11643"}}`, `{"a": "110105194912310021"}`, []string{"1:7 /a RULE_CHECK_DIGIT [check gb11643] flag"}},
		{"everything at once", `"properties": {"a": {"type": "string", "maxLength": 2, "pattern": "^[0-9]+$", "x-codes": "currency"}}, "required": ["b"]`, `{"a": "abc"}`, []string{
			"1:1 /b SCHEMA_REQUIRED [required b]", "1:7 /a RULE_CODE_LIST [codes currency] flag", "1:7 /a SCHEMA_PATTERN [pattern ^[0-9]+$]", "1:7 /a SCHEMA_TOO_LONG [maxLength 2]",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want == nil {
				want = []string{}
			}
			require.Equal(t, want, lines(checkJSON(t, newSchema(t, tt.schema), tt.document)))
		})
	}
}

// A wire schema also judges the same document written as JSON, where order and
// namespaces mean nothing.
func TestJSONByWireSchema(t *testing.T) {
	s := newSchema(t, `"x-root": "A", "x-namespace": "urn:a", "type": "object", "additionalProperties": false, "required": ["@id", "b"], "properties": {
		"@id": {"type": "string", "maxLength": 2}, "a": {"type": "string"}, "b": {"type": "array", "maxItems": 2, "items": {"type": "object", "properties": {"@k": {"type": "string"}, "#text": {"type": "string", "x-totalDigits": 2}}}}}`)
	require.Empty(t, checkJSON(t, s, `{"b": [{"#text": "1", "@k": "x"}, {"@k": "y"}], "a": "1", "@id": "7"}`))
	require.Equal(t, []string{
		"1:18 /b[1]/#text SCHEMA_DIGITS [totalDigits 2]", "1:34 /@id SCHEMA_TOO_LONG [maxLength 2]", "1:46 /c SCHEMA_UNEXPECTED [additionalProperties]",
	}, lines(checkJSON(t, s, `{"b": [{"#text": "123"}], "@id": "777", "c": 1}`)))
}

// One schema may check many documents at a time.
func TestConcurrentChecks(t *testing.T) {
	s := shippedSchema(t, "customs_ceb/CEB311Message")
	right, wrong := readFile(t, "testdata/order.xml").Root, readFile(t, "testdata/order_broken.xml").Root
	want := s.Check(wrong)
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			for range 20 {
				if len(s.Check(right)) > 0 || !slices.Equal(s.Check(wrong), want) {
					t.Error("a check found something else beside others")
				}
			}
		})
	}
	g.Wait()
}

const orderRules = `"type": "object", "properties": {
	"goods": {"type": "string", "title": "商品价格"}, "freight": {"type": "string"}, "discount": {"type": "string"}, "paid": {"type": "string", "title": "实付"},
	"items": {"type": "array", "items": {"type": "object", "properties": {"qty": {"type": "string"}, "price": {"type": "string"}, "total": {"type": "string", "title": "总价"}}}}},
	"x-rules": [
		{"id": "paid", "sum": ["goods", "freight", "-discount"], "equals": "paid", "tolerance": "0.01", "zh": "合计", "severity": "error"},
		{"id": "line", "product": ["items[].qty", "items[].price"], "equals": "items[].total"},
		{"id": "goods", "sum": ["items[].total"], "equals": "goods"}]`

func TestRules(t *testing.T) {
	s := newSchema(t, orderRules)
	for _, tt := range []struct {
		name, document string
		want           []string
	}{
		{"they add up", `{"goods": "30.00", "freight": "5", "discount": "0.5", "paid": "34.5", "items": [{"qty": "2", "price": "10", "total": "20"}, {"qty": "0.5", "price": "20", "total": "10.0"}]}`, nil},
		{"within the tolerance", `{"goods": "30.00", "paid": "30.01"}`, nil},
		{"beyond the tolerance", `{"goods": "30.00", "paid": "30.011"}`, []string{"1:28 /paid RULE_SUM [sum paid]"}},
		{"no target", `{"goods": "30.00", "freight": "5"}`, nil},
		{"no terms", `{"paid": "5"}`, nil},
		{"a missing factor", `{"items": [{"qty": "2", "total": "20"}]}`, nil},
		{"each line by itself", `{"items": [{"qty": "2", "price": "10", "total": "21"}, {"qty": "1", "price": "1", "total": "1"}, {"qty": "3", "price": "1", "total": "1"}]}`, []string{
			"1:49 /items[1]/total RULE_SUM [product line] flag", "1:134 /items[3]/total RULE_SUM [product line] flag",
		}},
		{"all lines together", `{"goods": "3", "items": [{"total": "1"}, {"total": "1"}]}`, []string{"1:11 /goods RULE_SUM [sum goods] flag"}},
		{"not a number", `{"goods": "abc", "paid": "5"}`, nil},
		{"numbers beyond int64", `{"goods": "12345678901234567890.12", "freight": "0.01", "paid": "12345678901234567890.13"}`, nil},
		{"numbers beyond int64 that differ", `{"goods": "12345678901234567890.12", "freight": "1", "paid": "12345678901234567890.13"}`, []string{"1:62 /paid RULE_SUM [sum paid]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want == nil {
				want = []string{}
			}
			require.Equal(t, want, lines(checkJSON(t, s, tt.document)))
		})
	}
	f := checkJSON(t, s, `{"goods": "30.00", "paid": "31"}`)[0]
	require.Equal(t, "金额不符：实付 应等于 30（合计），实际 31", f.ZH)
	require.Equal(t, "does not add up: must be 30 (goods + freight - discount), found 31", f.EN)
}

func TestCheckDigits(t *testing.T) {
	for s, want := range map[string]bool{
		"11010519491231002X": true, "11010519491231002x": true, "110105194912310020": false, "440524188001010014": true,
		"130503670401001": true, "1101051949123100": true, "110105********002X": true, "E12345678": true,
	} {
		require.Equal(t, want, digitRight(checkCitizen, s), s)
	}
	for s, want := range map[string]bool{
		"91350100M000100Y43": true, "91350100M000100Y44": false, "91350100I000100Y43": false, "4401960X7B": true, "91350100M0001*0Y43": true,
	} {
		require.Equal(t, want, digitRight(checkCredit, s), s)
	}
	for s, want := range map[string]bool{
		"000100Y47": false, "123456788": true, "123456789": false, "10000000X": false, "D2143569X": true, "0000*0000": true, "1234": true,
	} {
		require.Equal(t, want, digitRight(checkOrg, s), s)
	}
}

func TestOrderFaultsAreFew(t *testing.T) {
	for _, tt := range []struct {
		order []int
		moved int
	}{
		{[]int{0, 1, 2, 3}, 0}, {[]int{3, 0, 1, 2}, 1}, {[]int{1, 2, 3, 0}, 1}, {[]int{0, 0, 1, 1}, 0}, {[]int{3, 2, 1, 0}, 3}, {[]int{0, 2, 1, 3}, 1}, {nil, 0},
	} {
		moved := 0
		for _, k := range longestRun(tt.order) {
			if !k {
				moved++
			}
		}
		require.Equal(t, tt.moved, moved, "%v", tt.order)
	}
}

// TestUntypedBranches: what a branch requires is required of elements too, with
// or without a type of its own.
func TestUntypedBranches(t *testing.T) {
	for _, kind := range []string{``, `"type": "object", `} {
		set, err := Load(fstest.MapFS{"t.json": {Data: []byte(`{"$schema": "http://json-schema.org/draft-07/schema#", "$id": "t", "x-root": "A", "type": "object", "properties": {
			"R": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "anyOf": [{` + kind + `"required": ["a"]}, {` + kind + `"required": ["b"]}]}}}}`)}}, nil)
		require.NoError(t, err)
		s, _ := set.Schema("t")
		for text, bad := range map[string]int{
			"<A><R><a>1</a></R><R><b>1</b></R></A>": 0, "<A><R/></A>": 1, "<A><R><a>1</a></R><R></R></A>": 1,
			`{"R": [{"a": "1"}, {"b": "1"}]}`: 0, `{"R": [{"c": "1"}]}`: 1,
		} {
			doc, err := wire.Read([]byte(text), wire.NewDefaultLimits())
			require.NoError(t, err)
			found := s.Check(doc.Root)
			require.Len(t, found, bad, "%s %s", kind, text)
			if bad > 0 {
				require.Equal(t, fault.SchemaCondition, found[0].Code)
			}
		}
	}
}
