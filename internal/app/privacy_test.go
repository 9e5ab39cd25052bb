package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"tongqu/internal/app"
	"tongqu/internal/store"
)

// personal are the values of the test's documents that say who somebody is; the
// spoiled ones are wrong in a way that some check notices.
var personal = []string{
	"王测试", "11010519491231002X", "10000000001", "广东省广州市天河区示例路1号", "示例路",
	"赵无名", "110105194912310021", "13900000000000000000000000000000009", "U1-secret-account",
}

// TestNoPersonalDataInLogs logs everything there is to log, while good and bad
// documents come through both doors and are delivered to those who take them, who
// refuse them repeating what they got, and who are away: no name, number, phone or
// address of anybody is in the log.
func TestNoPersonalDataInLogs(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		problem, _ := json.Marshal(map[string]any{"title": "refused", "status": 422, "detail": string(body)})
		_, _ = w.Write(problem)
	}))
	defer echo.Close()
	data := t.TempDir()
	agencies := filepath.Join(data, "override", "config", "agencies")
	require.NoError(t, os.MkdirAll(agencies, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(agencies, "tax.yaml"), fmt.Appendf(nil, `code: tax
title: {zh: 测试税务, en: Test tax}
kind: tax
subscriptions:
  - {id: tax-echo, resource: 301002/000001, personal: clear, endpoint: {http: {url: %q, secret: s}}}
  - {id: tax-away, resource: 301002/000001, personal: clear, endpoint: {http: {url: "http://127.0.0.1:1/", secret: s}}}
  - {id: tax-wrong, resource: 301002/000001, personal: clear, format: customs_ceb/CEB411Message, endpoint: {file: {folder: agencies/wrong}}}
`, echo.URL), 0o600))
	var log bytes.Buffer
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	core := zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(&log)), zap.DebugLevel)
	h := startLogged(t, data, zap.New(core), nil)

	spoil := func(pairs ...string) func(int, string) string {
		return func(_ int, o string) string {
			require.NotEqual(t, o, strings.NewReplacer(pairs...).Replace(o))
			return strings.NewReplacer(pairs...).Replace(o)
		}
	}
	documents := [][]byte{
		orderXML("LOG", 2, nil),
		orderXML("LOGA", 1, spoil("11010519491231002X", "110105194912310021")),                                                         // wrong check digit
		orderXML("LOGB", 1, spoil("<ceb:buyerTelephone>10000000001", "<ceb:buyerTelephone>13900000000000000000000000000000009")),       // too long
		orderXML("LOGC", 1, spoil("<ceb:buyerRegNo>U1", "<ceb:buyerRegNo>U1-secret-account"+strings.Repeat("x", 60))),                  // too long
		orderXML("LOGD", 1, spoil("<ceb:goodsValue>100.00", "<ceb:goodsValue>王测试", "<ceb:appTime>20260308112701", "<ceb:appTime>赵无名")), // columns slipped
		orderXML("LOGE", 1, spoil("<ceb:currency>142", "<ceb:currency>赵无名", "<ceb:country>116", "<ceb:country>王测试")),
		orderXML("LOGF", 1, spoil("<ceb:buyerName>王测试</ceb:buyerName>", "<ceb:赵无名>王测试</ceb:赵无名>")),
		orderXML("LOGG", 1, spoil("王测试</ceb:buyerName>", "王测试</ceb:赵无名>")), // not well-formed
		orderXML("LOGH", 1, spoil("王测试</ceb:buyerName>", "&赵无名;</ceb:buyerName>")),
		bytes.Replace(orderXML("LOGI", 1, nil), []byte("ceb:CEB311Message"), []byte("ceb:赵无名"), 2),
		[]byte(`{"type":"trade.order.v1","record":{"buyer":{"name":"赵无名","phone":13900000000000000000000000000000009}}}`),
		[]byte(`{"赵无名":"王测试"`),
	}
	for i, doc := range documents {
		a := h.send(t, platformToken, doc, "X-File-Name", "document.xml", "Accept", []string{"application/xml", "application/json"}[i%2])
		require.NotEqual(t, 500, a.status, string(a.body))
		require.NoError(t, os.WriteFile(filepath.Join(data, "agencies", "platform", "OutBox", fmt.Sprintf("%d.xml", i)), bytes.ReplaceAll(doc, []byte("LOG"), []byte("FIL")), 0o600))
	}
	h.send(t, carrierToken, documents[0])
	h.send(t, "赵无名", documents[0])
	for _, path := range []string{"/v1/records?key=orderNo=LOG-1", "/v1/records?key=buyer=赵无名", "/v1/records?type=赵无名", "/v1/records?from=赵无名", "/v1/records/赵无名"} {
		h.get(t, strings.ReplaceAll(path, "赵无名", "%E8%B5%B5%E6%97%A0%E5%90%8D"), nil)
	}
	require.Eventually(t, func() bool {
		left, err := filepath.Glob(filepath.Join(data, "agencies", "platform", "OutBox", "*"))
		require.NoError(t, err)
		balance, err := h.Store().Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		s := balance.Subscriptions
		return len(left) == 0 && balance.Unpublished == 0 &&
			s["tax-echo"].Parked == balance.Records.Accepted && s["tax-wrong"].Parked == balance.Records.Accepted && s["orders"].Delivered == balance.Records.Accepted
	}, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, 200, h.do(t, http.MethodPost, "/v1/deliveries/resend", h.operator(t), strings.NewReader(`{"subscription":"tax-echo","all":true}`)).status)
	requireNoPersonal(t, "deliveries", h.details(t))
	require.NoError(t, h.Store().Close()) // from here on everything fails
	require.Equal(t, 503, h.send(t, platformToken, orderXML("LOGZ", 1, nil)).status)
	require.Equal(t, 500, h.get(t, "/v1/records", nil))
	h.stop()

	require.Contains(t, log.String(), "document not recorded")
	requireNoPersonal(t, "the log", log.String())
}

func requireNoPersonal(t *testing.T, where, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		for _, p := range personal {
			require.NotContains(t, line, p, where)
		}
	}
}

// details are what the book of deliveries says of every delivery.
func (h *hub) details(t *testing.T) string {
	t.Helper()
	page, err := h.Store().Deliveries(t.Context(), store.DeliveryQuery{Limit: 1000})
	require.NoError(t, err)
	var b strings.Builder
	for _, d := range page.Items {
		b.WriteString(d.Detail + "\n")
	}
	return b.String()
}

// operator is the operator's token.
func (h *hub) operator(t *testing.T) string {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(h.data, app.OperatorTokenFile))
	require.NoError(t, err)
	return strings.TrimSpace(string(token))
}
