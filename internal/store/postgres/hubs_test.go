package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/postgres/pgtest"
	"tongqu/internal/store/storetest"
)

// openHubs opens so many stores on one new schema, all at once.
func openHubs(t *testing.T, server *pgtest.Server, n int) []*Store {
	t.Helper()
	address := server.NewSchema(t)
	hubs := make([]*Store, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range hubs {
		wg.Go(func() { hubs[i], errs[i] = Open(t.Context(), address, testLog(t)) })
	}
	wg.Wait()
	for i := range hubs {
		require.NoError(t, errs[i])
		t.Cleanup(func() { require.NoError(t, hubs[i].Close()) })
	}
	return hubs
}

// startAtOnce has three hubs meet an empty schema.
func startAtOnce(t *testing.T, server *pgtest.Server) {
	t.Helper()
	hubs := openHubs(t, server, 3)
	for _, s := range hubs {
		require.NoError(t, s.Ready(t.Context()))
		require.NoError(t, s.Record(t.Context(), storetest.NewEntry("customs", 1)))
	}
	var done, partitions int
	require.NoError(t, hubs[0].pool.QueryRow(t.Context(), `SELECT
		(SELECT count(*) FROM goose_db_version WHERE version_id > 0),
		(SELECT count(*) FROM pg_inherits WHERE inhparent IN ('documents'::regclass, 'keys'::regclass, 'deliveries'::regclass))`).
		Scan(&done, &partitions))
	files, err := migrations.ReadDir("migrations")
	require.NoError(t, err)
	require.Len(t, files, done)
	require.Equal(t, 3*(1+1+1+monthsAhead), partitions, "the default one, last month's, this one's, the coming ones'")

	// During a rolling upgrade a newer hub has migrated the schema, and an older one starts.
	_, err = hubs[0].pool.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)")
	require.NoError(t, err)
	older, err := Open(t.Context(), hubs[0].pool.Config().ConnString(), testLog(t))
	require.NoError(t, err)
	require.NoError(t, errors.Join(older.Record(t.Context(), storetest.NewEntry("customs", 2)), older.Close()))
}

// twoHubs has two hubs record the same orders, in the same and in other bytes, and
// take turns with the outbox meanwhile. Every document is accounted for by its id.
func twoHubs(t *testing.T, server *pgtest.Server) {
	t.Helper()
	hubs := openHubs(t, server, 2)
	const callers, orders = 8, 120
	var entries [callers][]*store.Entry
	for n := range orders {
		whole := storetest.NewEntry("customs", n, n+orders)
		for c := range callers {
			e := storetest.NewEntry("customs", n, n+orders)
			if c%3 > 0 {
				e.Document.SHA256 = whole.Document.SHA256
			}
			entries[c] = append(entries[c], e)
		}
	}
	var wg sync.WaitGroup
	var errs [callers]error
	for c := range callers {
		wg.Go(func() {
			for i := range entries[c] {
				if err := hubs[c%2].Record(t.Context(), entries[c][i]); err != nil {
					errs[c] = err
					return
				}
			}
		})
	}
	recorded := make(chan struct{})
	go func() {
		wg.Wait()
		close(recorded)
	}()
	published := drain(t, hubs, recorded)
	for c := range callers {
		require.NoError(t, errs[c])
	}

	accepted := map[string]bool{}
	seqs := map[int64]bool{}
	for n := range orders {
		for i := range 2 {
			var original string
			for c := range callers {
				r := &entries[c][n].Records[i]
				require.False(t, seqs[r.Seq])
				seqs[r.Seq] = true
				if r.Status == record.Accepted {
					require.Empty(t, original, "two originals of order %d", n)
					original = r.ID
					accepted[r.ID] = true
				}
			}
			for c := range callers {
				if r := &entries[c][n].Records[i]; r.ID != original {
					require.Equal(t, record.Duplicate, r.Status)
					require.Equal(t, original, r.DuplicateOf)
				}
			}
		}
	}
	require.Len(t, published, len(accepted), "each once")
	require.True(t, slices.IsSortedFunc(published, func(a, b record.Record) int { return int(a.Seq - b.Seq) }), "in the order of recording")
	for i := range published {
		require.True(t, accepted[published[i].ID])
	}
	for _, s := range hubs { // each reads what the other wrote
		b, err := s.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Equal(t, store.Counts{Received: callers * orders, Accepted: orders, Duplicates: (callers - 1) * orders}, b.Documents)
		require.Equal(t, int64(2*orders), b.Published)
		require.Zero(t, b.Unpublished)
		for c := range callers {
			for _, e := range entries[c] {
				d, err := s.Document(t.Context(), e.Document.ID)
				require.NoError(t, err)
				if e.Document.DuplicateOf != "" {
					d.Body, e.Document.Body = nil, nil // the first one's
				}
				require.Equal(t, e.Document, d)
			}
		}
	}
}

