// Package backoff says how long to wait before trying again.
package backoff

import (
	"context"
	"time"
)

// Delay returns how long to wait after failed attempt number attempt (0 is the
// first): a random time from zero up to base doubled per attempt, at most limit
// ("full jitter"). rnd returns a number in [0,1), as rand.Float64 does.
func Delay(attempt int, base, limit time.Duration, rnd func() float64) time.Duration {
	if base <= 0 || limit <= 0 {
		return 0
	}
	ceiling := limit
	if attempt < 0 {
		attempt = 0
	}
	if attempt < 62 && base <= limit>>attempt {
		ceiling = base << attempt
	}
	return time.Duration(rnd() * float64(ceiling))
}

// Wait blocks for d; it returns ctx's error as soon as ctx ends.
func Wait(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
