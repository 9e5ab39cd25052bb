package delivery

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tongqu/internal/circuit"
	"tongqu/internal/store"
)

// Metrics counts what goes out. It is a prometheus.Collector.
type Metrics struct {
	deliveries *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	circuit    *prometheus.GaugeVec
	unreadable *prometheus.CounterVec
}

// NewMetrics makes the metrics of delivery.
func NewMetrics() *Metrics {
	return &Metrics{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongqu_deliveries_total", Help: "Deliveries by what became of them: delivered, parked, waiting, skipped.",
		}, []string{"subscription", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tongqu_delivery_attempt_seconds", Help: "Time of one attempt to send, by its result: delivered, refused, failed.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}, []string{"subscription", "result"}),
		circuit: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tongqu_delivery_circuit_open", Help: "1 while the subscription waits for its subscriber to come back.",
		}, []string{"subscription"}),
		unreadable: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongqu_delivery_unreadable_total", Help: "Bus messages that are not the hub's records; they were passed over.",
		}, []string{"subscription"}),
	}
}

// Describe and Collect make Metrics a prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(ch)
	}
}

// Collect sends the metrics' values.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(ch)
	}
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.deliveries, m.seconds, m.circuit, m.unreadable}
}

// expect shows a subscription's metrics before anything happens, so that the first
// event is an increase.
func (m *Metrics) expect(subscription string) {
	m.setCircuit(subscription, circuit.Closed)
	m.unreadable.WithLabelValues(subscription)
}

func (m *Metrics) saved(batch []store.Delivery) {
	for i := range batch {
		m.deliveries.WithLabelValues(batch[i].Subscription, string(batch[i].Status)).Inc()
	}
}

func (m *Metrics) attempted(subscription, result string, took time.Duration) {
	m.seconds.WithLabelValues(subscription, result).Observe(took.Seconds())
}

// forget drops the state of a subscription that is no more.
func (m *Metrics) forget(subscription string) { m.circuit.DeleteLabelValues(subscription) }

func (m *Metrics) setCircuit(subscription string, c circuit.Status) {
	open := 0.0
	if c != circuit.Closed {
		open = 1
	}
	m.circuit.WithLabelValues(subscription).Set(open)
}
