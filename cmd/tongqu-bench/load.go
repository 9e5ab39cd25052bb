package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

// measure runs so many hubs on a fresh data folder, sends for the given time, and waits
// for the deliveries.
func measure(ctx context.Context, s *settings, hubs int, l load) (r result, err error) {
	t, err := newTemplate(l.orders)
	if err != nil {
		return r, err
	}
	st, err := newSite(ctx, s)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	if err := st.start(ctx, hubs); err != nil {
		return r, err
	}
	if err := st.warm(ctx); err != nil {
		return r, err
	}
	if r, err = st.send(ctx, l, t, until{deadline: time.Now().Add(s.duration)}); err != nil {
		return r, err
	}
	before := time.Now()
	if err := st.awaitDelivered(ctx, int64(r.records)); err != nil {
		return r, err
	}
	r.drained, r.cpu, r.rss = time.Since(before), st.cpu()-r.cpu, st.rss()
	if s.postgres == "" && s.kafka == "" {
		r.stored = folderSize(st.data(0))
	}
	return r, nil
}

// warm has some documents go all the way: then topics are made and all are at their places.
func (st *site) warm(ctx context.Context) error {
	const documents = 64
	t, err := newTemplate(1)
	if err != nil {
		return err
	}
	if _, err := st.send(ctx, load{connections: 16, orders: 1}, t, until{documents: documents}); err != nil {
		return err
	}
	if err := st.awaitDelivered(ctx, documents); err != nil {
		return err
	}
	st.delivered.Store(0)
	return nil
}

// until says when sending ends: at a time, or after so many documents.
type until struct {
	deadline  time.Time
	documents int64
}

// send sends documents to the hubs, and leaves in the result's cpu what the hubs had used before.
func (st *site) send(ctx context.Context, l load, t *template, end until) (result, error) {
	r := result{bytes: len(t.body), cpu: st.cpu()}
	var (
		left      atomic.Int64
		mu        sync.Mutex
		latencies []time.Duration
		firstErr  error
		wg        sync.WaitGroup
	)
	left.Store(end.documents)
	more := func() bool {
		if ctx.Err() != nil {
			return false
		}
		if end.documents > 0 {
			return left.Add(-1) >= 0
		}
		return time.Now().Before(end.deadline)
	}
	started := time.Now()
	for i := range l.connections {
		wg.Go(func() {
			took, err := st.connection(ctx, st.hubs[i%len(st.hubs)].addr, t, more)
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
	if len(latencies) == 0 {
		return r, errors.New("nothing was sent")
	}
	r.took = time.Since(started)
	r.documents, r.records = len(latencies), len(latencies)*l.orders
	r.p50, r.p99 = percentiles(latencies)
	return r, nil
}

func percentiles(took []time.Duration) (p50, p99 time.Duration) {
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100]
}

// connection sends documents one after the other as long as there are more.
func (st *site) connection(ctx context.Context, addr string, t *template, more func() bool) ([]time.Duration, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	head := fmt.Appendf(nil, "POST /v1/documents HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n", st.token, len(t.body))
	in := bufio.NewReader(conn)
	var latencies []time.Duration
	var body, request []byte
	for more() {
		body = t.fill(body, st.settings.numbers.Add(1))
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
func (st *site) awaitDelivered(ctx context.Context, records int64) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(10 * time.Minute)
	for st.delivered.Load() < records {
		if time.Now().After(deadline) {
			return fmt.Errorf("only %d of %d records were delivered", st.delivered.Load(), records)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
