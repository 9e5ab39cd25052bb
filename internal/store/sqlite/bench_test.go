//go:build unix

package sqlite

import (
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"tongqu/internal/record"
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
		})
	}
}

// BenchmarkRecordHundred measures documents of a hundred records.
func BenchmarkRecordHundred(b *testing.B) {
	s := openBench(b)
	numbers := make([]int, 100)
	for i := range numbers {
		numbers[i] = i
	}
	var size int64
	for b.Loop() {
		b.StopTimer()
		for i := range numbers {
			numbers[i] += 100
		}
		e := storetest.NewEntry("4403160001", numbers...)
		size += int64(e.Document.Size)
		b.StartTimer()
		require.NoError(b, s.Record(b.Context(), e))
	}
	b.ReportMetric(float64(100*b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(s.Stats().FileBytes)/float64(100*b.N), "file-B/record")
	b.ReportMetric(float64(size)/float64(100*b.N), "document-B/record")
}

// stored is how many documents the benchmarks of a full store begin with.
const stored = 300_000

// BenchmarkFull measures a store that holds much: recording must cost what it
// does on an empty one.
func BenchmarkFull(b *testing.B) {
	s := openBench(b)
	b.Run("preload", func(b *testing.B) {
		cpu := recordAll(b, s, 512, stored, 0)
		b.ReportMetric(float64(cpu.Microseconds())/stored, "cpu-µs/doc")
		b.ReportMetric(float64(s.Stats().FileBytes)/stored, "file-B/doc")
	})
	at := stored
	b.Run("record", func(b *testing.B) {
		cpu := recordAll(b, s, 512, b.N, at)
		at += b.N
		b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "cpu-µs/doc")
	})
	b.Run("lookup by key", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n += 7919 {
			q := store.Query{Key: storetest.NewEntry("4403160001", n%stored).Records[0].Keys[1]}
			page, err := s.Records(b.Context(), q)
			require.NoError(b, err)
			require.Len(b, page.Items, 1)
		}
	})
	b.Run("newest page", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			page, err := s.Records(b.Context(), store.Query{Newest: true, Limit: 100})
			require.NoError(b, err)
			require.Len(b, page.Items, 100)
		}
	})
	b.Run("rare status", func(b *testing.B) {
		for b.Loop() {
			page, err := s.Records(b.Context(), store.Query{Status: "rejected", Limit: 100})
			require.NoError(b, err)
			require.Empty(b, page.Items)
		}
	})
	b.Run("balance", func(b *testing.B) {
		for b.Loop() {
			_, err := s.Balance(b.Context(), storetest.Start)
			require.NoError(b, err)
		}
	})
	const batch = 500
	var records []record.Record
	b.Run("outbox of 500", func(b *testing.B) {
		before := processorTime(b)
		for b.Loop() {
			var err error
			records, err = s.Unpublished(b.Context(), batch)
			require.NoError(b, err)
			require.Len(b, records, batch)
			require.NoError(b, s.MarkPublished(b.Context(), records, time.Now()))
		}
		b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N*batch), "cpu-µs/record")
	})
	b.Run("deliveries of 500", func(b *testing.B) {
		before := processorTime(b)
		for n := 0; b.Loop(); n++ {
			ids, list := make([]string, batch), make([]store.Delivery, batch)
			for i := range ids {
				ids[i] = records[i].ID
				list[i] = store.Delivery{Subscription: strconv.Itoa(n), RecordID: ids[i], Status: store.DeliveryDelivered, Attempts: 1, At: time.Now()}
			}
			settled, err := s.Settled(b.Context(), strconv.Itoa(n), ids)
			require.NoError(b, err)
			require.Empty(b, settled)
			require.NoError(b, s.SaveDeliveries(b.Context(), list))
		}
		b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N*batch), "cpu-µs/record")
	})
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
			entries[i] = storetest.NewEntry("4403160001", first+done+i)
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
