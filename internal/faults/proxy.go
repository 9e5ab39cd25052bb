package faults

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Side says who sent a frame.
type Side string

// A request goes from the hub to a server, an answer the other way.
const (
	Request Side = "request"
	Answer  Side = "answer"
)

// Frame is one message of a protocol, on its way through a proxy.
type Frame struct {
	Side Side
	// What is the statement, API or method of a request. Of an answer it is that of
	// the request, except in PostgreSQL's protocol, where it is the command tag.
	What string
	// Within are the statements of the transaction so far (PostgreSQL).
	Within []string

	bytes []byte
}

// Watch sees a frame before it goes on; the frame and what comes after it on that
// connection never goes on when it returns false.
type Watch func(f Frame) bool

// Proxy stands between a hub and a server and does to their connections what
// networks do. The zero time of every proxy lets everything through.
type Proxy struct {
	listener net.Listener
	protocol func() splitter

	mu      sync.Mutex
	network string
	address string
	links   map[*link]struct{}
	closed  bool
	open    chan struct{} // closed while bytes may go through
	delay   time.Duration
	watch   Watch
}

// NewProxy listens on a port of its own until the test ends. It has nowhere to go
// before Forward.
func NewProxy(tb testing.TB, p Protocol) *Proxy {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	open := make(chan struct{})
	close(open)
	x := &Proxy{listener: l, protocol: p, links: map[*link]struct{}{}, open: open}
	var running sync.WaitGroup
	running.Go(func() { x.accept(&running) })
	tb.Cleanup(func() {
		x.mu.Lock()
		x.closed = true
		x.mu.Unlock()
		_ = l.Close()
		x.Heal()
		x.Reset()
		running.Wait()
	})
	return x
}

// Addr is where clients connect.
func (x *Proxy) Addr() string { return x.listener.Addr().String() }

// Forward names the server.
func (x *Proxy) Forward(network, address string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.network, x.address = network, address
}

// Cut lets nothing through any more, in either direction: connections stay open
// and silent, new ones too, as when a network loses every packet.
func (x *Proxy) Cut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	select {
	case <-x.open:
		x.open = make(chan struct{})
	default:
	}
}

// Heal undoes Cut: what was held goes on, late but in order.
func (x *Proxy) Heal() {
	x.mu.Lock()
	defer x.mu.Unlock()
	select {
	case <-x.open:
	default:
		close(x.open)
	}
}

// Reset breaks all connections.
func (x *Proxy) Reset() {
	x.mu.Lock()
	links := x.links
	x.links = map[*link]struct{}{}
	x.mu.Unlock()
	for l := range links {
		l.close()
	}
}

// Slow delays every frame; 0 ends it.
func (x *Proxy) Slow(delay time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.delay = delay
}

// Watch has w see every frame; nil ends it.
func (x *Proxy) Watch(w Watch) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.watch = w
}

func (x *Proxy) accept(running *sync.WaitGroup) {
	for {
		client, err := x.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		running.Go(func() { x.serve(client) })
	}
}

func (x *Proxy) serve(client net.Conn) {
	defer client.Close()
	x.wait()
	x.mu.Lock()
	network, address := x.network, x.address
	x.mu.Unlock()
	server, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), network, address)
	if err != nil {
		return
	}
	l := &link{client: client, server: server, done: make(chan struct{}), splitter: x.protocol()}
	defer l.close()
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		return
	}
	x.links[l] = struct{}{}
	x.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { x.pump(l, Request, client, server) })
	both.Go(func() { x.pump(l, Answer, server, client) })
	both.Wait()
	x.mu.Lock()
	delete(x.links, l)
	x.mu.Unlock()
}

// wait returns when bytes may go through.
func (x *Proxy) wait() {
	for {
		x.mu.Lock()
		open := x.open
		x.mu.Unlock()
		<-open
		x.mu.Lock()
		same := open == x.open
		x.mu.Unlock()
		if same {
			return
		}
	}
}

// link is one connection through a proxy.
type link struct {
	client, server net.Conn
	once           sync.Once
	done           chan struct{}

	mu       sync.Mutex
	splitter splitter
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.done)
		_ = l.client.Close()
		_ = l.server.Close()
	})
}

// pump carries one direction of a link until either end closes.
func (x *Proxy) pump(l *link, side Side, from, to net.Conn) {
	defer l.close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			l.mu.Lock()
			frames := l.splitter.split(side, buf[:n])
			l.mu.Unlock()
			for _, f := range frames {
				if !x.carry(l, f, to) {
					return
				}
			}
		}
		if err != nil {
			x.wait() // the end of a connection does not get through a cut either
			return
		}
	}
}

func (x *Proxy) carry(l *link, f Frame, to net.Conn) bool {
	x.mu.Lock()
	watch, delay := x.watch, x.delay
	x.mu.Unlock()
	if watch != nil && !watch(f) {
		<-l.done
		return false
	}
	if delay > 0 {
		t := time.NewTimer(delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-l.done:
			return false
		}
	}
	x.wait()
	_, err := to.Write(f.bytes)
	return err == nil
}
