package sqlite

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"tongqu/internal/store"
	"tongqu/internal/store/storetest"
)

func openBench(b *testing.B) *Store {
	b.Helper()
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "hub.db"), zap.NewNop())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

// BenchmarkRecord measures documents of one record, fsync included, with a number
// of callers that each wait for their receipt.
func BenchmarkRecord(b *testing.B) {
	for _, callers := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := openBench(b)
			b.ReportAllocs()
			cpu := recordAll(b, s, callers, b.N, 0)
			b.StopTimer()
			b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "cpu-µs/doc")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
			b.ReportMetric(float64(s.Stats().FileBytes)/float64(b.N), "file-B/doc")
		})
	}
}

// recordAll has callers record n documents, numbered from first; the making of them
// is not measured. It returns the processor time spent.
func recordAll(b *testing.B, s *Store, callers, n, first int) time.Duration {
	b.Helper()
	var cpu time.Duration
	const chunk = 20_000
	for done := 0; done < n; done += chunk {
		b.StopTimer()
		entries := make([]*store.Entry, min(chunk, n-done))
		for i := range entries {
			entries[i] = storetest.NewEntry(b, "4403160001", first+done+i)
		}
		before := processorTime(b)
		b.StartTimer()
		var next atomic.Int64
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for i := int(next.Add(1)) - 1; i < len(entries); i = int(next.Add(1)) - 1 {
					if err := s.Record(b.Context(), entries[i]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		cpu += processorTime(b) - before
	}
	return cpu
}

// processorTime is what the process used so far: unlike the clock it says the
// same on a busy machine.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u unix.Rusage
	require.NoError(tb, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
