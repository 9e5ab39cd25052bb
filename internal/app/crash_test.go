package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/app"
	"tongqu/internal/record"
	"tongqu/internal/simulate"
	"tongqu/internal/store"
)

const (
	crashChild = "TONGQU_CRASH_CHILD"
	crashToken = "crash-test-token"
)

// TestMain runs the hub itself when the crash test starts this binary as its child.
func TestMain(m *testing.M) {
	if os.Getenv(crashChild) != "" {
		if err := serveChild(os.Getenv(crashChild)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func serveChild(dir string) error {
	c, err := app.LoadConfig(filepath.Join(dir, "tongqu.yaml"))
	if err != nil {
		return err
	}
	log, err := c.Log.Logger(os.Stderr)
	if err != nil {
		return err
	}
	hub, err := app.New(context.Background(), c, app.Overlay(tongqu.Files, filepath.Join(dir, "override")), log)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return hub.Run(ctx, nil)
}

// account is every document by id, as the sender, the store and the subscriber saw it.
type account struct {
	mu        sync.Mutex
	attempted map[string]bool   // order numbers that were ever sent
	acked     map[string]string // order number → record id of the first 2xx
	delivered map[string]int    // record id → times
	answers   map[int]int       // status → times
	broken    int               // connections that died with the hub
}

// TestCrash kills the hub at random moments under load and accounts for every
// document: each answered 2xx is recorded once, published and delivered at least
// once; nothing is there that was not sent. TONGQU_CRASH_ROUNDS sets the number
// of kills (3 when it is not set).
func TestCrash(t *testing.T) {
	rounds := 3
	if s := os.Getenv("TONGQU_CRASH_ROUNDS"); s != "" {
		var err error
		rounds, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	acc := &account{attempted: map[string]bool{}, acked: map[string]string{}, delivered: map[string]int{}, answers: map[int]int{}}
	sink := httptest.NewServer(http.HandlerFunc(acc.take))
	defer sink.Close()
	dir := t.TempDir()
	addr := freeAddr(t)
	writeCrashConfig(t, dir, addr, sink.URL)

	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's random moments
	t.Logf("seed %d", seed)
	docs := newOrders(t)
	var next atomic.Int64
	for round := range rounds {
		child := startChild(t, dir, addr)
		ctx, cancel := context.WithCancel(t.Context())
		var senders sync.WaitGroup
		for range 16 {
			senders.Go(func() { acc.send(ctx, addr, docs, &next) })
		}
		alive := time.Duration(20+rng.IntN(1480)) * time.Millisecond
		select {
		case <-time.After(alive):
		case err := <-child.died:
			require.NoError(t, err, "the hub ended by itself: %s", child.stderr.String())
		}
		require.NoError(t, child.cmd.Process.Kill())
		require.Error(t, <-child.died, "killed")
		cancel()
		senders.Wait()
		t.Logf("round %d: killed after %s, %d acknowledged so far", round+1, alive, len(acc.acked))
	}
	answered := len(acc.acked)
	settled(t, dir, addr, func() { acc.sendAgain(t, addr, docs, next.Load()) })
	acc.check(t, dir, rounds, answered)
}

func writeCrashConfig(t *testing.T, dir, addr, sink string) {
	t.Helper()
	agencies := filepath.Join(dir, "override", "config", "agencies")
	require.NoError(t, os.MkdirAll(agencies, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tongqu.yaml"), fmt.Appendf(nil, "listen: %s\ndata: %s\nlog: {level: error}\ndelivery: {backoffBase: 50ms, backoffMax: 1s}\n", addr, filepath.Join(dir, "data")), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(agencies, "crash.yaml"), fmt.Appendf(nil, `code: crash
title: {zh: 崩溃测试, en: Crash test}
kind: platform
tokens: [{id: crash, sha256: %s}]
provides: ["301002/000001"]
subscriptions:
  - {id: crash-sink, resource: 301002/000001, batch: 50, endpoint: {http: {url: %q, secret: crash}}}
`, hash(crashToken), sink), 0o600))
}

// order is one document and the number by which it is accounted for.
type order struct {
	no   string
	body []byte
}

// newOrders returns a maker of as many different orders as are asked for.
func newOrders(t *testing.T) func(i int64) order {
	t.Helper()
	registry := loadRegistry(t)
	g := simulate.New(7, "K")
	p := g.Purchase(time.Now())
	doc, err := registry.Encode("customs_ceb/CEB311Message", [][]byte{simulate.JSON(p.Order)}, adapter.Transfer{})
	require.NoError(t, err)
	parts := bytes.Split(doc.Body, []byte(p.OrderNo))
	return func(i int64) order {
		no := fmt.Sprintf("CRASH%09d", i)
		return order{no, bytes.Join(parts, []byte(no))}
	}
}

// send posts orders until the hub dies or ctx ends.
func (a *account) send(ctx context.Context, addr string, docs func(int64) order, next *atomic.Int64) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil && a.post(ctx, client, addr, docs(next.Add(1))) {
	}
}

// sendAgain posts every order that got no answer, as a careful sender would: the
// hub may hold it or not, and says which.
func (a *account) sendAgain(t *testing.T, addr string, docs func(int64) order, last int64) {
	t.Helper()
	for i := int64(1); i <= last; i++ {
		o := docs(i)
		if a.attempted[o.no] && a.acked[o.no] == "" {
			require.True(t, a.post(t.Context(), http.DefaultClient, addr, o))
			require.NotEmpty(t, a.acked[o.no], "order %s was not taken", o.no)
		}
	}
}

func (a *account) post(ctx context.Context, client *http.Client, addr string, o order) bool {
	a.mu.Lock()
	a.attempted[o.no] = true
	a.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v1/documents", bytes.NewReader(o.body))
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "Bearer "+crashToken)
	resp, err := client.Do(req)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.broken++
		return false
	}
	a.answers[resp.StatusCode]++
	var answer struct {
		Records []struct{ RecordID, DuplicateOf string }
	}
	if resp.StatusCode == http.StatusAccepted && json.Unmarshal(body, &answer) == nil && len(answer.Records) == 1 {
		id := answer.Records[0].RecordID
		if first := answer.Records[0].DuplicateOf; first != "" {
			id = first
		}
		a.acked[o.no] = id
	}
	return true
}

// take is the subscriber.
func (a *account) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents-batch+json") {
		var events []struct{ ID string }
		if json.Unmarshal(body, &events) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for _, e := range events {
			a.delivered[e.ID]++
		}
		return
	}
	a.delivered[r.Header.Get("Ce-Id")]++
}

type child struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	died   chan error
}

func startChild(t *testing.T, dir, addr string) child {
	t.Helper()
	c := child{cmd: exec.Command(os.Args[0]), stderr: &bytes.Buffer{}, died: make(chan error, 1)} //nolint:gosec,noctx // this very test binary, killed by hand
	c.cmd.Env = append(os.Environ(), crashChild+"="+dir)
	c.cmd.Stderr = c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, c.cmd.Start())
	go func() { c.died <- c.cmd.Wait() }()
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + addr + "/readyz") //nolint:noctx // a probe
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, time.Minute, 20*time.Millisecond, "the hub did not start: %s", c.stderr)
	return c
}

// settled starts the hub a last time, sends again what got no answer, waits
// until all is delivered, and stops it in order.
func settled(t *testing.T, dir, addr string, sendAgain func()) {
	t.Helper()
	c := startChild(t, dir, addr)
	sendAgain()
	token, err := os.ReadFile(filepath.Join(dir, "data", app.OperatorTokenFile))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/v1/balance", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		var b store.Balance
		if json.NewDecoder(resp.Body).Decode(&b) != nil {
			return false
		}
		return b.Unpublished == 0 && b.Subscriptions["crash-sink"].Delivered == b.Records.Accepted && b.Records.Accepted > 0
	}, 2*time.Minute, 50*time.Millisecond, "deliveries did not settle: %s", c.stderr)
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-c.died)
}

// check balances the account against the store.
func (a *account) check(t *testing.T, dir string, rounds, answered int) {
	t.Helper()
	s := openStore(t, filepath.Join(dir, "data"))
	inStore := map[string][]string{} // order number → ids of accepted records
	ids := map[string]bool{}
	unpublished := 0
	for q := (store.Query{Limit: 1000, Status: record.Accepted}); ; {
		page, err := s.Records(t.Context(), q)
		require.NoError(t, err)
		for _, r := range page.Items {
			ids[r.ID] = true
			for _, k := range r.Keys {
				if k.Name == "orderNo" {
					inStore[k.Value] = append(inStore[k.Value], r.ID)
				}
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	left, err := s.Unpublished(t.Context(), 1)
	require.NoError(t, err)
	unpublished += len(left)

	var lost, twice, invented, undelivered, strange, again int
	for no, id := range a.acked {
		if len(inStore[no]) == 0 || inStore[no][0] != id {
			lost++
		}
	}
	for no, recorded := range inStore {
		if len(recorded) > 1 {
			twice++
		}
		if !a.attempted[no] {
			invented++
		}
		for _, id := range recorded {
			if a.delivered[id] == 0 {
				undelivered++
			}
		}
	}
	for id, n := range a.delivered {
		if !ids[id] {
			strange++
		}
		again += n - 1
	}
	t.Logf(`account after %d kills:
  sent            %6d   (connections that died with the hub: %d)
  answered 2xx    %6d   and %d more when sent again: %v
  recorded        %6d   lost %d, twice %d, invented %d
  unpublished     %6d
  delivered       %6d   undelivered %d, never recorded %d, delivered again %d`,
		rounds, len(a.attempted), a.broken, answered, len(a.acked)-answered, a.answers, len(inStore), lost, twice, invented, unpublished, len(a.delivered), undelivered, strange, again)
	require.NotEmpty(t, a.acked)
	require.Len(t, a.acked, len(a.attempted), "answered at last")
	require.Zero(t, lost, "acknowledged and lost")
	require.Zero(t, twice, "recorded twice")
	require.Zero(t, invented, "recorded without being sent")
	require.Zero(t, unpublished, "never published")
	require.Zero(t, undelivered, "never delivered")
	require.Zero(t, strange, "delivered without being recorded")
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	return ln.Addr().String()
}
