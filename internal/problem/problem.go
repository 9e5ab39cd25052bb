// Package problem writes errors over HTTP as problem+json (RFC 9457), in both
// languages.
package problem

import (
	"bytes"
	"encoding/json"
	"net/http"

	"tongqu/internal/fault"
)

// ContentType is the media type of RFC 9457.
const ContentType = "application/problem+json"

// Problem is the body of every answer of 400 and above.
type Problem struct {
	Type   string     `json:"type"`
	Title  string     `json:"title"`
	Status int        `json:"status"`
	Detail string     `json:"detail,omitempty"`
	Errors fault.List `json:"errors,omitempty"`
}

// Of makes the problem of a status and its faults; the first fault gives the
// type and the detail, in Chinese and English.
func Of(status int, faults ...fault.Fault) Problem {
	p := Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Errors: faults}
	if len(faults) > 0 {
		p.Type = "/problems/" + string(faults[0].Code)
		p.Detail = faults[0].ZH + " / " + faults[0].EN
	}
	return p
}

// Write answers with the problem of a status and its faults.
func Write(w http.ResponseWriter, status int, faults ...fault.Fault) {
	WriteJSON(w, status, ContentType, Of(status, faults...))
}

// WriteJSON answers with v as JSON. A client that has gone is not an error.
func WriteJSON(w http.ResponseWriter, status int, contentType string, v any) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false) // people read it with curl: "<", not "\u003c"
	if err := e.Encode(v); err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}
