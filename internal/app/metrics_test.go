package app_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"tongqu/internal/app"
)

// metrics scrapes the hub: name{label="value",…} → value.
func (h *hub) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	a := h.do(t, http.MethodGet, "/metrics", "", nil)
	require.Equal(t, 200, a.status)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(a.body))
	require.NoError(t, err)
	values := map[string]float64{}
	for name, family := range families {
		if strings.HasPrefix(name, "tongqu_") {
			require.NotEmpty(t, family.GetHelp(), name)
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			values[name+"{"+strings.Join(labels, ",")+"}"] = v
		}
	}
	return values
}

// TestMetricsBalance counts what came in and what went out, and agrees with the store.
func TestMetricsBalance(t *testing.T) {
	h := startHub(t, t.TempDir(), nil)
	good := orderXML("MET", 3, nil)
	for _, doc := range [][]byte{good, good, []byte("<a/>"), orderXML("BAD", 1, replace("<ceb:currency>142", "<ceb:currency>1"))} {
		h.send(t, platformToken, doc)
	}
	h.send(t, "wrong", good)
	h.settle(t)
	m := h.metrics(t)
	documents := func(adapter, message, status string) float64 {
		return m["tongqu_documents_total{adapter="+adapter+",agency=platform,door=http,message="+message+",status="+status+"}"]
	}
	require.InDelta(t, 1, documents("customs_ceb", "CEB311Message", "accepted"), 0)
	require.InDelta(t, 1, documents("customs_ceb", "CEB311Message", "duplicate"), 0)
	require.InDelta(t, 1, documents("customs_ceb", "CEB311Message", "rejected"), 0)
	require.InDelta(t, 1, documents("", "", "rejected"), 0)
	for want, names := range map[float64][]string{
		4: {"tongqu_intake_seconds{door=http}"},
		3: {
			"tongqu_records_total{agency=platform,status=accepted}", "tongqu_records_total{agency=platform,status=duplicate}",
			"tongqu_deliveries_total{status=delivered,subscription=orders}", "tongqu_deliveries_total{status=delivered,subscription=orders-masked}",
		},
		1: {
			"tongqu_records_total{agency=platform,status=rejected}", "tongqu_intake_refused_total{code=UNAUTHORIZED}",
			"tongqu_scrape_ok{part=store}", "tongqu_scrape_ok{part=kafka}",
		},
		0: {
			"tongqu_intake_unrecorded_total{}", "tongqu_relay_unpublished_records{}", "tongqu_relay_behind_seconds{}", "tongqu_relay_failures{}",
			"tongqu_subscription_lag_records{subscription=orders}", "tongqu_subscription_pending_records{status=parked,subscription=orders}", "tongqu_store_queue{}",
		},
	} {
		for _, name := range names {
			require.Contains(t, m, name)
			require.InDelta(t, want, m[name], 0, name)
		}
	}
	require.Positive(t, m["tongqu_store_bytes{file=database}"])
	require.Positive(t, m["go_goroutines{}"])
}

// TestMetricsBehind shows a Kafka that is away, and a store that is.
func TestMetricsBehind(t *testing.T) {
	h := startHub(t, t.TempDir(), func(c *app.Config) { c.Kafka.Brokers = []string{"127.0.0.1:1"} })
	require.Equal(t, 202, h.send(t, platformToken, orderXML("BEH", 2, nil)).status)
	start := time.Now()
	m := h.metrics(t)
	require.Less(t, time.Since(start), 10*time.Second, "a scrape does not wait for ever")
	require.InDelta(t, 2, m["tongqu_relay_unpublished_records{}"], 0)
	require.Contains(t, m, "tongqu_scrape_ok{part=kafka}")
	require.Zero(t, m["tongqu_scrape_ok{part=kafka}"])
	require.NotContains(t, m, "tongqu_subscription_lag_records{subscription=orders}")
	require.NoError(t, h.Store().Close())
	m = h.metrics(t)
	require.Zero(t, m["tongqu_scrape_ok{part=store}"])
	require.NotContains(t, m, "tongqu_relay_unpublished_records{}")
	require.Contains(t, m, "tongqu_records_total{agency=platform,status=accepted}", "what was counted is still told")
}
