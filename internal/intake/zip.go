package intake

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"strings"

	"tongqu/internal/adapter"
	"tongqu/internal/fault"
	"tongqu/internal/problem"
)

// maxZipEntries is the number of documents one zip may hold.
const maxZipEntries = 1000

// Batch answers a zip of many documents: each one's own outcome, and the totals.
type Batch struct {
	// DocumentID is set when the files were taken together, or not at all.
	DocumentID string      `json:"documentId,omitempty"`
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
	// Refused says why the entry could not be unpacked; it was not kept.
	Refused *fault.Fault `json:"refused,omitempty"`
}

func (h *HTTP) serveZip(w http.ResponseWriter, r *http.Request, inb Inbound) {
	entries, status, f := h.entries(inb.Body)
	if f != nil {
		h.refuse(w, status, *f)
		return
	}
	if done := h.serveBatch(w, r, inb, entries); done {
		return
	}
	batch := Batch{Documents: make([]BatchItem, 0, len(entries))}
	for _, entry := range entries {
		item := BatchItem{Name: entry.Name}
		body, err := unzip(entry)
		if err != nil {
			refused := fault.New(fault.BadRequest, fault.Place{}, "", err)
			h.intake.metrics.refused.WithLabelValues(string(refused.Code)).Inc()
			item.Status, item.Refused = http.StatusBadRequest, &refused
			batch.Rejected++
			batch.Documents = append(batch.Documents, item)
			continue
		}
		inb.Name, inb.Body = entry.Name, body
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
	writeBatch(w, batch)
}

// serveBatch takes the entries as one batch of files when they are one.
func (h *HTTP) serveBatch(w http.ResponseWriter, r *http.Request, inb Inbound, entries []*zip.File) bool {
	files, err := unzipAll(entries)
	if err != nil {
		return false // told for each entry
	}
	a := h.intake.rules.Load().batchAdapter(files)
	if a == nil {
		return false
	}
	whole, items, err := h.intake.ReceiveBatch(r.Context(), inb, a, files)
	if err != nil {
		h.unrecorded(r.Context(), w, err)
		return true
	}
	writeBatch(w, Batch{DocumentID: whole.DocumentID, Documents: items, Accepted: whole.Accepted, Rejected: whole.Rejected, Duplicates: whole.Duplicates})
	return true
}

func unzipAll(entries []*zip.File) ([]adapter.File, error) {
	files := make([]adapter.File, len(entries))
	for i, entry := range entries {
		data, err := unzip(entry)
		if err != nil {
			return nil, err
		}
		files[i] = adapter.File{Name: entry.Name, Data: data}
	}
	return files, nil
}

func writeBatch(w http.ResponseWriter, batch Batch) {
	if batch.Accepted+batch.Duplicates > 0 {
		problem.WriteJSON(w, http.StatusAccepted, "application/json", batch)
		return
	}
	problem.WriteJSON(w, http.StatusUnprocessableEntity, problem.ContentType, struct {
		problem.Problem
		Batch
	}{problem.Of(http.StatusUnprocessableEntity, batch.worst()...), batch})
}

// entries are the documents of a zip. One that would unpack to more than a
// document may have is refused whole, before anything is unpacked.
func (h *HTTP) entries(data []byte) ([]*zip.File, int, *fault.Fault) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		f := fault.New(fault.BadRequest, fault.Place{}, "", err)
		return nil, http.StatusBadRequest, &f
	}
	var entries []*zip.File
	left := uint64(h.settings.MaxBytes) //nolint:gosec // above 0 by configuration
	for _, entry := range archive.File {
		if strings.HasSuffix(entry.Name, "/") {
			continue
		}
		if entry.UncompressedSize64 > left {
			f := fault.New(fault.DocumentTooLarge, fault.Place{}, "", h.settings.MaxBytes)
			return nil, http.StatusRequestEntityTooLarge, &f
		}
		left -= entry.UncompressedSize64
		entries = append(entries, entry)
	}
	switch {
	case len(entries) > maxZipEntries:
		f := fault.New(fault.BadRequest, fault.Place{}, "", "zip > 1000")
		return nil, http.StatusRequestEntityTooLarge, &f
	case len(entries) == 0:
		f := fault.New(fault.DocumentEmpty, fault.Place{}, "")
		return nil, http.StatusBadRequest, &f
	}
	return entries, 0, nil
}

// unzip reads one entry whole; one that is larger than it says is an error.
func unzip(f *zip.File) ([]byte, error) {
	rc, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rc.Close() }()
	data, err := io.ReadAll(io.LimitReader(rc, int64(f.UncompressedSize64)+1)) //nolint:gosec // at most MaxBytes
	if err == nil && uint64(len(data)) > f.UncompressedSize64 {
		err = zip.ErrFormat
	}
	return data, err
}

// worst returns the errors of the first document, which the problem then names.
func (b *Batch) worst() fault.List {
	first := b.Documents[0]
	if first.Refused != nil {
		return fault.List{*first.Refused}
	}
	return first.worst()
}
