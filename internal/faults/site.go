// Package faults runs several hubs as real processes on one Kafka and one
// PostgreSQL, breaks what can break, and accounts for every document by its id.
package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tongqu/internal/bus/kafkatest"
	"tongqu/internal/store"
	"tongqu/internal/store/postgres"
	"tongqu/internal/store/postgres/pgtest"
)

const (
	hubs    = 3
	brokers = 3
	// senders each have keys of their own and wait for an answer before they send
	// the next version.
	senders = 8
	keys    = 5
	// pace is the time between two documents of one sender.
	pace = 50 * time.Millisecond
)

// Environment is what scenarios share: the servers, and the proxies of the hubs.
type Environment struct {
	Kafka    *kafkatest.Cluster
	Postgres *pgtest.Server
	Hubs     []*Hub
	Binary   string
	dir      string // what is kept of each scenario
	orders   *Orders
}

// NewEnvironment starts the servers and builds the binary. What scenarios leave
// behind is kept in dir.
func NewEnvironment(tb testing.TB, dir string) *Environment {
	tb.Helper()
	e := &Environment{dir: dir, orders: NewOrders(tb)}
	var vias []kafkatest.Via
	for i := range hubs {
		h := &Hub{Name: fmt.Sprintf("hub%d", i+1), Door: NewProxy(tb, HTTP), Postgres: NewProxy(tb, Postgres), Subscribers: NewProxy(tb, HTTP)}
		via := kafkatest.Via{Name: kafkatest.Listener(fmt.Sprintf("HUB%d", i+1))}
		for range brokers {
			p := NewProxy(tb, Kafka)
			h.Kafka = append(h.Kafka, p)
			via.Advertised = append(via.Advertised, p.Addr())
		}
		vias, e.Hubs = append(vias, via), append(e.Hubs, h)
	}
	e.Kafka = kafkatest.Start(tb, brokers, vias...)
	e.Postgres = pgtest.Start(tb)
	for i, h := range e.Hubs {
		for b, addr := range e.Kafka.Addrs(vias[i].Name) {
			h.Kafka[b].Forward("tcp", addr)
		}
	}
	e.Binary = Build(tb, "../..", tb.TempDir())
	return e
}

// Build builds the tongqu binary of a source tree.
func Build(tb testing.TB, source, dir string) string {
	tb.Helper()
	binary, err := filepath.Abs(filepath.Join(dir, "tongqu"))
	require.NoError(tb, err)
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-o", binary, "./cmd/tongqu") //nolint:gosec // our own source
	cmd.Dir = source
	out, err := cmd.CombinedOutput()
	require.NoError(tb, err, "%s", out)
	return binary
}

// Site is the hubs of one scenario under load, with its ledger.
type Site struct {
	*Environment
	testing.TB
	Ledger  *Ledger
	Rand    *rand.Rand
	Recover time.Duration // the longest that Recovered measured

	dir      string
	rejected int // documents that were rejected besides those of the ledger
	sink     *httptest.Server
	server   *pgtest.Server
	address  string // of the database, past the proxies
	stop     func() // ends the load
}

// Open prepares the hubs for a scenario on an empty store of the server and an
// empty Kafka, starts them and lets senders send.
func (e *Environment) Open(tb testing.TB, name string, seed uint64, server *pgtest.Server) *Site {
	tb.Helper()
	s := &Site{
		Environment: e, TB: tb, Ledger: NewLedger(), Rand: rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // repeatable on purpose
		dir: filepath.Join(e.dir, name), server: server, stop: func() {},
	}
	require.NoError(tb, os.RemoveAll(s.dir))
	require.NoError(tb, os.MkdirAll(s.dir, 0o750))
	e.Kafka.Repair(tb)
	e.Kafka.DeleteTopics(tb, "tongqu.")
	s.sink = httptest.NewServer(s.Ledger)
	tb.Cleanup(s.sink.Close)
	s.address = server.NewSchema(tb)
	u, err := url.Parse(s.address)
	require.NoError(tb, err)
	for _, h := range e.Hubs {
		for _, p := range h.proxies() {
			p.Watch(nil)
			p.Slow(0)
			p.Heal()
			p.Reset()
		}
		h.Postgres.Forward("unix", server.Socket())
		h.Subscribers.Forward("tcp", s.sink.Listener.Addr().String())
		h.configure(tb, e.Binary, filepath.Join(s.dir, h.Name), u.Query().Get("search_path"))
		tb.Cleanup(h.Kill)
	}
	return s
}

// StartHubs starts all hubs at once.
func (s *Site) StartHubs() {
	s.Helper()
	for _, h := range s.Hubs {
		h.launch(s)
	}
	for _, h := range s.Hubs {
		h.AwaitReady(s)
	}
}

