package move_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/move"
	"tongqu/internal/store/pack"
	"tongqu/internal/store/postgres"
	"tongqu/internal/store/postgres/pgtest"
	"tongqu/internal/store/sqlite"
	"tongqu/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func silent(string, int64) {}

// fill gives a store all that there can be: documents accepted, rejected, partly
// rejected and repeated, corrections, deliveries in every state, a part published.
func fill(t *testing.T, s store.Store) {
	t.Helper()
	ctx := t.Context()
	var ids []string
	for n := range 120 {
		e := storetest.NewEntry("platform", 3*n, 3*n+1, 3*n+2)
		e.Document.Name = "odd\xffname\x00.xml"
		switch n % 6 {
		case 1:
			e.Records[1].Status = record.Rejected
			e.Records[1].Errors = []byte(`[{"code":"SCHEMA_REQUIRED"}]`)
		case 2:
			for i := range e.Records {
				e.Records[i].Status = record.Rejected
			}
		case 3:
			e.Records, e.Document.Adapter = nil, ""
			e.Document.Errors = []byte(`[{"code":"DOCUMENT_UNKNOWN"}]`)
		}
		require.NoError(t, s.Record(ctx, e))
		for _, r := range e.Records {
			if r.Status == record.Accepted {
				ids = append(ids, r.ID)
			}
		}
		if n%5 == 0 {
			again := store.Entry{Document: e.Document}
			id, err := record.NewDocumentID()
			require.NoError(t, err)
			again.Document.ID, again.Document.DuplicateOf = id, ""
			for i, r := range e.Records {
				r.ID, r.DocumentID, r.DuplicateOf = record.ID(id, i+1), id, ""
				again.Records = append(again.Records, r)
			}
			require.NoError(t, s.Record(ctx, &again))
		}
	}
	batch, err := s.Unpublished(ctx, 100)
	require.NoError(t, err)
	require.NoError(t, s.MarkPublished(ctx, batch, time.Now()))
	states := []store.DeliveryStatus{store.DeliveryDelivered, store.DeliveryParked, store.DeliveryWaiting, store.DeliverySkipped}
	var deliveries []store.Delivery
	for i, r := range batch {
		for _, subscription := range []string{"tax", "Customs"} {
			deliveries = append(deliveries, store.Delivery{
				Subscription: subscription, RecordID: r.ID, Status: states[i%len(states)], Attempts: i % 3, At: time.Now().UTC(), Detail: fmt.Sprintf("answer %d", i),
			})
		}
	}
	require.NoError(t, s.SaveDeliveries(ctx, deliveries))
	for n := range 3 {
		require.NoError(t, s.SaveInquiries(ctx, []store.Inquiry{storetest.NewInquiry("platform", n)}))
	}
	require.Greater(t, len(ids), 100)
}

