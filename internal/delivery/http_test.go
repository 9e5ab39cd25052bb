package delivery

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/bus"
	"tongqu/internal/circuit"
	"tongqu/internal/relay"
	"tongqu/internal/store"
)

func TestPushOfOneRecord(t *testing.T) {
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), nil, "id: orders, personal: clear, "+sub.to())
	m := h.order(t, "订单 1")
	m.Headers = append(m.Headers, bus.Header{Key: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	require.NoError(t, h.workers["orders"].handle(t.Context(), []bus.Message{m}))

	pushes, _ := sub.got()
	require.Len(t, pushes, 1)
	id := m.Header(relay.HeaderID)
	for name, want := range map[string]string{
		"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": id, "ce-type": orderType,
		"ce-source": "/agencies/platform", "ce-subject": "%E8%AE%A2%E5%8D%95%201", "ce-time": m.Header(relay.HeaderTime),
		"ce-dataschema": "/schemas/canonical/trade.order.v1.json", "ce-action": "create",
		IdempotencyHeader: id, AttemptHeader: "1", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	} {
		require.Equal(t, want, pushes[0].header.Get(name), name)
	}
	require.Equal(t, string(m.Value), string(pushes[0].body))
	require.NoError(t, Verify(secret, pushes[0].header.Get(SignatureHeader), pushes[0].body, time.Now(), time.Minute))

	got := h.delivery(t, m)
	require.Equal(t, store.DeliveryDelivered, got.Status)
	require.Equal(t, 1, got.Attempts)
	require.Equal(t, "200 OK", got.Detail)
}

func TestPushOfBatch(t *testing.T) {
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), nil, "id: orders, personal: clear, batch: 2, "+sub.to())
	batch := h.orders(t, "A1", "A2", "A3")
	require.NoError(t, h.workers["orders"].handle(t.Context(), batch))

	pushes, taken := sub.got()
	require.Equal(t, []string{"A1", "A2", "A3"}, taken)
	require.Len(t, pushes, 2, "two records and what is left, without waiting for more")
	require.Equal(t, BatchContentType, pushes[0].header.Get("Content-Type"))
	require.Empty(t, pushes[0].header.Get("ce-id"))
	require.NotEqual(t, pushes[0].header.Get(IdempotencyHeader), pushes[1].header.Get(IdempotencyHeader))
	require.NoError(t, Verify(secret, pushes[0].header.Get(SignatureHeader), pushes[0].body, time.Now(), time.Minute))
	var events []struct {
		SpecVersion     string          `json:"specversion"`
		ID              string          `json:"id"`
		Subject         string          `json:"subject"`
		DataContentType string          `json:"datacontenttype"`
		Data            json.RawMessage `json:"data"`
	}
	require.NoError(t, json.Unmarshal(pushes[0].body, &events))
	require.Len(t, events, 2)
	for i, e := range events {
		require.Equal(t, "1.0", e.SpecVersion)
		require.Equal(t, batch[i].Header(relay.HeaderID), e.ID)
		require.Equal(t, batch[i].Key, e.Subject)
		require.Equal(t, "application/json", e.DataContentType)
		require.JSONEq(t, string(batch[i].Value), string(e.Data))
	}
}

func TestBatchIsBoundedInBytes(t *testing.T) {
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), func(_ *Rooms, s *Settings) { s.BatchBytes = 250 }, "id: orders, batch: 100, "+sub.to())
	batch := h.orders(t, "A1", "A2", strings.Repeat("9", 60), "A4")
	require.NoError(t, h.workers["orders"].handle(t.Context(), batch))
	pushes, taken := sub.got()
	require.Len(t, taken, 4)
	require.Greater(t, len(pushes), 1)
	for _, p := range pushes {
		require.LessOrEqual(t, len(p.orders), 2)
	}
}

