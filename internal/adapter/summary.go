package adapter

import (
	"encoding/json"

	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/wire"
)

// Summary is a Translation as people and golden cases read it.
type Summary struct {
	Adapter string          `json:"adapter"`
	Message string          `json:"message"`
	Records []RecordSummary `json:"records"`
	Errors  fault.List      `json:"errors"`
}

// RecordSummary is one record of a Summary.
type RecordSummary struct {
	Type   string          `json:"type"`
	Keys   map[string]any  `json:"keys"`
	Status record.Status   `json:"status"`
	Record json.RawMessage `json:"record"`
	Errors fault.List      `json:"errors"`
}

// Summary summarises t. Whether a record is a duplicate only a store can tell.
func (t *Translation) Summary() Summary {
	s := Summary{Adapter: t.Adapter, Message: t.Message, Records: make([]RecordSummary, len(t.Records)), Errors: t.Faults}
	if s.Errors == nil {
		s.Errors = fault.List{}
	}
	for i := range t.Records {
		r := &t.Records[i]
		rs := RecordSummary{Type: r.Type, Keys: record.ByName(r.Keys), Status: record.Accepted, Record: wire.AppendJSON(nil, r.Root), Errors: r.Faults}
		if t.Refused(r) {
			rs.Status = record.Rejected
		}
		if rs.Errors == nil {
			rs.Errors = fault.List{}
		}
		s.Records[i] = rs
	}
	return s
}
