package delivery

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/bus"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/relay"
	"tongqu/internal/store"
)

// refusing answers 422 to every request that holds one of the orders.
func refusing(orderNos ...string) func(http.ResponseWriter, push) {
	return func(w http.ResponseWriter, p push) {
		if slices.ContainsFunc(p.orders, func(no string) bool { return slices.Contains(orderNos, no) }) {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}
}

func TestRefusedBatchIsSplit(t *testing.T) {
	sub := newSubscriber(t)
	sub.onPush(refusing("A2", "A5"))
	h := newHub(t, t.TempDir(), nil, "id: orders, batch: 4, "+sub.to())
	batch := h.orders(t, "A1", "A2", "A3", "A4", "A5", "A6")
	require.NoError(t, h.workers["orders"].handle(t.Context(), batch))
	pushes, taken := sub.got()
	require.Equal(t, []string{"A1", "A3", "A4", "A6"}, taken, "in order, without the refused ones")
	for _, p := range pushes {
		require.Equal(t, BatchContentType, p.header.Get("Content-Type"), "a batch of one is a batch")
	}
	for i, want := range []store.DeliveryStatus{
		store.DeliveryDelivered, store.DeliveryParked, store.DeliveryDelivered, store.DeliveryDelivered, store.DeliveryParked, store.DeliveryDelivered,
	} {
		got := h.delivery(t, batch[i])
		require.Equal(t, want, got.Status, batch[i].Key)
		require.Equal(t, 2, got.Attempts, "together and alone")
	}
	require.Equal(t, "DELIVERY_REFUSED 422 Unprocessable Entity", h.delivery(t, batch[1]).Detail)
	metrics := h.rooms.Metrics
	require.Equal(t, 4, count(t, metrics.deliveries.WithLabelValues("orders", "delivered")))
	require.Equal(t, 2, count(t, metrics.deliveries.WithLabelValues("orders", "parked")))
}

// A 409 for a batch does not say which of its records is the duplicate.
func TestDuplicateInBatch(t *testing.T) {
	sub := newSubscriber(t)
	sub.onPush(func(w http.ResponseWriter, p push) {
		if slices.Contains(p.orders, "A2") {
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte("duplicate A2"))
		}
	})
	h := newHub(t, t.TempDir(), nil, "id: orders, batch: 3, "+sub.to())
	batch := h.orders(t, "A1", "A2", "A3")
	require.NoError(t, h.workers["orders"].handle(t.Context(), batch))
	_, taken := sub.got()
	require.Equal(t, []string{"A1", "A3"}, taken)
	for _, m := range batch {
		require.Equal(t, store.DeliveryDelivered, h.delivery(t, m).Status)
	}
}

func TestSettledRecordsAreNotSentAgain(t *testing.T) {
	sub := newSubscriber(t)
	sub.onPush(refusing("A2"))
	h := newHub(t, t.TempDir(), nil, "id: orders, "+sub.to())
	batch := h.orders(t, "A1", "A2")
	for range 2 {
		require.NoError(t, h.workers["orders"].handle(t.Context(), batch))
	}
	pushes, _ := sub.got()
	require.Len(t, pushes, 2)
}

// Whatever the format, the batch and the endpoint: a masked subscription never
// gets the clear values, and a cleared one gets the very bytes.
func TestPersonalData(t *testing.T) {
	const name, number = "张三丰", "130681199001013332"
	formats := map[string]string{"one": "", "batch": "batch: 10, ", "xml": "format: customs_ceb/CEB311Message, "}
	for kind, options := range formats {
		t.Run(kind, func(t *testing.T) {
			sub := newSubscriber(t)
			h := newHub(t, t.TempDir(), nil, "id: masked, "+options+sub.to(), "id: clear, personal: clear, "+options+sub.to())
			batch := h.orders(t, "A1")
			require.NoError(t, h.workers["masked"].handle(t.Context(), batch))
			require.NoError(t, h.workers["clear"].handle(t.Context(), batch))
			pushes, _ := sub.got()
			require.Len(t, pushes, 2)
			require.NotContains(t, string(pushes[0].body), name)
			require.NotContains(t, string(pushes[0].body), number)
			require.Contains(t, string(pushes[0].body), `"张*"`)
			require.Contains(t, string(pushes[0].body), `"130681********3332"`)
			require.Contains(t, string(pushes[1].body), string(batch[0].Value))
			require.NotContains(t, strings.Join(pushes[0].header.Values("ce-subject"), ""), number)
		})
	}
	t.Run("file", func(t *testing.T) {
		h := newHub(t, t.TempDir(), nil, "id: masked, endpoint: {file: {folder: tax}}")
		batch := h.orders(t, "A1")
		require.NoError(t, h.workers["masked"].handle(t.Context(), batch))
		body, err := os.ReadFile(filepath.Join(h.settings.Folder, "tax", "InBox", "masked_"+batch[0].Header(relay.HeaderID)+".json"))
		require.NoError(t, err)
		require.NotContains(t, string(body), name)
		require.NotContains(t, string(body), number)
		require.Contains(t, string(body), `"orderNo":"A1"`)
	})
}

