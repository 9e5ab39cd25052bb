package intake

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tongqu/internal/adapter"
	"tongqu/internal/fault"
	"tongqu/internal/mailbox"
)

// waitingFile is the page in the mailbox that lists the files which wait for others.
const waitingFile = "WAITING.json"

// Waiting is a file of a batch that waits for the others.
type Waiting struct {
	File  string    `json:"file"`
	Since time.Time `json:"since"`
	// Until is when it is refused without them.
	Until time.Time `json:"until"`
	// For are the files that are missing; of a data file, the control file.
	For []string `json:"for"`
}

// batches are the files of a mailbox that belong to batches.
type batches struct {
	// members are what the files were found to be, since when they were first seen.
	members map[mailbox.File]adapter.BatchMember
	since   map[string]time.Time
	folders map[string]folder // sub-folders as of the last look
	shown   string            // what waitingFile says
}

// folder is a sub-folder: what is in it, and since when it is there.
type folder struct {
	mark  string
	since time.Time
}

func newBatches() *batches {
	return &batches{members: map[mailbox.File]adapter.BatchMember{}, since: map[string]time.Time{}, folders: map[string]folder{}}
}

// takeBatches receives the batches among the settled files, the zips and the
// sub-folders, and returns the files that are documents of their own. Files that
// wait for others stay.
func (f *Files) takeBatches(ctx context.Context, files []mailbox.File) ([]mailbox.File, error) {
	rules := f.intake.rules.Load()
	if !rules.mayBatch(f.agency) {
		return files, f.showWaiting(nil)
	}
	var errs []error
	staged, err := f.box.Staged()
	errs = append(errs, err)
	for _, name := range staged { // recorded before, perhaps; then they are duplicates
		_, err := f.takeFolder(ctx, rules, name, true)
		errs = append(errs, err)
	}
	waiting, err := f.subFolders(ctx, rules)
	errs = append(errs, err)
	members, rest := f.sort(rules, files)
	now := f.intake.clock()
	named := map[string]bool{}
	for _, control := range members {
		m := f.batches.members[control]
		if !m.Control {
			continue
		}
		names, missing := []string{control.Name}, []string(nil)
		for _, name := range m.Names {
			named[name] = true
			if slices.ContainsFunc(members, func(x mailbox.File) bool { return x.Name == name }) {
				names = append(names, name)
			} else {
				missing = append(missing, name)
			}
		}
		until := f.batches.since[control.Name].Add(m.Adapter.Batch.Wait)
		if len(missing) > 0 && now.Before(until) {
			for _, name := range names {
				waiting = append(waiting, Waiting{File: name, Since: f.batches.since[name], Until: until, For: missing})
			}
			continue
		}
		stem := strings.TrimSuffix(control.Name, filepath.Ext(control.Name))
		folder, err := f.box.Stage(stem, slices.Compact(slices.Sorted(slices.Values(names))))
		if err == nil {
			_, err = f.takeFolder(ctx, rules, folder, true)
		}
		errs = append(errs, err)
	}
	for _, data := range members {
		m := f.batches.members[data]
		if m.Control || named[data.Name] {
			continue
		}
		until := f.batches.since[data.Name].Add(m.Adapter.Batch.Wait)
		if !now.Before(until) {
			rest = append(rest, data) // refused: it came alone
			continue
		}
		waiting = append(waiting, Waiting{File: data.Name, Since: f.batches.since[data.Name], Until: until, For: []string{m.Adapter.Batch.Control}})
	}
	return rest, errors.Join(append(errs, f.showWaiting(waiting))...)
}

// sort tells the files that belong to batches from the others, taking zips at once.
func (f *Files) sort(rules *rules, files []mailbox.File) (members, rest []mailbox.File) {
	known := make(map[mailbox.File]adapter.BatchMember, len(files))
	since := make(map[string]time.Time, len(files))
	for _, file := range files {
		m, ok := f.batches.members[file]
		if !ok && file.Size <= f.maxBytes {
			if data, err := os.ReadFile(f.box.Path(mailbox.OutBox, file.Name)); err == nil {
				m, _ = rules.registry.BatchMember(data)
			}
		}
		known[file] = m
		if m.Adapter == nil {
			rest = append(rest, file)
			continue
		}
		since[file.Name] = f.intake.clock()
		if before, ok := f.batches.since[file.Name]; ok {
			since[file.Name] = before
		}
		members = append(members, file)
	}
	f.batches.members, f.batches.since = known, since
	return members, rest
}

// subFolders takes the sub-folders that hold a whole batch and did not change
// since the last look, and lists those that wait.
func (f *Files) subFolders(ctx context.Context, rules *rules) ([]Waiting, error) {
	names, err := f.box.Folders(mailbox.OutBox)
	if err != nil {
		return nil, err
	}
	before := f.batches.folders
	f.batches.folders = map[string]folder{}
	var waiting []Waiting
	var errs []error
	for _, name := range names {
		files, err := f.box.List(filepath.Join(mailbox.OutBox, name))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		mark := fmt.Sprint(files)
		known, ok := before[name]
		if !ok {
			known.since = f.intake.clock()
		}
		f.batches.folders[name] = folder{mark, known.since}
		if len(files) == 0 || known.mark != mark {
			continue
		}
		w, err := f.takeFolder(ctx, rules, name, false)
		errs = append(errs, err)
		if w != nil {
			waiting = append(waiting, *w)
		}
	}
	return waiting, errors.Join(errs...)
}

