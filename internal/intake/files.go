package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"tongqu/internal/adapter"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/mailbox"
)

// Files is the file door of one agency: what its client puts into OutBox is
// received and moved to SentBox or FailBox; receipts appear in InBox.
type Files struct {
	intake   *Intake
	agency   *directory.Agency
	box      *mailbox.Box
	poll     time.Duration
	maxBytes int64
	seen     map[string]mailbox.File // as of the last look: a file is finished when it did not change
}

// NewFiles opens the agency's mailbox.
func NewFiles(in *Intake, a *directory.Agency, folder string, poll time.Duration, maxBytes int64) (*Files, error) {
	box, err := mailbox.Open(folder)
	if err != nil {
		return nil, err
	}
	return &Files{intake: in, agency: a, box: box, poll: poll, maxBytes: maxBytes, seen: map[string]mailbox.File{}}, nil
}

// Run looks into OutBox every poll interval until ctx ends.
func (f *Files) Run(ctx context.Context) error {
	tick := time.NewTicker(f.poll)
	defer tick.Stop()
	for {
		if err := f.look(ctx); err != nil && ctx.Err() == nil {
			f.intake.log.Error("file door", zap.String("agency", f.agency.Code), zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look receives every file that has not changed since the last look.
func (f *Files) look(ctx context.Context) error {
	files, err := f.box.List(mailbox.OutBox)
	if err != nil {
		return err
	}
	now := make(map[string]mailbox.File, len(files))
	var errs []error
	for _, file := range files {
		now[file.Name] = file
		if before, ok := f.seen[file.Name]; !ok || before != file {
			continue
		}
		if err := f.receive(ctx, file); err != nil {
			errs = append(errs, fmt.Errorf("receiving %s: %w", file.Name, err))
			if ctx.Err() != nil {
				break
			}
			continue // the file stays and is tried again
		}
		delete(now, file.Name)
	}
	f.seen = now
	return errors.Join(errs...)
}

func (f *Files) receive(ctx context.Context, file mailbox.File) error {
	if file.Size > f.maxBytes {
		tooLarge := fault.New(fault.DocumentTooLarge, fault.Place{}, "", f.maxBytes)
		f.intake.metrics.refused.WithLabelValues(string(tooLarge.Code)).Inc()
		return f.settle(file, mailbox.FailBox, "", fault.List{tooLarge})
	}
	body, err := os.ReadFile(f.box.Path(mailbox.OutBox, file.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the client took it back
	}
	if err != nil {
		return err
	}
	out, err := f.intake.Receive(ctx, Inbound{Agency: f.agency, Door: "file", Name: file.Name, Body: body})
	if err != nil {
		return err
	}
	if err := f.receipt(file, out); err != nil {
		return err
	}
	if out.Accepted+out.Duplicates > 0 {
		return f.settle(file, mailbox.SentBox, out.DocumentID, nil)
	}
	return f.settle(file, mailbox.FailBox, out.DocumentID, out)
}

// receipt puts the answer into InBox, named as the import client names them.
func (f *Files) receipt(file mailbox.File, out *Outcome) error {
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
	kind := "Successed"
	if out.Accepted+out.Duplicates == 0 {
		kind = "Failed"
	}
	base := strings.TrimSuffix(file.Name, filepath.Ext(file.Name))
	return f.box.Write(mailbox.InBox, fmt.Sprintf("%s_%s_%s.%s", kind, base, out.DocumentID, receipt.Extension), receipt.Body)
}

// settle moves the file to its last folder, with the reasons beside it.
func (f *Files) settle(file mailbox.File, folder, mark string, reasons any) error {
	if reasons != nil {
		body, err := json.MarshalIndent(reasons, "", "  ")
		if err != nil {
			return fmt.Errorf("writing reasons: %w", err)
		}
		if err := f.box.Write(folder, file.Name+".errors.json", body); err != nil {
			return err
		}
	}
	if mark == "" {
		mark = file.Modified.UTC().Format("20060102150405.000000")
	}
	return f.box.Move(file.Name, mailbox.OutBox, folder, mark)
}
