package query

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count queries. They name resources, never who was asked about.
type Metrics struct {
	queries *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// NewMetrics makes the metrics; register them.
func NewMetrics() *Metrics {
	return &Metrics{
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongqu_queries_total", Help: "Queries by resource, status and source of the answer.",
		}, []string{"resource", "status", "source"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tongqu_query_seconds", Help: "Time from question to answer.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"resource", "source"}),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.queries.Describe(ch)
	m.seconds.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.queries.Collect(ch)
	m.seconds.Collect(ch)
}

func (m *Metrics) answered(resource string, q *question) {
	m.queries.WithLabelValues(resource, string(q.Status), string(q.Source)).Inc()
	m.seconds.WithLabelValues(resource, string(q.Source)).Observe(q.inquiry.Took.Seconds())
}
