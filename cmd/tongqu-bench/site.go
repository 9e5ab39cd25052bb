package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

var errNeedsServers = errors.New("several hubs need --postgres and --kafka")

// site is a folder with the hubs' data, and the subscriber that they deliver to.
type site struct {
	settings *settings
	dir      string
	token    string
	hubs     []*process

	sink      *http.Server
	away      atomic.Bool // the subscriber answers 503
	delivered atomic.Int64
	firstAt   atomic.Int64 // when the first delivery was taken since back was called, Unix nanoseconds; 0 is not yet
}

// process is a running hub.
type process struct {
	cmd    *exec.Cmd
	addr   string
	stderr bytes.Buffer
}

const agency = `code: bench
title: {zh: 测试平台, en: Benchmark platform}
kind: platform
tokens: [{id: bench, sha256: %s}]
provides: ["301002/000001"]
subscriptions:
  - id: bench-sink
    resource: 301002/000001
    personal: clear
    batch: 200
    endpoint: {http: {url: "http://%s/", secret: bench}}
`

func newSite(ctx context.Context, s *settings) (*site, error) {
	if s.postgres != "" && s.kafka == "" {
		return nil, errNeedsServers
	}
	dir, err := os.MkdirTemp(s.dir, "tongqu-bench-")
	if err != nil {
		return nil, err
	}
	st := &site{settings: s, dir: dir, token: rand.Text()}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	st.sink = &http.Server{Handler: http.HandlerFunc(st.take), ReadHeaderTimeout: time.Minute}
	go func() { _ = st.sink.Serve(ln) }()
	sum := sha256.Sum256([]byte(st.token))
	agencies := filepath.Join(st.override(), "config", "agencies")
	err = os.MkdirAll(agencies, 0o750)
	if err == nil {
		err = os.WriteFile(filepath.Join(agencies, "bench.yaml"), fmt.Appendf(nil, agency, hex.EncodeToString(sum[:]), ln.Addr()), 0o600)
	}
	if err != nil {
		return nil, errors.Join(err, st.close())
	}
	return st, nil
}

func (st *site) override() string { return filepath.Join(st.dir, "override") }

// data is the data folder of a hub.
func (st *site) data(hub int) string { return filepath.Join(st.dir, "data"+strconv.Itoa(hub)) }

// config is the configuration file of a hub.
func (st *site) config(hub int) string {
	return filepath.Join(st.dir, "tongqu"+strconv.Itoa(hub)+".yaml")
}

// start starts so many hubs, and returns when all are ready.
func (st *site) start(ctx context.Context, hubs int) error {
	for i := range hubs {
		p := &process{}
		var err error
		if p.addr, err = freeAddr(ctx); err != nil {
			return err
		}
		if err := st.configure(i, p.addr); err != nil {
			return err
		}
		p.cmd = exec.CommandContext(ctx, st.settings.hub, "serve", "--config", st.config(i)) //nolint:gosec // the binary that the caller names
		p.cmd.Stderr = &p.stderr
		if err := p.cmd.Start(); err != nil {
			return err
		}
		st.hubs = append(st.hubs, p)
	}
	for _, p := range st.hubs {
		if err := p.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (st *site) configure(hub int, addr string) error {
	text := fmt.Sprintf("listen: %s\ndata: %s\nfolders: {override: %s}\nlog: {level: error}\ndelivery: {backoffMax: 2s}\n", addr, st.data(hub), st.override())
	if st.settings.postgres != "" {
		text += fmt.Sprintf("store: {url: %q}\n", st.settings.postgres)
	}
	if st.settings.kafka != "" {
		text += "kafka: {brokers: [" + st.settings.kafka + "]}\n"
	}
	return os.WriteFile(st.config(hub), []byte(text), 0o600)
}

func freeAddr(ctx context.Context) (string, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

func (p *process) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the hub did not become ready: %s", p.stderr.String())
		case <-tick.C:
		}
	}
}

// take counts what is delivered: one event, or a batch of them.
func (st *site) take(w http.ResponseWriter, r *http.Request) {
	if st.away.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	n := 1
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents-batch+json") {
		n = bytes.Count(body.Bytes(), []byte(`"specversion"`))
	}
	st.firstAt.CompareAndSwap(0, time.Now().UnixNano())
	st.delivered.Add(int64(n))
	w.WriteHeader(http.StatusNoContent)
}

// stop ends the hubs in order.
func (st *site) stop() error {
	var errs []error
	for _, p := range st.hubs {
		err := p.cmd.Process.Signal(syscall.SIGTERM)
		if err == nil {
			err = p.cmd.Wait()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("stopping a hub: %w: %s", err, p.stderr.String()))
		}
	}
	st.hubs = nil
	return errors.Join(errs...)
}

// close stops what runs and removes the data.
func (st *site) close() error {
	return errors.Join(st.stop(), st.sink.Close(), os.RemoveAll(st.dir))
}

// cpu is the user and system time that the hubs have used (proc(5), clock ticks of 10 ms).
func (st *site) cpu() time.Duration {
	var total time.Duration
	for _, p := range st.hubs {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		const utime, stime, tick = 11, 12, 10 * time.Millisecond
		user, _ := strconv.Atoi(fields[utime])
		system, _ := strconv.Atoi(fields[stime])
		total += time.Duration(user+system) * tick
	}
	return total
}

// rss is the most memory that the hubs have had resident, in bytes.
func (st *site) rss() int64 {
	var total int64
	for _, p := range st.hubs {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kb, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
				total += kb << 10
			}
		}
	}
	return total
}
