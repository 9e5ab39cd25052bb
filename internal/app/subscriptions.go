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
		if m := r.Message(s.Format); m == nil || m.Table == nil {
			ps = append(ps, conf.Problem{
				File: "config/agencies: " + s.Agency, Line: 1, Column: 1,
				Message: fmt.Sprintf("subscription %s: no adapter writes format %q; 'tongqu adapter list' shows the messages", s.ID, s.Format),
			})
		}
	}
	return ps.Or()
}