// drain has the hubs publish by turns until all is recorded and published, and
// returns what they published.
func drain(t *testing.T, hubs []*Store, recorded <-chan struct{}) []record.Record {
	t.Helper()
	var published []record.Record
	for turn := 0; ; turn++ {
		last := false
		select {
		case <-recorded:
			last = true
		default:
		}
		s, empty := hubs[turn%len(hubs)], false
		require.NoError(t, s.Lease(t.Context(), "relay", func(ctx context.Context) error {
			for range 3 {
				batch, err := s.Unpublished(ctx, 37)
				if err != nil {
					return err
				}
				if err := s.MarkPublished(ctx, batch, time.Now()); err != nil {
					return err
				}
				published = append(published, batch...)
				empty = len(batch) == 0
			}
			return nil
		}))
		if last && empty {
			return published
		}
	}
}

// leases has one hub lose the lease without knowing it.
func leases(t *testing.T, server *pgtest.Server) {
	t.Helper()
	hubs := openHubs(t, server, 2)
	first, second := hubs[0], hubs[1]
	for n := range 3 {
		require.NoError(t, first.Record(t.Context(), storetest.NewEntry("customs", n)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	turns := 0
	require.NoError(t, first.Lease(ctx, "relay", func(held context.Context) error {
		if turns++; turns == 2 { // it has the lease again
			require.NoError(t, markAll(held, first), "what the other marked already")
			cancel()
			<-held.Done()
			return nil
		}
		batch, err := first.Unpublished(held, 2)
		require.NoError(t, err)
		require.NoError(t, first.Lease(held, "another", func(context.Context) error { return nil }), "leases of other names are others")

		_, err = second.pool.Exec(held, "UPDATE leases SET until = now() - interval '1 second' WHERE name = 'relay'")
		require.NoError(t, err)
		require.NoError(t, second.Lease(held, "relay", func(ctx context.Context) error { return markAll(ctx, second) }))

		err = first.MarkPublished(held, batch, storetest.Start)
		require.ErrorIs(t, err, errFenced)
		require.ErrorIs(t, err, store.ErrUnavailable)
		<-held.Done()                                                                                            // it finds out by itself
		require.NoError(t, first.MarkPublished(context.Background(), batch, storetest.Start), "they are marked") //nolint:contextcheck // not under the lease
		return nil
	}))
	require.Equal(t, 2, turns)
	b, err := second.Balance(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Equal(t, int64(3), b.Published)

	ended, end := context.WithCancel(t.Context())
	end()
	require.NoError(t, second.Lease(ended, "relay", func(context.Context) error { panic("without a lease") }))
}

// hanging has a hub stop in the middle of a transaction, its turn not given up: the
// server takes it away, or else the other hub does.
func hanging(t *testing.T, server *pgtest.Server) {
	t.Helper()
	for who, timeout := range map[string]string{"the server": "300", "the other hub": "0"} {
		t.Run(who, func(t *testing.T) { hangingUntil(t, server, timeout) })
	}
}

func hangingUntil(t *testing.T, server *pgtest.Server, timeout string) {
	t.Helper()
	address := server.NewSchema(t)
	stuck, other := openAt(t, address+"&idle_in_transaction_session_timeout="+timeout), openAt(t, address)
	begun, release := make(chan struct{}), make(chan struct{})
	write := stuck.recording.write
	stuck.recording.write = func(ctx context.Context, conn *pgx.Conn, group []*incoming) (*pgx.Batch, error) {
		last, err := write(ctx, conn, group)
		close(begun)
		<-release
		return last, err
	}
	ended := make(chan error)
	e := storetest.NewEntry("customs", 1)
	go func() { ended <- stuck.Record(t.Context(), e) }()
	<-begun
	require.NoError(t, other.Record(t.Context(), storetest.NewEntry("customs", 1)))
	close(release)
	require.ErrorIs(t, <-ended, store.ErrUnavailable)
	_, err := other.Document(t.Context(), e.Document.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, stuck.Close())
	require.NoError(t, other.Close())
}

// attending has the server go away and come back: the work of a hub that attends
// ends, and begins again.
func attending(t *testing.T) {
	t.Helper()
	server := pgtest.Start(t) // its own
	s := openHubs(t, server, 1)[0]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began, ended, left := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		left <- s.Attend(ctx, func(ctx context.Context) error {
			began <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return nil
		})
	}()
	<-began
	server.Kill()
	<-ended
	server.Restart(t)
	<-began
	cancel()
	<-ended
	require.NoError(t, <-left)
	failure := errors.New("the work's own")
	require.ErrorIs(t, s.Attend(t.Context(), func(context.Context) error { return failure }), failure)
	require.NoError(t, s.Attend(ctx, func(context.Context) error { return failure }), "the context had ended")
}

// telling has one hub hear of what another one records.
func telling(t *testing.T, server *pgtest.Server) {
	t.Helper()
	hubs := openHubs(t, server, 2)
	require.Eventually(t, func() bool { // both listen
		var n int
		err := hubs[0].pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN ' || $1", hubs[0].channel()).Scan(&n)
		return err == nil && n == len(hubs)
	}, time.Minute, 10*time.Millisecond)
	refused := storetest.NewEntry("customs", 1)
	refused.Records[0].Status = record.Rejected
	for _, e := range []*store.Entry{refused, storetest.NewEntry("customs", 1)} {
		require.NoError(t, hubs[0].Record(t.Context(), e))
	}
	select {
	case <-hubs[1].Recorded():
	case <-time.After(time.Minute):
		require.Fail(t, "not told")
	}
	batch, err := hubs[1].Unpublished(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, batch, 1)
}

// rewinding has one hub rewind the outbox while another one publishes.
func rewinding(t *testing.T, server *pgtest.Server) {
	t.Helper()
	hubs := openHubs(t, server, 2)
	first, second := hubs[0], hubs[1]
	for n := range 3 {
		require.NoError(t, first.Record(t.Context(), storetest.NewEntry("customs", n)))
	}
	require.NoError(t, markAll(t.Context(), first))
	require.NoError(t, first.Record(t.Context(), storetest.NewEntry("customs", 3)))
	batch, err := first.Unpublished(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, batch, 1)
	n, err := second.Rewind(t.Context(), storetest.Start)
	require.NoError(t, err)
	require.Equal(t, int64(3), n)
	require.NoError(t, first.MarkPublished(t.Context(), batch, storetest.Start))
	for _, s := range hubs {
		again, err := s.Unpublished(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, again, 4, "none is left out")
	}
	require.NoError(t, markAll(t.Context(), second))
	b, err := first.Balance(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Equal(t, int64(4), b.Published)
	require.Zero(t, b.Unpublished)
}

func markAll(ctx context.Context, s *Store) error {
	batch, err := s.Unpublished(ctx, 100)
	if err != nil {
		return err
	}
	return s.MarkPublished(ctx, batch, time.Now())
}
