package faults

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/directory"
)

// patience bounds every wait; reaching it is a failure.
const patience = 2 * time.Minute

// Token is the token of the agency that sends and subscribes.
const Token = "faults-test-token"

// Subscriptions of the agency: one record a request, many, and in the sender's format.
var Subscriptions = []string{"one", "many", "xml"}

// Hub is a process of the tongqu binary, which reaches Kafka, PostgreSQL and the
// subscribers through proxies of its own.
type Hub struct {
	Name        string
	Door        *Proxy   // from the senders
	Kafka       []*Proxy // by broker
	Postgres    *Proxy
	Subscribers *Proxy

	binary string
	dir    string
	addr   string
	run    *process // nil while it is down
}

// configure writes the hub's settings for one scenario.
func (h *Hub) configure(tb testing.TB, binary, dir, schema string) {
	tb.Helper()
	h.binary, h.dir, h.addr = binary, dir, freeAddr(tb)
	h.Door.Forward("tcp", h.addr)
	agencies := filepath.Join(dir, "override", "config", "agencies")
	require.NoError(tb, os.MkdirAll(agencies, 0o750))
	require.NoError(tb, os.MkdirAll(filepath.Join(dir, "data"), 0o750))
	var brokers []string
	for _, k := range h.Kafka {
		brokers = append(brokers, k.Addr())
	}
	address := url.URL{
		Scheme: "postgres", User: url.User("postgres"), Host: h.Postgres.Addr(), Path: "/postgres",
		RawQuery: url.Values{"sslmode": {"disable"}, "search_path": {schema}}.Encode(),
	}
	require.NoError(tb, os.WriteFile(filepath.Join(dir, "tongqu.yaml"), fmt.Appendf(nil, `listen: %s
data: %s
folders: {override: %s}
store: {url: "%s"}
kafka:
  brokers: [%s]
  clientId: %s
  partitions: 6
  replication: 3
  topic: {minInSyncReplicas: 2}
  sessionTimeout: 6s
delivery: {backoffBase: 50ms, backoffMax: 1s}
log: {level: info, format: json}
`, h.addr, filepath.Join(dir, "data"), filepath.Join(dir, "override"), address.String(), strings.Join(brokers, ", "), h.Name), 0o600))
	sink := "http://" + h.Subscribers.Addr()
	require.NoError(tb, os.WriteFile(filepath.Join(agencies, "faults.yaml"), fmt.Appendf(nil, `code: faults
title: {zh: 故障测试, en: Fault test}
kind: platform
tokens: [{id: faults, sha256: %s}]
provides: ["301002/000001"]
subscriptions:
  - {id: one, resource: 301002/000001, endpoint: {http: {url: %[2]s/one, secret: faults}}}
  - {id: many, resource: 301002/000001, batch: 50, endpoint: {http: {url: %[2]s/many, secret: faults}}}
  - {id: xml, resource: 301002/000001, format: customs_ceb/CEB311Message, endpoint: {http: {url: %[2]s/xml, secret: faults}}}
`, directory.HashToken(Token), sink), 0o600))
}

// URL is where senders reach the hub.
func (h *Hub) URL() string { return "http://" + h.Door.Addr() }

// Start starts the hub when it is down and waits until it is ready.
func (h *Hub) Start(tb testing.TB) {
	tb.Helper()
	h.launch(tb)
	h.AwaitReady(tb)
}

func (h *Hub) launch(tb testing.TB) {
	tb.Helper()
	if h.run != nil {
		return
	}
	log, err := os.OpenFile(filepath.Join(h.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, log.Close()) }()
	cmd := exec.Command(h.binary, "serve", "--config", filepath.Join(h.dir, "tongqu.yaml")) //nolint:gosec,noctx // our own binary, which runs until it is killed
	cmd.Stdout, cmd.Stderr = log, log
	h.run, err = startProcess(cmd)
	require.NoError(tb, err)
}

// AwaitReady waits until the hub says that it is ready.
func (h *Hub) AwaitReady(tb testing.TB) {
	tb.Helper()
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	require.Eventually(tb, func() bool {
		if h.run.over() {
			return true
		}
		resp, err := client.Get("http://" + h.addr + "/readyz") //nolint:noctx,gosec // bounded by the client; our own hub
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, patience, 50*time.Millisecond, "%s is not ready, see %s", h.Name, h.dir)
	require.False(tb, h.run.over(), "%s ended by itself, see %s", h.Name, h.dir)
}

// Kill ends the hub at once.
func (h *Hub) Kill() {
	if h.run != nil {
		h.run.signal(syscall.SIGKILL)
		<-h.run.ended
		h.run = nil
	}
}

// Pause stops the process without ending it; Resume lets it go on.
func (h *Hub) Pause() { h.run.signal(syscall.SIGSTOP) }

// Resume undoes Pause.
func (h *Hub) Resume() { h.run.signal(syscall.SIGCONT) }

// Stop ends the hub in order.
func (h *Hub) Stop(tb testing.TB) {
	tb.Helper()
	if h.run == nil {
		return
	}
	h.run.signal(syscall.SIGTERM)
	select {
	case <-h.run.ended:
		require.NoError(tb, h.run.err, "%s did not stop in order, see %s", h.Name, h.dir)
	case <-time.After(patience):
		require.FailNow(tb, "a hub does not stop", "%s, see %s", h.Name, h.dir)
	}
	h.run = nil
}

// proxies are all that the hub reaches others through.
func (h *Hub) proxies() []*Proxy {
	return append([]*Proxy{h.Door, h.Postgres, h.Subscribers}, h.Kafka...)
}

// process is a running command that ends with this process, however that ends.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // once it ended
}

// startProcess runs the command. The kernel kills it when the thread that started
// it ends (Pdeathsig), so one thread is kept for it as long as it runs.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		defer close(p.ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	return p, <-started
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func freeAddr(tb testing.TB) string {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	require.NoError(tb, l.Close())
	return l.Addr().String()
}
