package app_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tongqu"
	"tongqu/internal/api"
	"tongqu/internal/app"
	"tongqu/internal/fault"
	"tongqu/internal/query"
	"tongqu/internal/store"
)

const (
	taxToken = "tax-test-token"
	fxToken  = "fx-test-token"
)

// ask puts questions to a resource as the owner of the token.
func (h *hub) ask(t *testing.T, token, code, purpose string, requests ...string) (query.Answers, answer) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"purpose": purpose, "requests": rawAll(requests)})
	require.NoError(t, err)
	a := h.do(t, http.MethodPost, "/v1/queries/"+code, token, strings.NewReader(string(body)))
	var out query.Answers
	if a.status == http.StatusOK {
		require.NoError(t, json.Unmarshal(a.body, &out))
		require.Len(t, out.Answers, len(requests))
	}
	return out, a
}

func rawAll(texts []string) []json.RawMessage {
	all := make([]json.RawMessage, len(texts))
	for i, text := range texts {
		all[i] = json.RawMessage(text)
	}
	return all
}

// asked lists the queries that the owner of the token may see, newest first.
func (h *hub) asked(t *testing.T, token, params string) []api.Query {
	t.Helper()
	a := h.do(t, http.MethodGet, "/v1/queries?"+params, token, nil)
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	var page api.QueryPage
	require.NoError(t, json.Unmarshal(a.body, &page))
	return page.Queries
}

