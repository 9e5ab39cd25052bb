package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/record"
)

func testRewind(t *testing.T, open Opener) {
	t.Helper()
	place := t.TempDir()
	s := open(t, place)
	var ids []string
	for i := range 6 {
		e := NewEntry("customs", 2*i, 2*i+1)
		e.Document.ReceivedAt = Start.Add(time.Duration(i) * time.Hour)
		recordEntry(t, s, e)
		ids = append(ids, e.Records[0].ID, e.Records[1].ID)
	}
	publish := func(n int) []string {
		batch, err := s.Unpublished(t.Context(), n)
		require.NoError(t, err)
		require.NoError(t, s.MarkPublished(t.Context(), batch, Start))
		return idsOf(batch)
	}
	published := func() int64 {
		b, err := s.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Equal(t, int64(len(ids)), b.Published+b.Unpublished)
		return b.Published
	}
	require.Equal(t, ids[:5], publish(5)) // ends within a document
	require.Equal(t, ids[5:10], publish(5))

	n, err := s.Rewind(t.Context(), Start.Add(24*time.Hour))
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, int64(10), published())

	n, err = s.Rewind(t.Context(), Start.Add(2*time.Hour))
	require.NoError(t, err)
	require.Equal(t, int64(6), n)
	require.Equal(t, int64(4), published())
	require.Equal(t, ids[4:7], publish(3))

	require.NoError(t, s.Close())
	s = open(t, place)
	require.Equal(t, int64(7), published())
	_, err = s.Rewind(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Zero(t, published())
	require.Equal(t, ids, publish(100))
	require.NoError(t, s.Close())
}

func idsOf(records []record.Record) []string {
	ids := make([]string, len(records))
	for i := range records {
		ids[i] = records[i].ID
	}
	return ids
}
