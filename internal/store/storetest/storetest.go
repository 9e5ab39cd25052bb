// Package storetest says, in tests, what every store.Store must do.
package storetest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/store"
)

// Opener opens the store at a place, a folder that tells one store from another.
// Opening the same place again, after Close, finds what was recorded.
type Opener func(tb testing.TB, place string) store.Store

// Run runs the suite on the stores that open opens.
func Run(t *testing.T, open Opener) {
	t.Helper()
	for _, suite := range []struct {
		name string
		run  func(t *testing.T, open Opener)
	}{
		{"documents", testDocuments},
		{"settling", testSettling},
		{"model", testModel},
		{"outbox", testOutbox},
		{"listing", testListing},
		{"balance", testBalance},
		{"deliveries", testDeliveries},
		{"inquiries", testInquiries},
		{"rewind", testRewind},
		{"leases", testLeases},
		{"life", testLife},
	} {
		t.Run(suite.name, func(t *testing.T) { suite.run(t, open) })
	}
}

// opened is a store that is closed when the test ends.
func opened(t *testing.T, open Opener) store.Store {
	t.Helper()
	s := open(t, t.TempDir())
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func recordEntry(t require.TestingT, s store.Store, e *store.Entry) {
	if h, ok := t.(interface{ Helper() }); ok {
		h.Helper()
	}
	require.NoError(t, s.Record(context.Background(), e))
}

// recorded makes an entry and records it.
func recorded(t *testing.T, s store.Store, agency string, numbers ...int) *store.Entry {
	t.Helper()
	e := NewEntry(agency, numbers...)
	recordEntry(t, s, e)
	return e
}

// again is the same bytes, sent once more.
func again(t *testing.T, e *store.Entry) *store.Entry {
	t.Helper()
	id, err := record.NewDocumentID()
	require.NoError(t, err)
	return withID(e, id)
}

// withID is a fresh copy of e under another document id.
func withID(e *store.Entry, id string) *store.Entry {
	c := &store.Entry{Document: e.Document}
	c.Document.ID = id
	c.Document.Status, c.Document.DuplicateOf = "", ""
	c.Document.Accepted, c.Document.Rejected, c.Document.Duplicates = 0, 0, 0
	for _, r := range e.Records {
		r.ID, r.DocumentID, r.Seq, r.DuplicateOf = record.ID(id, r.Index), id, 0, ""
		if r.Status == record.Duplicate {
			r.Status = record.Accepted
		}
		c.Records = append(c.Records, r)
	}
	return c
}

func statuses(e *store.Entry) []record.Status {
	s := make([]record.Status, len(e.Records))
	for i := range e.Records {
		s[i] = e.Records[i].Status
	}
	return s
}

// atVersion is the entry with its only record at another version.
func atVersion(e *store.Entry, version time.Time) *store.Entry {
	e.Records[0].Version = version
	return e
}

func codes(t *testing.T, errors []byte) []fault.Code {
	t.Helper()
	var faults fault.List
	require.NoError(t, json.Unmarshal(errors, &faults))
	list := make([]fault.Code, len(faults))
	for i := range faults {
		list[i] = faults[i].Code
	}
	return list
}
