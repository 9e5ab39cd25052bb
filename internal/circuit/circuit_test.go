package circuit

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// whole back-off: the most that full jitter gives.
func most() float64 { return 1 }

func TestCircuitBacksOffAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(time.Second, 10*time.Second, most)
		require.Equal(t, Closed, c.Current().Circuit)
		start := time.Now()
		for i, seconds := range []int{1, 2, 4, 8, 10, 10} {
			before := time.Now()
			turn, err := c.Enter(t.Context())
			require.NoError(t, err)
			if i > 0 {
				require.Equal(t, HalfOpen, c.Current().Circuit)
			} else {
				start = before
			}
			c.Fail(turn, "503", 0)
			s := c.Current()
			require.Equal(t, Open, s.Circuit)
			require.Equal(t, i+1, s.Attempts)
			require.Equal(t, "503", s.LastError)
			require.Equal(t, time.Duration(seconds)*time.Second, time.Until(s.NextAttempt))
			require.Equal(t, start, s.Since, "the outage began with its first failure")
		}
		turn, err := c.Enter(t.Context())
		require.NoError(t, err)
		require.Equal(t, 35*time.Second, time.Since(start))
		c.Succeed(turn)
		s := c.Current()
		require.Equal(t, State{Circuit: Closed, Since: time.Now(), LastError: "503"}, s)
	})
}

func TestCircuitHonoursWhatTheSubscriberAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(time.Second, time.Minute, most)
		turn, err := c.Enter(t.Context())
		require.NoError(t, err)
		c.Fail(turn, "429", 90*time.Second)
		before := time.Now()
		_, err = c.Enter(t.Context())
		require.NoError(t, err)
		require.Equal(t, 90*time.Second, time.Since(before))
	})
}

// While the circuit is half-open one request tries; of several that fail together
// one counts; and all go again once one came through.
func TestCircuitLetsOneTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(time.Second, time.Minute, most)
		var turns [8]uint64
		for i := range turns {
			var err error
			turns[i], err = c.Enter(t.Context())
			require.NoError(t, err)
		}
		for _, turn := range turns {
			c.Fail(turn, "503", 0)
		}
		require.Equal(t, 1, c.Current().Attempts)
		c.Succeed(turns[0])
		require.Equal(t, Open, c.Current().Circuit, "an answer from before the outage says nothing")

		var trying, through atomic.Int32
		proceed := make(chan struct{})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				turn, err := c.Enter(t.Context())
				require.NoError(t, err)
				trying.Add(1)
				<-proceed
				c.Succeed(turn)
				through.Add(1)
			})
		}
		synctest.Wait()
		require.Zero(t, trying.Load())
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		synctest.Wait()
		require.EqualValues(t, 1, trying.Load())
		close(proceed)
		all.Wait()
		require.EqualValues(t, 8, through.Load())
		require.Equal(t, Closed, c.Current().Circuit)
	})
}

func TestCircuitAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(time.Second, time.Minute, most)
		turn, err := c.Enter(t.Context())
		require.NoError(t, err)
		c.Abandon(turn)
		require.Equal(t, Closed, c.Current().Circuit)
		c.Fail(turn, "503", 0)
		turn, err = c.Enter(t.Context())
		require.NoError(t, err)
		c.Abandon(turn)
		before := time.Now()
		_, err = c.Enter(t.Context())
		require.NoError(t, err)
		require.Zero(t, time.Since(before), "the next may try at once")

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = c.Enter(ended)
		require.ErrorIs(t, err, context.Canceled)
	})
}