// Without a mask for the type nothing goes out to who must not see clear data.
func TestUnknownTypeIsParkedRatherThanShown(t *testing.T) {
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), func(r *Rooms, _ *Settings) { r.Masks = map[string]*directory.Masker{} }, "id: orders, "+sub.to())
	m := h.order(t, "A1")
	require.NoError(t, h.workers["orders"].handle(t.Context(), []bus.Message{m}))
	pushes, _ := sub.got()
	require.Empty(t, pushes)
	got := h.delivery(t, m)
	require.Equal(t, store.DeliveryParked, got.Status)
	require.Equal(t, "DELIVERY_NOT_ENCODED nothing says which data of trade.order.v1 are personal", got.Detail)
}

func TestFilteredRecordsAreSkipped(t *testing.T) {
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), nil, "id: orders, personal: clear, filter: {orderNo: [A2, A3]}, "+sub.to())
	require.NoError(t, h.workers["orders"].handle(t.Context(), h.orders(t, "A1", "A2", "A3", "A4")))
	_, taken := sub.got()
	require.Equal(t, []string{"A2", "A3"}, taken)
	require.Equal(t, 2, count(t, h.rooms.Metrics.deliveries.WithLabelValues("orders", "skipped")))
}

func TestRecordThatCannotBeEncodedIsParked(t *testing.T) {
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), nil, "id: orders, format: customs_ceb/CEB311Message, "+sub.to())
	batch := h.orders(t, "A1", "bad2", "A3")
	require.NoError(t, h.workers["orders"].handle(t.Context(), batch))
	pushes, taken := sub.got()
	require.Equal(t, []string{"A1", "A3"}, taken)
	require.Equal(t, "application/xml; charset=UTF-8", pushes[0].header.Get("Content-Type"))
	require.Equal(t, batch[0].Header(relay.HeaderID), pushes[0].header.Get("ce-id"))
	got := h.delivery(t, batch[1])
	require.Equal(t, store.DeliveryParked, got.Status)
	require.Equal(t, "DELIVERY_NOT_ENCODED customs_ceb/CEB311Message: MAP_MISSING /Order/orderNo required", got.Detail)
	require.Zero(t, got.Attempts)
}

// A body too large for the bus comes from the store.
func TestRecordTooLargeForTheBus(t *testing.T) {
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), nil, "id: orders, personal: clear, "+sub.to())
	m := h.order(t, "A1")
	body := m.Value
	m.Value = nil
	m.Headers = append(m.Headers, bus.Header{Key: relay.HeaderDataRef, Value: "/v1/records/" + m.Header(relay.HeaderID)})
	require.NoError(t, h.workers["orders"].handle(t.Context(), []bus.Message{m}))
	pushes, _ := sub.got()
	require.Equal(t, string(body), string(pushes[0].body))
	require.Empty(t, pushes[0].header.Get("ce-dataref"))
}

// A record whose body is in the store alone, and which a store that was restored to an
// earlier moment does not hold, is parked; it does not hold up the rest.
func TestRecordThatTheStoreHasLost(t *testing.T) {
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), nil, "id: orders, "+sub.to())
	lost := h.order(t, "A1")
	lost.Value = nil
	for i := range lost.Headers {
		if lost.Headers[i].Key == relay.HeaderID {
			lost.Headers[i].Value = "00000000-0000-7000-8000-000000000000.1"
		}
	}
	lost.Headers = append(lost.Headers, bus.Header{Key: relay.HeaderDataRef, Value: "/v1/records/" + lost.Header(relay.HeaderID)})
	require.NoError(t, h.workers["orders"].handle(t.Context(), []bus.Message{lost, h.order(t, "A2")}))
	_, taken := sub.got()
	require.Equal(t, []string{"A2"}, taken)
	got := h.delivery(t, lost)
	require.Equal(t, store.DeliveryParked, got.Status)
	require.Contains(t, got.Detail, "the store does not hold the record")
}

// A record that is on the bus twice, side by side, is delivered once.
func TestTwiceInOneBatch(t *testing.T) {
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), nil, "id: orders, batch: 10, "+sub.to())
	a, b := h.order(t, "A1"), h.order(t, "A2")
	require.NoError(t, h.workers["orders"].handle(t.Context(), []bus.Message{a, b, a}))
	_, taken := sub.got()
	require.Equal(t, []string{"A1", "A2"}, taken)
}

