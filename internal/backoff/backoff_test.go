package backoff

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func almostOne() float64 { return math.Nextafter(1, 0) }

func TestDelayDoublesUpToTheLimit(t *testing.T) {
	for _, tt := range []struct {
		attempt int
		want    time.Duration
	}{
		{-1, 100 * time.Millisecond},
		{0, 100 * time.Millisecond},
		{1, 200 * time.Millisecond},
		{5, 3200 * time.Millisecond},
		{6, 6400 * time.Millisecond},
		{7, 10 * time.Second},
		{61, 10 * time.Second},
		{math.MaxInt, 10 * time.Second},
	} {
		got := Delay(tt.attempt, 100*time.Millisecond, 10*time.Second, almostOne)
		require.InDelta(t, tt.want, got, 2, "attempt %d", tt.attempt)
		require.Zero(t, Delay(tt.attempt, 100*time.Millisecond, 10*time.Second, func() float64 { return 0 }))
	}
}

func TestDelayStaysInItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := time.Duration(rapid.Int64().Draw(t, "base"))
		limit := time.Duration(rapid.Int64().Draw(t, "limit"))
		attempt := rapid.Int().Draw(t, "attempt")
		rnd := rapid.Float64Range(0, almostOne()).Draw(t, "rnd")
		d := Delay(attempt, base, limit, func() float64 { return rnd })
		require.GreaterOrEqual(t, d, time.Duration(0))
		require.LessOrEqual(t, d, max(limit, 0))
	})
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.NoError(t, Wait(t.Context(), time.Minute))
		require.Equal(t, time.Minute, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, Wait(ctx, time.Minute), context.DeadlineExceeded)
		require.Equal(t, time.Minute+time.Second, time.Since(start))
		require.ErrorIs(t, Wait(ctx, 0), context.DeadlineExceeded, "an ended context wins over no wait")
	})
}