// override writes a file that hides a built-in one.
func override(t *testing.T, data, name, text string) {
	t.Helper()
	file := filepath.Join(data, "override", name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

// askable lets orders be asked for by keys.
func askable(t *testing.T, data, keys string) {
	t.Helper()
	orders, err := fs.ReadFile(tongqu.Files, "config/directory/301002.yaml")
	require.NoError(t, err)
	const types = "    types: [trade.order]\n"
	require.Contains(t, string(orders), types)
	override(t, data, "config/directory/301002.yaml", strings.Replace(string(orders), types, types+"    query: {by: records, keys: ["+keys+"]}\n", 1))
}

// ordersByKey is a hub whose orders can be asked for: by customs in clear, by tax
// masked and those for import only, by fx masked.
func ordersByKey(t *testing.T) *hub {
	t.Helper()
	data := t.TempDir()
	askable(t, data, "order, orderNo")
	override(t, data, "config/agencies/tax.yaml", `code: tax
title: {zh: 测试税务, en: Test tax}
kind: tax
tokens: [{id: t, sha256: `+hash(taxToken)+`}]
subscriptions: [{id: tax-import, resource: 301002/000001, filter: {direction: import}, endpoint: {file: {folder: agencies/tax}}}]
`)
	override(t, data, "config/agencies/fx.yaml", `code: fx
title: {zh: 测试外汇, en: Test fx}
kind: foreign-exchange
tokens: [{id: t, sha256: `+hash(fxToken)+`}]
queries: [301002/000001]
`)
	return startHub(t, data, nil)
}

func TestRecordsAreAskedByKey(t *testing.T) {
	h := ordersByKey(t)
	at := func(time, action, paid string) func(int, string) string {
		return func(_ int, o string) string {
			return strings.NewReplacer("20260308112701", time, "<ceb:appType>1", "<ceb:appType>"+action, "<ceb:taxTotal>9.10", "<ceb:taxTotal>"+paid).Replace(o)
		}
	}
	const code, why = "301002-000001", "订单核对"
	require.Equal(t, 202, h.send(t, platformToken, orderXML("ASK", 2, nil)).status)
	require.Equal(t, 202, h.send(t, platformToken, orderXML("ASK", 1, at("20260308112801", "2", "9.11"))).status)
	require.Equal(t, 202, h.send(t, platformToken, orderXML("BAD", 1, func(_ int, o string) string {
		return strings.Replace(o, "<ceb:currency>142", "<ceb:currency>1", 1) + strings.Replace(o, "BAD-1", "GOOD-1", 1)
	})).status)

	out, _ := h.ask(t, customsToken, code, why, `{"orderNo":"ASK-1"}`, `{"order":"4401T0P001/ASK-2"}`, `{"orderNo":"BAD-1"}`, `{"orderNo":"NONE"}`)
	require.Equal(t, "301002/000001", out.Resource)
	first := out.Answers[0]
	require.Equal(t, store.InquiryAnswered, first.Status)
	require.Equal(t, store.FromRecords, first.Source)
	require.Len(t, first.Records, 1)
	require.Contains(t, string(first.Records[0].Record), `"tax":"9.11"`, "the newest version")
	require.Contains(t, string(first.Records[0].Record), "王测试", "customs was granted clear text")
	require.Equal(t, "platform", first.Records[0].Agency)
	stored, err := h.Store().RecordByID(t.Context(), first.Records[0].ID)
	require.NoError(t, err)
	require.Equal(t, stored.ReceivedAt, first.Records[0].ReceivedAt)
	require.Equal(t, store.InquiryAnswered, out.Answers[1].Status)
	require.Equal(t, store.InquiryNotFound, out.Answers[2].Status, "what was rejected is no answer")
	require.Equal(t, store.InquiryNotFound, out.Answers[3].Status)

	masked, _ := h.ask(t, taxToken, code, why, `{"orderNo":"ASK-1"}`)
	require.NotContains(t, string(masked.Answers[0].Records[0].Record), "王测试")
	require.Contains(t, string(masked.Answers[0].Records[0].Record), "110105********002X")
	listed, _ := h.ask(t, fxToken, code, why, `{"orderNo":"ASK-1"}`)
	require.Equal(t, masked.Answers[0].Records[0].Record, listed.Answers[0].Records[0].Record)

	require.Equal(t, 202, h.send(t, platformToken, orderXML("ASK", 1, at("20260308112901", "3", "9.11"))).status)
	_, payments := h.ask(t, customsToken, "301002-000002", why, `{"orderNo":"ASK-1"}`)
	require.Equal(t, 404, payments.status)
	gone, _ := h.ask(t, customsToken, code, why, `{"orderNo":"ASK-1"}`)
	require.Equal(t, store.InquiryNotFound, gone.Answers[0].Status, "it was deleted")

	for name, c := range map[string]struct {
		token, code, body string
		status            int
		want              fault.Code
	}{
		"no right":         {carrierToken, code, `{"purpose":"x","requests":[{"orderNo":"ASK-2"}]}`, 403, fault.QueryNotEntitled},
		"the operator":     {h.operator(t), code, `{"purpose":"x","requests":[{"orderNo":"ASK-2"}]}`, 403, fault.QueryNotEntitled},
		"no purpose":       {customsToken, code, `{"purpose":"  ","requests":[{"orderNo":"ASK-2"}]}`, 400, fault.BadRequest},
		"no question":      {customsToken, code, `{"purpose":"x","requests":[]}`, 400, fault.BadRequest},
		"not JSON":         {customsToken, code, `{"purpose":"x","requests":[{"orderNo"`, 400, fault.BadRequest},
		"another member":   {customsToken, code, `{"purpose":"x","requests":[],"all":true}`, 400, fault.BadRequest},
		"cannot be asked":  {customsToken, "301002-000002", `{"purpose":"x","requests":[{"orderNo":"ASK-2"}]}`, 404, fault.NotFound},
		"no such resource": {customsToken, "309999-000001", `{"purpose":"x","requests":[{"orderNo":"ASK-2"}]}`, 404, fault.NotFound},
		"not a key":        {customsToken, code, `{"purpose":"x","requests":[{"buyer":"王测试"}]}`, 422, fault.QueryKey},
		"two keys":         {customsToken, code, `{"purpose":"x","requests":[{"orderNo":"A","order":"B"}]}`, 422, fault.QueryKey},
		"no value":         {customsToken, code, `{"purpose":"x","requests":[{"orderNo":" "}]}`, 422, fault.QueryKey},
		"no object":        {customsToken, code, `{"purpose":"x","requests":["ASK-2"]}`, 422, fault.SchemaType},
	} {
		a := h.do(t, http.MethodPost, "/v1/queries/"+c.code, c.token, strings.NewReader(c.body))
		require.Equal(t, c.status, a.status, "%s: %s", name, a.body)
		require.Equal(t, []string{string(c.want)}, a.codes(), name)
	}
	mixed, _ := h.ask(t, customsToken, code, why, `{"buyer":"1"}`, `{"orderNo":"ASK-2"}`)
	require.Equal(t, store.InquiryRefused, mixed.Answers[0].Status)
	require.Equal(t, store.InquiryAnswered, mixed.Answers[1].Status)

	all := h.asked(t, h.operator(t), "limit=1000")
	counts := map[string]int{}
	for _, q := range all {
		counts[q.Agency+" "+string(q.Status)]++
		require.NotContains(t, fmt.Sprintf("%s%s%s", q.Request, q.Answer, q.Errors), "王测试")
	}
	require.Equal(t, map[string]int{
		"customs answered": 3, "customs not-found": 3, "customs refused": 5, "tax answered": 1, "fx answered": 1, "carrier refused": 1, "operator refused": 1,
	}, counts)
	own := h.asked(t, taxToken, "agency=customs")
	require.Len(t, own, 1, "its own, whatever it asks for")
	require.Equal(t, why, own[0].Purpose)
	require.JSONEq(t, `{"orderNo":"ASK-1"}`, string(own[0].Request))
	require.JSONEq(t, fmt.Sprintf(`{"recordIds":[%q]}`, masked.Answers[0].Records[0].ID), string(own[0].Answer))
	require.Equal(t, masked.Answers[0].QueryID, own[0].ID)
	refused := h.asked(t, h.operator(t), "agency=carrier&resource="+code)
	require.Len(t, refused, 1)
	require.Contains(t, string(refused[0].Errors), fault.QueryNotEntitled)
}

// A subscription's filter holds for its questions too.
func TestAnswersKeepToTheRight(t *testing.T) {
	h := ordersByKey(t)
	export := func(_ int, o string) string { return strings.Replace(o, "<ceb:orderType>I", "<ceb:orderType>E", 1) }
	require.Equal(t, 202, h.send(t, platformToken, orderXML("EXP", 1, export)).status)
	seen, _ := h.ask(t, fxToken, "301002-000001", "x", `{"orderNo":"EXP-1"}`)
	require.Equal(t, store.InquiryAnswered, seen.Answers[0].Status)
	left, _ := h.ask(t, taxToken, "301002-000001", "x", `{"orderNo":"EXP-1"}`)
	require.Equal(t, store.InquiryNotFound, left.Answers[0].Status)
}

func TestDirectoryMustBeAskable(t *testing.T) {
	data := t.TempDir()
	askable(t, data, "ordrNo")
	c := app.NewDefaultConfig()
	c.Listen, c.Data = "127.0.0.1:0", data
	_, err := app.New(t.Context(), c, app.Overlay(tongqu.Files, filepath.Join(data, "override")), zap.NewNop())
	require.ErrorContains(t, err, `no record of 301002/000001 has the key "ordrNo"; did you mean "orderNo"?`)
}
