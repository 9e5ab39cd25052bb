package intake

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what comes in. It is a prometheus.Collector.
type Metrics struct {
	documents *prometheus.CounterVec
	records   *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	failed    prometheus.Counter
	refused   *prometheus.CounterVec
	waiting   *prometheus.GaugeVec
}

// NewMetrics makes the metrics of intake.
func NewMetrics() *Metrics {
	return &Metrics{
		documents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongqu_documents_total", Help: "Documents received and recorded, by what became of them.",
		}, []string{"agency", "adapter", "message", "door", "status"}),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongqu_records_total", Help: "Records received, by what became of them.",
		}, []string{"agency", "status"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongqu_document_bytes_total", Help: "Bytes of documents received.",
		}, []string{"agency"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tongqu_intake_seconds", Help: "Time from the whole document read to the record on disk.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"door"}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tongqu_intake_unrecorded_total", Help: "Documents that could not be recorded; their senders were told to send again.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongqu_intake_refused_total", Help: "Requests refused before a document was read, by fault code.",
		}, []string{"code"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tongqu_batch_waiting_files", Help: "Files in OutBox that wait for the other files of their batch.",
		}, []string{"agency"}),
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
	return []prometheus.Collector{m.documents, m.records, m.bytes, m.seconds, m.failed, m.refused, m.waiting}
}

func (m *Metrics) received(o *Outcome, inb Inbound, took time.Duration) {
	m.documents.WithLabelValues(inb.Agency.Code, o.Adapter, o.Message, inb.Door, o.Status).Inc()
	m.bytes.WithLabelValues(inb.Agency.Code).Add(float64(len(inb.Body)))
	m.seconds.WithLabelValues(inb.Door).Observe(took.Seconds())
	for status, n := range map[string]int{"accepted": o.Accepted, "rejected": o.Rejected, "duplicate": o.Duplicates} {
		if n > 0 {
			m.records.WithLabelValues(inb.Agency.Code, status).Add(float64(n))
		}
	}
}
