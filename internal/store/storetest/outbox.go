package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/record"
	"tongqu/internal/store"
)

func testOutbox(t *testing.T, open Opener) {
	t.Helper()
	t.Run("gives accepted records in the order of recording", func(t *testing.T) {
		place := t.TempDir()
		s := open(t, place)
		var want []record.Record
		for n := range 10 {
			e := NewEntry("customs", 3*n, 3*n+1, 3*n, 3*n+2)
			e.Records[3].Status = record.Rejected
			recordEntry(t, s, e)
			want = append(want, e.Records[0], e.Records[1])
			refused := NewEntry("customs", n)
			refused.Records[0].Status = record.Rejected
			recordEntry(t, s, refused)
		}
		for len(want) > 0 {
			// A limit of three ends in the middle of a document.
			batch, err := s.Unpublished(t.Context(), 3)
			require.NoError(t, err)
			require.Equal(t, want[:min(3, len(want))], batch)
			same, err := s.Unpublished(t.Context(), 3)
			require.NoError(t, err)
			require.Equal(t, batch, same, "until they are marked")

			require.NoError(t, s.MarkPublished(t.Context(), batch, Start))
			want = want[len(batch):]
			if len(want)%2 == 1 {
				require.NoError(t, s.Close())
				s = open(t, place)
			}
		}
		batch, err := s.Unpublished(t.Context(), 3)
		require.NoError(t, err)
		require.Empty(t, batch)
		b, err := s.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Equal(t, int64(20), b.Published)
		require.Zero(t, b.Unpublished)
		require.NoError(t, s.Close())
	})

	t.Run("a part of a batch may be marked", func(t *testing.T) {
		s := opened(t, open)
		e := recorded(t, s, "customs", 1, 2, 3, 4)
		batch, err := s.Unpublished(t.Context(), 100)
		require.NoError(t, err)
		require.NoError(t, s.MarkPublished(t.Context(), nil, Start))
		require.NoError(t, s.MarkPublished(t.Context(), batch[:1], Start))
		require.NoError(t, s.MarkPublished(t.Context(), batch[1:3], Start.Add(time.Second)))
		rest, err := s.Unpublished(t.Context(), 100)
		require.NoError(t, err)
		require.Equal(t, e.Records[3:], rest)

		for i, want := range []time.Time{Start, Start.Add(time.Second), Start.Add(time.Second)} {
			events, err := s.Timeline(t.Context(), e.Records[i].ID)
			require.NoError(t, err)
			require.Contains(t, events, store.Event{At: want, What: "published"})
		}
		events, err := s.Timeline(t.Context(), e.Records[3].ID)
		require.NoError(t, err)
		require.Len(t, events, 2)
	})

	t.Run("says when there is something new", func(t *testing.T) {
		s := opened(t, open)
		refused := NewEntry("customs", 1)
		refused.Records[0].Status = record.Rejected
		recordEntry(t, s, refused)
		select {
		case <-s.Recorded():
			require.Fail(t, "nothing was accepted")
		default:
		}
		recorded(t, s, "customs", 1)
		recorded(t, s, "customs", 2)
		select {
		case <-s.Recorded():
		case <-time.After(5 * time.Second):
			require.Fail(t, "a record was accepted")
		}
	})
}
