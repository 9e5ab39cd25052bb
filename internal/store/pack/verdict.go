package pack

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/store"
)

// Verdict is what the store made of a record.
type Verdict struct {
	Status record.Status
	// Of is the record that a duplicate repeats.
	Of Ref
	// Errors replace the record's own when it came too late; else nil.
	Errors []byte
}

// Ref is a record id in 16 bytes and a number.
type Ref struct {
	Document uuid.UUID
	Index    int
}

// String is the record id.
func (r Ref) String() string { return record.ID(r.Document.String(), r.Index) }

// The first byte of a Verdict.
const (
	verdictAccepted  = 'A'
	verdictRejected  = 'R'
	verdictDuplicate = 'D'
	verdictStale     = 'S'
)

// AppendVerdicts writes the verdicts on a document's records, in order.
func AppendVerdicts(dst []byte, verdicts []Verdict) []byte {
	for i := range verdicts {
		v := &verdicts[i]
		switch {
		case v.Status == record.Accepted:
			dst = append(dst, verdictAccepted)
		case v.Status == record.Duplicate:
			dst = append(dst, verdictDuplicate)
			dst = append(dst, v.Of.Document[:]...)
			dst = binary.AppendUvarint(dst, uint64(v.Of.Index)) //nolint:gosec // counted from 1
		case v.Errors != nil:
			dst = append(dst, verdictStale)
			dst = AppendBytes(dst, v.Errors)
		default:
			dst = append(dst, verdictRejected)
		}
	}
	return dst
}

// ReadVerdicts writes the verdicts into the records they are of.
func ReadVerdicts(b []byte, records []record.Record) error {
	c := cursor{rest: b}
	for i := range records {
		r := &records[i]
		switch c.byte() {
		case verdictAccepted:
			r.Status = record.Accepted
		case verdictRejected:
			r.Status = record.Rejected
		case verdictDuplicate:
			r.Status = record.Duplicate
			ref := Ref{Document: uuid.UUID(c.take(16))}
			ref.Index = int(c.uvarint()) //nolint:gosec // AppendVerdicts wrote an int
			r.DuplicateOf = ref.String()
		case verdictStale:
			r.Status = record.Rejected
			r.Errors = bytes.Clone(c.bytes())
		default:
			c.bad = true
		}
	}
	if c.bad || len(c.rest) > 0 {
		return errors.New("damaged verdicts")
	}
	return nil
}

// ParseRef reads a record id; store.ErrNotFound when it is none.
func ParseRef(id string) (Ref, error) {
	document, index, ok := record.SplitID(id)
	if !ok {
		return Ref{}, fmt.Errorf("record %q: %w", id, store.ErrNotFound)
	}
	u, err := uuid.Parse(document)
	return Ref{u, index}, err
}

// Outcome is the status and the counts that a document gets from the verdicts on
// its records; first is the document that it repeats, or nil.
func Outcome(agency string, verdicts []Verdict, first *uuid.UUID) store.Document {
	d := store.Document{Agency: agency}
	for i := range verdicts {
		switch verdicts[i].Status {
		case record.Accepted:
			d.Accepted++
		case record.Rejected:
			d.Rejected++
		case record.Duplicate:
			d.Duplicates++
		}
	}
	switch {
	case first != nil:
		d.Status, d.DuplicateOf = store.DocumentDuplicate, first.String()
	case d.Rejected > 0 && d.Accepted > 0:
		d.Status = store.DocumentPartial
	case d.Rejected > 0 || len(verdicts) == 0:
		d.Status = store.DocumentRejected
	case d.Accepted > 0:
		d.Status = store.DocumentAccepted
	default:
		d.Status = store.DocumentDuplicate
	}
	return d
}

// Stale is the verdict on a record that is older than newest, whose version is
// given in microseconds: its faults with one more.
func Stale(r *record.Record, newest Ref, version int64) (Verdict, error) {
	var faults fault.List
	if r.Errors != nil {
		if err := json.Unmarshal(r.Errors, &faults); err != nil {
			return Verdict{}, fmt.Errorf("reading the faults of record %s: %w", r.ID, err)
		}
	}
	faults = append(faults, fault.New(fault.DuplicateStale, fault.Place{}, "",
		r.Version.Format(time.RFC3339), newest.String(), time.UnixMicro(version).In(r.Version.Location()).Format(time.RFC3339)))
	b, err := json.Marshal(faults)
	return Verdict{Status: record.Rejected, Errors: b}, err
}

// Fill tells the caller of Record what became of e: its document got number no
// and the outcome o.
func Fill(e *store.Entry, no int64, o *store.Document, verdicts []Verdict) {
	d := &e.Document
	d.Status, d.DuplicateOf = o.Status, o.DuplicateOf
	d.Accepted, d.Rejected, d.Duplicates = o.Accepted, o.Rejected, o.Duplicates
	for i := range e.Records {
		r, v := &e.Records[i], &verdicts[i]
		r.Seq = no + int64(i) + 1
		r.Status, r.DuplicateOf = v.Status, ""
		if v.Status == record.Duplicate {
			r.DuplicateOf = v.Of.String()
		}
		if v.Errors != nil {
			r.Errors = v.Errors
		}
	}
}

// Check returns the id of an entry's document, and an error when that is none or
// the records do not belong in the document in their order.
func Check(e *store.Entry) (uuid.UUID, error) {
	d := &e.Document
	id, err := uuid.Parse(d.ID)
	if err != nil || id.String() != d.ID {
		return uuid.UUID{}, fmt.Errorf("document id %q is not a UUID in its usual form", d.ID)
	}
	last := 0
	for i := range e.Records {
		r := &e.Records[i]
		if r.DocumentID != d.ID || r.Index <= last || r.ID != record.ID(d.ID, r.Index) {
			return uuid.UUID{}, fmt.Errorf("record %q does not belong in document %s after index %d", r.ID, d.ID, last)
		}
		last = r.Index
	}
	return id, nil
}
