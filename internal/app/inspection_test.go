package app_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"tongqu/internal/store"
)

const (
	declarantToken  = "declarant-test-token" //nolint:gosec // known only in tests
	inspectionToken = "inspection-test-token"
	askerToken      = "asker-test-token"
)

// inspected is a hub with a declarant, inspection and quarantine, to whom
// declarations go in their own format, and somebody who asks.
func inspected(t *testing.T, log *zap.Logger) *hub {
	t.Helper()
	data := t.TempDir()
	for code, text := range map[string]string{
		"declarant": "tokens: [{id: t, sha256: " + hash(declarantToken) + "}]\nprovides: [302001/000001]\n",
		"inspection": "tokens: [{id: t, sha256: " + hash(inspectionToken) + "}]\nprovides: [302001/000002, 302002/000001, 302002/000002, 302003/000002, 302004/000001]\n" +
			"subscriptions: [{id: declarations, resource: 302001/000001, personal: clear, format: ciq_eciq/EEntDeclIo, endpoint: {file: {folder: agencies/inspection}}}]\n",
		"asker": "tokens: [{id: t, sha256: " + hash(askerToken) + "}]\nqueries: [302002/000001, 302002/000002, 302001/000002]\n",
	} {
		override(t, data, "config/agencies/"+code+".yaml", "code: "+code+"\ntitle: {zh: 测试, en: Test}\nkind: inspection\n"+text)
	}
	return startLogged(t, data, log, nil)
}

// goldenCase is the document of a golden case.
func goldenCase(t *testing.T, path string) []byte {
	t.Helper()
	body, err := os.ReadFile("../../adapters/" + path)
	require.NoError(t, err)
	return body
}

// TestGatewayPasswordsStayOutOfRecords declares goods with the account and password
// of the declarant's gateway in the document, well and badly: neither the receipt,
// the record, its delivery nor the log has them. The authority's answers are found
// with the declaration.
func TestGatewayPasswordsStayOutOfRecords(t *testing.T) {
	var log bytes.Buffer
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(&log)), zap.DebugLevel)
	h := inspected(t, zap.New(core))
	body := goldenCase(t, "ciq_eciq/cases/entry-secrets/input.xml")
	secrets := []string{"tq-account-71c2", "tq-password-9f83", "tq-mode-04aa", "tq-certificate-5e0d"}
	for _, s := range secrets {
		require.Contains(t, string(body), s)
	}
	withheld := func(where, text string) {
		t.Helper()
		for _, s := range secrets {
			require.NotContains(t, text, s, where)
		}
	}

	taken := h.send(t, declarantToken, body, "Accept", "application/xml")
	require.Equal(t, 202, taken.status, string(taken.body))
	require.Contains(t, string(taken.body), "<CusCiqNo>TQB20260308000003</CusCiqNo>")
	require.Contains(t, string(taken.body), "<RspCodes>0</RspCodes>")
	bad := bytes.Replace(body, []byte("<DeclRegNo>4400910001</DeclRegNo>"), nil, 1)
	refused := h.send(t, declarantToken, bad, "Accept", "application/xml")
	require.Equal(t, 422, refused.status)
	require.Contains(t, string(refused.body), "<RspCodes>-1</RspCodes>")
	withheld("a receipt", string(taken.body)+string(refused.body))

	again := h.send(t, declarantToken, bytes.Replace(body, []byte("<SoftType>TQ<"), []byte("<SoftType>TQ2<"), 1))
	require.Equal(t, 202, again.status)
	require.Equal(t, "accepted", again.Records[0].Status, "a correction of the same day")
	result := bytes.Replace(goldenCase(t, "ciq_eciq/cases/result-accepted/input.xml"), []byte("TQB20260308000002"), []byte("TQB20260308000003"), 1)
	answer := h.send(t, inspectionToken, result)
	require.Equal(t, 202, answer.status, string(answer.body))
	require.Empty(t, answer.codes())
	var declaration shown
	require.Equal(t, 200, h.get(t, "/v1/records/"+again.Records[0].RecordID, &declaration))
	require.Equal(t, []string{answer.Records[0].RecordID}, declaration.AnsweredBy)
	a := h.do(t, http.MethodGet, "/v1/records/"+again.Records[0].RecordID, h.operator(t), nil)
	require.Contains(t, string(a.body), `"declNo":"TQB20260308000003"`)
	withheld("a record", string(a.body))

	h.settle(t)
	var delivered []string
	require.Eventually(t, func() bool {
		var err error
		delivered, err = filepath.Glob(filepath.Join(h.data, "agencies", "inspection", "InBox", "*"))
		require.NoError(t, err)
		return len(delivered) >= 2
	}, 30*time.Second, 20*time.Millisecond)
	for _, name := range delivered {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Contains(t, string(text), "<EEntDeclIo>")
		withheld("a delivery", string(text))
	}
	h.stop()
	require.NotEmpty(t, log.String())
	withheld("the log", log.String())
}

