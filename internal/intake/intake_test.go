package intake

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/directory"
	"tongqu/internal/simulate"
	"tongqu/internal/store"
	"tongqu/internal/store/sqlite"
	"tongqu/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is the pipeline on a real store, with one agency that may provide orders.
type rig struct {
	*Intake
	agency *directory.Agency
	logs   *observer.ObservedLogs
	// tick is called whenever the pipeline asks for the time.
	tick func()
}

const token = "platform-test-token"

func newRig(t *testing.T) *rig {
	t.Helper()
	registry, err := adapter.Load(tongqu.Files, wire.NewDefaultLimits())
	require.NoError(t, err)
	resources, err := fs.ReadFile(tongqu.Files, "config/directory/301002.yaml")
	require.NoError(t, err)
	status, err := fs.ReadFile(tongqu.Files, "config/directory/301001.yaml")
	require.NoError(t, err)
	d, err := directory.Load(fstest.MapFS{
		"directory/301001.yaml": {Data: status},
		"directory/301002.yaml": {Data: resources},
		"agencies/platform.yaml": {Data: []byte("code: platform\ntitle: {zh: 测试平台, en: Test platform}\nkind: platform\ntokens: [{id: t, sha256: " +
			directory.HashToken(token) + "}]\nprovides: [301002/000001]\n")},
	})
	require.NoError(t, err)
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "tongqu.db"), zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	r := &rig{tick: func() {}}
	var core zapcore.Core
	core, r.logs = observer.New(zap.InfoLevel)
	r.agency, _ = d.Agency("platform")
	r.Intake = New(registry, d, s, zap.New(core), NewMetrics(), func() time.Time { r.tick(); return time.Now() })
	return r
}

func (r *rig) balance(t *testing.T) store.Balance {
	t.Helper()
	b, err := r.store.Balance(t.Context(), time.Time{})
	require.NoError(t, err)
	return b
}

// order writes a document of n orders numbered PREFIX….
func (r *rig) order(t *testing.T, prefix string, n int) []byte {
	t.Helper()
	g := simulate.New(1, prefix)
	var records []map[string]any
	for range n {
		records = append(records, g.Purchase(time.Date(2026, 3, 8, 11, 27, 1, 0, time.UTC)).Order)
	}
	doc, err := r.rules.Load().registry.Encode("customs_ceb/CEB311Message", simulate.Together(records...), adapter.Transfer{})
	require.NoError(t, err)
	return doc.Body
}

// TestMetrics counts documents by what became of them, records, bytes, and what
// was refused before it was read.
func TestMetrics(t *testing.T) {
	r := newRig(t)
	good := r.order(t, "MET", 3)
	half := []byte(strings.Replace(string(r.order(t, "HAL", 2)), "<ceb:currency>142", "<ceb:currency>1", 1))
	for _, body := range [][]byte{good, good, half, []byte("no document")} {
		_, err := r.Receive(t.Context(), Inbound{Agency: r.agency, Door: "http", Body: body})
		require.NoError(t, err)
	}
	require.NoError(t, r.store.Close())
	_, err := r.Receive(t.Context(), Inbound{Agency: r.agency, Door: "http", Body: good})
	require.ErrorIs(t, err, store.ErrUnavailable)
	r.metrics.refused.WithLabelValues("UNAUTHORIZED").Inc()

	require.NoError(t, testutil.CollectAndCompare(r.metrics, strings.NewReader(`
# HELP tongqu_documents_total Documents received and recorded, by what became of them.
# TYPE tongqu_documents_total counter
tongqu_documents_total{adapter="",agency="platform",door="http",message="",status="rejected"} 1
tongqu_documents_total{adapter="customs_ceb",agency="platform",door="http",message="CEB311Message",status="accepted"} 1
tongqu_documents_total{adapter="customs_ceb",agency="platform",door="http",message="CEB311Message",status="duplicate"} 1
tongqu_documents_total{adapter="customs_ceb",agency="platform",door="http",message="CEB311Message",status="partial"} 1
# HELP tongqu_records_total Records received, by what became of them.
# TYPE tongqu_records_total counter
tongqu_records_total{agency="platform",status="accepted"} 4
tongqu_records_total{agency="platform",status="duplicate"} 3
tongqu_records_total{agency="platform",status="rejected"} 1
# HELP tongqu_intake_refused_total Requests refused before a document was read, by fault code.
# TYPE tongqu_intake_refused_total counter
tongqu_intake_refused_total{code="UNAUTHORIZED"} 1
# HELP tongqu_intake_unrecorded_total Documents that could not be recorded; their senders were told to send again.
# TYPE tongqu_intake_unrecorded_total counter
tongqu_intake_unrecorded_total 1
`), "tongqu_documents_total", "tongqu_records_total", "tongqu_intake_refused_total", "tongqu_intake_unrecorded_total"))
	require.Equal(t, 1, testutil.CollectAndCount(r.metrics, "tongqu_intake_seconds"))
}
