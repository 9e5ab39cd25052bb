package app

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tongqu/internal/bus"
	"tongqu/internal/delivery"
	"tongqu/internal/directory"
	"tongqu/internal/relay"
	"tongqu/internal/store"
	"tongqu/internal/store/postgres"
	"tongqu/internal/store/sqlite"
)

// scrapeTimeout bounds what one scrape may wait for store and Kafka together.
const scrapeTimeout = 5 * time.Second

// gauges tell how far behind the hub is and how large it has grown, as of the
// scrape. It is a prometheus.Collector. What cannot be read is left out, and
// tongqu_scrape_ok says so; the other metrics are not affected.
type gauges struct {
	store         store.Store
	bus           bus.Bus
	relay         *relay.Relay
	leads         *atomic.Bool
	subscriptions func() []*directory.Subscription

	ok, unpublished, behind, failures, lag, pending, bytes, queue, connections, months, leader *prometheus.Desc
}

func newGauges(a *App) *gauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("tongqu_"+name, help, labels, nil)
	}
	return &gauges{
		store: a.store, bus: a.bus, relay: a.relay, leads: &a.leads, subscriptions: func() []*directory.Subscription { return a.Directory().Subscriptions() },

		ok:          desc("scrape_ok", "1 when the part could be read for this scrape: store, kafka.", "part"),
		unpublished: desc("relay_unpublished_records", "Accepted records that are not in Kafka yet."),
		behind:      desc("relay_behind_seconds", "How long the oldest record that is not in Kafka has waited."),
		failures:    desc("relay_failures", "Failures of the relay since its last success."),
		lag:         desc("subscription_lag_records", "Published records that the subscription has not dealt with yet.", "subscription"),
		pending:     desc("subscription_pending_records", "Deliveries that are waiting (tried again by themselves) or parked (sent again on command).", "subscription", "status"),
		bytes:       desc("store_bytes", "Size of the store's files: database, log.", "file"),
		queue:       desc("store_queue", "Calls that wait to be written by the store."),
		connections: desc("store_connections", "Open connections of this hub to PostgreSQL."),
		months:      desc("store_months", "Months that have partitions in PostgreSQL, the coming ones included."),
		leader:      desc("relay_leader", "1 at the hub whose relay works; the others wait to take over."),
	}
}

// Describe sends what the gauges are.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.ok, g.unpublished, g.behind, g.failures, g.lag, g.pending, g.bytes, g.queue, g.connections, g.months, g.leader} {
		ch <- d
	}
}

// Collect reads the gauges.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	state := g.relay.State()
	leader := 0.0
	if g.leads.Load() {
		leader = 1
	}
	send(g.leader, leader)
	send(g.behind, state.Behind(time.Now()).Seconds())
	send(g.failures, float64(state.Failures))
	send(g.ok, g.collectStore(ctx, send), "store")
	send(g.ok, g.collectLag(ctx, send), "kafka")
}

type sendGauge func(d *prometheus.Desc, v float64, labels ...string)

// collectStore returns 1, or 0 when the store cannot be read.
func (g *gauges) collectStore(ctx context.Context, send sendGauge) float64 {
	switch s := g.store.(type) {
	case *sqlite.Store:
		stats := s.Stats()
		send(g.bytes, float64(stats.FileBytes), "database")
		send(g.bytes, float64(stats.LogBytes), "log")
		send(g.queue, float64(stats.Queue))
	case *postgres.Store:
		stats, err := s.Stats(ctx)
		if err != nil {
			return 0
		}
		send(g.bytes, float64(stats.Bytes), "database")
		send(g.queue, float64(stats.Queue))
		send(g.connections, float64(stats.Connections))
		send(g.months, float64(stats.Months))
	}
	b, err := g.store.Balance(ctx, time.Time{})
	if err != nil {
		return 0
	}
	send(g.unpublished, float64(b.Unpublished))
	for _, s := range g.subscriptions() {
		pending := b.Subscriptions[s.ID]
		send(g.pending, float64(pending.Waiting), s.ID, string(store.DeliveryWaiting))
		send(g.pending, float64(pending.Parked), s.ID, string(store.DeliveryParked))
	}
	return 1
}

// collectLag returns 1, or 0 when Kafka does not tell.
func (g *gauges) collectLag(ctx context.Context, send sendGauge) float64 {
	for _, s := range g.subscriptions() {
		lag, err := g.bus.Lag(ctx, delivery.Group(s.ID), s.Topics())
		if err != nil {
			return 0
		}
		var total int64
		for _, n := range lag {
			total += n
		}
		send(g.lag, float64(total), s.ID)
	}
	return 1
}
