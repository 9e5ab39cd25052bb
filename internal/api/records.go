package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"tongqu/internal/answer"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/problem"
	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/wire"
)

// Record is a record as the API shows it. Who did not provide it sees personal
// fields masked and no values in the errors.
type Record struct {
	ID          string          `json:"recordId"`
	DocumentID  string          `json:"documentId"`
	Index       int             `json:"index"`
	Type        string          `json:"type"`
	Agency      string          `json:"agency"`
	Keys        []record.Key    `json:"keys"`
	Version     *time.Time      `json:"version,omitempty"`
	Action      record.Action   `json:"action"`
	Status      record.Status   `json:"status"`
	DuplicateOf string          `json:"duplicateOf,omitempty"`
	ReceivedAt  time.Time       `json:"receivedAt"`
	Record      json.RawMessage `json:"record,omitempty"`
	Errors      json.RawMessage `json:"errors,omitempty"`
	// Answers are the records that a receipt answers, AnsweredBy the receipts that
	// answer a record, newest first; only where one record is shown.
	Answers    []string `json:"answers,omitempty"`
	AnsweredBy []string `json:"answeredBy,omitempty"`
}

// RecordPage is one page of records; Next goes into cursor= for the following one.
type RecordPage struct {
	Records []Record `json:"records"`
	Next    string   `json:"next,omitempty"`
}

// Timeline is what happened to a record.
type Timeline struct {
	RecordID string        `json:"recordId"`
	Events   []store.Event `json:"events"`
}

// Document is what is known of a document; its bytes are at /document of its records.
type Document struct {
	ID          string               `json:"documentId"`
	Agency      string               `json:"agency"`
	Adapter     string               `json:"adapter,omitempty"`
	Message     string               `json:"message,omitempty"`
	Door        string               `json:"door"`
	Name        string               `json:"name,omitempty"`
	ReceivedAt  time.Time            `json:"receivedAt"`
	Size        int                  `json:"size"`
	Status      store.DocumentStatus `json:"status"`
	DuplicateOf string               `json:"duplicateOf,omitempty"`
	Accepted    int                  `json:"accepted"`
	Rejected    int                  `json:"rejected"`
	Duplicates  int                  `json:"duplicates"`
	Errors      json.RawMessage      `json:"errors,omitempty"`
	Records     []Record             `json:"records,omitempty"`
}

// DocumentPage is one page of documents.
type DocumentPage struct {
	Documents []Document `json:"documents"`
	Next      string     `json:"next,omitempty"`
}

// sees reports whether the viewer may see what the agency provided.
func sees(viewer *directory.Agency, agency string) bool {
	return viewer.Operator() || viewer.Code == agency
}

func (a *API) show(viewer *directory.Agency, r *record.Record) Record {
	out := Record{
		ID: r.ID, DocumentID: r.DocumentID, Index: r.Index, Type: r.Type, Agency: r.Agency, Keys: r.Keys, Action: r.Action,
		Status: r.Status, DuplicateOf: r.DuplicateOf, ReceivedAt: r.ReceivedAt, Record: r.Body, Errors: r.Errors,
	}
	if out.Keys == nil {
		out.Keys = []record.Key{}
	}
	if !r.Version.IsZero() {
		out.Version = &r.Version
	}
	if viewer.Code != r.Agency {
		out.Record, out.Errors = a.mask(r), withoutValues(r.Errors)
	}
	return out
}

// mask hides personal data; a record that cannot be masked is not shown at all.
func (a *API) mask(r *record.Record) json.RawMessage {
	m, ok := a.Maskers[r.Type]
	if !ok {
		return nil
	}
	masked, err := m.MaskJSON(r.Body, wire.NewDefaultLimits())
	if err != nil {
		a.Log.Warn("record not shown: it cannot be masked", zap.String("record", r.ID), zap.Error(err))
		return nil
	}
	return masked
}