// What a subscriber's answer makes of a delivery, sent alone.
func TestAnswers(t *testing.T) {
	problem := func(w http.ResponseWriter, _ push) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(`{"title":"unknown currency","detail":"order of 张三丰"}`))
	}
	text := func(code int, body string) func(http.ResponseWriter, push) {
		return func(w http.ResponseWriter, _ push) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	tests := []struct {
		name   string
		answer func(http.ResponseWriter, push)
		want   store.DeliveryStatus // empty: an outage
		detail string
	}{
		{"ok", status(200), store.DeliveryDelivered, "200 OK"},
		{"accepted", status(202), store.DeliveryDelivered, "202 Accepted"},
		{"no content", status(204), store.DeliveryDelivered, "204 No Content"},
		{"long answer", text(200, strings.Repeat("x", 1<<20)), store.DeliveryDelivered, "200 OK"},
		{"duplicate", text(409, `{"code":"DUPLICATE_RECORD"}`), store.DeliveryDelivered, "409 Conflict: duplicate"},
		{"duplicate in Chinese", text(409, "重复报文"), store.DeliveryDelivered, "409 Conflict: duplicate"},
		{"conflict", text(409, "wrong version"), store.DeliveryParked, "DELIVERY_REFUSED 409 Conflict"},
		{"bad request", text(400, "name 张三丰 is wrong"), store.DeliveryParked, "DELIVERY_REFUSED 400 Bad Request"},
		{"problem", problem, store.DeliveryParked, "DELIVERY_REFUSED 422 Unprocessable Entity: unknown currency"},
		{"not found", status(404), store.DeliveryParked, "DELIVERY_REFUSED 404 Not Found"},
		{"timeout", status(408), "", "408 Request Timeout"},
		{"too early", status(425), "", "425 Too Early"},
		{"too many", status(429), "", "429 Too Many Requests"},
		{"error", status(500), "", "500 Internal Server Error"},
		{"unavailable", status(503), "", "503 Service Unavailable"},
		{"redirect", func(w http.ResponseWriter, _ push) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, "", "307 Temporary Redirect: redirects are not followed"},
		{"broken", func(http.ResponseWriter, push) { panic(http.ErrAbortHandler) }, "", "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sub := newSubscriber(t)
			sub.onPush(tt.answer)
			h := newHub(t, t.TempDir(), nil, "id: orders, "+sub.to())
			m := h.order(t, "A1")
			w := h.workers["orders"]
			r, err := relay.FromMessage(&m)
			require.NoError(t, err)
			err = w.newErrand(false).run(t.Context(), []item{{record: r, message: &m}})
			got := h.delivery(t, m)
			if tt.want == "" {
				var away *outage
				require.ErrorAs(t, err, &away)
				require.Equal(t, tt.detail, away.reason)
				require.Equal(t, circuit.Open, w.circuit.Current().Circuit)
				require.Empty(t, got.Status)
			} else {
				require.NoError(t, err)
				require.Equal(t, circuit.Closed, w.circuit.Current().Circuit)
				require.Equal(t, tt.want, got.Status)
				require.Equal(t, tt.detail, got.Detail)
				require.NotContains(t, got.Detail, "张")
			}
			pushes, _ := sub.got()
			require.Len(t, pushes, 1, "a redirect is not followed")
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 8, 3, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "-5": 0, "999999999": time.Hour, "soon": 0, "1.5": 0, "99999999999999999999": 0,
		"Sun, 08 Mar 2026 03:00:30 GMT": 30 * time.Second, "Sun, 08 Mar 2026 02:00:00 GMT": 0, "Mon, 08 Mar 2027 03:00:00 GMT": time.Hour,
	} {
		require.Equal(t, want, retryAfter(header, now), header)
	}
}

func TestPercentEncode(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "A/1-2": "A/1-2", "a b": "a%20b", `50%"`: "50%25%22", "€": "%E2%82%AC", "\n\x7f": "%0A%7F",
	} {
		require.Equal(t, want, percentEncode(in))
	}
}

func TestVerify(t *testing.T) {
	at := time.Unix(1772900000, 0)
	body := []byte(`{"orderNo":"A1"}`)
	header := Sign(secret, at, body)
	require.Regexp(t, `^t=1772900000,v1=[0-9a-f]{64}$`, header)
	require.NoError(t, Verify(secret, header, body, at.Add(time.Minute), 5*time.Minute))
	require.NoError(t, Verify(secret, header+",v2=new", body, at, time.Minute), "a later scheme may stand beside")
	for name, err := range map[string]error{
		"other secret": Verify("other", header, body, at, time.Minute),
		"other body":   Verify(secret, header, append(body, ' '), at, time.Minute),
		"too old":      Verify(secret, header, body, at.Add(2*time.Minute), time.Minute),
		"from ahead":   Verify(secret, header, body, at.Add(-2*time.Minute), time.Minute),
		"other time":   Verify(secret, strings.Replace(header, "t=1", "t=2", 1), body, time.Unix(2772900000, 0), time.Minute),
		"empty":        Verify(secret, "", body, at, time.Minute),
		"no sum":       Verify(secret, "t=1772900000", body, at, time.Minute),
		"not hex":      Verify(secret, "t=1772900000,v1=xyz", body, at, time.Minute),
	} {
		require.ErrorIs(t, err, ErrSignature, name)
	}
}

func FuzzVerify(f *testing.F) {
	at := time.Unix(1772900000, 0)
	body := []byte("body")
	f.Add(Sign(secret, at, body))
	f.Add("t=1,v1=00")
	f.Add(",,==,t=")
	f.Fuzz(func(t *testing.T, header string) {
		if Verify(secret, header, body, at, time.Minute) == nil {
			require.Contains(t, strings.ToLower(header), hex.EncodeToString(mac(secret, "1772900000", body)))
		}
	})
}
