package storetest

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/record"
	"tongqu/internal/store"
)

// model settles documents as the contract says, by looking at everything.
type model struct {
	documents []*store.Entry // of which a record was accepted
	accepted  []record.Record
	all       map[string]record.Record
	balance   store.Balance
}

// settle returns what must become of e.
func (m *model) settle(e *store.Entry) (document store.Document, records []record.Record) {
	document = e.Document
	var first *store.Entry
	for _, d := range m.documents {
		if d.Document.Agency == document.Agency && d.Document.SHA256 == document.SHA256 {
			first = d
			break
		}
	}
	for _, r := range e.Records {
		if r.Status != record.Rejected {
			r.Status, r.DuplicateOf = record.Accepted, ""
			if first != nil && m.all[record.ID(first.Document.ID, r.Index)].Status != record.Rejected {
				r.Status, r.DuplicateOf = record.Duplicate, record.ID(first.Document.ID, r.Index)
			} else {
				m.settleRecord(&r)
			}
		}
		switch r.Status {
		case record.Accepted:
			document.Accepted++
			m.accepted = append(m.accepted, r)
		case record.Rejected:
			document.Rejected++
		case record.Duplicate:
			document.Duplicates++
		}
		records = append(records, r)
	}
	if document.Status = statusOf(&document); first != nil && document.Accepted == 0 {
		document.Status, document.DuplicateOf = store.DocumentDuplicate, first.Document.ID
	}
	if document.Accepted > 0 {
		m.documents = append(m.documents, e)
	}
	m.count(&document)
	return document, records
}

func statusOf(d *store.Document) store.DocumentStatus {
	switch {
	case d.Accepted > 0 && d.Rejected > 0:
		return store.DocumentPartial
	case d.Rejected > 0:
		return store.DocumentRejected
	case d.Accepted > 0:
		return store.DocumentAccepted
	case d.Duplicates > 0:
		return store.DocumentDuplicate
	}
	return store.DocumentRejected
}

func (m *model) settleRecord(r *record.Record) {
	identity, ok := r.Identity()
	if !ok || r.Version.IsZero() {
		return
	}
	for _, a := range m.accepted {
		key, ok := a.Identity()
		if !ok || key != identity || record.Family(a.Type) != record.Family(r.Type) || a.Version.IsZero() {
			continue
		}
		if a.Version.Equal(r.Version) {
			r.Status, r.DuplicateOf = record.Duplicate, a.ID
			return
		}
		if a.Version.After(r.Version) {
			r.Status = record.Rejected // unless an equal one follows
		}
	}
}

func (m *model) count(d *store.Document) {
	m.balance.Documents.Received++
	switch d.Status {
	case store.DocumentAccepted, store.DocumentPartial:
		m.balance.Documents.Accepted++
	case store.DocumentRejected:
		m.balance.Documents.Rejected++
	case store.DocumentDuplicate:
		m.balance.Documents.Duplicates++
	}
	c := &m.balance.Records
	c.Received += int64(d.Accepted + d.Rejected + d.Duplicates)
	c.Accepted += int64(d.Accepted)
	c.Rejected += int64(d.Rejected)
	c.Duplicates += int64(d.Duplicates)
	m.balance.Unpublished = c.Accepted
}

// drawEntry makes a document from so few orders, versions and bytes that everything repeats.
func drawEntry(t *rapid.T) *store.Entry {
	numbers := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 4).Draw(t, "orders")
	e := NewEntry(rapid.SampledFrom([]string{"customs", "platform"}).Draw(t, "agency"), numbers...)
	e.Document.SHA256 = [32]byte{rapid.ByteRange(0, 30).Draw(t, "bytes")}
	for i := range e.Records {
		r := &e.Records[i]
		r.Type = rapid.SampledFrom([]string{"trade.order.v1", "trade.order.v2", "trade.payment.v1"}).Draw(t, "type")
		r.Version = time.Time{}
		if v := rapid.IntRange(0, 6).Draw(t, "version"); v > 0 {
			r.Version = Start.Add(time.Duration(v) * time.Second)
		}
		if rapid.IntRange(0, 4).Draw(t, "rejected") == 0 {
			r.Status = record.Rejected
		}
		if rapid.IntRange(0, 9).Draw(t, "keyless") == 0 {
			r.Keys = nil
		}
	}
	return e
}

// testModel compares the store with the model on random documents.
func testModel(t *testing.T, open Opener) {
	t.Helper()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		place := filepath.Join(t.TempDir(), strconv.Itoa(runs))
		s := open(t, place)
		defer func() { require.NoError(rt, s.Close()) }()
		m := &model{all: map[string]record.Record{}}
		rt.Repeat(map[string]func(*rapid.T){
			"record": func(rt *rapid.T) {
				e := drawEntry(rt)
				document, records := m.settle(e)
				recordEntry(rt, s, e)
				require.Equal(rt, document, e.Document)
				require.Len(rt, e.Records, len(records))
				for i := range records {
					require.Equal(rt, records[i].Status, e.Records[i].Status)
					require.Equal(rt, records[i].DuplicateOf, e.Records[i].DuplicateOf)
					m.all[e.Records[i].ID] = e.Records[i]
				}
			},
			"reopen": func(rt *rapid.T) {
				require.NoError(rt, s.Close())
				s = open(t, place)
			},
			"find": func(rt *rapid.T) {
				key := record.Key{Name: "orderNo", Value: orderNo(rapid.IntRange(0, 5).Draw(rt, "order"))}
				want := 0
				for _, r := range m.all {
					if slices.Contains(r.Keys, key) {
						want++
					}
				}
				page, err := s.Records(context.Background(), store.Query{Key: key, Limit: 1000})
				require.NoError(rt, err)
				require.Len(rt, page.Items, want)
				for _, r := range page.Items {
					require.Equal(rt, m.all[r.ID], r)
				}
			},
			"": func(rt *rapid.T) {
				b, err := s.Balance(context.Background(), time.Time{})
				require.NoError(rt, err)
				require.Equal(rt, m.balance.Documents, b.Documents)
				require.Equal(rt, m.balance.Records, b.Records)
				require.Equal(rt, m.balance.Unpublished, b.Unpublished)
			},
		})
	})
}
