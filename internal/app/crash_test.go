package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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
	"tongqu/internal/app"
	"tongqu/internal/faults"
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
	c := &crash{ledger: faults.NewLedger(), orders: faults.NewOrders(t)}
	sink := httptest.NewServer(c.ledger)
	defer sink.Close()
	dir := t.TempDir()
	addr := freeAddr(t)
	c.url = "http://" + addr
	writeCrashConfig(t, dir, addr, sink.URL+"/crash-sink")

	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's random moments
	t.Logf("seed %d", seed)
	for round := range rounds {
		child := startChild(t, dir, addr)
		ctx, cancel := context.WithCancel(t.Context())
		var senders sync.WaitGroup
		for range 16 {
			senders.Go(func() { c.send(ctx) })
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
		t.Logf("round %d: killed after %s, %d acknowledged so far", round+1, alive, c.ledger.Acked())
	}
	answered := c.ledger.Acked()
	settled(t, dir, addr, func() { c.sendAgain(t) })
	a, err := c.ledger.Account(t.Context(), openStore(t, filepath.Join(dir, "data")), "crash-sink")
	require.NoError(t, err)
	got := a.Subscriptions["crash-sink"]
	t.Logf(`account after %d kills:
  sent            %6d   (connections that died with the hub: %d)
  answered 2xx    %6d   and %d more when sent again: %v
  recorded        %6d   lost %d, twice %d, invented %d
  unpublished     %6d
  delivered       %6d   undelivered %d, never recorded %d, out of order %d, delivered again %d`,
		rounds, a.Sent, a.Broken, answered, a.Acked-answered, a.Answers, a.Recorded, len(a.Lost), len(a.Twice), len(a.Invented),
		len(a.Unpublished), got.Delivered, len(got.Missing), len(got.Strange), len(got.Disorder), got.Again)
	require.Empty(t, a.Faults())
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

// crash is the load of the crash test: every order is another one.
type crash struct {
	ledger *faults.Ledger
	orders *faults.Orders
	url    string
	last   atomic.Int64
}

func (c *crash) order(i int64) faults.Document { return c.orders.Order(fmt.Sprintf("CRASH%09d", i), 0) }

// send posts orders until the hub dies or ctx ends.
func (c *crash) send(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		d := c.order(c.last.Add(1))
		if c.ledger.Post(ctx, client, c.url, crashToken, &d) == 0 {
			return
		}
	}
}

// sendAgain posts every order that got no answer, as a careful sender would: the
// hub may hold it or not, and says which.
func (c *crash) sendAgain(t *testing.T) {
	t.Helper()
	for i := int64(1); i <= c.last.Load(); i++ {
		d := c.order(i)
		if c.ledger.IsSent(&d) && !c.ledger.IsAcked(&d) {
			c.ledger.Post(t.Context(), http.DefaultClient, c.url, crashToken, &d)
			require.True(t, c.ledger.IsAcked(&d), "order %s was not taken", d.Number)
		}
	}
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

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	return ln.Addr().String()
}
