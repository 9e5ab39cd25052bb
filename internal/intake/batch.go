package intake

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"tongqu/internal/adapter"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/store"
)

// batchAdapter returns the adapter whose batch the files are, nil when they are
// documents of their own. The first that is known tells for all.
func (ru *rules) batchAdapter(files []adapter.File) *adapter.Adapter {
	for _, f := range files {
		if member, known := ru.registry.BatchMember(f.Data); known {
			return member.Adapter
		}
	}
	return nil
}

// mayBatch reports whether the agency may provide what some adapter with batches makes.
func (ru *rules) mayBatch(a *directory.Agency) bool {
	for _, ad := range ru.registry.Adapters() {
		if ad.Batch == nil {
			continue
		}
		for _, t := range ad.Produces() {
			if _, ok := ru.directory.MayProvide(a, t); ok {
				return true
			}
		}
	}
	return false
}

// ReceiveBatch takes files that belong together through the pipeline, as one
// document of the store: all of them are recorded at once, or nothing is. It
// returns the outcome of the whole and of each file, by name; they share the
// document's id. The document's body is a zip of the files as they came.
// An error wraps store.ErrUnavailable and means that nothing was kept.
func (in *Intake) ReceiveBatch(ctx context.Context, inb Inbound, a *adapter.Adapter, files []adapter.File) (*Outcome, []BatchItem, error) {
	start := in.clock()
	id, err := record.NewDocumentID()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	files = slices.Clone(files)
	for i := range files {
		files[i].Name = path.Base(strings.ReplaceAll(files[i].Name, "\\", "/"))
	}
	if inb.Body, err = pack(files); err != nil {
		return nil, nil, fmt.Errorf("%w: packing a batch: %w", store.ErrUnavailable, err)
	}
	rules := in.rules.Load()
	if now := rules.registry.Adapter(a.Name); now != nil && now.Batch != nil {
		a = now // loaded anew since the files were recognised
	}
	b := rules.registry.TranslateBatch(a, files)
	rules.authorize(inb.Agency, b.Whole)
	whole, err := in.record(ctx, rules, id, inb, b.Whole, start)
	if err != nil {
		return nil, nil, err
	}
	items := make([]BatchItem, len(b.Files))
	first := 0
	for i, t := range b.Files {
		items[i] = BatchItem{Name: b.Names[i], Outcome: part(whole, t, first)}
		items[i].Status = items[i].HTTPStatus()
		if len(t.Records) == 0 && whole.Accepted+whole.Duplicates > 0 {
			items[i].Status = http.StatusAccepted // the control file: it has no records of its own
		}
		first += len(t.Records)
	}
	return whole, items, nil
}

// part is what became of one file of a batch; its records begin at first.
func part(whole *Outcome, t *adapter.Translation, first int) *Outcome {
	out := &Outcome{
		DocumentID: whole.DocumentID, Adapter: t.Adapter, Message: t.Message, Status: whole.Status, DuplicateOf: whole.DuplicateOf,
		Records: whole.Records[first : first+len(t.Records)], Errors: whole.Errors, translation: t, receivedAt: whole.receivedAt,
	}
	for i := range out.Records {
		switch out.Records[i].Status {
		case record.Accepted:
			out.Accepted++
		case record.Rejected:
			out.Rejected++
		case record.Duplicate:
			out.Duplicates++
		}
	}
	return out
}

// pack makes one document of the files: a zip without compression and times, so
// that the same files make the same bytes and a batch sent twice is recognised.
func pack(files []adapter.File) ([]byte, error) {
	files = slices.SortedFunc(slices.Values(files), func(x, y adapter.File) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), bytes.Compare(x.Data, y.Data))
	})
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		entry, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store, Modified: time.Time{}})
		if err == nil {
			_, err = entry.Write(f.Data)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// alone refuses a file of a batch that came without the others.
func alone(t *adapter.Translation) {
	if t.Batches() {
		t.Faults = append(t.Faults, fault.New(fault.BatchAlone, fault.Place{Path: "/", Line: 1, Column: 1}, ""))
	}
}
