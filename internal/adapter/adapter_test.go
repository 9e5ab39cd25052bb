package adapter

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu"
	"tongqu/internal/conf"
	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

func load(t *testing.T) *Registry {
	t.Helper()
	r, err := Load(tongqu.Files, wire.NewDefaultLimits())
	require.NoError(t, err)
	return r
}

// changed is the built-in data with one adapter.yaml replaced.
func changed(t *testing.T, name string, change func(string) string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for _, root := range []string{"adapters/" + name, "schemas", "mappings"} {
		require.NoError(t, fs.WalkDir(tongqu.Files, root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.Contains(path, "/cases/") {
				return err
			}
			data, err := fs.ReadFile(tongqu.Files, path)
			files[path] = &fstest.MapFile{Data: data}
			return err
		}))
	}
	file := files["adapters/"+name+"/adapter.yaml"]
	file.Data = []byte(change(string(file.Data)))
	return files
}

func TestManifestProblems(t *testing.T) {
	for _, c := range []struct{ name, old, by, want string }{
		{"unknown key", "charset: UTF-8", "charst: UTF-8", `adapters/customs_ceb/adapter.yaml:6:1: unknown key "charst"; did you mean "charset"?`},
		{"wrong name", "name: customs_ceb\n", "name: other\n", `name is "other" but the folder is "customs_ceb"`},
		{"wrong format", "format: xml", "format: xls", `format must be xml, json or csv, not "xls"`},
		{"no schema", "- name: CEB311Message", "- name: CEB999Message", "no schema schemas/customs_ceb/CEB999Message.json"},
		{"receipt of nothing", "message: CEB312Message", "message: CEB399Message", `receipt "CEB399Message" is no message of this adapter`},
		{"unknown code", "code: SCHEMA_ORDER", "code: SCHEMA_ODER", `unknown code "SCHEMA_ODER"`},
		{"unknown decision", "{code: SCHEMA_ORDER, do: flag", "{code: SCHEMA_ORDER, do: shrug", `do must be flag or refuse, not "shrug"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(changed(t, "customs_ceb", func(s string) string {
				require.Contains(t, s, c.old)
				return strings.Replace(s, c.old, c.by, 1)
			}), wire.NewDefaultLimits())
			problems, ok := err.(conf.Problems) //nolint:errorlint // Load returns them bare
			require.True(t, ok, "%v", err)
			require.Contains(t, problems.Error(), c.want)
		})
	}
}

func TestMatchPath(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"/A/B", "/A/B", true},
		{"/A/B", "/A[2]/B[10]", true},
		{"/*/@guid", "/CEB311Message/@guid", true},
		{"/*/*/@guid", "/CEB311Message/@guid", false},
		{"/A", "/A/B", false},
		{"/A/B", "/A", false},
		{"/A/B", "/A/C", false},
	} {
		require.Equal(t, c.want, matchPath(c.pattern, c.path), "%s ~ %s", c.pattern, c.path)
	}
}

func TestDeviationsDecide(t *testing.T) {
	faults := fault.List{
		fault.New(fault.SchemaOrder, fault.Place{Path: "/A/B"}, ""),
		fault.New(fault.RuleSum, fault.Place{Path: "/A/C"}, "").WithRule("sum paid").Flagged(),
		fault.New(fault.SchemaRequired, fault.Place{Path: "/A/@id"}, ""),
	}
	settle([]Deviation{
		{Code: fault.SchemaOrder, Do: "flag"},
		{Rule: "sum paid", Do: "refuse"},
		{Code: fault.SchemaRequired, Path: "/*/@other", Do: "flag"},
	}, faults)
	require.Equal(t, []fault.Severity{fault.Flag, fault.Error, fault.Error}, []fault.Severity{faults[0].Severity, faults[1].Severity, faults[2].Severity})
}

func TestEnvelopesAreNotOpenedForEver(t *testing.T) {
	doc := []byte("<a/>")
	for range maxEnvelopes + 1 {
		doc = fmt.Appendf(nil, `<DxpMsg xmlns="http://www.chinaport.gov.cn/dxp" ver="1.0"><TransInfo><CopMsgId>1</CopMsgId><SenderId>S</SenderId><ReceiverIds><ReceiverId>R</ReceiverId></ReceiverIds><CreatTime>2026-03-08T11:27:01</CreatTime><MsgType>DxpMsg</MsgType></TransInfo><Data>%s</Data></DxpMsg>`,
			base64.StdEncoding.EncodeToString(doc))
	}
	tr := load(t).Translate(doc, "")
	require.True(t, tr.Faults.Refuses())
	require.Equal(t, fault.EnvelopeTooNested, tr.Faults[len(tr.Faults)-1].Code)
	require.Equal(t, strings.Repeat("/DxpMsg/Data", maxEnvelopes)+"/DxpMsg", tr.Faults[len(tr.Faults)-1].Path)
}

// TestReceiptInItsEnvelope: the answer to what came in an envelope goes back in
// one, from the receiver to the sender.
func TestReceiptInItsEnvelope(t *testing.T) {
	r := load(t)
	data, err := fs.ReadFile(tongqu.Files, "adapters/customs_dxp/cases/dxp-ceb621/input.xml")
	require.NoError(t, err)
	tr := r.Translate(data, "")
	require.True(t, tr.HasReceipt())
	answers := []Answer{{Root: tr.Records[0].Root, Outcome: "accepted"}}
	out, err := tr.Receipt(answers, time.Date(2026, 3, 8, 3, 27, 1, 0, time.UTC), "1C9E6679-7425-40DE-944B-E07FC1F90AE7")
	require.NoError(t, err)
	doc, err := wire.Read(out.Body, wire.NewDefaultLimits())
	require.NoError(t, err)
	came, err := wire.Read(data, wire.NewDefaultLimits())
	require.NoError(t, err)
	text := func(root *wire.Node, path string) string { return strings.TrimSpace(find(root, path).Text) }
	require.NotEmpty(t, text(doc.Root, "TransInfo/SenderId"))
	require.Equal(t, text(came.Root, "TransInfo/ReceiverIds/ReceiverId"), text(doc.Root, "TransInfo/SenderId"))
	require.Equal(t, text(came.Root, "TransInfo/SenderId"), text(doc.Root, "TransInfo/ReceiverIds/ReceiverId"))
	require.Equal(t, "CEB622Message", text(doc.Root, "TransInfo/MsgType"))
	require.Equal(t, "2026-03-08T11:27:01.000+08:00", text(doc.Root, "TransInfo/CreatTime"))
	back := r.Translate(out.Body, "")
	require.Equal(t, "CEB622Message", back.Message)
	require.Empty(t, back.Faults)
	require.Equal(t, "2", Value(back.Records[0].Root, "statusCode"))
}

func TestOnlyTheNamedAdapter(t *testing.T) {
	r := load(t)
	order := []byte(`<CEB311Message xmlns="http://www.chinaport.gov.cn/ceb"/>`)
	require.Equal(t, "CEB311Message", r.Translate(order, "customs_ceb").Message)
	tr := r.Translate(order, "hub_json")
	require.Empty(t, tr.Message)
	require.Equal(t, fault.DocumentUnknown, tr.Faults[0].Code)
}

func TestEncodeSaysWhatIsMissing(t *testing.T) {
	r := load(t)
	_, err := r.Encode("customs_ceb/CEB311Message", [][]byte{[]byte(`{"orderNo":"1"}`)}, Transfer{})
	faults := fault.Of(err)
	require.True(t, faults.Refuses())
	var paths []string
	for _, f := range faults {
		require.Equal(t, fault.MapMissing, f.Code)
		paths = append(paths, f.Path)
	}
	require.Contains(t, strings.Join(paths, " "), "/CEB311Message/Order/OrderHead/ebpCode")
	_, err = r.Encode("customs_ceb/CEB000Message", nil, Transfer{})
	require.Equal(t, fault.DeliveryNotEncoded, fault.Of(err)[0].Code)
}

func TestReceiptInfo(t *testing.T) {
	root := &wire.Node{Kind: wire.Object}
	put(root, "guid", "G-1")
	put(root, "seller.code", "S-1")
	put(root, "seller.name", "N")
	a := answering{
		receipt: &Receipt{
			Status: map[string]string{"accepted": "2", "rejected": "-1"}, Info: "成功[{guid}]{seller.code}{missing}",
			Fields: map[string]string{"code": "$status", "info": "$info", "time": "$time", "id": "$id", "who.code": "seller.code", "none": "no.such"},
		},
		translation: &Translation{}, at: "T", id: "I", answer: &Answer{Root: root, Outcome: "accepted"},
	}
	require.JSONEq(t, `{"code":"2","id":"I","info":"成功[G-1]S-1","time":"T","who":{"code":"S-1"}}`, string(wire.AppendJSON(nil, a.build())))

	a.answer = &Answer{Root: root, Outcome: "rejected", Faults: fault.List{
		fault.New(fault.SchemaRequired, fault.Place{Path: "/A/B", Line: 3, Column: 4}, "", "B"),
		fault.New(fault.SchemaBlanks, fault.Place{}, "").Flagged(),
	}}
	require.Equal(t, "缺少必填项 B[/A/B 第3行第4列]", a.info())
	a.translation.Faults = fault.List{fault.New(fault.NotEntitled, fault.Place{}, "", "A", "B")}
	require.Equal(t, "单位 A 无权提供 B;缺少必填项 B[/A/B 第3行第4列]", a.info(), "the document's errors come first")
	a.answer.Faults[0].ZH = strings.Repeat("长", 2*maxInfo)
	require.Len(t, []rune(a.info()), maxInfo)
	a.translation.Faults = nil
	a.answer = &Answer{Root: root, Info: "已收到"}
	require.Equal(t, "已收到", a.info())
}

// TestJSONAdapter adds an agency that pushes JSON, by data alone.
func TestJSONAdapter(t *testing.T) {
	files := changed(t, "hub_json", func(s string) string { return s })
	put := func(name, text string) { files[name] = &fstest.MapFile{Data: []byte(text)} }
	put("adapters/carrier/adapter.yaml", `name: carrier
title: {zh: 承运人, en: Carrier}
version: "1"
format: json
charset: UTF-8
messages:
  - name: gone
    title: {zh: 已离港, en: departed}
    match: {kind: gone}
`)
	put("schemas/carrier/gone.json", `{"$schema":"http://json-schema.org/draft-07/schema#","$id":"carrier/gone","title":"已离港","description":"departed","type":"object","additionalProperties":false,
"required":["kind","no","when"],"properties":{"kind":{"type":"string"},"no":{"type":"string","minLength":1},"when":{"type":"string"}}}`)
	put("schemas/canonical/test.gone.v1.json", `{"$schema":"http://json-schema.org/draft-07/schema#","$id":"canonical/test.gone.v1","title":"已离港","description":"departed","type":"object","additionalProperties":false,
"required":["no","at"],"x-keys":{"no":["no"]},"properties":{"no":{"type":"string","title":"编号","description":"number","minLength":1},"at":{"type":"string","title":"时间","description":"time","format":"date-time"}}}`)
	put("mappings/carrier/gone.yaml", `message: gone
canonical: test.gone.v1
fields:
  no: no
  at: {at: when, as: time(20060102150405)}
fixed:
  kind: gone
`)
	r, err := Load(files, wire.NewDefaultLimits())
	require.NoError(t, err)
	require.Empty(t, r.Lint("carrier"))
	tr := r.Translate([]byte(`{"kind":"gone","no":"0042","when":"20260308112701"}`), "")
	require.Equal(t, "gone", tr.Message)
	require.Empty(t, tr.Faults)
	require.JSONEq(t, `{"no":"0042","at":"2026-03-08T11:27:01+08:00"}`, string(wire.AppendJSON(nil, tr.Records[0].Root)))
	back, err := r.Encode("carrier/gone", [][]byte{wire.AppendJSON(nil, tr.Records[0].Root)}, Transfer{})
	require.NoError(t, err)
	require.JSONEq(t, `{"kind":"gone","no":"0042","when":"20260308112701"}`, string(back.Body))
	require.Equal(t, fault.DocumentUnknown, r.Translate([]byte(`{"kind":"here"}`), "").Faults[0].Code)
	late := r.Translate([]byte("{\n\"kind\":\"gone\",\n\"no\":\"1\",\"when\":\"soon\"}"), "")
	require.Equal(t, "/when", late.Records[0].Faults[0].Path)
	require.Equal(t, 3, late.Records[0].Faults[0].Line)
}

func TestWithin(t *testing.T) {
	byPath := map[string]int{"/M/Order[1]": 0, "/M/Order[11]": 1}
	for path, want := range map[string]int{"/M/Order[1]": 0, "/M/Order[1]/Head/x": 0, "/M/Order[11]/@a": 1} {
		i, ok := within(byPath, path)
		require.True(t, ok)
		require.Equal(t, want, i)
	}
	for _, path := range []string{"/M", "/M/Order", "/M/Order[2]/x", "", "/"} {
		_, ok := within(byPath, path)
		require.False(t, ok, path)
	}
}

func TestInsertDocs(t *testing.T) {
	after, err := InsertDocs("a\n"+docsBegin+"old"+docsEnd+"\nb\n", "new\n")
	require.NoError(t, err)
	require.Equal(t, "a\n"+docsBegin+"\n\nnew\n"+docsEnd+"\nb\n", after)
	_, err = InsertDocs("no markers", "new")
	require.Error(t, err)
}

func FuzzTranslate(f *testing.F) {
	r, err := Load(tongqu.Files, wire.NewDefaultLimits())
	require.NoError(f, err)
	inputs, err := fs.Glob(tongqu.Files, "adapters/*/cases/*/input.*")
	require.NoError(f, err)
	for _, name := range inputs {
		data, err := fs.ReadFile(tongqu.Files, name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tr := r.Translate(data, "")
		m := r.Message(tr.Adapter + "/" + tr.Message)
		names := m != nil && m.Table == nil // a control file names others and holds nothing
		require.True(t, len(tr.Records) > 0 || tr.Faults.Refuses() || names, "a document without records says why")
		tr.Summary()
		tr.Explain()
	})
}
