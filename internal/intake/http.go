package intake

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/problem"
)

// HTTPSettings bounds what the HTTP door takes.
type HTTPSettings struct {
	// MaxBytes is the size of one document, after decompression.
	MaxBytes int64
	// MaxInFlightBytes bounds the documents held in memory at once; more wait.
	MaxInFlightBytes int64
	// ReadTimeout is how long a client may take to send one document.
	ReadTimeout time.Duration
	// Rate and Burst limit the documents a second of one agency; Rate 0 is no limit.
	Rate  float64
	Burst int
}

// HTTP is the HTTP door: POST /v1/documents.
type HTTP struct {
	intake   *Intake
	settings HTTPSettings
	memory   *semaphore.Weighted
	limiters sync.Map // agency code → *rate.Limiter
}

// NewHTTP makes the HTTP door of the pipeline.
func NewHTTP(in *Intake, s HTTPSettings) *HTTP {
	return &HTTP{intake: in, settings: s, memory: semaphore.NewWeighted(s.MaxInFlightBytes)}
}

// ServeHTTP answers one POST /v1/documents.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	agency, ok := h.authenticate(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="tongqu"`)
		h.refuse(w, http.StatusUnauthorized, fault.New(fault.Unauthorized, fault.Place{}, ""))
		return
	}
	if wait := h.wait(agency); wait > 0 {
		seconds := strconv.Itoa(int(wait.Seconds()) + 1)
		w.Header().Set("Retry-After", seconds)
		h.refuse(w, http.StatusTooManyRequests, fault.New(fault.RateLimited, fault.Place{}, "", seconds))
		return
	}
	if r.ContentLength > h.settings.MaxBytes {
		w.Header().Set("Connection", "close")
		h.refuse(w, http.StatusRequestEntityTooLarge, fault.New(fault.DocumentTooLarge, fault.Place{}, "", h.settings.MaxBytes))
		return
	}
	reserved := h.settings.MaxBytes
	isZip := contentType(r) == "application/zip"
	if r.ContentLength >= 0 && r.Header.Get("Content-Encoding") == "" && !isZip {
		reserved = r.ContentLength
	}
	if err := h.memory.Acquire(r.Context(), reserved); err != nil {
		return // the client has gone
	}
	defer h.memory.Release(reserved)
	body, status, f := h.read(w, r)
	if f != nil {
		h.refuse(w, status, *f)
		return
	}
	inb := Inbound{Agency: agency, Door: "http", Name: r.Header.Get("X-File-Name"), Adapter: r.URL.Query().Get("adapter"), Body: body}
	if isZip {
		h.serveZip(w, r, inb)
		return
	}
	out, err := h.intake.Receive(r.Context(), inb)
	if err != nil {
		h.unrecorded(r.Context(), w, err)
		return
	}
	h.answer(w, r, out)
}

func (h *HTTP) authenticate(r *http.Request) (*directory.Agency, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, false
	}
	return h.intake.rules.Load().directory.Authenticate(token)
}

// wait is how long the agency has to wait before its next document; 0 is not at all.
func (h *HTTP) wait(a *directory.Agency) time.Duration {
	if h.settings.Rate == 0 {
		return 0
	}
	l, _ := h.limiters.LoadOrStore(a.Code, rate.NewLimiter(rate.Limit(h.settings.Rate), h.settings.Burst))
	limiter, ok := l.(*rate.Limiter)
	if !ok {
		return 0
	}
	reservation := limiter.Reserve()
	if wait := reservation.Delay(); wait > 0 {
		reservation.Cancel()
		return wait
	}
	return 0
}

