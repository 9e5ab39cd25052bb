package api

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/problem"
	"tongqu/internal/query"
	"tongqu/internal/store"
)

// Query is one question that was put through the hub, with its answer as far as it
// is kept: personal data are masked for everybody.
type Query struct {
	ID         string              `json:"queryId"`
	Agency     string              `json:"agency"`
	Resource   string              `json:"resource"`
	Purpose    string              `json:"purpose"`
	At         time.Time           `json:"at"`
	Millis     float64             `json:"millis"`
	Status     store.InquiryStatus `json:"status"`
	Source     store.InquirySource `json:"source,omitempty"`
	Outcome    string              `json:"outcome,omitempty"`
	CachedFrom string              `json:"cachedFrom,omitempty"`
	Request    json.RawMessage     `json:"request"`
	Answer     json.RawMessage     `json:"answer,omitempty"`
	Errors     json.RawMessage     `json:"errors,omitempty"`
}

// QueryPage is one page of queries.
type QueryPage struct {
	Queries []Query `json:"queries"`
	Next    string  `json:"next,omitempty"`
}

// postQuery answers the questions of an agency about one resource.
func (a *API) postQuery(w http.ResponseWriter, r *http.Request, viewer *directory.Agency) {
	code := strings.Replace(r.PathValue("code"), "-", "/", 1)
	resource, ok := a.Directory.Resource(code)
	if !ok || resource.Query == nil {
		problem.Write(w, http.StatusNotFound, fault.New(fault.NotFound, fault.Place{}, "", r.PathValue("code")))
		return
	}
	var req query.Request
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	dec.DisallowUnknownFields()
	if dec.Decode(&req) != nil {
		// What the decoder says may repeat personal data.
		problem.Write(w, http.StatusBadRequest, fault.New(fault.BadRequest, fault.Place{}, "", `{"purpose": "…", "requests": [{…}]}`))
		return
	}
	answers, err := a.Queries.Ask(r.Context(), viewer, resource, req)
	switch faults := fault.Of(err); {
	case len(faults) > 0 && faults[0].Code == fault.QueryNotEntitled:
		problem.Write(w, http.StatusForbidden, faults...)
	case len(faults) > 0:
		problem.Write(w, http.StatusBadRequest, faults...)
	case err != nil:
		a.Log.Error("answering a query", zap.String("resource", code), zap.String("reference", uuid.NewString()), zap.Error(err))
		w.Header().Set("Retry-After", "5")
		problem.Write(w, http.StatusServiceUnavailable, fault.New(fault.NotRecorded, fault.Place{}, ""))
	default:
		writeAnswers(w, answers)
	}
}

// writeAnswers answers 200 as soon as one of the questions has an answer; otherwise
// the status says what became of the last one, and the faults name their question.
func writeAnswers(w http.ResponseWriter, answers query.Answers) {
	var faults []fault.Fault
	status := http.StatusUnprocessableEntity
	var wait time.Duration
	for i := range answers.Answers {
		one := &answers.Answers[i]
		if one.Status != store.InquiryRefused && one.Status != store.InquiryFailed {
			problem.WriteJSON(w, http.StatusOK, "application/json", answers)
			return
		}
		wait = max(wait, one.RetryAfter)
		for _, f := range one.Errors {
			f.Path = fmt.Sprintf("/requests[%d]%s", i+1, f.Path)
			faults = append(faults, f)
			switch {
			case f.Code == fault.RateLimited:
				status = http.StatusTooManyRequests
			case one.Status == store.InquiryFailed:
				status = http.StatusServiceUnavailable
			}
		}
	}
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	problem.Write(w, status, faults...)
}

// getQueries lists what was asked: all of it for operators, its own for an agency.
func (a *API) getQueries(w http.ResponseWriter, r *http.Request, viewer *directory.Agency) {
	v := r.URL.Query()
	rq, f := recordQuery(v)
	status := store.InquiryStatus(v.Get("status"))
	if f == nil && !known(status, store.InquiryOpen, store.InquiryAnswered, store.InquiryNotFound, store.InquiryRefused, store.InquiryFailed) {
		f = badStatus(string(status))
	}
	if f != nil {
		problem.Write(w, http.StatusBadRequest, *f)
		return
	}
	q := store.InquiryQuery{
		Agency: rq.Agency, Resource: strings.Replace(v.Get("resource"), "-", "/", 1), Status: status, From: rq.From, To: rq.To, Cursor: rq.Cursor, Limit: rq.Limit,
	}
	if !viewer.Operator() {
		q.Agency = viewer.Code
	}
	page, err := a.Store.Inquiries(r.Context(), q)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	out := QueryPage{Queries: make([]Query, len(page.Items)), Next: page.Next}
	for i := range page.Items {
		one := &page.Items[i]
		out.Queries[i] = Query{
			ID: one.ID, Agency: one.Agency, Resource: one.Resource, Purpose: one.Purpose, At: one.At, Millis: float64(one.Took.Microseconds()) / 1000,
			Status: one.Status, Source: one.Source, Outcome: one.Outcome, CachedFrom: one.CachedFrom,
			Request: one.Request, Answer: one.Answer, Errors: one.Errors,
		}
	}
	problem.WriteJSON(w, http.StatusOK, "application/json", out)
}