// Load lets senders send until the site settles. Each takes the hubs by turns and
// sends a document until it is acknowledged.
func (s *Site) Load() {
	ctx, cancel := context.WithCancel(s.Context())
	var all sync.WaitGroup
	for i := range senders {
		offset := s.Rand.IntN(hubs)
		all.Go(func() { s.send(ctx, i, offset) })
	}
	s.stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
	})
	s.Cleanup(s.stop)
}

// send is one sender.
func (s *Site) send(ctx context.Context, sender, turn int) {
	client := &http.Client{Timeout: 8 * time.Second, Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext}}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		d := s.orders.Order(fmt.Sprintf("F%02d%02d", sender, n%keys), n/keys)
		deadline := time.Now().Add(patience)
		for !s.Ledger.IsAcked(&d) && time.Now().Before(deadline) && s.Context().Err() == nil {
			turn++
			// A document is sent to the end, whatever becomes of ctx: what is sent is to be accounted for.
			status := s.Ledger.Post(context.WithoutCancel(ctx), client, s.Hubs[turn%hubs].URL(), Token, &d)
			if status != http.StatusAccepted {
				pause(ctx, pace)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Wait lets time pass: it is the length of an outage, not a wait for something.
func (s *Site) Wait(d time.Duration) { pause(s.Context(), d) }

// await waits until the condition holds, which is asked under the ledger's lock.
func (s *Site) await(what string, holds func() bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	if !s.Ledger.Await(ctx, holds) {
		s.Ledger.mu.Lock()
		defer s.Ledger.mu.Unlock()
		ids := s.Ledger.ackedIDs()
		missing := map[string]int{}
		for _, sub := range Subscriptions {
			missing[sub] = s.Ledger.undelivered([]string{sub}, ids)
		}
		require.FailNow(s, "waited too long: "+what, "%d sent, %d acknowledged, undelivered: %v, answers: %v, broken: %d; see %s",
			len(s.Ledger.sent), len(ids), missing, s.Ledger.answers, s.Ledger.broken, s.dir)
	}
}

// Progress waits until so many documents more are acknowledged, and all that were
// by then are delivered.
func (s *Site) Progress(n int) {
	s.Helper()
	s.Intake(n)
	s.Delivered()
}

// Intake waits until so many documents more are acknowledged, delivered or not.
func (s *Site) Intake(n int) {
	s.Helper()
	goal := s.Ledger.Acked() + n
	s.await(fmt.Sprintf("%d documents more", n), func() bool { return len(s.Ledger.acked) >= goal })
}

// Delivered waits until all that is acknowledged now is delivered.
func (s *Site) Delivered(subscriptions ...string) {
	s.Helper()
	if len(subscriptions) == 0 {
		subscriptions = Subscriptions
	}
	s.Ledger.mu.Lock()
	ids := s.Ledger.ackedIDs()
	s.Ledger.mu.Unlock()
	s.await("deliveries", func() bool {
		for id := range ids {
			if !slices.ContainsFunc(subscriptions, func(sub string) bool { return s.Ledger.of(sub).times[id] == 0 }) {
				delete(ids, id)
			}
		}
		return len(ids) == 0
	})
}

// awaitStatus waits until a sender gets that answer once more.
func (s *Site) awaitStatus(status int) {
	s.Helper()
	s.Ledger.mu.Lock()
	before := s.Ledger.answers[status]
	s.Ledger.mu.Unlock()
	s.await(fmt.Sprintf("an answer %d", status), func() bool { return s.Ledger.answers[status] > before })
}

// Recovered measures how long it takes from now until ten documents more are
// acknowledged and all that was by then is delivered.
func (s *Site) Recovered() {
	s.Helper()
	begin := time.Now()
	s.Progress(10)
	s.Recover = max(s.Recover, time.Since(begin))
}

// Settle ends the load, waits until nothing is on its way any more, stops the hubs
// in order and returns the balance.
func (s *Site) Settle() (*Account, store.Balance) {
	s.Helper()
	s.stop()
	st, err := postgres.Open(s.Context(), s.address, zap.NewNop())
	require.NoError(s, err)
	defer func() { require.NoError(s, st.Close()) }()
	var b store.Balance
	require.Eventually(s, func() bool {
		b, err = st.Balance(s.Context(), time.Time{})
		require.NoError(s, err)
		return b.Unpublished == 0 && !slices.ContainsFunc(Subscriptions, func(sub string) bool {
			d := b.Subscriptions[sub]
			return d.Waiting > 0 || d.Delivered+d.Parked+d.Skipped < b.Records.Accepted
		})
	}, patience, 100*time.Millisecond, "deliveries do not settle: %+v, see %s", &b, s.dir)
	for _, h := range s.Hubs {
		h.Stop(s)
	}
	a, err := s.Ledger.Account(s.Context(), st, Subscriptions...)
	require.NoError(s, err)
	return a, b
}

// within waits for a call at most for the time of patience.
func (s *Site) within(what string, call func()) {
	s.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		call()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		require.FailNow(s, "waited too long: "+what)
	}
}
