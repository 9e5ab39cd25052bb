package postgres

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/postgres/pgtest"
	"tongqu/internal/store/storetest"
)

// BenchmarkPostgres measures documents of one record, fsync included, with a
// number of callers that each wait for their receipt, from one hub and from two;
// then what becomes of them. The processor time of hub and server is told apart.
func BenchmarkPostgres(b *testing.B) {
	server := pgtest.Start(b)
	for _, callers := range []int{1, 64, 512} {
		for _, hubs := range []int{1, 2} {
			if callers < hubs {
				continue
			}
			b.Run(fmt.Sprintf("record/callers=%d/hubs=%d", callers, hubs), func(b *testing.B) {
				address := server.NewSchema(b)
				var stores []*Store
				for range hubs {
					s := openAt(b, address)
					b.Cleanup(func() { require.NoError(b, s.Close()) })
					stores = append(stores, s)
				}
				b.ReportAllocs()
				report(b, server, 1, func() { recordAll(b, stores, callers, b.N, 0) })
			})
		}
	}
	s := openAt(b, server.NewSchema(b))
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	const stored, batch = 20_000, 500
	recordAll(b, []*Store{s}, 512, stored, 0)
	b.Run("lookup by key", func(b *testing.B) {
		for n := 0; b.Loop(); n += 7919 {
			q := store.Query{Key: storetest.NewEntry("4403160001", n%stored).Records[0].Keys[1]}
			page, err := s.Records(b.Context(), q)
			require.NoError(b, err)
			require.Len(b, page.Items, 1)
		}
	})
	b.Run("newest page", func(b *testing.B) {
		for b.Loop() {
			page, err := s.Records(b.Context(), store.Query{Newest: true, Limit: 100})
			require.NoError(b, err)
			require.Len(b, page.Items, 100)
		}
	})
	var records []record.Record
	b.Run("outbox of 500", func(b *testing.B) {
		recordAll(b, []*Store{s}, 512, b.N*batch, stored*(1+b.N))
		b.ResetTimer()
		report(b, server, batch, func() {
			for range b.N {
				var err error
				records, err = s.Unpublished(b.Context(), batch)
				require.NoError(b, err)
				require.Len(b, records, batch)
				require.NoError(b, s.MarkPublished(b.Context(), records, time.Now()))
			}
		})
	})
	b.Run("deliveries of 500", func(b *testing.B) {
		report(b, server, batch, func() {
			for n := range b.N {
				ids, list := make([]string, batch), make([]store.Delivery, batch)
				name := strconv.Itoa(n % 40)
				at := time.Now()
				for i := range ids {
					ids[i] = record.ID(records[i].DocumentID, 1+n/40)
					list[i] = store.Delivery{Subscription: name, RecordID: ids[i], Status: store.DeliveryDelivered, Attempts: 1, At: at}
				}
				settled, err := s.Settled(b.Context(), name, ids)
				require.NoError(b, err)
				require.LessOrEqual(b, len(settled), batch)
				require.NoError(b, s.SaveDeliveries(b.Context(), list))
			}
		})
	})
}

// report runs work on n things an iteration and reports rate and processor times.
func report(b *testing.B, server *pgtest.Server, n int, work func()) {
	b.Helper()
	before, serverBefore := processorTime(b), server.ProcessorTime(b)
	work()
	total := float64(b.N * n)
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/total, "hub-µs/item")
	b.ReportMetric(float64((server.ProcessorTime(b)-serverBefore).Microseconds())/total, "server-µs/item")
	b.ReportMetric(total/b.Elapsed().Seconds(), "items/s")
}

// recordAll has callers record n documents, numbered from first; the making of them
// is not measured by the clock.
func recordAll(b *testing.B, stores []*Store, callers, n, first int) {
	b.Helper()
	const chunk = 20_000
	for done := 0; done < n; done += chunk {
		b.StopTimer()
		entries := make([]*store.Entry, min(chunk, n-done))
		for i := range entries {
			entries[i] = storetest.NewEntry("4403160001", first+done+i)
		}
		b.StartTimer()
		var next atomic.Int64
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				for i := int(next.Add(1)) - 1; i < len(entries); i = int(next.Add(1)) - 1 {
					if err := stores[c%len(stores)].Record(b.Context(), entries[i]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

// processorTime is what the process used so far: unlike the clock it says the
// same on a busy machine.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u unix.Rusage
	require.NoError(tb, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
