package storetest

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/record"
	"tongqu/internal/store"
)

func testDocuments(t *testing.T, open Opener) {
	t.Helper()
	t.Run("are read as they were recorded", func(t *testing.T) {
		s := opened(t, open)
		e := NewEntry("customs", 1, 2, 3)
		e.Document.Name = "订单.xml"
		e.Document.Errors = []byte(`[{"code":"CHARSET_MISMATCH","severity":"flag","zh":"…","en":"…"}]`)
		e.Records[0].Errors = []byte(`[{"code":"RULE_SUM","severity":"flag","zh":"…","en":"…"}]`)
		e.Records[1].Status = record.Rejected
		e.Records[1].Errors = []byte(`[{"code":"SCHEMA_REQUIRED","severity":"error","zh":"…","en":"…"}]`)
		e.Records[1].Action = record.Update
		e.Records[2].Version = time.Time{}
		e.Records[2].Keys = nil
		e.Records[2].Index, e.Records[2].ID = 7, record.ID(e.Document.ID, 7)
		recordEntry(t, s, e)
		require.Equal(t, store.DocumentPartial, e.Document.Status)

		d, err := s.Document(t.Context(), e.Document.ID)
		require.NoError(t, err)
		require.Equal(t, e.Document, d)

		records, err := s.DocumentRecords(t.Context(), e.Document.ID)
		require.NoError(t, err)
		require.Equal(t, e.Records, records)
		for _, want := range e.Records {
			require.Positive(t, want.Seq)
			got, err := s.RecordByID(t.Context(), want.ID)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	})

	t.Run("without records are rejected", func(t *testing.T) {
		s := opened(t, open)
		e := NewEntry("customs", 1)
		e.Records, e.Document.Adapter, e.Document.Message = nil, "", ""
		e.Document.Errors = []byte(`[{"code":"DOCUMENT_UNKNOWN","severity":"error","zh":"…","en":"…"}]`)
		recordEntry(t, s, e)
		require.Equal(t, store.DocumentRejected, e.Document.Status)
		d, err := s.Document(t.Context(), e.Document.ID)
		require.NoError(t, err)
		require.Equal(t, e.Document, d)
		records, err := s.DocumentRecords(t.Context(), e.Document.ID)
		require.NoError(t, err)
		require.Empty(t, records)
	})

	t.Run("of any bytes come back", func(t *testing.T) {
		s := opened(t, open)
		for _, body := range [][]byte{{}, {0}, []byte("短"), make([]byte, 3<<20), []byte("\x00\xff<not xml")} {
			e := NewEntry("customs", 1)
			e.Document.Body, e.Document.SHA256 = body, sha256.Sum256(body)
			recordEntry(t, s, e)
			d, err := s.Document(t.Context(), e.Document.ID)
			require.NoError(t, err)
			require.Equal(t, string(body), string(d.Body))
		}
	})

	t.Run("that are not there are not found", func(t *testing.T) {
		s := opened(t, open)
		e := recorded(t, s, "customs", 1)
		other, err := record.NewDocumentID()
		require.NoError(t, err)
		for _, id := range []string{other, "", "nonsense", e.Document.ID + ".1"} {
			_, err = s.Document(t.Context(), id)
			require.ErrorIs(t, err, store.ErrNotFound, id)
			_, err = s.DocumentRecords(t.Context(), id)
			require.ErrorIs(t, err, store.ErrNotFound, id)
		}
		for _, id := range []string{e.Document.ID, e.Document.ID + ".2", e.Document.ID + ".0", other + ".1", "", "."} {
			_, err = s.RecordByID(t.Context(), id)
			require.ErrorIs(t, err, store.ErrNotFound, id)
			_, err = s.Timeline(t.Context(), id)
			require.ErrorIs(t, err, store.ErrNotFound, id)
		}
	})

	t.Run("have a timeline", func(t *testing.T) {
		s := opened(t, open)
		e := recorded(t, s, "customs", 1)
		id := e.Records[0].ID
		batch, err := s.Unpublished(t.Context(), 10)
		require.NoError(t, err)
		published := time.Now().UTC().Add(time.Second).Truncate(time.Microsecond)
		require.NoError(t, s.MarkPublished(t.Context(), batch, published))
		delivered, waiting := published.Add(time.Second), published.Add(2*time.Second)
		require.NoError(t, s.SaveDeliveries(t.Context(), []store.Delivery{
			{Subscription: "tax", RecordID: id, Status: store.DeliveryWaiting, Attempts: 3, At: waiting, Detail: "503"},
			{Subscription: "fx", RecordID: id, Status: store.DeliveryDelivered, Attempts: 1, At: delivered, Detail: "200"},
		}))
		events, err := s.Timeline(t.Context(), id)
		require.NoError(t, err)
		require.Len(t, events, 5)
		require.Equal(t, store.Event{At: e.Document.ReceivedAt, What: "received", Who: "customs"}, events[0])
		require.Equal(t, "recorded", events[1].What)
		require.WithinDuration(t, time.Now(), events[1].At, time.Minute)
		require.Equal(t, store.Event{At: published, What: "published"}, events[2])
		require.Equal(t, store.Event{At: delivered, What: "delivered", Who: "fx", Detail: "200", Attempts: 1}, events[3])
		require.Equal(t, store.Event{At: waiting, What: "waiting", Who: "tax", Detail: "503", Attempts: 3}, events[4])
	})
}
