package intake

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"strings"

	"tongqu/internal/fault"
	"tongqu/internal/problem"
)

// maxZipEntries is the number of documents one zip may hold.
const maxZipEntries = 1000

// Batch answers a zip of many documents: each one's own outcome, and the totals.
type Batch struct {
	Documents  []BatchItem `json:"documents"`
	Accepted   int         `json:"accepted"`
	Rejected   int         `json:"rejected"`
	Duplicates int         `json:"duplicates"`
}

// BatchItem is one document of a zip. Each was recorded by itself: those before
// one that could not be recorded are kept.
type BatchItem struct {
	Name   string `json:"name"`
	Status int    `json:"status"`
	*Outcome
	Refused *fault.Fault `json:"refused,omitempty"`
}

func (h *HTTP) serveZip(w http.ResponseWriter, r *http.Request, inb Inbound) {
	archive, err := zip.NewReader(bytes.NewReader(inb.Body), int64(len(inb.Body)))
	if err != nil {
		h.refuse(w, http.StatusBadRequest, fault.New(fault.BadRequest, fault.Place{}, "", err))
		return
	}
	if len(archive.File) > maxZipEntries {
		h.refuse(w, http.StatusRequestEntityTooLarge, fault.New(fault.BadRequest, fault.Place{}, "", "zip > 1000"))
		return
	}
	var batch Batch
	budget := h.settings.MaxBytes // of all entries together: a bomb is refused before it is unpacked
	for _, f := range archive.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		item := BatchItem{Name: f.Name}
		inb.Name = f.Name
		inb.Body, err = unzip(f, budget)
		budget -= int64(len(inb.Body))
		if err != nil {
			refused := fault.New(fault.DocumentTooLarge, fault.Place{}, "", h.settings.MaxBytes)
			if budget >= 0 {
				refused = fault.New(fault.BadRequest, fault.Place{}, "", err)
			}
			item.Status, item.Refused = http.StatusRequestEntityTooLarge, &refused
			batch.Rejected++
			batch.Documents = append(batch.Documents, item)
			if budget < 0 {
				break
			}
			continue
		}
		out, err := h.intake.Receive(r.Context(), inb)
		if err != nil {
			h.unrecorded(r.Context(), w, err)
			return
		}
		item.Outcome, item.Status = out, out.HTTPStatus()
		batch.Accepted += out.Accepted
		batch.Rejected += out.Rejected
		batch.Duplicates += out.Duplicates
		batch.Documents = append(batch.Documents, item)
	}
	status := http.StatusAccepted
	if batch.Accepted+batch.Duplicates == 0 {
		status = http.StatusUnprocessableEntity
	}
	problem.WriteJSON(w, status, "application/json", batch)
}

// unzip reads one entry whole, at most budget bytes and one more.
func unzip(f *zip.File, budget int64) ([]byte, error) {
	rc, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rc.Close() }()
	data, err := io.ReadAll(io.LimitReader(rc, budget+1))
	if err == nil && int64(len(data)) > budget {
		err = zip.ErrFormat
	}
	return data, err
}