// A message that is no record is counted and passed over; it does not hold up the rest.
func TestForeignMessage(t *testing.T) {
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), nil, "id: orders, "+sub.to())
	good := h.order(t, "A1")
	escape := h.order(t, "A2")
	for i := range escape.Headers {
		if escape.Headers[i].Key == relay.HeaderID {
			escape.Headers[i].Value = "../../etc/passwd"
		}
	}
	require.NoError(t, h.workers["orders"].handle(t.Context(), []bus.Message{{Topic: "tongqu.trade.order", Value: []byte("hello")}, escape, good}))
	_, taken := sub.got()
	require.Equal(t, []string{"A1"}, taken)
	require.Equal(t, 2, count(t, h.rooms.Metrics.unreadable.WithLabelValues("orders")))
}

// What the store could not be told stays with the bus, which hands it in again.
func TestStoreAway(t *testing.T) {
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), nil, "id: orders, "+sub.to())
	first, batch := h.orders(t, "A1"), h.orders(t, "A2")
	require.NoError(t, h.workers["orders"].handle(t.Context(), first))
	require.NoError(t, h.store.Close())
	require.Error(t, h.workers["orders"].handle(t.Context(), batch))
	_, taken := sub.got()
	require.Equal(t, []string{"A1"}, taken, "not sent before the store says what is settled")
}

func TestResend(t *testing.T) {
	sub := newSubscriber(t)
	sub.onPush(refusing("A1", "A2", "A3"))
	h := newHub(t, t.TempDir(), nil, "id: orders, batch: 10, "+sub.to())
	batch := h.orders(t, "A1", "A2", "A3", "A4")
	require.NoError(t, h.workers["orders"].handle(t.Context(), batch))
	ids := make([]string, len(batch))
	for i := range batch {
		ids[i] = batch[i].Header(relay.HeaderID)
	}

	// One of them, another that was never parked, and one nobody knows.
	sub.onPush(refusing("A2"))
	got, err := h.Resend(t.Context(), "orders", []string{ids[0], ids[3], "00000000-0000-7000-8000-000000000000.1"})
	require.NoError(t, err)
	require.Equal(t, Resent{Delivered: 1}, got)
	require.Equal(t, store.DeliveryDelivered, h.delivery(t, batch[0]).Status)
	require.Equal(t, 3, h.delivery(t, batch[0]).Attempts, "together, alone, and again")

	// All that are left: one is still refused.
	got, err = h.Resend(t.Context(), "orders", nil)
	require.NoError(t, err)
	require.Equal(t, Resent{Delivered: 1, Parked: 1}, got)

	// The subscriber is away: it stays parked and the command does not wait.
	sub.onPush(status(http.StatusServiceUnavailable))
	for range 2 { // by the attempt, and by the open circuit
		got, err = h.Resend(t.Context(), "orders", nil)
		var f fault.Fault
		require.ErrorAs(t, err, &f)
		require.Equal(t, fault.DeliveryUnreachable, f.Code)
		require.Contains(t, f.EN, "503 Service Unavailable")
		require.Equal(t, Resent{Left: 1}, got)
	}
	require.Equal(t, store.DeliveryParked, h.delivery(t, batch[1]).Status)

	_, taken := sub.got()
	require.Equal(t, []string{"A4", "A1", "A3"}, taken)
	pushes, _ := sub.got()
	for _, p := range pushes {
		require.NotContains(t, string(p.body), "张三丰")
	}
	_, err = h.Resend(t.Context(), "nobody", nil)
	require.Equal(t, fault.NotFound, fault.Of(err)[0].Code)
}

func TestResendOfWhatCouldNotBeEncoded(t *testing.T) {
	sub := newSubscriber(t)
	h := newHub(t, t.TempDir(), nil, "id: orders, format: customs_ceb/CEB311Message, "+sub.to())
	batch := h.orders(t, "bad1")
	require.NoError(t, h.workers["orders"].handle(t.Context(), batch))
	got, err := h.Resend(t.Context(), "orders", nil)
	require.NoError(t, err)
	require.Equal(t, Resent{Parked: 1}, got)

	mended := *h.rules.Load()
	mended.Encode = encodeJSON
	h.Use(mended)
	got, err = h.Resend(t.Context(), "orders", nil)
	require.NoError(t, err)
	require.Equal(t, Resent{Delivered: 1}, got)
}

func TestReasonsTellNoValues(t *testing.T) {
	f := fault.New(fault.SchemaPattern, fault.Place{Path: "/Order/buyerName", Line: 3, Column: 4}, "张三丰", "x").WithRule("pattern x")
	for _, err := range []error{fault.List{f, f}, errors.New("cannot read 张三丰")} {
		require.NotContains(t, reasons(err), "张")
	}
	require.Equal(t, "SCHEMA_PATTERN /Order/buyerName pattern x; SCHEMA_PATTERN /Order/buyerName pattern x", reasons(fault.List{f, f}))
}
