package intake

import (
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

	"go.uber.org/zap"

	"tongqu/internal/adapter"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/mailbox"
	"tongqu/internal/store"
)

// Files is the file door of one agency: what its client puts into OutBox is
// received and moved to SentBox or FailBox; receipts appear in InBox.
type Files struct {
	intake   *Intake
	agency   *directory.Agency
	box      *mailbox.Box
	poll     time.Duration
	maxBytes int64
	// seen are the files as of the last look: one is finished when it did not change.
	seen map[string]mailbox.File
	// recorded are files that could not be moved after they were recorded.
	recorded map[mailbox.File]*Outcome
	batches  *batches
	trouble  string // that was logged last
}

// NewFiles opens the agency's mailbox.
func NewFiles(in *Intake, a *directory.Agency, folder string, poll time.Duration, maxBytes int64) (*Files, error) {
	box, err := mailbox.Open(folder)
	if err != nil {
		return nil, err
	}
	if err := box.Unstage(); err != nil { // a crash may have left part of a batch there
		return nil, err
	}
	return &Files{
		batches: newBatches(),
		intake:  in, agency: a, box: box, poll: poll, maxBytes: maxBytes,
		seen: map[string]mailbox.File{}, recorded: map[mailbox.File]*Outcome{},
	}, nil
}

// Agency is the code of the agency whose door it is.
func (f *Files) Agency() string { return f.agency.Code }

// Run looks into OutBox every poll interval until ctx ends.
func (f *Files) Run(ctx context.Context) error {
	tick := time.NewTicker(f.poll)
	defer tick.Stop()
	for {
		if err := f.look(ctx); ctx.Err() == nil {
			f.report(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// report logs trouble when it begins, changes and ends, not at every look.
func (f *Files) report(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == f.trouble {
		return
	}
	f.trouble = text
	if err == nil {
		f.intake.log.Info("file door works again", zap.String("agency", f.agency.Code))
		return
	}
	f.intake.log.Error("file door", zap.String("agency", f.agency.Code), zap.Error(err))
}

// look receives every file that has not changed since the last look.
func (f *Files) look(ctx context.Context) error {
	files, err := f.box.List(mailbox.OutBox)
	if err != nil {
		return err
	}
	before := f.seen
	f.seen = make(map[string]mailbox.File, len(files))
	recorded := map[mailbox.File]*Outcome{}
	for _, file := range files {
		f.seen[file.Name] = file
		if out, ok := f.recorded[file]; ok {
			recorded[file] = out
		}
	}
	f.recorded = recorded // without those that are there no more
	settled := slices.DeleteFunc(files, func(file mailbox.File) bool { previous, ok := before[file.Name]; return !ok || previous != file })
	settled, err = f.takeBatches(ctx, settled)
	errs := []error{err}
	for _, file := range settled {
		if err := f.receive(ctx, file); err != nil {
			errs = append(errs, fmt.Errorf("receiving %s: %w", file.Name, err)) // the file stays and is tried again
			if errors.Is(err, store.ErrUnavailable) {
				break // the later ones wait, too: they may correct this one
			}
		}
	}
	return errors.Join(errs...)
}

// receive takes one file through the pipeline, answers it and moves it away.
func (f *Files) receive(ctx context.Context, file mailbox.File) error {
	if file.Size > f.maxBytes {
		return f.tooLarge(file)
	}
	out, ok := f.recorded[file]
	if !ok {
		body, err := os.ReadFile(f.box.Path(mailbox.OutBox, file.Name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !f.box.Is(mailbox.OutBox, file) {
			return nil // the client took it back, or writes it anew
		}
		if err != nil {
			return err
		}
		if done, err := f.zipped(ctx, file, body); done || err != nil {
			return err
		}
		inb := Inbound{Agency: f.agency, Door: "file", Name: file.Name, Body: body}
		if p := unpack(file.Name, body); p != nil && !p.take(&inb, f.maxBytes) {
			return f.tooLarge(file)
		}
		if out, err = f.intake.Receive(ctx, inb); err != nil {
			return err
		}
		f.recorded[file] = out
	}
	if err := f.receipt(file, out, out.Accepted+out.Duplicates > 0); err != nil {
		return err
	}
	folder, reasons := mailbox.SentBox, any(nil)
	if out.Accepted+out.Duplicates == 0 {
		folder, reasons = mailbox.FailBox, out
	}
	if err := f.settle(file, folder, out.DocumentID, reasons); err != nil {
		return err
	}
	delete(f.recorded, file)
	return nil
}

// tooLarge refuses a file without receiving it.
func (f *Files) tooLarge(file mailbox.File) error {
	why := fault.New(fault.DocumentTooLarge, fault.Place{}, "", f.maxBytes)
	if err := f.settle(file, mailbox.FailBox, file.Modified.UTC().Format("20060102150405.000000"), fault.List{why}); err != nil {
		return err
	}
	f.intake.metrics.refused.WithLabelValues(string(why.Code)).Inc()
	return nil
}

// receipt puts the answer into InBox, named as the import client names them.
func (f *Files) receipt(file mailbox.File, out *Outcome, accepted bool) error {
	receipt := adapter.Encoded{Extension: "json"}
	var err error
	if out.HasReceipt() {
		receipt, err = out.Receipt()
	} else {
		receipt.Body, err = json.MarshalIndent(out, "", "  ")
	}
	if err != nil {
		return fmt.Errorf("writing a receipt: %w", err)
	}
	kind := "Successed_"
	if !accepted {
		kind = "Failed_"
	}
	stem := strings.TrimSuffix(file.Name, filepath.Ext(file.Name))
	return f.box.Write(mailbox.InBox, mailbox.Name(kind, stem, "_"+out.DocumentID+"."+receipt.Extension), receipt.Body)
}

// settle moves the file to its last folder, with the reasons beside it. A file
// that the client has meanwhile replaced by another one stays for the next look.
func (f *Files) settle(file mailbox.File, folder, mark string, reasons any) error {
	target := f.box.Free(folder, file.Name, mark)
	if reasons != nil {
		body, err := json.MarshalIndent(reasons, "", "  ")
		if err != nil {
			return fmt.Errorf("writing reasons: %w", err)
		}
		if err := f.box.Write(folder, mailbox.Name("", target, ".errors.json"), body); err != nil {
			return err
		}
	}
	if !f.box.Is(mailbox.OutBox, file) {
		return nil
	}
	return f.box.Move(file.Name, mailbox.OutBox, folder, target)
}
