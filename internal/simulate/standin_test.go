package simulate_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/simulate"
	"tongqu/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a stand-in with a hub that keeps what it is sent.
type desk struct {
	registry *adapter.Registry
	url      string
	sent     chan []byte
}

func openDesk(t *testing.T, agency string, mood simulate.Mood) *desk {
	t.Helper()
	registry, err := adapter.Load(tongqu.Files, wire.NewDefaultLimits())
	require.NoError(t, err)
	d := &desk{registry: registry, sent: make(chan []byte, 1000)}
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		d.sent <- body
		w.WriteHeader(http.StatusAccepted)
	}))
	for _, a := range simulate.Agencies() {
		if a.Name != agency {
			continue
		}
		s := simulate.NewStandin(a, registry, simulate.Settings{Seed: 7, Mood: mood, HubURL: hub.URL, Token: "secret"}, zap.NewNop())
		door := httptest.NewServer(s)
		d.url = door.URL
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { s.Run(ctx); close(ended) }()
		t.Cleanup(func() {
			cancel()
			<-ended
			door.Close()
			hub.Close()
			http.DefaultClient.CloseIdleConnections()
		})
		return d
	}
	require.Fail(t, "no such agency")
	return nil
}

// deliver hands the stand-in a document and returns the status.
func (d *desk) deliver(t *testing.T, body []byte) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url, bytes.NewReader(body))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// next is what comes to the hub next.
func (d *desk) next(t *testing.T) []byte {
	t.Helper()
	select {
	case body := <-d.sent:
		return body
	case <-time.After(20 * time.Second):
		require.Fail(t, "no answer")
		return nil
	}
}

// record reads an answer as the hub would.
func (d *desk) record(t *testing.T, body []byte) *adapter.Record {
	t.Helper()
	tr := d.registry.Translate(body, "")
	require.Empty(t, tr.Faults, string(body))
	require.Len(t, tr.Records, 1)
	require.Empty(t, tr.Records[0].Faults, string(body))
	return &tr.Records[0]
}

func (d *desk) inventory(t *testing.T, p simulate.Purchase) []byte {
	t.Helper()
	doc, err := d.registry.Encode("customs_ceb/CEB621Message", simulate.Together(p.Inventory), adapter.Transfer{})
	require.NoError(t, err)
	return doc.Body
}

// TestCustomsAnswers declares lists until customs has given every kind of
// answer: each sequence is one that customs gives, names the list by its own
// number, and comes again in another run.
func TestCustomsAnswers(t *testing.T) {
	d := openDesk(t, "customs", simulate.Mood{})
	again := openDesk(t, "customs", simulate.Mood{})
	g := simulate.New(1, "CUS")
	at := time.Date(2026, 3, 8, 10, 0, 0, 0, time.UTC)
	seen := map[string]int{}
	for range 150 {
		p := g.Purchase(at)
		doc := d.inventory(t, p)
		require.Equal(t, http.StatusNoContent, d.deliver(t, doc))
		require.Equal(t, http.StatusNoContent, d.deliver(t, doc), "a delivery that comes again is taken, not answered")
		require.Equal(t, http.StatusNoContent, again.deliver(t, doc))
		var codes string
		for !slices.Contains([]string{" 2 100", " 2 120 500 700", " 2 120 500 800", " 2 120 800"}, codes) {
			r := d.record(t, d.next(t))
			require.Equal(t, "customs.status.v1", r.Type)
			require.Equal(t, p.Inventory["copNo"], adapter.Value(r.Root, "answers.copNo"))
			require.LessOrEqual(t, len(codes), len(" 2 120 500"), codes)
			code := adapter.Value(r.Root, "statusCode")
			require.Equal(t, code, adapter.Value(again.record(t, again.next(t)).Root, "statusCode"))
			codes += " " + code
		}
		seen[codes]++
	}
	require.Len(t, seen, 4, "all of them came: %v", seen)
	require.Empty(t, d.sent)
}

func TestMoods(t *testing.T) {
	g := simulate.New(1, "MOOD")
	at := time.Date(2026, 3, 8, 10, 0, 0, 0, time.UTC)
	t.Run("down", func(t *testing.T) {
		d := openDesk(t, "customs", simulate.Mood{Down: true})
		require.Equal(t, http.StatusServiceUnavailable, d.deliver(t, d.inventory(t, g.Purchase(at))))
	})
	t.Run("wrong", func(t *testing.T) {
		d := openDesk(t, "customs", simulate.Mood{Wrong: 1})
		require.Equal(t, http.StatusNoContent, d.deliver(t, d.inventory(t, g.Purchase(at))))
		require.True(t, d.registry.Translate(d.next(t), "").Faults.Refuses(), "cut off in the middle")
	})
	t.Run("its own check refuses", func(t *testing.T) {
		d := openDesk(t, "customs", simulate.Mood{})
		doc := bytes.Replace(d.inventory(t, g.Purchase(at)), []byte("<ceb:copNo>"), []byte("<ceb:copNumber>"), 1)
		require.Equal(t, http.StatusUnprocessableEntity, d.deliver(t, doc))
		doc = bytes.Replace(d.inventory(t, g.Purchase(at)), []byte("<ceb:tradeMode>1210"), []byte("<ceb:tradeMode>12101"), 1)
		require.Equal(t, http.StatusUnprocessableEntity, d.deliver(t, doc))
	})
}
