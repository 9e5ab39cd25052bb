package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tongqu"
	"tongqu/internal/app"
	"tongqu/internal/directory"
	"tongqu/internal/store"
	"tongqu/internal/store/sqlite"
)

func hash(token string) string { return directory.HashToken(token) }

func openStore(t *testing.T, data string) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(data, "store", "tongqu.db"), zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// hub is a whole hub in this process, with three agencies: a platform that
// provides orders and payments and has a file door, a carrier that may provide
// waybills only, and customs, to which orders are delivered as CEB311.
type hub struct {
	*app.App
	data   string
	config app.Config
	stop   func()
}

const (
	platformToken = "platform-test-token"
	carrierToken  = "carrier-test-token"
	customsToken  = "customs-test-token"
)

var testAgencies = map[string]string{
	"platform.yaml": `code: platform
title: {zh: 测试平台, en: Test platform}
kind: platform
tokens: [{id: t, sha256: ` + hash(platformToken) + `}]
provides: ["301002/000001", "301002/000002"]
files: {folder: agencies/platform}
`,
	"carrier.yaml": `code: carrier
title: {zh: 测试物流, en: Test carrier}
kind: logistics
tokens: [{id: t, sha256: ` + hash(carrierToken) + `}]
provides: ["301002/000003"]
`,
	"customs.yaml": `code: customs
title: {zh: 测试海关, en: Test customs}
kind: customs
tokens: [{id: t, sha256: ` + hash(customsToken) + `}]
provides: ["301001/000002"]
subscriptions:
  - {id: orders, resource: 301002/000001, personal: clear, format: customs_ceb/CEB311Message, endpoint: {file: {folder: agencies/customs}}}
  - {id: orders-masked, resource: 301002/000001, endpoint: {file: {folder: agencies/masked}}}
`,
}

// startHub runs a hub on the data folder until the test or stop ends it.
func startHub(t *testing.T, data string, change func(*app.Config)) *hub {
	t.Helper()
	return startLogged(t, data, zap.NewNop(), change)
}

// startLogged is startHub with a log to look into.
func startLogged(t *testing.T, data string, log *zap.Logger, change func(*app.Config)) *hub {
	t.Helper()
	override := filepath.Join(data, "override")
	require.NoError(t, os.MkdirAll(filepath.Join(override, "config", "agencies"), 0o750))
	for name, text := range testAgencies {
		require.NoError(t, os.WriteFile(filepath.Join(override, "config", "agencies", name), []byte(text), 0o600))
	}
	c := app.NewDefaultConfig()
	c.Listen, c.Data, c.Folders.Override = "127.0.0.1:0", data, override
	c.Intake.FilePoll = 20 * time.Millisecond
	c.Deliver.BackoffBase, c.Deliver.BackoffMax = 10*time.Millisecond, 100*time.Millisecond
	if change != nil {
		change(&c)
	}
	a, err := app.New(t.Context(), c, app.Overlay(tongqu.Files, override), log)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- a.Run(ctx, func(context.Context) error { close(started); return nil })
	}()
	select {
	case <-started:
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		require.Fail(t, "the hub did not start")
	}
	stopped := false
	h := &hub{App: a, data: data, config: c}
	h.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-ended)
		}
	}
	t.Cleanup(h.stop)
	return h
}

// answer is what the HTTP door says.
type answer struct {
	status int
	header http.Header
	body   []byte

	DocumentID  string
	Adapter     string
	Message     string
	DuplicateOf string
	Accepted    int
	Rejected    int
	Duplicates  int
	Detail      string
	Records     []struct {
		Index               int
		RecordID, Type      string
		Status, DuplicateOf string
		Keys                map[string]any
		Errors              []problemError
	}
	Errors []problemError
}

type problemError struct {
	Code, Severity, Path, Value, Rule, ZH, EN string
	Line, Column                              int
}

func (a answer) codes() []string {
	var codes []string
	for _, e := range a.Errors {
		codes = append(codes, e.Code)
	}
	for _, r := range a.Records {
		for _, e := range r.Errors {
			codes = append(codes, e.Code)
		}
	}
	return codes
}

// send posts a document as the owner of the token.
func (h *hub) send(t *testing.T, token string, body []byte, headers ...string) answer {
	t.Helper()
	return h.do(t, http.MethodPost, "/v1/documents", token, bytes.NewReader(body), headers...)
}

