package adapter

import (
	"encoding/base64"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
	"tongqu/internal/wire"
)

// update rewrites the expected results of the cases in testdata.
var update = flag.Bool("update", false, "rewrite expected results")

// loadKit loads the adapters of testdata, which between them use all that an
// adapter can have.
func loadKit(t *testing.T) *Registry {
	t.Helper()
	r, err := Load(os.DirFS("testdata"), wire.NewDefaultLimits())
	require.NoError(t, err)
	return r
}

// TestKit runs the golden cases of testdata as those of real adapters are run.
func TestKit(t *testing.T) {
	r := loadKit(t)
	require.Empty(t, r.Lint(""))
	for _, a := range r.Adapters() {
		t.Run(a.Name, func(t *testing.T) {
			if *update {
				require.NoError(t, r.UpdateCases("testdata/adapters", a.Name))
			}
			results, err := r.RunCases(os.DirFS("testdata"), a.Name)
			require.NoError(t, err)
			require.NotEmpty(t, results)
			for _, c := range results {
				require.Empty(t, c.Diff, c.Case)
			}
		})
	}
}

// changedKit is testdata with one text in one file replaced.
func changedKit(t *testing.T, file, old, by string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	kit := os.DirFS("testdata")
	require.NoError(t, fs.WalkDir(kit, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "/cases/") {
			return err
		}
		data, err := fs.ReadFile(kit, path)
		files[path] = &fstest.MapFile{Data: data}
		return err
	}))
	require.Contains(t, files, file)
	require.Contains(t, string(files[file].Data), old)
	files[file].Data = []byte(strings.Replace(string(files[file].Data), old, by, 1))
	return files
}

func TestKitLint(t *testing.T) {
	const bank = "adapters/bank/adapter.yaml"
	for _, c := range []struct{ name, file, old, by, want string }{
		{"matches that do not tell them apart", bank, "match: {FILE: PAYA}", "match: {TOTAL: \"1\"}", "message Incoming: a document of it could also be bank/Outgoing"},
		{"the same match", bank, "match: {FILE: PAYA}", "match: {FILE: RCPA}", "message Incoming: a document of it could also be bank/Outgoing"},
		{"a match of what is not there", bank, "match: {FILE: PAYA}", "match: {FIEL: PAYA}", `message Outgoing: match: there is no "FIEL" in the schema`},
		{"one header for two messages", "schemas/invoices/Sales.json", "购方识别号", "销方识别号", "message Purchases: its header could also be that of invoices/Sales"},
		{"a title of two columns", "schemas/invoices/Sales.json", `"备注"`, `"发票号"`, `title "发票号" is that of no and of note`},
		{"no such encoding", "adapters/transport/adapter.yaml", "encoding: base64", "encoding: base46", `message Parcel: envelope: encoding must be base64, text or xml, not "base46"`},
		{"no such content", "adapters/transport/adapter.yaml", "data: Data", "data: Date", `message Parcel: envelope: data: there is no "Date" in the schema`},
		{"a field left out", "adapters/transport/adapter.yaml", "        Head/Kind: $message\n", "", "message Parcel: envelope: fields: Head/Kind is required, and nothing writes it"},
		{"an unknown value", "adapters/transport/adapter.yaml", "$number(6)", "$serial", "message Parcel: envelope: fields: Head/Id: unknown $serial"},
		{"a receipt's path", bank, "counts.bad: $rejected", "counts.worse: $rejected", "message Incoming: receipt: counts.worse: there is no such path in demo.feedback.v1"},
		{"a receipt's value", bank, "counts.bad: $rejected", "counts.bad: $rejectd", `message Incoming: receipt: counts.bad: unknown $rejectd; did you mean "$rejected"?`},
		{"a receipt's record", bank, "failed[].no: $failed[].no", "failed[].no: $failed[].number", `receipt: failed[].no: there is no "number" in the answered message`},
		{"a receipt's element", bank, "../CUST", "../CSUT", `receipt: failed[].customer: there is no "./CSUT" in the answered message`},
		{"a receipt's list", bank, "failed[].no: $failed[].no", "failed[].no: $records[].no", "receipt: failed[].no: failed comes from $failed and from $records"},
		{"a receipt's value that repeats", bank, "counts.bad: $rejected", "counts.bad: no", "receipt: counts.bad: a document has many records"},
		{"a match in CSV", "adapters/invoices/adapter.yaml", "en: sales}", "en: sales}\n    match: {no: \"*\"}", "a CSV document is known by its header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Load(changedKit(t, c.file, c.old, c.by), wire.NewDefaultLimits())
			if err == nil {
				err = r.Lint("").Or()
			}
			require.ErrorContains(t, err, c.want)
		})
	}
	r, err := Load(changedKit(t, bank, "match: {FILE: PAYA}", `match: {FILE: RCPA, TOTAL: "1"}`), wire.NewDefaultLimits())
	require.NoError(t, err)
	require.Empty(t, r.Lint(""), "the message that asks for more is tried first")
	data, err := os.ReadFile("testdata/adapters/bank/cases/receipts/input.xml")
	require.NoError(t, err)
	require.Equal(t, "Incoming", r.Translate(data, "").Message)
	require.Equal(t, "Outgoing", r.Translate([]byte(strings.Replace(string(data), "<TOTAL>2", "<TOTAL>1", 1)), "").Message)
}

