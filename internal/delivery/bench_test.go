package delivery

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/bus"
	"tongqu/internal/record"
	"tongqu/internal/relay"
	"tongqu/internal/store"
)

// benchmarkBatch is what the bus hands to a handler at once.
const benchmarkBatch = 500

// manyOrders records one document of orders of about 1.2 kB.
func (h *hub) manyOrders(b *testing.B) []bus.Message {
	b.Helper()
	id, err := record.NewDocumentID()
	require.NoError(b, err)
	at := time.Now().UTC()
	e := store.Entry{Document: store.Document{ID: id, Agency: "platform", Door: "http", ReceivedAt: at, SHA256: sha256.Sum256([]byte(id)), Body: []byte("{}")}}
	pad := strings.Repeat("甲乙丙丁", 90)
	for i := range benchmarkBatch {
		no := fmt.Sprintf("%s-%d", id, i)
		body := fmt.Sprintf(`{"orderNo":"%s","direction":"import","buyer":{"name":"张三丰","idNumber":"130681199001013332"},"note":"%s"}`, no, pad)
		e.Records = append(e.Records, record.Record{
			ID: record.ID(id, i+1), DocumentID: id, Index: i + 1, Type: orderType, Agency: "platform", Status: record.Accepted,
			Keys: []record.Key{{Name: "order", Value: no}}, ReceivedAt: at, Body: []byte(body),
		})
	}
	require.NoError(b, h.store.Record(b.Context(), &e))
	batch := make([]bus.Message, len(e.Records))
	for i := range e.Records {
		batch[i] = relay.ToMessage(&e.Records[i])
	}
	return batch
}

// BenchmarkHandle is the handler alone, without the bus, to a local subscriber
// that reads and forgets. The subscriber's work counts, too.
func BenchmarkHandle(b *testing.B) {
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	})}
	go func() { _ = server.Serve(l) }()
	defer func() { require.NoError(b, server.Close()) }()
	endpoint := fmt.Sprintf("endpoint: {http: {url: 'http://%s/', secret: x}}", l.Addr())
	for _, options := range []string{"personal: clear, batch: 100", "personal: masked, batch: 100", "personal: clear, batch: 1", "personal: masked, batch: 1"} {
		b.Run(strings.NewReplacer("personal: ", "", ", batch: ", "-").Replace(options), func(b *testing.B) {
			h := newHub(b, b.TempDir(), nil, "id: orders, "+options+", "+endpoint)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				b.StopTimer()
				batch := h.manyOrders(b)
				b.StartTimer()
				require.NoError(b, h.workers["orders"].handle(b.Context(), batch))
				n += len(batch)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
