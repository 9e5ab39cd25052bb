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

// process is a running hub and the subscriber that it delivers to.
type process struct {
	cmd       *exec.Cmd
	dir       string
	addr      string
	token     string
	sink      *http.Server
	delivered atomic.Int64
	stderr    bytes.Buffer
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

func start(ctx context.Context, hub string) (*process, error) {
	dir, err := os.MkdirTemp("", "tongqu-bench-")
	if err != nil {
		return nil, err
	}
	p := &process{dir: dir, token: rand.Text()}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.sink = &http.Server{Handler: http.HandlerFunc(p.take), ReadHeaderTimeout: time.Minute}
	go func() { _ = p.sink.Serve(ln) }()
	sum := sha256.Sum256([]byte(p.token))
	agencies := filepath.Join(dir, "override", "config", "agencies")
	if err := os.MkdirAll(agencies, 0o750); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(agencies, "bench.yaml"), fmt.Appendf(nil, agency, hex.EncodeToString(sum[:]), ln.Addr()), 0o600); err != nil {
		return nil, err
	}
	if p.addr, err = freeAddr(ctx); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "tongqu.yaml")
	if err := os.WriteFile(config, []byte("listen: "+p.addr+"\nlog: {level: warn}\n"), 0o600); err != nil {
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, hub, "serve", "--config", config, "--data", filepath.Join(dir, "data"), "--override", filepath.Join(dir, "override"))
	p.cmd.Stderr = &p.stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, p.awaitReady(ctx)
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
func (p *process) take(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	n := 1
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents-batch+json") {
		n = bytes.Count(body.Bytes(), []byte(`"specversion"`))
	}
	p.delivered.Add(int64(n))
	w.WriteHeader(http.StatusNoContent)
}

// stop ends the hub and removes its data.
func (p *process) stop() error {
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	if err == nil {
		err = p.cmd.Wait()
	}
	if err != nil {
		err = fmt.Errorf("stopping the hub: %w: %s", err, p.stderr.String())
	}
	return errors.Join(err, p.sink.Close(), os.RemoveAll(p.dir))
}

// cpu is the user and system time the hub has used (proc(5), clock ticks of 10 ms).
func (p *process) cpu() time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	const utime, stime, tick = 11, 12, 10 * time.Millisecond
	user, _ := strconv.Atoi(fields[utime])
	system, _ := strconv.Atoi(fields[stime])
	return time.Duration(user+system) * tick
}

// rss is the most memory the hub has had resident, in bytes.
func (p *process) rss() int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}
