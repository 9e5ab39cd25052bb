// Package api is the hub's HTTP API: the door for documents, the records and
// their timelines, deliveries, health and metrics.
package api

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"tongqu/internal/bus"
	"tongqu/internal/delivery"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/problem"
	"tongqu/internal/store"
)

//go:embed openapi.json
var openAPI []byte

// Check is one part of the hub's readiness.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// Rooms are the parts of the hub that the API shows.
type Rooms struct {
	Store     store.Store
	Directory *directory.Directory
	Delivery  *delivery.Delivery
	Bus       bus.Bus
	// Maskers hide personal data, by canonical type.
	Maskers map[string]*directory.Masker
	// Documents is the HTTP door of intake.
	Documents http.Handler
	Metrics   prometheus.Gatherer
	Checks    []Check
	Log       *zap.Logger
}

// API answers HTTP requests.
type API struct {
	Rooms
	mux *http.ServeMux
}

// New makes the API.
func New(r Rooms) *API {
	a := &API{Rooms: r, mux: http.NewServeMux()}
	a.mux.Handle("POST /v1/documents", r.Documents)
	for pattern, handle := range map[string]handler{
		"GET /v1/records":               a.getRecords,
		"GET /v1/records/{id}":          a.getRecord,
		"GET /v1/records/{id}/timeline": a.getTimeline,
		"GET /v1/records/{id}/document": a.getOriginal,
		"GET /v1/documents":             a.getDocuments,
		"GET /v1/documents/{id}":        a.getDocument,
		"GET /v1/documents/{id}/body":   a.getOriginal,
		"GET /v1/deliveries":            a.operators(a.getDeliveries),
		"POST /v1/deliveries/resend":    a.operators(a.postResend),
		"GET /v1/subscriptions":         a.operators(a.getSubscriptions),
		"GET /v1/balance":               a.operators(a.getBalance),
	} {
		a.mux.HandleFunc(pattern, a.authenticated(handle))
	}
	a.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		problem.WriteJSON(w, http.StatusOK, "application/json", map[string]string{"status": "up"})
	})
	a.mux.HandleFunc("GET /readyz", a.ready)
	a.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openAPI)
	})
	a.mux.Handle("GET /metrics", promhttp.HandlerFor(r.Metrics, promhttp.HandlerOpts{}))
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, http.StatusNotFound, fault.New(fault.NotFound, fault.Place{}, "", r.Method+" "+r.URL.Path))
	})
	return a
}

// ServeHTTP answers one request; a panic in a handler ends that request alone.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // compared as net/http does
			reference := uuid.NewString()
			a.Log.Error("panic in a request", zap.String("reference", reference), zap.String("path", r.URL.Path), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			problem.Write(w, http.StatusInternalServerError, fault.New(fault.Internal, fault.Place{}, "", reference))
		}
	}()
	a.mux.ServeHTTP(w, r)
}

// handler answers a request of a known agency.
type handler func(w http.ResponseWriter, r *http.Request, viewer *directory.Agency)

func (a *API) authenticated(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		viewer, ok := a.Directory.Authenticate(token)
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer realm="tongqu"`)
			problem.Write(w, http.StatusUnauthorized, fault.New(fault.Unauthorized, fault.Place{}, ""))
			return
		}
		h(w, r, viewer)
	}
}

// operators lets only the hub's operators in.
func (a *API) operators(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request, viewer *directory.Agency) {
		if !viewer.Operator() {
			problem.Write(w, http.StatusForbidden, fault.New(fault.NotEntitled, fault.Place{}, "", viewer.Code, r.URL.Path))
			return
		}
		h(w, r, viewer)
	}
}

// ready answers 200 when the hub can record and the rest of it works.
func (a *API) ready(w http.ResponseWriter, r *http.Request) {
	status, parts := http.StatusOK, map[string]string{}
	for _, c := range a.Checks {
		parts[c.Name] = "ok"
		if err := c.Run(r.Context()); err != nil {
			status, parts[c.Name] = http.StatusServiceUnavailable, fmt.Sprint(err)
		}
	}
	word := "ready"
	if status != http.StatusOK {
		word = "not ready"
	}
	problem.WriteJSON(w, status, "application/json", map[string]any{"status": word, "checks": parts})
}