// TestSheetOfANamedAdapter: who says what a table is, is told what its header lacks.
func TestSheetOfANamedAdapter(t *testing.T) {
	tr := loadKit(t).Translate([]byte("发票号码,开票日期,计税金额\n24440004,2026-03-01,1.00\n24440005,2026-03-01,1.00\n"), "invoices")
	require.Equal(t, "Purchases", tr.Message)
	require.Len(t, tr.Faults, 1)
	require.Equal(t, fault.SchemaRequired, tr.Faults[0].Code)
	require.Equal(t, "/row", tr.Faults[0].Path)
	require.Contains(t, tr.Faults[0].ZH, "seller")
	require.Empty(t, tr.Records)
}

func TestSheetEncode(t *testing.T) {
	const record = `{"no":"24440001","direction":"in","partner":"91440300MA5YYYYY0B","amount":"1000.00","note":"小心,轻放","owner":"91440101MA5XXXXX0A"}`
	out, err := loadKit(t).Encode("invoices/Sales", [][]byte{[]byte(record)}, Transfer{})
	require.NoError(t, err)
	require.Equal(t, "\uFEFF纳税人识别号,91440101MA5XXXXX0A\r\n发票号码,issued,buyer,计税金额,note\r\n24440001,,91440300MA5YYYYY0B,1000.00,\"小心,轻放\"\r\n", string(out.Body))
	require.Equal(t, "csv", out.Extension)
}

// TestFormatInEnvelopes writes one record into envelopes of every kind and reads it
// back; two encodings of one transfer are the same document.
func TestFormatInEnvelopes(t *testing.T) {
	r := loadKit(t)
	const record = `{"no":"440000000101260308N001","direction":"in","customer":"测试","amount":"1000","fileTotal":1}`
	tr := Transfer{ID: "rec-1", Sender: "A1", Receiver: "B1", At: time.Date(2026, 3, 8, 3, 27, 1, 0, time.UTC)}
	out, err := r.Encode("transport/Server+transport/Parcel+bank/Incoming", [][]byte{[]byte(record)}, tr)
	require.NoError(t, err)
	doc, err := wire.Read(out.Body, wire.NewDefaultLimits())
	require.NoError(t, err)
	data := find(doc.Root, "Parcel/Data")
	inner, err := base64.StdEncoding.DecodeString(data.Text)
	require.NoError(t, err)
	require.Contains(t, string(inner), `encoding="GBK"`)
	require.NotContains(t, string(inner), "测试", "it is in GBK")
	data.Text = "…"
	require.JSONEq(t, `{"No":"rec-1","Parcel":{"@ver":"1.0","Head":{"Id":"RCPT-20260308112701-039783","From":"A1","To":{"Node":"B1"},"At":"2026-03-08T11:27:01.000+08:00","Kind":"RCPT"},"Data":"…"}}`,
		string(wire.AppendJSON(nil, doc.Root)))
	for _, format := range []string{"transport/Server+transport/Parcel+bank/Incoming", "transport/Envelope+transport/Ask+bank/Incoming", "transport/Envelope+bank/Incoming", "transport/Parcel+invoices/Sales"} {
		body := record
		if strings.HasSuffix(format, "Sales") {
			body = `{"no":"24440001","direction":"in","partner":"91440300MA5YYYYY0B","amount":"1000.00"}`
		}
		out, err := r.Encode(format, [][]byte{[]byte(body)}, tr)
		require.NoError(t, err, format)
		again, err := r.Encode(format, [][]byte{[]byte(body)}, tr)
		require.NoError(t, err)
		require.Equal(t, out, again)
		back := r.Translate(out.Body, "")
		require.Empty(t, back.Faults, format)
		require.Len(t, back.Records, 1, format)
		require.Equal(t, body, string(wire.AppendJSON(nil, back.Records[0].Root)), format)
	}
}

func TestFormatProblems(t *testing.T) {
	r := loadKit(t)
	for format, want := range map[string]string{
		"bank/None":                       `no message "bank/None"`,
		"bank/Incoming+bank/Outgoing":     "bank/Incoming is no envelope that can be written",
		"transport/Parcel":                "transport/Parcel is an envelope: say what is in it",
		"transport/Nothing+bank/Incoming": `no message "transport/Nothing"`,
	} {
		_, err := r.Format(format)
		require.ErrorContains(t, err, want)
	}
	const record = `{"no":"1","direction":"in","amount":"1000","fileTotal":1}`
	_, err := r.Encode("transport/Parcel+bank/Incoming", [][]byte{[]byte(record)}, Transfer{ID: "1", Receiver: "B1"})
	require.Equal(t, "/Parcel/Head/From", fault.Of(err)[0].Path, "an envelope without a sender is not written")
	_, err = r.Encode("transport/Server+bank/Incoming", [][]byte{[]byte(record)}, Transfer{ID: "1"})
	require.Equal(t, fault.DeliveryNotEncoded, fault.Of(err)[0].Code, "only a Parcel goes from server to server")
}