// withoutValues drops the values from a JSON array of faults.
func withoutValues(errorsJSON []byte) json.RawMessage {
	var faults fault.List
	if len(errorsJSON) == 0 || json.Unmarshal(errorsJSON, &faults) != nil {
		return nil
	}
	for i := range faults {
		faults[i].Value = ""
	}
	b, err := json.Marshal(faults)
	if err != nil {
		return nil
	}
	return b
}

func (a *API) getRecords(w http.ResponseWriter, r *http.Request, viewer *directory.Agency) {
	q, f := recordQuery(r.URL.Query())
	if f == nil && !known(q.Status, record.Accepted, record.Rejected, record.Duplicate) {
		f = badStatus(string(q.Status))
	}
	if f != nil {
		problem.Write(w, http.StatusBadRequest, *f)
		return
	}
	if !viewer.Operator() {
		q.Agency = viewer.Code
	}
	page, err := a.Store.Records(r.Context(), q)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	out := RecordPage{Records: make([]Record, len(page.Items)), Next: page.Next}
	for i := range page.Items {
		out.Records[i] = a.show(viewer, &page.Items[i])
	}
	problem.WriteJSON(w, http.StatusOK, "application/json", out)
}

// recordQuery reads type=&key=NAME=VALUE&agency=&status=&from=&to=&order=&cursor=&limit=.
func recordQuery(v url.Values) (store.Query, *fault.Fault) {
	q := store.Query{
		Type: v.Get("type"), Agency: v.Get("agency"), Status: record.Status(v.Get("status")),
		Newest: v.Get("order") == "newest", Cursor: v.Get("cursor"),
	}
	var f *fault.Fault
	bad := func(name string) {
		wrong := fault.New(fault.BadRequest, fault.Place{Path: name}, v.Get(name), name)
		f = &wrong
	}
	if key := v.Get("key"); key != "" {
		name, value, ok := strings.Cut(key, "=")
		if !ok || name == "" || value == "" {
			bad("key")
		}
		q.Key = record.Key{Name: name, Value: value}
	}
	var ok bool
	if !slices.Contains([]string{"", "oldest", "newest"}, v.Get("order")) {
		bad("order")
	}
	if q.From, ok = parseTime(v.Get("from")); !ok {
		bad("from")
	}
	if q.To, ok = parseTime(v.Get("to")); !ok {
		bad("to")
	}
	if q.Limit, ok = parseLimit(v.Get("limit")); !ok {
		bad("limit")
	}
	return q, f
}

// known reports whether status is empty or one of those there are.
func known[S ~string](status S, all ...S) bool { return status == "" || slices.Contains(all, status) }

func badStatus(status string) *fault.Fault {
	f := fault.New(fault.BadRequest, fault.Place{Path: "status"}, status, "status")
	return &f
}

// parseTime reads RFC 3339, or a date as its beginning in UTC+8.
func parseTime(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, true
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, true
	}
	t, err := time.ParseInLocation(time.DateOnly, s, china)
	return t, err == nil
}

// china is UTC+8, the time in which days are counted.
var china = time.FixedZone("UTC+8", 8*60*60)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