// TestInspectionIsAsked sends the data sets of inspection and quarantine, as JSON and
// as tables, and asks for them by their keys: the newest state counts, with what was
// withdrawn said so, and a row that the hub has already is a duplicate.
func TestInspectionIsAsked(t *testing.T) {
	h := inspected(t, zap.NewNop())
	send := func(path string) answer {
		a := h.send(t, inspectionToken, goldenCase(t, path))
		require.Equal(t, 202, a.status, string(a.body))
		return a
	}
	send("ciq_services/cases/filing-full/input.json")
	twice := send("ciq_services/cases/credit-same-key-twice/input.json")
	require.Equal(t, 2, twice.Accepted)
	require.Equal(t, "duplicate", twice.Records[2].Status, "the first row again")
	send("ciq_services/cases/goods-full/input.json")
	send("ciq_services/cases/goods-withdrawn/input.json")
	send("ciq_services_csv/cases/certification-list/input.csv")

	found := func(code, request string) map[string]any {
		t.Helper()
		out, a := h.ask(t, askerToken, code, "核验", request)
		require.Equal(t, 200, a.status, string(a.body))
		require.Equal(t, store.InquiryAnswered, out.Answers[0].Status, "%+v", out.Answers[0])
		require.Len(t, out.Answers[0].Records, 1)
		var record map[string]any
		require.NoError(t, json.Unmarshal(out.Answers[0].Records[0].Record, &record))
		return record
	}
	const company = "91440101MA9TQ00285"
	filing := found("302002-000001", `{"enterprise":"`+company+`"}`)
	require.Equal(t, "4400TQ0001", filing["filingNo"])
	require.Equal(t, "测*", filing["legalRepresentative"], "masked")
	require.Equal(t, "4400TQ0001", found("302002-000001", `{"filingNo":"4400TQ0001"}`)["filingNo"])
	require.Equal(t, "B", found("302002-000002", `{"enterprise":"`+company+`"}`)["level"], "the newest")
	require.Equal(t, "withdrawn", found("302003-000002", `{"goodsListEntry":"negative/TQ-NEG-2026/1"}`)["status"])
	require.Equal(t, "婴幼儿配方乳粉", found("302003-000002", `{"hsCode":"1901101000"}`)["name"])
	require.Equal(t, "valid", found("302004-000001", `{"certificateNo":"2026010401TQ0001"}`)["status"])
	require.Equal(t, "expired", found("302004-000001", `{"certificateNo":"TQ-ORG-0001"}`)["status"])

	out, _ := h.ask(t, askerToken, "302003-000002", "核验", `{"goodsListEntry":"negative/TQ-NEG-2026/2"}`)
	require.NotEqual(t, store.InquiryAnswered, out.Answers[0].Status, "deleted")
	_, a := h.ask(t, declarantToken, "302002-000002", "核验", `{"enterprise":"`+company+`"}`)
	require.Equal(t, 403, a.status, strings.TrimSpace(string(a.body)))
}