// answerAll makes the answers that a store with nothing in it would.
func answerAll(tr *Translation) []Answer {
	answers := make([]Answer, len(tr.Records))
	for i := range tr.Records {
		r := &tr.Records[i]
		answers[i] = Answer{Root: r.Root, Outcome: "accepted", Faults: r.Faults}
		if tr.Refused(r) {
			answers[i].Outcome = "rejected"
		}
	}
	return answers
}

// TestReceiptPerDocument answers a file of many records with one feedback file that
// counts them and lists what failed, and reads it back.
func TestReceiptPerDocument(t *testing.T) {
	r := loadKit(t)
	const rec = "<REC><NO>%s</NO><CUST>%s</CUST><AMT>%s</AMT></REC>"
	file := func(records ...string) []byte {
		return []byte("<MSG><FILE>RCPA</FILE><TOTAL>9</TOTAL><RECORDS>" + strings.Join(records, "\n") + "</RECORDS></MSG>")
	}
	at := time.Date(2026, 3, 8, 3, 27, 1, 0, time.UTC)
	feedback := func(data []byte, change func([]Answer)) (*Translation, string) {
		tr := r.Translate(data, "")
		require.True(t, tr.HasReceipt())
		answers := answerAll(tr)
		change(answers)
		out, err := tr.Receipt(answers, at, "F-1")
		require.NoError(t, err)
		back := r.Translate(out.Body, "")
		require.Equal(t, "Feedback", back.Message)
		require.Empty(t, append(back.Faults, back.Records[0].Faults...), "%s", out.Body)
		return tr, string(wire.AppendJSON(nil, back.Records[0].Root))
	}
	_, got := feedback(file(fmt.Sprintf(rec, "N001", "1", "10"), fmt.Sprintf(rec, "N002", "too-long-a-code", "1.5"), fmt.Sprintf(rec, "N003", "1", "7")), func(a []Answer) {
		a[2].Outcome = "duplicate"
	})
	require.JSONEq(t, `{"no":"F-1","file":"RCPA","status":"1","formatErrors":0,"counts":{"total":3,"good":2,"bad":1},"failed":[{"no":"N002","customer":"too-long-a-code","errors":[
		{"field":"CUST","name":"客户代码","text":"长度 15 超过上限 9"},{"field":"AMT","name":"金额","text":"数值最多 22 位，其中小数最多 0 位"}]}]}`, got)

	_, got = feedback(file(fmt.Sprintf(rec, "N001", "1", "10")), func([]Answer) {})
	require.JSONEq(t, `{"no":"F-1","file":"RCPA","status":"0","formatErrors":0,"counts":{"total":1,"good":1,"bad":0}}`, got)

	// An error of the format refuses the file: nothing is told of its records.
	whole, got := feedback([]byte(strings.Replace(string(file(fmt.Sprintf(rec, "N001", "1", "10"))), "<TOTAL>9</TOTAL>", "<TOTL>9</TOTL>", 1)), func([]Answer) {})
	require.True(t, whole.Faults.Refuses())
	require.JSONEq(t, `{"no":"F-1","file":"RCPA","status":"2","formatErrors":2,"formats":[{"text":"缺少必填项 TOTAL"},{"text":"不应出现 TOTL"}],"counts":{"total":1,"good":0,"bad":1}}`, got)
}

// TestReceiptInJSON answers a page of rows in the format of its sender.
func TestReceiptInJSON(t *testing.T) {
	r := loadKit(t)
	tr := r.Translate([]byte(`{"total":2,"rows":[{"XK_WSH":"A-1","XK_XDR_MC":"测试公司"},{"XK_WSH":"A-2","XK_XDR_MC":"示例公司","BZ":7}]}`), "")
	require.Equal(t, "json", tr.ReceiptFormat())
	out, err := tr.Receipt(answerAll(tr), time.Date(2026, 3, 8, 3, 27, 1, 0, time.UTC), "R-1")
	require.NoError(t, err)
	require.JSONEq(t, `{"code":"1","msgId":"R-1","total":2,"failed":1,"errors":[{"no":"A-2","fields":[{"name":"BZ","msg":"类型应为 [string,null]，实际为 integer"}]}]}`, string(out.Body))
	require.Equal(t, "application/json", out.ContentType)
	require.Empty(t, r.Translate(out.Body, "").Faults)
}
