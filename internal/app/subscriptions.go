package app

import (
	"fmt"

	"tongqu/internal/adapter"
	"tongqu/internal/conf"
	"tongqu/internal/directory"
)

// CheckSubscriptions finds the subscriptions whose format no adapter writes:
// every delivery of theirs would be parked.
func CheckSubscriptions(r *adapter.Registry, d *directory.Directory) error {
	var ps conf.Problems
	for _, s := range d.Subscriptions() {
		if s.Format == directory.FormatJSON {
			continue
		}
		f, err := r.Format(s.Format)
		var message string
		switch {
		case err != nil:
			message = fmt.Sprintf("no adapter writes format %q: %v; 'tongqu adapter list' shows the messages", s.Format, err)
		case f.Addressed() && (s.Sender == "" || s.Receiver == ""):
			message = "an envelope needs sender and receiver"
		default:
			continue
		}
		ps = append(ps, conf.Problem{
			File: "config/agencies: " + s.Agency, Line: 1, Column: 1,
			Message: fmt.Sprintf("subscription %s: %s", s.ID, message),
		})
	}
	return ps.Or()
}
