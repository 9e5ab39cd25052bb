package app_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const receiptTemplate = `<?xml version="1.0" encoding="UTF-8"?>
<CEB312Message guid="33333333-3333-4333-8333-333333333333" version="1.0" xmlns="http://www.chinaport.gov.cn/ceb">
<OrderReturn>
<guid>22222222-2222-4222-8222-222222222222</guid>
<ebpCode>%s</ebpCode>
<ebcCode>4401T0S002</ebcCode>
<orderNo>%s</orderNo>
<returnStatus>%d</returnStatus>
<returnTime>20260308112703%03[3]d</returnTime>
<returnInfo>新增申报成功</returnInfo>
</OrderReturn>
</CEB312Message>
`

func receiptXML(platform, orderNo string, status int) []byte {
	return fmt.Appendf(nil, receiptTemplate, platform, orderNo, status)
}

// shown is what the API shows of one record.
type shown struct {
	RecordID            string
	Answers, AnsweredBy []string
}

// TestReceiptsFindWhatTheyAnswer sends receipts before, after and without the
// order they answer: all are kept, what answers nothing is flagged, and the two
// are found together once both are there.
func TestReceiptsFindWhatTheyAnswer(t *testing.T) {
	h := startHub(t, t.TempDir(), nil)
	early := h.send(t, customsToken, receiptXML("4401T0P001", "ANSWER-1", 2))
	require.Equal(t, 202, early.status, string(early.body))
	require.Equal(t, []string{"ANSWERS_NOTHING"}, early.codes())
	require.Equal(t, "flag", early.Records[0].Errors[0].Severity)
	require.Equal(t, 3, early.Records[0].Errors[0].Line)
	var receipt shown
	require.Equal(t, 200, h.get(t, "/v1/records/"+early.Records[0].RecordID, &receipt))
	require.Empty(t, receipt.Answers)

	order := h.send(t, platformToken, orderXML("ANSWER", 1, nil))
	require.Equal(t, 202, order.status)
	late := h.send(t, customsToken, receiptXML("4401T0P001", "ANSWER-1", 120))
	require.Empty(t, late.codes())
	elsewhere := h.send(t, customsToken, receiptXML("4401T0P009", "ANSWER-1", 120))
	require.Equal(t, []string{"ANSWERS_NOTHING"}, elsewhere.codes(), "the order number of another platform")

	require.Equal(t, 200, h.get(t, "/v1/records/"+early.Records[0].RecordID, &receipt))
	require.Equal(t, []string{order.Records[0].RecordID}, receipt.Answers)
	var answered shown
	require.Equal(t, 200, h.get(t, "/v1/records/"+order.Records[0].RecordID, &answered))
	require.Equal(t, []string{late.Records[0].RecordID, early.Records[0].RecordID}, answered.AnsweredBy)
	require.Empty(t, answered.Answers)
}

// TestFeedbackAnswersManyRecords sends SAFE's feedback on a file: one document
// that names several records answers each of them, one that names none answers none.
func TestFeedbackAnswersManyRecords(t *testing.T) {
	const bankToken, safeToken = "bank-test-token", "safe-test-token"
	data := t.TempDir()
	agencies := filepath.Join(data, "override", "config", "agencies")
	require.NoError(t, os.MkdirAll(agencies, 0o750))
	for code, agency := range map[string]string{
		"bank": "tokens: [{id: t, sha256: " + hash(bankToken) + "}]\nprovides: [\"304002/000001\"]\n",
		"safe": "tokens: [{id: t, sha256: " + hash(safeToken) + "}]\nprovides: [\"304002/000002\"]\n",
	} {
		text := "code: " + code + "\ntitle: {zh: 测试, en: Test}\nkind: foreign-exchange\n" + agency
		require.NoError(t, os.WriteFile(filepath.Join(agencies, code+".yaml"), []byte(text), 0o600))
	}
	h := startHub(t, data, nil)
	file := func(token, name string) answer {
		body, err := os.ReadFile("../../adapters/safe_fx/cases/" + name + "/input.xml")
		require.NoError(t, err)
		return h.send(t, token, body)
	}
	// What a bank sends comes in a batch: a zip with the file and its control file.
	batch := func(letter, name string) answer {
		body, err := os.ReadFile("../../adapters/safe_fx/cases/" + name + "/input.xml")
		require.NoError(t, err)
		const rest = "44010001020126030801.XML"
		control := "<MSG><APPTYPE>BOP</APPTYPE><CURRENTFILE>BOPT</CURRENTFILE><INOUT>IN</INOUT><TOTALFILES>1</TOTALFILES><FILES><FILENAME>BOP" + letter + rest + "</FILENAME></FILES></MSG>"
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for name, data := range map[string][]byte{"BOPT" + rest: []byte(control), "BOP" + letter + rest: body} {
			entry, err := w.Create(name)
			require.NoError(t, err)
			_, err = entry.Write(data)
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		a := h.send(t, bankToken, b.Bytes(), "Content-Type", "application/zip")
		var all struct{ Documents []answer }
		require.NoError(t, json.Unmarshal(a.body, &all))
		require.Len(t, all.Documents, 2, string(a.body))
		a.Records = all.Documents[1].Records
		return a
	}
	early := file(safeToken, "feedback-bopg")
	require.Equal(t, []string{"ANSWERS_NOTHING"}, early.codes())
	first, second := batch("A", "bopa-enterprise"), batch("A", "bopa-full")
	require.Equal(t, 202, first.status, string(first.body))
	require.Equal(t, 202, second.status, string(second.body))
	feedback := file(safeToken, "feedback-bopa")
	require.Empty(t, feedback.codes())
	require.Empty(t, file(safeToken, "feedback-all-taken").codes(), "it names no record")

	show := func(id string) (s shown) {
		require.Equal(t, 200, h.get(t, "/v1/records/"+id, &s))
		return s
	}
	require.ElementsMatch(t, []string{first.Records[0].RecordID, second.Records[0].RecordID}, show(feedback.Records[0].RecordID).Answers)
	answered := []string{feedback.Records[0].RecordID}
	require.Equal(t, answered, show(first.Records[0].RecordID).AnsweredBy)
	require.Equal(t, answered, show(second.Records[0].RecordID).AnsweredBy)
	require.Empty(t, show(second.Records[1].RecordID).AnsweredBy)

	declaration := batch("G", "bopg-declaration")
	require.Equal(t, []string{early.Records[0].RecordID}, show(declaration.Records[0].RecordID).AnsweredBy)
}
