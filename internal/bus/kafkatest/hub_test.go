package kafkatest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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
	"go.uber.org/zap"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/app"
	"tongqu/internal/bus/kafkatest"
	"tongqu/internal/directory"
	"tongqu/internal/simulate"
	"tongqu/internal/wire"
)

const hubToken = "kafka-test-token"

// wholeHub runs a hub on the brokers and takes two of the three away. Documents
// are received all the while; once the brokers are back, the subscriber gets
// every one that was answered with a receipt.
func wholeHub(t *testing.T, c *kafkatest.Cluster) {
	t.Helper()
	var mu sync.Mutex
	delivered := map[string]int{} // record id → times
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids, err := eventIDs(r)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			delivered[id]++
		}
	}))
	defer sink.Close()
	missing := func(acked map[string]bool) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for id := range acked {
			if delivered[id] == 0 {
				n++
			}
		}
		return n
	}

	hub := startHub(t, c, sink.URL)
	next := orderMaker(t)
	acked := map[string]bool{}
	send := func(n int) {
		for range n {
			acked[post(t, hub, next())] = true
		}
	}
	settle := func() {
		require.Eventually(t, func() bool {
			return hub.Settled(t.Context()) && missing(acked) == 0
		}, patience, 50*time.Millisecond, "%d of %d not delivered", missing(acked), len(acked))
	}
	send(300)
	settle()
	c.Kill(1, 2)
	send(300)
	require.Positive(t, missing(acked), "without a majority nothing gets through")
	c.Repair(t)
	send(300)
	settle()
	require.Len(t, acked, 900)
	mu.Lock()
	defer mu.Unlock()
	for id := range delivered {
		require.True(t, acked[id], "%s was delivered and never received", id)
	}
}

// eventIDs returns the record ids that a delivery carries.
func eventIDs(r *http.Request) ([]string, error) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents-batch+json") {
		return []string{r.Header.Get("Ce-Id")}, nil
	}
	var events []struct{ ID string }
	if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(events))
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids, nil
}

// startHub runs a hub with one agency that sends orders and subscribes to them.
func startHub(t *testing.T, c *kafkatest.Cluster, sink string) *app.App {
	t.Helper()
	dir := t.TempDir()
	agencies := filepath.Join(dir, "override", "config", "agencies")
	require.NoError(t, os.MkdirAll(agencies, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(agencies, "test.yaml"), fmt.Appendf(nil, `code: test
title: {zh: 测试平台, en: Test platform}
kind: platform
tokens: [{id: t, sha256: %s}]
provides: ["301002/000001"]
subscriptions:
  - {id: kafka-sink, resource: 301002/000001, batch: 50, endpoint: {http: {url: %q, secret: test}}}
`, directory.HashToken(hubToken), sink), 0o600))
	cfg := app.NewDefaultConfig()
	cfg.Listen, cfg.Data = "127.0.0.1:0", filepath.Join(dir, "data")
	cfg.Kafka = c.Config(kafkatest.SASLTLS)
	hub, err := app.New(t.Context(), cfg, app.Overlay(tongqu.Files, filepath.Join(dir, "override")), zap.NewNop())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- hub.Run(ctx, func(context.Context) error { close(started); return nil })
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	select {
	case <-started:
	case err := <-ended:
		ended <- err
		require.NoError(t, err)
	}
	return hub
}

// orderMaker returns a maker of customs' order messages, each of another order.
func orderMaker(t *testing.T) func() []byte {
	t.Helper()
	registry, err := adapter.Load(tongqu.Files, wire.NewDefaultLimits())
	require.NoError(t, err)
	p := simulate.New(7, "K").Purchase(time.Now())
	doc, err := registry.Encode("customs_ceb/CEB311Message", [][]byte{simulate.JSON(p.Order)}, adapter.Transfer{})
	require.NoError(t, err)
	n := 0
	return func() []byte {
		n++
		return bytes.ReplaceAll(doc.Body, []byte(p.OrderNo), fmt.Appendf(nil, "KAFKA%08d", n))
	}
}

// post sends a document, which must be received, and returns its record's id.
func post(t *testing.T, hub *app.App, body []byte) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+hub.Addr()+"/v1/documents", bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+hubToken)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, resp.StatusCode, "%s", text)
	var answer struct {
		Records []struct{ RecordID string }
	}
	require.NoError(t, json.Unmarshal(text, &answer))
	require.Len(t, answer.Records, 1)
	return answer.Records[0].RecordID
}
