package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/simulate"
	"tongqu/internal/wire"
)

// template is a document with room for a number that makes it unique.
type template struct {
	body []byte
	at   []int // where the numbers go
}

const digits = 12

// newTemplate makes a document of n orders whose order numbers can be replaced.
func newTemplate(n int) (*template, error) {
	registry, err := adapter.Load(tongqu.Files, wire.NewDefaultLimits())
	if err != nil {
		return nil, err
	}
	g := simulate.New(1, "B")
	var orders []map[string]any
	var numbers []string
	for range n {
		p := g.Purchase(time.Now())
		numbers = append(numbers, p.OrderNo)
		orders = append(orders, p.Order)
	}
	doc, err := registry.Encode("customs_ceb/CEB311Message", simulate.Together(orders...), adapter.Transfer{})
	if err != nil {
		return nil, err
	}
	t := &template{body: doc.Body}
	for i, no := range numbers {
		marker := fmt.Appendf(nil, "@%0*d", digits-1, i)
		t.body = bytes.Replace(t.body, []byte(">"+no+"<"), []byte(">"+string(marker)+"<"), 1)
		t.at = append(t.at, bytes.Index(t.body, marker))
	}
	return t, nil
}

// fill writes the document with the number of this one.
func (t *template) fill(dst []byte, number int64) []byte {
	dst = append(dst[:0], t.body...)
	for i, at := range t.at {
		copy(dst[at:], fmt.Sprintf("%0*d", digits, number*int64(len(t.at))+int64(i)))
	}
	return dst
}

// measure starts a hub, sends for the given time, and waits for the deliveries.
func measure(ctx context.Context, hub string, l load, duration time.Duration) (result, error) {
	t, err := newTemplate(l.orders)
	if err != nil {
		return result{}, err
	}
	p, err := start(ctx, hub)
	if err != nil {
		return result{}, err
	}
	r, err := p.send(ctx, l, t, duration)
	if err == nil {
		r.cpu, r.rss, r.stored = p.cpu()-r.cpu, p.rss(), folderSize(filepath.Join(p.dir, "data"))
	}
	if stopErr := p.stop(); err == nil {
		err = stopErr
	}
	return r, err
}

func (p *process) send(ctx context.Context, l load, t *template, duration time.Duration) (result, error) {
	r := result{bytes: len(t.body), cpu: p.cpu()}
	var (
		number    atomic.Int64
		mu        sync.Mutex
		latencies []time.Duration
		firstErr  error
		wg        sync.WaitGroup
	)
	started := time.Now()
	deadline := started.Add(duration)
	for range l.connections {
		wg.Go(func() {
			took, err := p.connection(ctx, t, &number, deadline)
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, took...)
			if firstErr == nil {
				firstErr = err
			}
		})
	}
	wg.Wait()
	if firstErr != nil {
		return r, firstErr
	}
	r.took = time.Since(started)
	r.documents, r.records = len(latencies), len(latencies)*l.orders
	slices.Sort(latencies)
	r.p50, r.p99 = latencies[len(latencies)/2], latencies[len(latencies)*99/100]
	sent := time.Now()
	err := p.awaitDelivered(ctx, int64(r.records))
	r.drained = time.Since(sent)
	return r, err
}

// connection sends documents one after the other until the deadline.
func (p *process) connection(ctx context.Context, t *template, number *atomic.Int64, deadline time.Time) ([]time.Duration, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	head := fmt.Appendf(nil, "POST /v1/documents HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n", p.token, len(t.body))
	in := bufio.NewReader(conn)
	var latencies []time.Duration
	var body, request []byte
	for time.Now().Before(deadline) && ctx.Err() == nil {
		body = t.fill(body, number.Add(1))
		request = append(append(request[:0], head...), body...)
		begun := time.Now()
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		if err := readAccepted(in); err != nil {
			return nil, err
		}
		latencies = append(latencies, time.Since(begun))
	}
	return latencies, nil
}

// readAccepted reads one answer, which must be 202.
func readAccepted(in *bufio.Reader) error {
	status, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	length, chunked := 0, false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
		chunked = chunked || bytes.HasPrefix(line, []byte("Transfer-Encoding: chunked"))
	}
	if chunked {
		if err := discardChunks(in); err != nil {
			return err
		}
	} else if _, err := in.Discard(length); err != nil {
		return err
	}
	if status != "HTTP/1.1 202 Accepted\r\n" {
		return fmt.Errorf("the hub answered %q", status)
	}
	return nil
}

func discardChunks(in *bufio.Reader) error {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(line[:len(line)-2], 16, 32)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, in, size+2); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
	}
}

// awaitDelivered waits until the subscriber has all records.
func (p *process) awaitDelivered(ctx context.Context, records int64) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(2 * time.Minute)
	for p.delivered.Load() < records {
		if time.Now().After(deadline) {
			return fmt.Errorf("only %d of %d records were delivered", p.delivered.Load(), records)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
