package delivery

import (
	"fmt"
	"strings"

	"tongqu/internal/bus"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/wire"
)

// The attributes of a message that delivery goes by.
const (
	headerID     = "ce_id"
	headerType   = "ce_type"
	headerSource = "ce_source"
	// sourcePrefix comes before the agency's code in ce_source.
	sourcePrefix = "/agencies/"
)

// recordID is the id of the record in the message, or "" when the message is not
// one of the hub's.
func recordID(m *bus.Message) string {
	id := m.Header(headerID)
	if _, _, ok := record.SplitID(id); !ok {
		return ""
	}
	return id
}

// prepare makes a record ready: filtered, masked, encoded. When there is nothing
// to send, status says what becomes of the delivery (skipped or parked) and
// detail why.
func (w *worker) prepare(id string, m *bus.Message) (p parcel, status store.DeliveryStatus, detail string) {
	canonicalType := m.Header(headerType)
	agency := strings.TrimPrefix(m.Header(headerSource), sourcePrefix)
	if !w.rooms.Directory.Due(w.subscription, agency, canonicalType) {
		return p, store.DeliverySkipped, ""
	}
	mask, reason := w.mask(canonicalType)
	if reason != "" {
		return p, store.DeliveryParked, notEncoded(reason)
	}
	p = parcel{id: id, message: m, body: m.Value, contentType: jsonContentType}
	if mask != nil || len(w.subscription.Filter) > 0 {
		doc, err := wire.ReadJSON(m.Value, w.settings.Limits)
		if err != nil {
			return p, store.DeliveryParked, notEncoded(reasons(err))
		}
		if !w.subscription.Filter.Matches(doc.Root) {
			return p, store.DeliverySkipped, ""
		}
		if mask != nil {
			mask.Mask(doc.Root)
			p.body = wire.AppendJSON(make([]byte, 0, len(m.Value)), doc.Root)
		}
	}
	if format := w.subscription.Format; format != directory.FormatJSON {
		body, contentType, err := w.rooms.Encode(format, [][]byte{p.body})
		if err != nil {
			return p, store.DeliveryParked, notEncoded(format + ": " + reasons(err))
		}
		p.body, p.contentType = body, contentType
	}
	return p, "", ""
}

// mask returns the mask that the subscription's records need, nil when none, and
// the reason when it needs one that there is not.
func (w *worker) mask(canonicalType string) (*directory.Masker, string) {
	if w.subscription.Personal == directory.PersonalClear {
		return nil, ""
	}
	mask, ok := w.rooms.Mask(canonicalType)
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

func notEncoded(reason string) string {
	return cut(string(fault.DeliveryNotEncoded)+" "+reason, maxDetail)
}

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
