package postgres

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/postgres/pgtest"
	"tongqu/internal/store/storetest"
)

// madeAt gives an entry an id of that time.
func madeAt(t *testing.T, e *store.Entry, at time.Time) *store.Entry {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	binary.BigEndian.PutUint16(id[4:], uint16(at.UnixMilli()&0xffff))
	binary.BigEndian.PutUint32(id[:], uint32(at.UnixMilli()>>16)) //nolint:gosec // its first 32 bits
	e.Document.ID = id.String()
	for i := range e.Records {
		r := &e.Records[i]
		r.ID, r.DocumentID = record.ID(e.Document.ID, r.Index), e.Document.ID
	}
	return e
}

func TestMonths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(0, 7e12).Draw(t, "time"))
		m := monthOf(at)
		require.False(t, at.Before(m.start()))
		require.True(t, at.Before(m.add(1).start()))
		require.Equal(t, m, m.add(14).add(-14))
		require.Equal(t, m, monthOfID(firstID(at)))
		require.Negative(t, slices.Compare(firstIDBytes(m.start()), firstIDBytes(m.add(1).start())))
		require.LessOrEqual(t, slices.Compare(firstIDBytes(m.start()), firstIDBytes(at)), 0)
	})
}

func firstIDBytes(t time.Time) []byte {
	id := firstID(t)
	return id[:]
}

// dropping forgets two old months: one with partitions of its own, one without.
func dropping(t *testing.T, server *pgtest.Server) {
	t.Helper()
	s := openHubs(t, server, 1)[0]
	now := time.Now()
	this := monthOf(now)
	require.NoError(t, s.ensureMonth(t.Context(), this.add(-5)))
	old := madeAt(t, storetest.NewEntry("customs", 1, 2), this.add(-5).start().Add(time.Hour))
	other := madeAt(t, storetest.NewEntry("customs", 3), this.add(-4).start().Add(time.Hour))
	again := storetest.NewEntry("customs", 1, 2)
	again.Document.SHA256 = old.Document.SHA256
	kept := storetest.NewEntry("customs", 5)
	all := []*store.Entry{old, other, again, kept}
	for _, e := range all {
		require.NoError(t, s.Record(t.Context(), e))
	}
	require.Equal(t, old.Document.ID, again.Document.DuplicateOf)

	_, err := s.DropBefore(t.Context(), now)
	require.ErrorIs(t, err, ErrUnfinished, "unpublished")
	require.NoError(t, markAll(t.Context(), s))
	save := func(status store.DeliveryStatus) {
		require.NoError(t, s.SaveDeliveries(t.Context(), []store.Delivery{
			{Subscription: "tax", RecordID: old.Records[0].ID, Status: status, At: now},
			{Subscription: "tax", RecordID: other.Records[0].ID, Status: store.DeliveryDelivered, At: now},
			{Subscription: "tax", RecordID: kept.Records[0].ID, Status: store.DeliveryWaiting, At: now},
		}))
	}
	save(store.DeliveryWaiting)
	_, err = s.DropBefore(t.Context(), now)
	require.ErrorIs(t, err, ErrUnfinished, "waiting")
	save(store.DeliveryParked)
	for _, e := range all {
		_, err := s.Document(t.Context(), e.Document.ID)
		require.NoError(t, err, "nothing is dropped yet")
	}

	asked, early := storetest.NewInquiry("platform", 1), storetest.NewInquiry("platform", 2)
	early.ID = old.Document.ID
	require.NoError(t, s.SaveInquiries(t.Context(), []store.Inquiry{asked, early}))
	before, err := s.Balance(t.Context(), time.Time{})
	require.NoError(t, err)
	dropped, err := s.DropBefore(t.Context(), now)
	require.NoError(t, err)
	require.Equal(t, []string{this.add(-5).name(), this.add(-1).name()}, dropped)
	inquiries, err := s.Inquiries(t.Context(), store.InquiryQuery{})
	require.NoError(t, err)
	require.Equal(t, []store.Inquiry{asked}, inquiries.Items)
	for _, e := range all[:2] {
		_, err := s.Document(t.Context(), e.Document.ID)
		require.ErrorIs(t, err, store.ErrNotFound)
		page, err := s.Records(t.Context(), store.Query{Key: e.Records[0].Keys[1]})
		require.NoError(t, err)
		for _, r := range page.Items {
			require.Equal(t, again.Document.ID, r.DocumentID)
		}
	}
	d, err := s.Document(t.Context(), again.Document.ID)
	require.NoError(t, err)
	require.Nil(t, d.Body)
	page, err := s.Deliveries(t.Context(), store.DeliveryQuery{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	documents, err := s.Documents(t.Context(), store.DocumentQuery{})
	require.NoError(t, err)
	require.Len(t, documents.Items, 2)
	after, err := s.Balance(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Equal(t, before, after)

	for n, want := range map[int]record.Status{2: record.Accepted, 3: record.Accepted, 5: record.Duplicate} {
		e := storetest.NewEntry("platform", n)
		require.NoError(t, s.Record(t.Context(), e))
		require.Equal(t, want, e.Records[0].Status, "order %d", n)
	}
	require.NoError(t, markAll(t.Context(), s), "the outbox goes on where it was")
	events, err := s.Timeline(t.Context(), kept.Records[0].ID)
	require.NoError(t, err)
	require.Len(t, events, 4)
	dropped, err = s.DropBefore(t.Context(), now)
	require.NoError(t, err)
	require.Empty(t, dropped)
}
