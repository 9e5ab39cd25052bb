package faults

import (
	"strings"
	"sync"
)

// point is a moment on the way of a record, as a frame that a proxy sees. A request
// is held there, so that what it asks for is not done; an answer says that it is done.
type point struct {
	name  string
	proxy func(h *Hub) []*Proxy
	is    func(f Frame) bool
}

func postgresProxy(h *Hub) []*Proxy   { return []*Proxy{h.Postgres} }
func subscriberProxy(h *Hub) []*Proxy { return []*Proxy{h.Subscribers} }
func doorProxy(h *Hub) []*Proxy       { return []*Proxy{h.Door} }
func kafkaProxies(h *Hub) []*Proxy    { return h.Kafka }
func ends(side Side, text string) func(Frame) bool {
	return func(f Frame) bool { return f.Side == side && f.ends(text) }
}

func asks(side Side, what string) func(Frame) bool {
	return func(f Frame) bool { return f.Side == side && f.What == what }
}

// points are all commit points, in the order of the way.
var points = []point{
	{"before recording", postgresProxy, ends(Request, "COPY documents")},
	{"in the middle of recording", postgresProxy, func(f Frame) bool { return f.What == CopyData && f.has("COPY documents") }},
	{"after recording", postgresProxy, ends(Answer, "COPY documents")},
	{"before the receipt", doorProxy, asks(Answer, "POST")},
	{"before publishing", kafkaProxies, asks(Request, Produce)},
	{"after publishing", kafkaProxies, asks(Answer, Produce)},
	{"before marking", postgresProxy, ends(Request, "INSERT INTO published")},
	{"after marking", postgresProxy, ends(Answer, "INSERT INTO published")},
	{"before delivering", subscriberProxy, asks(Request, "POST")},
	{"after delivering", subscriberProxy, asks(Answer, "POST")},
	{"before noting", postgresProxy, ends(Request, "INSERT INTO deliveries")},
	{"after noting", postgresProxy, ends(Answer, "INSERT INTO deliveries")},
	{"before committing the offset", kafkaProxies, asks(Request, OffsetCommit)},
	{"after committing the offset", kafkaProxies, asks(Answer, OffsetCommit)},
}

// StopAt waits until a hub is at the point for the n-th time, does to it what stop
// does, and returns it. The frame does not go on.
func (s *Site) StopAt(p point, n int, stop func(h *Hub)) *Hub {
	s.Helper()
	var mu sync.Mutex
	hit := make(chan *Hub, 1)
	left := n
	for _, h := range s.Hubs {
		for _, x := range p.proxy(h) {
			x.Watch(func(f Frame) bool {
				mu.Lock()
				defer mu.Unlock()
				if left < 0 || !p.is(f) {
					return true
				}
				if left--; left >= 0 {
					return true
				}
				stop(h)
				hit <- h
				return false
			})
		}
	}
	var at *Hub
	s.within("at the point "+p.name, func() { at = <-hit })
	for _, h := range s.Hubs {
		for _, x := range p.proxy(h) {
			x.Watch(nil)
		}
	}
	s.Logf("%s %s", at.Name, p.name)
	return at
}

// named returns the point whose name is that.
func named(name string) point {
	for _, p := range points {
		if strings.EqualFold(p.name, name) {
			return p
		}
	}
	panic("no point " + name)
}
