package bus

import (
	"context"
	"net"
	"sync"
	"time"
)

// dialTimeout bounds connecting to one address.
const dialTimeout = 3 * time.Second

// conns dials and remembers the open connections, so that closing them ends
// whatever waits on a broker.
type conns struct {
	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

func newConns() *conns {
	return &conns{open: map[net.Conn]struct{}{}}
}

// dial is the dial function of Transport and Dialer.
func (c *conns) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	raw, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: raw, owner: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	c.open[tracked] = struct{}{}
	return tracked, nil
}

// close ends all connections and refuses new ones.
func (c *conns) close() {
	c.mu.Lock()
	c.closed = true
	open := c.open
	c.open = map[net.Conn]struct{}{}
	c.mu.Unlock()
	for conn := range open {
		_ = conn.(*trackedConn).Conn.Close()
	}
}

type trackedConn struct {
	net.Conn
	owner *conns
}

// Close closes the connection and forgets it.
func (t *trackedConn) Close() error {
	t.owner.mu.Lock()
	delete(t.owner.open, t)
	t.owner.mu.Unlock()
	return t.Conn.Close()
}