// TestCopy moves a store, interrupted on the way, and looks whether the other one
// is the same to whoever works with it.
func TestCopy(t *testing.T) {
	server := pgtest.Start(t)
	from, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "tongqu.db"), zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, from.Close()) })
	fill(t, from)
	address := server.NewSchema(t)

	to, err := postgres.OpenImport(t.Context(), address, "here", zap.NewNop())
	require.NoError(t, err)
	stopped := errors.New("pulled the plug")
	err = from.Walk(t.Context(), 0, func(h *pack.Held) error {
		if to.Documents == 60 {
			return stopped
		}
		return to.Write(t.Context(), []pack.Held{*h})
	})
	require.ErrorIs(t, err, stopped)
	require.NoError(t, to.Close())

	_, err = postgres.Open(t.Context(), address, zap.NewNop())
	require.ErrorIs(t, err, postgres.ErrImporting, "no hub may work with a half of it")
	_, err = postgres.OpenImport(t.Context(), address, "elsewhere", zap.NewNop())
	require.ErrorIs(t, err, postgres.ErrNotEmpty)

	to, err = postgres.OpenImport(t.Context(), address, "here", zap.NewNop())
	require.NoError(t, err)
	require.EqualValues(t, 60, to.Documents, "it goes on where it was")
	before, err := from.Balance(t.Context(), time.Time{})
	require.NoError(t, err)
	got, err := move.Copy(t.Context(), from, to, time.Now().Add(time.Hour), silent)
	require.NoError(t, err)
	want, err := move.Count(t.Context(), from, func(int64) {})
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.EqualValues(t, 144, got.Documents)
	require.NoError(t, to.Close())

	s, err := postgres.Open(t.Context(), address, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	after, err := s.Balance(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Equal(t, before, after)
	sameListings(t, from, s)

	left, err := from.Unpublished(t.Context(), 1000)
	require.NoError(t, err)
	waiting, err := s.Unpublished(t.Context(), 1000)
	require.NoError(t, err)
	require.Equal(t, left, waiting)
	require.NoError(t, s.MarkPublished(t.Context(), waiting, time.Now()))

	again := storetest.NewEntry("platform", 0, 1, 2)
	require.NoError(t, s.Record(t.Context(), again))
	require.Equal(t, store.DocumentDuplicate, again.Document.Status, "what came before is recognised")
	fresh := storetest.NewEntry("platform", 5000)
	require.NoError(t, s.Record(t.Context(), fresh))
	require.Equal(t, store.DocumentAccepted, fresh.Document.Status)
	require.Greater(t, fresh.Records[0].Seq, waiting[len(waiting)-1].Seq)

	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "UPDATE documents SET size = size + 1 WHERE no = (SELECT min(no) FROM documents)")
	require.NoError(t, errors.Join(err, conn.Close(t.Context())))
	changed, err := move.Count(t.Context(), s, func(int64) {})
	require.NoError(t, err)
	require.NotEqual(t, want.Hash, changed.Hash)
}

// sameListings compares what the two stores answer.
func sameListings(t *testing.T, a, b store.Store) {
	t.Helper()
	ctx := t.Context()
	for _, q := range []store.Query{
		{Limit: 1000},
		{Limit: 1000, Status: record.Duplicate},
		{Limit: 1000, Newest: true, Type: "trade.order", Agency: "platform"},
		{Key: storetest.NewEntry("platform", 7).Records[0].Keys[1]},
	} {
		want, err := a.Records(ctx, q)
		require.NoError(t, err)
		require.NotEmpty(t, want.Items)
		got, err := b.Records(ctx, q)
		require.NoError(t, err)
		require.Equal(t, want.Items, got.Items)
	}
	want, err := a.Documents(ctx, store.DocumentQuery{Limit: 1000})
	require.NoError(t, err)
	got, err := b.Documents(ctx, store.DocumentQuery{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, got.Items, len(want.Items))
	for i := range want.Items {
		first, err := a.Document(ctx, want.Items[i].ID)
		require.NoError(t, err)
		second, err := b.Document(ctx, got.Items[i].ID)
		require.NoError(t, err)
		first.Name = pack.ValidText(first.Name)
		require.Equal(t, first, second)
	}
	page, err := a.Deliveries(ctx, store.DeliveryQuery{Limit: 1000})
	require.NoError(t, err)
	require.NotEmpty(t, page.Items)
	copied, err := b.Deliveries(ctx, store.DeliveryQuery{Limit: 1000})
	require.NoError(t, err)
	require.Equal(t, page.Items, copied.Items)
	asked, err := a.Inquiries(ctx, store.InquiryQuery{})
	require.NoError(t, err)
	require.Len(t, asked.Items, 3)
	moved, err := b.Inquiries(ctx, store.InquiryQuery{})
	require.NoError(t, err)
	require.Equal(t, asked.Items, moved.Items)
	id := page.Items[0].RecordID
	timeline, err := a.Timeline(ctx, id)
	require.NoError(t, err)
	same, err := b.Timeline(ctx, id)
	require.NoError(t, err)
	require.Equal(t, timeline, same)
}
