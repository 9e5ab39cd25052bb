package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tongqu/internal/adapter"
	"tongqu/internal/bus"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/wire"
)

// item is one record that is due, or due again.
type item struct {
	record   record.Record
	message  *bus.Message // its headers are the record's CloudEvents attributes
	attempts int          // made before
}

// prepare makes a record ready: filtered, masked, encoded. When there is nothing
// to send, status says what becomes of the delivery (skipped or parked) and
// detail why. An error is the store's.
func (w *worker) prepare(ctx context.Context, it item) (p parcel, status store.DeliveryStatus, detail string, err error) {
	r := &it.record
	p = parcel{id: r.ID, message: it.message, attempts: it.attempts}
	rules := w.rules.Load()
	if !rules.Directory.Due(w.subscription, r.Agency, r.Type) {
		return p, store.DeliverySkipped, "", nil
	}
	if r.Body == nil {
		stored, err := w.rooms.Store.RecordByID(ctx, r.ID)
		if errors.Is(err, store.ErrNotFound) { // the store was restored to an earlier moment
			return p, store.DeliveryParked, string(fault.DeliveryNotEncoded) + " the store does not hold the record", nil
		}
		if err != nil {
			return p, "", "", fmt.Errorf("reading a record too large for the bus: %w", err)
		}
		r.Body = stored.Body
	}
	encoded, skip, reason := w.encode(rules, r)
	switch {
	case skip:
		return p, store.DeliverySkipped, "", nil
	case reason != "":
		return p, store.DeliveryParked, string(fault.DeliveryNotEncoded) + " " + reason, nil
	}
	p.Encoded = encoded
	return p, "", "", nil
}

// encode returns the record as the subscription gets it, or that its filter
// leaves it out, or the reason why it cannot be had.
func (w *worker) encode(rules *Rules, r *record.Record) (enc adapter.Encoded, skip bool, reason string) {
	mask, reason := w.mask(rules, r.Type)
	if reason != "" {
		return enc, false, reason
	}
	enc = adapter.Encoded{Body: r.Body, ContentType: jsonContentType, Extension: "json"}
	if mask != nil || len(w.subscription.Filter) > 0 {
		doc, err := wire.ReadJSON(r.Body, w.settings.Limits)
		if err != nil {
			return enc, false, reasons(err)
		}
		if !w.subscription.Filter.Matches(doc.Root) {
			return enc, true, ""
		}
		if mask != nil {
			mask.Mask(doc.Root)
			enc.Body = wire.AppendJSON(make([]byte, 0, len(r.Body)), doc.Root)
		}
	}
	if format := w.subscription.Format; format != directory.FormatJSON {
		// a delivery that is tried again is the same transfer
		tr := adapter.Transfer{ID: r.ID, Sender: w.subscription.Sender, Receiver: w.subscription.Receiver, At: r.ReceivedAt}
		var err error
		if enc, err = rules.Encode(format, [][]byte{enc.Body}, tr); err != nil {
			return enc, false, format + ": " + reasons(err)
		}
	}
	return enc, false, ""
}

// mask returns the mask that the subscription's records need, nil when none, and
// the reason when it needs one that there is not.
func (w *worker) mask(rules *Rules, canonicalType string) (*directory.Masker, string) {
	if w.subscription.Personal == directory.PersonalClear {
		return nil, ""
	}
	mask, ok := rules.Masks[canonicalType]
	switch {
	case !ok:
		return nil, "nothing says which data of " + canonicalType + " are personal"
	case mask.Empty():
		return nil, ""
	}
	return mask, ""
}

// maxDetail is the length of a delivery's detail, in characters.
const maxDetail = 500

// reasons tells an error without the values it speaks of, which may be personal:
// of each fault the code, the place and the rule.
func reasons(err error) string {
	faults := fault.Of(err)
	if len(faults) == 0 {
		return fmt.Sprintf("%T", err)
	}
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = strings.Join(strings.Fields(string(f.Code)+" "+f.Path+" "+f.Rule), " ")
	}
	return strings.Join(texts, "; ")
}