// takeFolder receives the batch in a folder of OutBox; one that is not complete
// waits unless it is ready, or has waited long enough.
func (f *Files) takeFolder(ctx context.Context, rules *rules, name string, ready bool) (*Waiting, error) {
	listed, err := f.box.List(filepath.Join(mailbox.OutBox, name))
	if err != nil {
		return nil, err
	}
	files := make([]adapter.File, len(listed))
	var total int64
	for i, l := range listed {
		if total += l.Size; total > f.maxBytes {
			return nil, f.refuseBatch(name, fault.New(fault.DocumentTooLarge, fault.Place{}, "", f.maxBytes))
		}
		files[i].Name = l.Name
		if files[i].Data, err = os.ReadFile(f.box.Path(mailbox.OutBox, filepath.Join(name, l.Name))); err != nil {
			return nil, err
		}
	}
	a := rules.batchAdapter(files)
	if a == nil {
		return nil, nil //nolint:nilnil // a folder of something else: it is not ours
	}
	since := f.batches.folders[name].since
	until := since.Add(a.Batch.Wait)
	if missing := missingOf(rules, files); !ready && len(missing) > 0 && f.intake.clock().Before(until) {
		return &Waiting{File: name + "/", Since: since, Until: until, For: missing}, nil
	}
	return nil, f.receiveBatch(ctx, name, a, files)
}

// missingOf names the files that a batch lacks, the control file by its message.
func missingOf(rules *rules, files []adapter.File) []string {
	var missing []string
	controls := 0
	for _, file := range files {
		m, _ := rules.registry.BatchMember(file.Data)
		if !m.Control {
			continue
		}
		controls++
		for _, name := range m.Names {
			if !slices.ContainsFunc(files, func(x adapter.File) bool { return x.Name == name }) {
				missing = append(missing, name)
			}
		}
	}
	if controls == 0 {
		missing = append(missing, rules.batchAdapter(files).Batch.Control)
	}
	return missing
}

// receiveBatch records a batch, answers each file, and moves the folder or zip
// away whole: a crash before that makes it come again, as a duplicate.
func (f *Files) receiveBatch(ctx context.Context, name string, a *adapter.Adapter, files []adapter.File) error {
	whole, items, err := f.intake.ReceiveBatch(ctx, Inbound{Agency: f.agency, Door: "file", Name: mailbox.Unstaged(name)}, a, files)
	if err != nil {
		return err
	}
	accepted := whole.Accepted+whole.Duplicates > 0
	for _, item := range items {
		taken := accepted && (len(item.Records) == 0 || item.Accepted+item.Duplicates > 0)
		if err := f.receipt(mailbox.File{Name: item.Name}, item.Outcome, taken); err != nil {
			return err
		}
	}
	if !accepted {
		return f.moveBatch(name, mailbox.FailBox, whole.DocumentID, whole)
	}
	return f.moveBatch(name, mailbox.SentBox, whole.DocumentID, nil)
}

func (f *Files) refuseBatch(name string, why fault.Fault) error {
	f.intake.metrics.refused.WithLabelValues(string(why.Code)).Inc()
	return f.moveBatch(name, mailbox.FailBox, f.intake.clock().UTC().Format("20060102150405.000000"), fault.List{why})
}

func (f *Files) moveBatch(name, folder, mark string, reasons any) error {
	target := f.box.Free(folder, mailbox.Unstaged(name), mark)
	if reasons != nil {
		body, err := json.MarshalIndent(reasons, "", "  ")
		if err != nil {
			return fmt.Errorf("writing reasons: %w", err)
		}
		if err := f.box.Write(folder, mailbox.Name("", target, ".errors.json"), body); err != nil {
			return err
		}
	}
	return f.box.Move(name, mailbox.OutBox, folder, target)
}

// zipped receives a zip that holds a batch; false when it holds none.
func (f *Files) zipped(ctx context.Context, file mailbox.File, body []byte) (bool, error) {
	rules := f.intake.rules.Load()
	if !strings.EqualFold(filepath.Ext(file.Name), ".zip") || !rules.mayBatch(f.agency) {
		return false, nil
	}
	archive, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil || len(archive.File) > maxZipEntries {
		return false, nil //nolint:nilerr // then it is a document that cannot be read
	}
	var entries []*zip.File
	var total uint64
	for _, e := range archive.File {
		if !strings.HasSuffix(e.Name, "/") {
			entries = append(entries, e)
			total += e.UncompressedSize64
		}
	}
	if total > uint64(f.maxBytes) { //nolint:gosec // above 0 by configuration
		return true, f.refuseBatch(file.Name, fault.New(fault.DocumentTooLarge, fault.Place{}, "", f.maxBytes))
	}
	files, err := unzipAll(entries)
	if err != nil {
		return false, nil //nolint:nilerr // as above
	}
	a := rules.batchAdapter(files)
	if a == nil {
		return false, nil
	}
	return true, f.receiveBatch(ctx, file.Name, a, files)
}

// showWaiting lists the files that wait in a page of the mailbox and counts them.
func (f *Files) showWaiting(waiting []Waiting) error {
	f.intake.metrics.waiting.WithLabelValues(f.agency.Code).Set(float64(len(waiting)))
	if len(waiting) == 0 {
		if f.batches.shown == "" {
			return nil
		}
		f.batches.shown = ""
		if err := os.Remove(f.box.Path("", waitingFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.MarshalIndent(waiting, "", "  ")
	if err != nil {
		return fmt.Errorf("listing what waits: %w", err)
	}
	if string(text) == f.batches.shown {
		return nil
	}
	f.batches.shown = string(text)
	return f.box.Write("", waitingFile, text)
}
