package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func testLeases(t *testing.T, open Opener) {
	t.Helper()
	t.Run("are held while work runs", func(t *testing.T) {
		s := opened(t, open)
		recorded(t, s, "customs", 1)
		refused := errors.New("refused")
		for _, want := range []error{refused, nil} { // given back, and taken again
			worked := false
			err := s.Lease(t.Context(), "relay", func(ctx context.Context) error {
				worked = true
				batch, err := s.Unpublished(ctx, 10)
				require.NoError(t, err)
				require.NoError(t, s.MarkPublished(ctx, batch, Start))
				return want
			})
			require.Equal(t, want, err)
			require.True(t, worked)
		}
	})

	t.Run("end with the context", func(t *testing.T) {
		s := opened(t, open)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, s.Lease(ctx, "relay", func(held context.Context) error {
			cancel()
			<-held.Done()
			return nil
		}))
		require.NoError(t, s.Lease(ctx, "relay", func(context.Context) error { return errors.New("without a lease") }))
	})
}