// read takes the whole body, decompressed, within the limits; when it cannot, it
// returns the status and the fault to answer with.
func (h *HTTP) read(w http.ResponseWriter, r *http.Request) ([]byte, int, *fault.Fault) {
	if h.settings.ReadTimeout > 0 {
		// Without support for deadlines (a test recorder) the server's own limits hold.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.settings.ReadTimeout))
	}
	raw := http.MaxBytesReader(w, r.Body, h.settings.MaxBytes)
	var in io.Reader = raw
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		gz, err := gzip.NewReader(raw)
		if err != nil {
			f := fault.New(fault.BadRequest, fault.Place{}, "", err)
			return nil, http.StatusBadRequest, &f
		}
		in = io.LimitReader(gz, h.settings.MaxBytes+1)
	default:
		f := fault.New(fault.BadRequest, fault.Place{}, encoding, "Content-Encoding")
		return nil, http.StatusUnsupportedMediaType, &f
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead) // one allocation, known to be below MaxBytes
	}
	_, err := buf.ReadFrom(in)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), err == nil && int64(buf.Len()) > h.settings.MaxBytes:
		f := fault.New(fault.DocumentTooLarge, fault.Place{}, "", h.settings.MaxBytes)
		return nil, http.StatusRequestEntityTooLarge, &f
	case err != nil:
		f := fault.New(fault.BadRequest, fault.Place{}, "", "body")
		return nil, http.StatusBadRequest, &f
	}
	return buf.Bytes(), 0, nil
}

func contentType(r *http.Request) string {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

func (h *HTTP) refuse(w http.ResponseWriter, status int, f fault.Fault) {
	h.intake.metrics.refused.WithLabelValues(string(f.Code)).Inc()
	problem.Write(w, status, f)
}

// unrecorded answers that nothing was kept; the cause is for the log.
func (h *HTTP) unrecorded(ctx context.Context, w http.ResponseWriter, err error) {
	if ctx.Err() == nil {
		h.intake.log.Error("document not recorded", zap.Error(err))
	}
	w.Header().Set("Retry-After", "5")
	problem.Write(w, http.StatusServiceUnavailable, fault.New(fault.NotRecorded, fault.Place{}, ""))
}

// answer sends the outcome, as JSON or as the agency's own receipt.
func (h *HTTP) answer(w http.ResponseWriter, r *http.Request, out *Outcome) {
	status := out.HTTPStatus()
	if out.HasReceipt() && wantsReceipt(r, out.translation.ReceiptFormat()) {
		receipt, err := out.Receipt()
		if err == nil {
			w.Header().Set("Content-Type", receipt.ContentType)
			w.Header().Set("X-Document-Id", out.DocumentID)
			w.WriteHeader(status)
			_, _ = w.Write(receipt.Body)
			return
		}
		h.intake.log.Error("writing a receipt", zap.String("document", out.DocumentID), zap.Error(err))
	}
	if status < http.StatusBadRequest {
		problem.WriteJSON(w, status, "application/json", out)
		return
	}
	problem.WriteJSON(w, status, problem.ContentType, struct {
		problem.Problem
		*Outcome
		Status int        `json:"status"` // RFC 9457; the outcome's word is "rejected"
		Errors fault.List `json:"errors,omitempty"`
	}{problem.Of(status, out.worst()...), out, status, out.Errors})
}

// wantsReceipt reports whether the request asks for the agency's own receipt,
// which is in that format: by ?receipt=agency, or by accepting XML where it is XML.
func wantsReceipt(r *http.Request, format string) bool {
	return r.URL.Query().Get("receipt") == "agency" || format == "xml" && wantsXML(r)
}

func wantsXML(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		switch t, _, _ := mime.ParseMediaType(part); t {
		case "application/xml", "text/xml":
			return true
		case "application/json":
			return false
		}
	}
	return false
}

// worst returns the document's errors, or those of its first rejected record.
func (o *Outcome) worst() fault.List {
	if o.Errors.Refuses() {
		return o.Errors
	}
	for i := range o.Records {
		if o.Records[i].Errors.Refuses() {
			return o.Records[i].Errors
		}
	}
	return nil
}

// HTTPStatus is 202 when any record was accepted or known already, else what the
// first refusing fault calls for.
func (o *Outcome) HTTPStatus() int {
	if o.Accepted+o.Duplicates > 0 {
		return http.StatusAccepted
	}
	for _, f := range o.Errors {
		if f.Severity != fault.Error {
			continue
		}
		switch f.Code {
		case fault.DocumentTooLarge:
			return http.StatusRequestEntityTooLarge
		case fault.DocumentUnknown:
			return http.StatusUnsupportedMediaType
		case fault.NotEntitled:
			return http.StatusForbidden
		}
		switch stage, _, _ := strings.Cut(string(f.Code), "_"); stage {
		case "DOCUMENT", "CHARSET", "XML", "JSON", "CSV", "ENVELOPE":
			return http.StatusBadRequest
		}
	}
	return http.StatusUnprocessableEntity
}
