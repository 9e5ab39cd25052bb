package postgres

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tongqu/internal/store"
	"tongqu/internal/store/postgres/pgtest"
	"tongqu/internal/store/storetest"
)

// unanswered cuts the connection while a commit is under way, once after and once
// before the server has done it: Record finds out which.
func unanswered(t *testing.T, server *pgtest.Server) {
	t.Helper()
	for name, committed := range map[string]bool{"after the commit": true, "before the commit": false} {
		t.Run(name, func(t *testing.T) {
			s := openHubs(t, server, 1)[0]
			write := s.recording.write
			s.recording.write = func(ctx context.Context, conn *pgx.Conn, group []*incoming) (*pgx.Batch, error) {
				last, err := write(ctx, conn, group)
				if err == nil && committed {
					last.Queue("COMMIT")
				}
				if err == nil {
					last.Queue("SELECT pg_terminate_backend(pg_backend_pid())")
				}
				return last, err
			}
			e := storetest.NewEntry("customs", 1)
			err := s.Record(t.Context(), e)
			d, readErr := s.Document(t.Context(), e.Document.ID)
			if committed {
				require.NoError(t, err)
				require.NoError(t, readErr)
				require.Equal(t, e.Document, d)
				return
			}
			require.ErrorIs(t, err, store.ErrUnavailable)
			require.ErrorIs(t, readErr, store.ErrNotFound)
			require.Empty(t, e.Document.Status)
		})
	}
}

// ledger is what callers were told.
type ledger struct {
	mu     sync.Mutex
	kept   map[string]*store.Entry
	failed map[string]error
	count  atomic.Int64 // of kept
}

// outages kills the server in the middle of the load, again and again: what was
// acknowledged is there as it was said, what was refused is not.
func outages(t *testing.T) {
	t.Helper()
	server := pgtest.Start(t) // its own
	s := openHubs(t, server, 1)[0]
	l := &ledger{kept: map[string]*store.Entry{}, failed: map[string]error{}}
	var numbers atomic.Int64
	for round := range 4 {
		up := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for ctx.Err() == nil {
					e := storetest.NewEntry("customs", int(numbers.Add(1)))
					err := s.Record(context.WithoutCancel(ctx), e)
					l.add(e, err)
					if err != nil {
						<-up
					}
				}
			})
		}
		await(t, l, 300)
		server.Kill()
		e := storetest.NewEntry("customs", int(numbers.Add(1)))
		err := s.Record(t.Context(), e)
		l.add(e, err)
		require.ErrorIs(t, err, store.ErrUnavailable, "round %d", round)
		require.ErrorIs(t, s.Ready(t.Context()), store.ErrUnavailable)
		server.Restart(t)
		close(up)
		await(t, l, 300)
		cancel()
		wg.Wait()
		require.NoError(t, s.Ready(t.Context()))
		l.account(t, s)
	}
	require.NotEmpty(t, l.failed)
}

func (l *ledger) add(e *store.Entry, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed[e.Document.ID] = err
		return
	}
	l.kept[e.Document.ID] = e
	l.count.Add(1)
}

// await waits until so many more are acknowledged.
func await(t *testing.T, l *ledger, more int64) {
	t.Helper()
	goal := l.count.Load() + more
	require.Eventually(t, func() bool { return l.count.Load() >= goal }, time.Minute, 10*time.Millisecond)
}

// account compares the store with what callers were told.
func (l *ledger) account(t *testing.T, s *Store) {
	t.Helper()
	for id, e := range l.kept {
		d, err := s.Document(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, e.Document, d)
		records, err := s.DocumentRecords(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, e.Records, records)
	}
	for id, cause := range l.failed {
		require.ErrorIs(t, cause, store.ErrUnavailable)
		_, err := s.Document(t.Context(), id)
		require.ErrorIs(t, err, store.ErrNotFound, "%v", cause)
	}
	b, err := s.Balance(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Equal(t, int64(len(l.kept)), b.Documents.Received)
	require.Equal(t, int64(len(l.kept)), b.Unpublished)
}
