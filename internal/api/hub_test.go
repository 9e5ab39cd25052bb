package api_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/app"
	"tongqu/internal/directory"
	"tongqu/internal/simulate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	platformToken = "platform-test-token"
	carrierToken  = "carrier-test-token"
	customsToken  = "customs-test-token"
)

// hub is a whole hub in this process: a platform provides orders, customs gets
// them as files, and a tax office refuses them over HTTP until it goes away.
type hub struct {
	*app.App
	operator string // token
	tax      *httptest.Server
	client   *http.Client
}

func startHub(t *testing.T, change func(*app.Config)) *hub {
	t.Helper()
	h := &hub{client: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(h.client.CloseIdleConnections)
	h.tax = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnprocessableEntity) }))
	t.Cleanup(h.tax.Close)
	police := httptest.NewServer(&simulate.Police{})
	t.Cleanup(police.Close)
	data := t.TempDir()
	agencies := filepath.Join(data, "override", "config", "agencies")
	require.NoError(t, os.MkdirAll(agencies, 0o750))
	for name, text := range map[string]string{
		"platform": "tokens: [{id: t, sha256: " + directory.HashToken(platformToken) + "}]\nprovides: [301002/000001]\n",
		"police":   "services: [{resource: 305001/000001, url: \"" + police.URL + "\", request: police_id/NciicCheck+police_id/CheckConditions, sender: " + simulate.PoliceLicence + ", rate: 0.01}]\n",
		"carrier":  "tokens: [{id: t, sha256: " + directory.HashToken(carrierToken) + "}]\nprovides: [301002/000003]\n",
		"customs":  "tokens: [{id: t, sha256: " + directory.HashToken(customsToken) + "}]\nprovides: [301001/000002]\nqueries: [301001/000002, 305001/000001]\nsubscriptions: [{id: orders, resource: 301002/000001, endpoint: {file: {folder: agencies/customs}}}]\n",
		"tax":      "subscriptions: [{id: tax-orders, resource: 301002/000001, endpoint: {http: {url: \"" + h.tax.URL + "\", secret: s}}}]\n",
	} {
		text = "code: " + name + "\ntitle: {zh: 测试, en: Test}\nkind: other\n" + text
		require.NoError(t, os.WriteFile(filepath.Join(agencies, name+".yaml"), []byte(text), 0o600))
	}
	c := app.NewDefaultConfig()
	c.Listen, c.Data, c.Intake.MaxBytes = "127.0.0.1:0", data, 1<<20
	c.Deliver.BackoffBase, c.Deliver.BackoffMax = 10*time.Millisecond, 50*time.Millisecond
	if change != nil {
		change(&c)
	}
	var err error
	h.App, err = app.New(t.Context(), c, app.Overlay(tongqu.Files, filepath.Join(data, "override")), zap.NewNop())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- h.Run(ctx, func(context.Context) error { close(started); return nil }) }()
	stop := sync.OnceFunc(func() { cancel(); require.NoError(t, <-ended) })
	t.Cleanup(stop)
	select {
	case <-started:
	case <-time.After(time.Minute):
		require.Fail(t, "the hub did not start")
	}
	token, err := os.ReadFile(filepath.Join(data, app.OperatorTokenFile))
	require.NoError(t, err)
	h.operator = strings.TrimSpace(string(token))
	return h
}

// answer is an answer read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (h *hub) do(t *testing.T, method, path, token string, body []byte, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr()+path, bytes.NewReader(body))
	require.NoError(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := h.client.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	a := answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	return a
}

// order writes a document of n orders by the numbers PREFIX….
func (h *hub) order(t *testing.T, prefix string, n int) []byte {
	t.Helper()
	g := simulate.New(1, prefix)
	var records []map[string]any
	for range n {
		records = append(records, g.Purchase(time.Date(2026, 3, 8, 11, 27, 1, 0, time.UTC)).Order)
	}
	doc, err := h.Registry().Encode("customs_ceb/CEB311Message", simulate.Together(records...), adapter.Transfer{})
	require.NoError(t, err)
	return doc.Body
}
