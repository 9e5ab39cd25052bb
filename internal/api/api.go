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

	"tongqu/internal/adapter"
	"tongqu/internal/bus"
	"tongqu/internal/delivery"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/problem"
	"tongqu/internal/query"
	"tongqu/internal/store"
)

//go:embed openapi.json
var openAPI []byte

// Check is one part of the hub's readiness.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
	// Advisory checks are shown; the hub is ready all the same.
	Advisory bool
}

// Rooms are the parts of the hub that the API shows.
type Rooms struct {
	Store     store.Store
	Registry  *adapter.Registry
	Directory *directory.Directory
	Delivery  *delivery.Delivery
	Bus       bus.Bus
	Queries   *query.Desk
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
	for pattern, h := range a.routes() {
		a.mux.Handle(pattern, h)
	}
	a.mux.HandleFunc("/", a.noRoute)
	return a
}

// routes are all there are; openapi.json describes each.
func (a *API) routes() map[string]http.Handler {
	return map[string]http.Handler{
		"POST /v1/documents":            a.Documents,
		"GET /v1/documents":             a.authenticated(a.getDocuments),
		"GET /v1/documents/{id}":        a.authenticated(a.getDocument),
		"GET /v1/documents/{id}/body":   a.authenticated(a.getOriginal),
		"GET /v1/records":               a.authenticated(a.getRecords),
		"GET /v1/records/{id}":          a.authenticated(a.getRecord),
		"GET /v1/records/{id}/timeline": a.authenticated(a.getTimeline),
		"GET /v1/records/{id}/document": a.authenticated(a.getOriginal),
		"GET /v1/queries":               a.authenticated(a.getQueries),
		"POST /v1/queries/{code}":       a.authenticated(a.postQuery),
		"GET /v1/deliveries":            a.authenticated(a.operators(a.getDeliveries)),
		"POST /v1/deliveries/resend":    a.authenticated(a.operators(a.postResend)),
		"GET /v1/subscriptions":         a.authenticated(a.operators(a.getSubscriptions)),
		"GET /v1/balance":               a.authenticated(a.operators(a.getBalance)),
		"GET /healthz":                  http.HandlerFunc(healthy),
		"GET /readyz":                   http.HandlerFunc(a.ready),
		"GET /metrics":                  promhttp.HandlerFor(a.Metrics, promhttp.HandlerOpts{}),
		"GET /openapi.json":             http.HandlerFunc(describe),
	}
}

// noRoute answers what no route does: 405 when the path exists for another method.
func (a *API) noRoute(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := a.mux.Handler(other); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	what := r.Method + " " + r.URL.Path
	if len(allowed) == 0 {
		problem.Write(w, http.StatusNotFound, fault.New(fault.NotFound, fault.Place{}, "", what))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	problem.Write(w, http.StatusMethodNotAllowed, fault.New(fault.BadRequest, fault.Place{}, "", what))
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

func healthy(w http.ResponseWriter, _ *http.Request) {
	problem.WriteJSON(w, http.StatusOK, "application/json", map[string]string{"status": "up"})
}

func describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI)
}

// ready answers 200 when the hub can record and the rest of it works.
func (a *API) ready(w http.ResponseWriter, r *http.Request) {
	status, parts := http.StatusOK, map[string]string{}
	for _, c := range a.Checks {
		parts[c.Name] = "ok"
		if err := c.Run(r.Context()); err != nil {
			parts[c.Name] = fmt.Sprint(err)
			if !c.Advisory {
				status = http.StatusServiceUnavailable
			}
		}
	}
	word := "ready"
	if status != http.StatusOK {
		word = "not ready"
	}
	problem.WriteJSON(w, status, "application/json", map[string]any{"status": word, "checks": parts})
}