func parseLimit(s string) (int, bool) {
	if s == "" {
		return defaultLimit, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n > 0 && n <= maxLimit
}

// record answers with the record of the path, if the viewer may see it.
func (a *API) record(w http.ResponseWriter, r *http.Request, viewer *directory.Agency) (record.Record, bool) {
	rec, err := a.Store.RecordByID(r.Context(), r.PathValue("id"))
	if err == nil && !sees(viewer, rec.Agency) {
		err = store.ErrNotFound // that it exists is nobody else's business
	}
	if err != nil {
		a.fail(w, r, err)
		return rec, false
	}
	return rec, true
}

func (a *API) getRecord(w http.ResponseWriter, r *http.Request, viewer *directory.Agency) {
	rec, ok := a.record(w, r, viewer)
	if !ok {
		return
	}
	out := a.show(viewer, &rec)
	var err error
	if out.Answers, _, err = answer.Answered(r.Context(), a.Registry, a.Store, &rec); err != nil {
		a.fail(w, r, err)
		return
	}
	if out.AnsweredBy, err = answer.Receipts(r.Context(), a.Registry, a.Store, &rec); err != nil {
		a.fail(w, r, err)
		return
	}
	problem.WriteJSON(w, http.StatusOK, "application/json", out)
}

func (a *API) getTimeline(w http.ResponseWriter, r *http.Request, viewer *directory.Agency) {
	rec, ok := a.record(w, r, viewer)
	if !ok {
		return
	}
	events, err := a.Store.Timeline(r.Context(), rec.ID)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	problem.WriteJSON(w, http.StatusOK, "application/json", Timeline{rec.ID, events})
}

// getOriginal answers with the bytes as the agency sent them, to that agency only.
func (a *API) getOriginal(w http.ResponseWriter, r *http.Request, viewer *directory.Agency) {
	id := r.PathValue("id")
	if documentID, _, ok := record.SplitID(id); ok {
		id = documentID
	}
	doc, err := a.Store.Document(r.Context(), id)
	if err == nil && viewer.Code != doc.Agency {
		err = store.ErrNotFound
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(doc.Body)
}

func (a *API) getDocuments(w http.ResponseWriter, r *http.Request, viewer *directory.Agency) {
	rq, f := recordQuery(r.URL.Query())
	if f == nil && !known(store.DocumentStatus(rq.Status), store.DocumentAccepted, store.DocumentPartial, store.DocumentRejected, store.DocumentDuplicate) {
		f = badStatus(string(rq.Status))
	}
	if f != nil {
		problem.Write(w, http.StatusBadRequest, *f)
		return
	}
	q := store.DocumentQuery{Agency: rq.Agency, Status: store.DocumentStatus(rq.Status), From: rq.From, To: rq.To, Cursor: rq.Cursor, Limit: rq.Limit}
	if !viewer.Operator() {
		q.Agency = viewer.Code
	}
	page, err := a.Store.Documents(r.Context(), q)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	out := DocumentPage{Documents: make([]Document, len(page.Items)), Next: page.Next}
	for i := range page.Items {
		out.Documents[i] = showDocument(viewer, &page.Items[i])
	}
	problem.WriteJSON(w, http.StatusOK, "application/json", out)
}

func (a *API) getDocument(w http.ResponseWriter, r *http.Request, viewer *directory.Agency) {
	doc, err := a.Store.Document(r.Context(), r.PathValue("id"))
	if err == nil && !sees(viewer, doc.Agency) {
		err = store.ErrNotFound
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	records, err := a.Store.DocumentRecords(r.Context(), doc.ID)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	out := showDocument(viewer, &doc)
	for i := range records {
		out.Records = append(out.Records, a.show(viewer, &records[i]))
	}
	problem.WriteJSON(w, http.StatusOK, "application/json", out)
}

func showDocument(viewer *directory.Agency, d *store.Document) Document {
	out := Document{
		ID: d.ID, Agency: d.Agency, Adapter: d.Adapter, Message: d.Message, Door: d.Door, Name: d.Name, ReceivedAt: d.ReceivedAt, Size: d.Size,
		Status: d.Status, DuplicateOf: d.DuplicateOf, Accepted: d.Accepted, Rejected: d.Rejected, Duplicates: d.Duplicates, Errors: d.Errors,
	}
	if viewer.Code != d.Agency {
		out.Errors = withoutValues(d.Errors)
	}
	return out
}

// fail answers an error of the store: not found, a cursor that is none, or the
// hub's own trouble.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	faults := fault.Of(err)
	switch {
	case errors.Is(err, store.ErrNotFound):
		problem.Write(w, http.StatusNotFound, fault.New(fault.NotFound, fault.Place{}, "", r.PathValue("id")))
	case len(faults) > 0 && faults[0].Code == fault.BadRequest:
		problem.Write(w, http.StatusBadRequest, faults...)
	case r.Context().Err() != nil:
	default:
		reference := uuid.NewString()
		a.Log.Error("answering a request", zap.String("reference", reference), zap.String("path", r.URL.Path), zap.Error(err))
		problem.Write(w, http.StatusInternalServerError, fault.New(fault.Internal, fault.Place{}, "", reference))
	}
}
