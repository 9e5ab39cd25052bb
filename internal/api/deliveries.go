package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"go.uber.org/zap"

	"tongqu/internal/circuit"
	"tongqu/internal/delivery"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/problem"
	"tongqu/internal/store"
)

// Delivery is one record on its way to one subscription.
type Delivery struct {
	Subscription string               `json:"subscription"`
	RecordID     string               `json:"recordId"`
	Status       store.DeliveryStatus `json:"status"`
	Attempts     int                  `json:"attempts"`
	At           time.Time            `json:"at"`
	Detail       string               `json:"detail,omitempty"`
}

// DeliveryPage is one page of deliveries.
type DeliveryPage struct {
	Deliveries []Delivery `json:"deliveries"`
	Next       string     `json:"next,omitempty"`
}

// ResendRequest names parked deliveries to send again, or all of a subscription.
type ResendRequest struct {
	Subscription string   `json:"subscription"`
	RecordIDs    []string `json:"recordIds,omitempty"`
	All          bool     `json:"all,omitempty"`
}

// Subscription is how one subscription is doing.
type Subscription struct {
	ID       string                `json:"id"`
	Agency   string                `json:"agency"`
	Resource string                `json:"resource"`
	Format   string                `json:"format"`
	Personal directory.Personal    `json:"personal"`
	State    circuit.State         `json:"state"`
	Balance  store.DeliveryBalance `json:"balance"`
	// Lag is the number of published records that it has not dealt with yet; -1
	// when Kafka does not tell.
	Lag int64 `json:"lag"`
}

func (a *API) getDeliveries(w http.ResponseWriter, r *http.Request, _ *directory.Agency) {
	v := r.URL.Query()
	limit, ok := parseLimit(v.Get("limit"))
	if !ok {
		problem.Write(w, http.StatusBadRequest, fault.New(fault.BadRequest, fault.Place{Path: "limit"}, v.Get("limit"), "limit"))
		return
	}
	status := store.DeliveryStatus(v.Get("status"))
	if !known(status, store.DeliveryDelivered, store.DeliveryParked, store.DeliveryWaiting, store.DeliverySkipped) {
		problem.Write(w, http.StatusBadRequest, *badStatus(string(status)))
		return
	}
	page, err := a.Store.Deliveries(r.Context(), store.DeliveryQuery{
		Subscription: v.Get("subscription"), Status: status, RecordID: v.Get("record"), Cursor: v.Get("cursor"), Limit: limit,
	})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	out := DeliveryPage{Deliveries: make([]Delivery, len(page.Items)), Next: page.Next}
	for i, d := range page.Items {
		out.Deliveries[i] = Delivery{d.Subscription, d.RecordID, d.Status, d.Attempts, d.At, d.Detail}
	}
	problem.WriteJSON(w, http.StatusOK, "application/json", out)
}

// maxRequest is the size of a JSON request that is no document.
const maxRequest = 1 << 20

func (a *API) postResend(w http.ResponseWriter, r *http.Request, viewer *directory.Agency) {
	var req ResendRequest
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		problem.Write(w, http.StatusBadRequest, fault.New(fault.BadRequest, fault.Place{}, "", err))
		return
	}
	if (len(req.RecordIDs) == 0) != req.All {
		problem.Write(w, http.StatusBadRequest, fault.New(fault.BadRequest, fault.Place{}, "", "recordIds | all"))
		return
	}
	a.Log.Info("deliveries sent again on command", zap.String("operator", viewer.Code), zap.String("subscription", req.Subscription), zap.Bool("all", req.All), zap.Int("records", len(req.RecordIDs)))
	resent, err := a.Delivery.Resend(r.Context(), req.Subscription, req.RecordIDs)
	if faults := fault.Of(err); len(faults) > 0 && resent == (delivery.Resent{Left: resent.Left}) {
		status := http.StatusBadGateway
		if faults[0].Code == fault.NotFound {
			status = http.StatusNotFound
		}
		problem.Write(w, status, faults...)
		return
	}
	if err != nil && len(fault.Of(err)) == 0 {
		a.fail(w, r, err)
		return
	}
	problem.WriteJSON(w, http.StatusOK, "application/json", resent)
}

func (a *API) getSubscriptions(w http.ResponseWriter, r *http.Request, _ *directory.Agency) {
	balance, err := a.Store.Balance(r.Context(), time.Time{})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	out := []Subscription{}
	for _, s := range a.Directory.Subscriptions() {
		state, _ := a.Delivery.State(s.ID)
		sub := Subscription{ID: s.ID, Agency: s.Agency, Resource: s.Resource, Format: s.Format, Personal: s.Personal, State: state, Balance: balance.Subscriptions[s.ID], Lag: -1}
		if lag, err := a.Bus.Lag(r.Context(), delivery.Group(s.ID), s.Topics()); err == nil {
			sub.Lag = total(lag)
		}
		out = append(out, sub)
	}
	problem.WriteJSON(w, http.StatusOK, "application/json", map[string]any{"subscriptions": out})
}

func (a *API) getBalance(w http.ResponseWriter, r *http.Request, _ *directory.Agency) {
	day, ok := parseTime(r.URL.Query().Get("day"))
	if !ok {
		problem.Write(w, http.StatusBadRequest, fault.New(fault.BadRequest, fault.Place{Path: "day"}, "", "day"))
		return
	}
	balance, err := a.Store.Balance(r.Context(), day)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if day.IsZero() {
		a.addLag(r.Context(), &balance)
	}
	problem.WriteJSON(w, http.StatusOK, "application/json", balance)
}

// addLag counts as waiting what is published and not dealt with yet, tried or
// not. Of a subscription whose lag Kafka does not tell, only what was tried is
// counted.
func (a *API) addLag(ctx context.Context, b *store.Balance) {
	for _, s := range a.Directory.Subscriptions() {
		lag, err := a.Bus.Lag(ctx, delivery.Group(s.ID), s.Topics())
		if err != nil {
			continue
		}
		d := b.Subscriptions[s.ID]
		d.Waiting = max(d.Waiting, total(lag))
		b.Subscriptions[s.ID] = d
	}
}

func total(lag map[string]int64) int64 {
	var n int64
	for _, l := range lag {
		n += l
	}
	return n
}