// get reads a path of the API as the operator.
func (h *hub) get(t *testing.T, path string, out any) int {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(h.data, app.OperatorTokenFile))
	require.NoError(t, err)
	a := h.do(t, http.MethodGet, path, strings.TrimSpace(string(token)), nil)
	if out != nil {
		require.NoError(t, json.Unmarshal(a.body, out), string(a.body))
	}
	return a.status
}

func (h *hub) do(t *testing.T, method, path, token string, body io.Reader, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr()+path, body)
	require.NoError(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	a := answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	if strings.HasSuffix(strings.SplitN(resp.Header.Get("Content-Type"), ";", 2)[0], "json") && method == http.MethodPost {
		require.NoError(t, json.Unmarshal(a.body, &a), string(a.body))
	}
	return a
}

// settle waits until everything accepted is published and delivered.
func (h *hub) settle(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return h.Settled(t.Context()) }, 30*time.Second, 20*time.Millisecond, "deliveries did not settle")
}

// orderXML is a CEB311 of n orders numbered PREFIX-1 … PREFIX-n.
func orderXML(prefix string, n int, change func(i int, order string) string) []byte {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ceb:CEB311Message xmlns:ceb=\"http://www.chinaport.gov.cn/ceb\" guid=\"11111111-1111-4111-8111-111111111111\" version=\"1.0\">\n")
	for i := 1; i <= n; i++ {
		order := fmt.Sprintf(orderTemplate, prefix, i)
		if change != nil {
			order = change(i, order)
		}
		b.WriteString(order)
	}
	b.WriteString("<ceb:BaseTransfer>\n<ceb:copCode>4401T0P001</ceb:copCode>\n<ceb:copName>测试平台</ceb:copName>\n<ceb:dxpMode>DXP</ceb:dxpMode>\n<ceb:dxpId>DXPENT0000000001</ceb:dxpId>\n</ceb:BaseTransfer>\n</ceb:CEB311Message>\n")
	return []byte(b.String())
}

const orderTemplate = `<ceb:Order>
<ceb:OrderHead>
<ceb:guid>22222222-2222-4222-8222-222222222222</ceb:guid>
<ceb:appType>1</ceb:appType>
<ceb:appTime>20260308112701</ceb:appTime>
<ceb:appStatus>2</ceb:appStatus>
<ceb:orderType>I</ceb:orderType>
<ceb:orderNo>%s-%d</ceb:orderNo>
<ceb:ebpCode>4401T0P001</ceb:ebpCode>
<ceb:ebpName>测试平台</ceb:ebpName>
<ceb:ebcCode>4401T0S002</ceb:ebcCode>
<ceb:ebcName>测试电商</ceb:ebcName>
<ceb:goodsValue>100.00</ceb:goodsValue>
<ceb:freight>10</ceb:freight>
<ceb:discount>0</ceb:discount>
<ceb:taxTotal>9.10</ceb:taxTotal>
<ceb:acturalPaid>119.10</ceb:acturalPaid>
<ceb:currency>142</ceb:currency>
<ceb:buyerRegNo>U1</ceb:buyerRegNo>
<ceb:buyerName>王测试</ceb:buyerName>
<ceb:buyerTelephone>10000000001</ceb:buyerTelephone>
<ceb:buyerIdType>1</ceb:buyerIdType>
<ceb:buyerIdNumber>11010519491231002X</ceb:buyerIdNumber>
<ceb:consignee>王测试</ceb:consignee>
<ceb:consigneeTelephone>10000000001</ceb:consigneeTelephone>
<ceb:consigneeAddress>广东省广州市天河区示例路1号</ceb:consigneeAddress>
</ceb:OrderHead>
<ceb:OrderList>
<ceb:gnum>1</ceb:gnum>
<ceb:itemName>示例商品</ceb:itemName>
<ceb:gmodel>900g/罐</ceb:gmodel>
<ceb:unit>122</ceb:unit>
<ceb:qty>2</ceb:qty>
<ceb:price>50.00</ceb:price>
<ceb:totalPrice>100.00</ceb:totalPrice>
<ceb:currency>142</ceb:currency>
<ceb:country>116</ceb:country>
</ceb:OrderList>
</ceb:Order>
`
