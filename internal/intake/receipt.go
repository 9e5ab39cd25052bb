package intake

import (
	"strings"

	"github.com/google/uuid"

	"tongqu/internal/adapter"
	"tongqu/internal/fault"
	"tongqu/internal/record"
)

// HasReceipt reports whether the agency's own receipt exists for the outcome.
func (o *Outcome) HasReceipt() bool {
	return o.translation.HasReceipt()
}

// Receipt writes the agency's own receipt.
func (o *Outcome) Receipt() (adapter.Encoded, error) {
	answers := make([]adapter.Answer, len(o.Records))
	for i := range o.Records {
		r := &o.Records[i]
		a := adapter.Answer{Root: o.translation.Records[i].Root, Outcome: string(r.Status), Faults: r.Errors}
		switch {
		case r.Status == record.Duplicate:
			a.Info = fault.New(fault.DuplicateRecord, fault.Place{}, "", r.DuplicateOf).ZH
		case r.Status == record.Rejected && stale(r.Errors):
			a.Outcome = adapter.OutcomeStale
		}
		answers[i] = a
	}
	return o.translation.Receipt(answers, o.receivedAt, strings.ToUpper(uuid.NewString()))
}

func stale(faults fault.List) bool {
	for i := range faults {
		if faults[i].Code == fault.DuplicateStale {
			return true
		}
	}
	return false
}
