package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"tongqu/internal/adapter"
	"tongqu/internal/bus"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/relay"
	"tongqu/internal/schema"
	"tongqu/internal/store"
	"tongqu/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	orderType = "trade.order.v1"
	secret    = "a secret of the test"
)

const resources = `code: "301002"
category: {zh: 海关, en: Customs}
resources:
  - code: 301002/000001
    title: {zh: 订单, en: Order}
    types: [trade.order]
    summary: {zh: 订单, en: Order}
    provider: {zh: 平台, en: Platform}
    format: self-describing
    share: unconditional
    method: platform
    cycle: real-time
    published: 2026-03-01
`

// hub is the part of a hub that delivers: a real store, and the real delivery
// of the subscriptions that the test writes down.
type hub struct {
	*Delivery
	store   store.Store
	records int
}

// newHub makes a hub whose agency "tax" has the subscriptions.
func newHub(tb testing.TB, dir string, change func(*Rooms, *Settings), subscriptions ...string) *hub {
	tb.Helper()
	agency := "code: tax\ntitle: {zh: 税务, en: Tax}\nkind: tax\nsubscriptions:\n" +
		"  - {resource: 301002/000001, " + strings.Join(subscriptions, "}\n  - {resource: 301002/000001, ") + "}\n"
	d, err := directory.Load(fstest.MapFS{
		"directory/301002.yaml": {Data: []byte(resources)}, "agencies/tax.yaml": {Data: []byte(agency)},
	})
	require.NoError(tb, err)
	st, err := sqlite.Open(tb.Context(), filepath.Join(dir, "tongqu.db"), zap.NewNop())
	require.NoError(tb, err)
	mask, err := directory.NewMasker(&schema.Shape{Props: []*schema.Shape{
		{Name: "orderNo"}, {Name: "buyer", Props: []*schema.Shape{{Name: "name", Personal: "name"}, {Name: "idNumber", Personal: "id"}}},
	}})
	require.NoError(tb, err)
	rooms := Rooms{
		Rules: Rules{Directory: d, Masks: map[string]*directory.Masker{orderType: mask}, Encode: encodeXML},
		Store: st, Log: zap.NewNop(), Metrics: NewMetrics(),
	}
	settings := NewDefaultSettings()
	settings.Folder = dir
	if change != nil {
		change(&rooms, &settings)
	}
	h := &hub{Delivery: New(rooms, settings), store: st}
	tb.Cleanup(func() {
		h.Close()
		require.NoError(tb, st.Close())
	})
	return h
}

// encodeXML stands for the adapters: it knows one format, and cannot write
// orders whose number starts with "bad".
func encodeXML(format string, bodies [][]byte, _ adapter.Transfer) (adapter.Encoded, error) {
	var order struct {
		OrderNo string `json:"orderNo"`
	}
	if err := json.Unmarshal(bodies[0], &order); err != nil {
		return adapter.Encoded{}, err
	}
	if strings.HasPrefix(order.OrderNo, "bad") {
		f := fault.New(fault.MapMissing, fault.Place{Path: "/Order/orderNo"}, order.OrderNo, "orderNo").WithRule("required")
		return adapter.Encoded{}, fault.List{f}
	}
	return adapter.Encoded{
		Body: fmt.Appendf(nil, "<%s>%s</%[1]s>", format[strings.Index(format, "/")+1:], bodies[0]), ContentType: "application/xml; charset=UTF-8", Extension: "xml",
	}, nil
}

// order records an order and returns the message that carries it.
func (h *hub) order(tb testing.TB, orderNo string) bus.Message {
	tb.Helper()
	return h.orderOf(tb, orderNo, orderNo)
}

// orderOf records an order under a key.
func (h *hub) orderOf(tb testing.TB, key, orderNo string) bus.Message {
	tb.Helper()
	h.records++
	id, err := record.NewDocumentID()
	require.NoError(tb, err)
	body := []byte(`{"orderNo":"` + orderNo + `","direction":"import","buyer":{"name":"张三丰","idNumber":"130681199001013332"}}`)
	at := time.Now().UTC().Truncate(time.Microsecond)
	e := store.Entry{
		Document: store.Document{ID: id, Agency: "platform", Door: "http", ReceivedAt: at, SHA256: sha256.Sum256([]byte(id)), Size: len(body), Body: body},
		Records: []record.Record{{
			ID: record.ID(id, 1), DocumentID: id, Index: 1, Type: orderType, Agency: "platform", Status: record.Accepted, Action: record.Create,
			Keys: []record.Key{{Name: "order", Value: key}}, ReceivedAt: at, Body: body,
		}},
	}
	require.NoError(tb, h.store.Record(tb.Context(), &e))
	return relay.ToMessage(&e.Records[0])
}

func (h *hub) orders(tb testing.TB, orderNos ...string) []bus.Message {
	tb.Helper()
	batch := make([]bus.Message, len(orderNos))
	for i, no := range orderNos {
		batch[i] = h.order(tb, no)
	}
	return batch
}

// delivery is what the store says of one record's delivery to the subscription "orders".
func (h *hub) delivery(tb testing.TB, m bus.Message) store.Delivery {
	tb.Helper()
	page, err := h.store.Deliveries(context.WithoutCancel(tb.Context()), store.DeliveryQuery{Subscription: "orders", RecordID: m.Header(relay.HeaderID)})
	require.NoError(tb, err)
	require.LessOrEqual(tb, len(page.Items), 1)
	if len(page.Items) == 0 {
		return store.Delivery{}
	}
	return page.Items[0]
}

// push is one request that a subscriber got.
type push struct {
	header http.Header
	body   []byte
	orders []string // order numbers, in order
}

// subscriber is a subscriber's HTTP server that remembers what it got. answer,
// when set, replaces the plain 200; what it answered 2xx counts as taken.
type subscriber struct {
	url    string
	server *http.Server

	mu     sync.Mutex
	answer func(w http.ResponseWriter, p push)
	pushes []push
	taken  []string
}

// newSubscriber serves on a local port.
func newSubscriber(tb testing.TB) *subscriber {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	return serve(tb, l)
}

func serve(tb testing.TB, l net.Listener) *subscriber {
	tb.Helper()
	s := &subscriber{url: "http://" + l.Addr().String() + "/in"}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	done := make(chan error)
	go func() { done <- s.server.Serve(l) }()
	tb.Cleanup(func() {
		require.NoError(tb, s.server.Close())
		require.ErrorIs(tb, <-done, http.ErrServerClosed)
	})
	return s
}

func (s *subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := push{header: r.Header}
	var err error
	if p.body, err = io.ReadAll(r.Body); err != nil {
		return // the hub went away
	}
	p.orders = orderNos(p.body)
	s.mu.Lock()
	s.pushes = append(s.pushes, p)
	answer := s.answer
	s.mu.Unlock()
	answered := &answerWriter{ResponseWriter: w, status: http.StatusOK}
	if answer != nil {
		answer(answered, p)
	}
	if answered.status < 300 {
		s.mu.Lock()
		s.taken = append(s.taken, p.orders...)
		s.mu.Unlock()
	}
}

type answerWriter struct {
	http.ResponseWriter
	status int
}

func (w *answerWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// orderNos finds the order numbers in a record, a batch of events, or XML.
func orderNos(body []byte) []string {
	var nos []string
	for _, part := range strings.Split(string(body), `"orderNo":"`)[1:] {
		no, _, _ := strings.Cut(part, `"`)
		nos = append(nos, no)
	}
	return nos
}

func (s *subscriber) onPush(answer func(w http.ResponseWriter, p push)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *subscriber) got() ([]push, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]push(nil), s.pushes...), append([]string(nil), s.taken...)
}

// to is the endpoint of a subscription to the subscriber.
func (s *subscriber) to() string {
	return "endpoint: {http: {url: '" + s.url + "', secret: " + secret + ", timeout: 10s}}"
}

func status(code int) func(http.ResponseWriter, push) {
	return func(w http.ResponseWriter, _ push) { w.WriteHeader(code) }
}

// encodeJSON stands for adapters that can write everything.
func encodeJSON(_ string, bodies [][]byte, _ adapter.Transfer) (adapter.Encoded, error) {
	return adapter.Encoded{Body: bodies[0], ContentType: "application/json", Extension: "json"}, nil
}

// count reads a counter.
func count(t *testing.T, c prometheus.Counter) int {
	t.Helper()
	var m dto.Metric
	require.NoError(t, c.Write(&m))
	return int(m.GetCounter().GetValue())
}
