package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/storetest"
)

func openTest(t *testing.T, z sizes) *Store {
	t.Helper()
	s, err := open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), zap.NewNop(), z)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// onWriter runs a statement on the writer's connection, outside any transaction.
func onWriter(t *testing.T, s *Store, format string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, s.writer.conn.QueryRowContext(t.Context(), fmt.Sprintf(format, args...)).Scan(&n))
	return n
}

func TestFullDisk(t *testing.T) {
	for name, z := range map[string]sizes{"default": newDefaultSizes(), "small runs": newSmallSizes()} {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, z)
			before := storetest.NewEntry("customs", 0)
			require.NoError(t, s.Record(t.Context(), before))

			pages := onWriter(t, s, `PRAGMA page_count`)
			onWriter(t, s, `PRAGMA max_page_count = %d`, pages)
			var refused []*store.Entry
			for n := 1; len(refused) < 20; n++ {
				e := storetest.NewEntry("customs", n, n+1000, n+2000)
				if err := s.Record(t.Context(), e); err != nil {
					require.ErrorIs(t, err, store.ErrUnavailable)
					require.Empty(t, e.Document.Status)
					refused = append(refused, e)
				}
			}
			d, err := s.Document(t.Context(), before.Document.ID)
			require.NoError(t, err, "reading goes on")
			require.Equal(t, before.Document, d)
			for _, e := range refused {
				_, err := s.Document(t.Context(), e.Document.ID)
				require.ErrorIs(t, err, store.ErrNotFound)
			}

			onWriter(t, s, `PRAGMA max_page_count = %d`, pages*1000)
			for _, e := range refused {
				require.NoError(t, s.Record(t.Context(), e), "there is space again")
				require.Equal(t, store.DocumentAccepted, e.Document.Status, "nothing of the first attempt was kept")
			}
			requireWhole(t, s)
		})
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s, err := Open(t.Context(), path, zap.NewNop())
	require.NoError(t, err)
	_, err = Open(t.Context(), path, zap.NewNop())
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, path)
	require.NoError(t, s.Ready(t.Context()), "the first does not suffer")
	require.NoError(t, s.Close())
	s, err = Open(t.Context(), path, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "hub.db")
	require.NoError(t, os.WriteFile(path, []byte("this is no database, but long enough to be looked at as one"), 0o600))
	_, err := Open(t.Context(), path, zap.NewNop())
	require.ErrorContains(t, err, path)
	_, err = Open(t.Context(), filepath.Join(path, "hub.db"), zap.NewNop())
	require.Error(t, err, "a file where a folder is to be")
}

func TestCloseLeavesOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "数据 100%", "hub?.db")
	s, err := Open(t.Context(), path, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, s.Record(t.Context(), storetest.NewEntry("customs", 1)))
	require.Positive(t, s.Stats().LogBytes)
	require.NoError(t, s.Close())
	require.NoFileExists(t, path+"-wal")
	require.FileExists(t, path)
}

// TestGroupCommit holds the writer until many wait: they share one transaction.
func TestGroupCommit(t *testing.T) {
	s := openTest(t, newDefaultSizes())
	held, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = s.writer.do(context.Background(), 0, func(*transaction) error {
			close(held)
			<-release
			return nil
		})
	})
	<-held
	const callers = 50
	firsts := make(chan int64, callers)
	for n := range callers {
		wg.Go(func() {
			e := storetest.NewEntry("customs", n)
			if err := s.Record(t.Context(), e); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			_ = s.writer.do(context.Background(), 0, func(tx *transaction) error {
				firsts <- tx.first
				return nil
			})
		})
	}
	require.Eventually(t, func() bool { return s.Stats().Queue == 2*callers }, timeout, tick)
	close(release)
	wg.Wait()
	close(firsts)
	seen := map[int64]bool{}
	for first := range firsts {
		seen[first] = true
	}
	require.Len(t, seen, 1)
}

// TestGiveUp has a caller give up before the writer came to it.
func TestGiveUp(t *testing.T) {
	s := openTest(t, newDefaultSizes())
	held, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = s.writer.do(context.Background(), 0, func(*transaction) error {
			close(held)
			<-release
			return nil
		})
	})
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	e := storetest.NewEntry("customs", 1)
	failed := make(chan error)
	go func() { failed <- s.Record(ctx, e) }()
	require.Eventually(t, func() bool { return s.Stats().Queue == 1 }, timeout, tick)
	cancel()
	err := <-failed
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorIs(t, err, context.Canceled)
	close(release)
	wg.Wait()
	require.NoError(t, s.Record(t.Context(), e))
	require.Equal(t, store.DocumentAccepted, e.Document.Status)
}

// TestReadsBeforeCommit looks a record up that is written but not committed yet.
func TestReadsBeforeCommit(t *testing.T) {
	s := openTest(t, newDefaultSizes())
	require.NoError(t, s.Record(t.Context(), storetest.NewEntry("customs", 1)))
	e := storetest.NewEntry("customs", 2)
	in, err := s.prepare(e)
	require.NoError(t, err)
	held, released, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	release := sync.OnceFunc(func() { close(released) })
	defer release()
	go func() {
		ended <- s.writer.do(context.Background(), 0, func(tx *transaction) error {
			err := tx.record(in)
			close(held)
			<-released
			return err
		})
	}()
	<-held
	page, err := s.Records(t.Context(), store.Query{Key: e.Records[0].Keys[0]})
	require.NoError(t, err)
	require.Empty(t, page.Items)
	release()
	require.NoError(t, <-ended)
	page, err = s.Records(t.Context(), store.Query{Key: e.Records[0].Keys[0]})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
}

// TestDamage has bytes of a row changed: it is an error, not a wrong answer or a panic.
func TestDamage(t *testing.T) {
	for _, column := range []string{"content", "verdicts", "id", "sha256", "body"} {
		s := openTest(t, newDefaultSizes())
		e := storetest.NewEntry("customs", 1)
		require.NoError(t, s.Record(t.Context(), e))
		_, err := s.writer.conn.ExecContext(t.Context(), `UPDATE documents SET `+column+` = x'02ff'`) //nolint:gosec // a name from the list above
		require.NoError(t, err)
		_, err = s.Document(t.Context(), e.Document.ID)
		require.Error(t, err, column)
	}
}

func TestUnpublishedOfPublishedIsRefused(t *testing.T) {
	s := openTest(t, newDefaultSizes())
	e := storetest.NewEntry("customs", 1, 2, 3)
	require.NoError(t, s.Record(t.Context(), e))
	require.ErrorIs(t, s.MarkPublished(t.Context(), e.Records, storetest.Start), errNotOldest, "they were not handed out")
	batch, err := s.Unpublished(t.Context(), 10)
	require.NoError(t, err)
	require.ErrorIs(t, s.MarkPublished(t.Context(), batch[1:], storetest.Start), errNotOldest)
	require.NoError(t, s.MarkPublished(t.Context(), batch[:2], storetest.Start))
	require.ErrorIs(t, s.MarkPublished(t.Context(), batch[:2], storetest.Start), errNotOldest)
	require.NoError(t, s.MarkPublished(t.Context(), batch[2:], storetest.Start))
}

// TestOutboxPassesRejected checks that a long stretch without an accepted record
// is not looked through again and again.
func TestOutboxPassesRejected(t *testing.T) {
	s := openTest(t, newDefaultSizes())
	for n := range 50 {
		e := storetest.NewEntry("customs", n)
		e.Records[0].Status = record.Rejected
		require.NoError(t, s.Record(t.Context(), e))
	}
	_, err := s.Unpublished(t.Context(), 10)
	require.NoError(t, err)
	var last int64
	require.NoError(t, s.read.QueryRowContext(t.Context(), `SELECT max(no) FROM documents`).Scan(&last))
	require.Equal(t, last, s.outbox.scanFrom)
	e := storetest.NewEntry("customs", 100)
	require.NoError(t, s.Record(t.Context(), e))
	batch, err := s.Unpublished(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, e.Records, batch)
}

// TestPlans checks that lookups use an index.
func TestPlans(t *testing.T) {
	s := openTest(t, newDefaultSizes())
	for _, query := range []string{
		documentAtSQL, documentHashSQL, keyBlocksSQL, unpublishedSQL, publishedAtSQL, deliverySQL, settledSQL,
		deliveriesAllSQL, deliveriesDeliveredSQL, deliveriesOpenSQL, inSpanUpSQL, inSpanDownSQL, spansUpSQL, spansDownSQL,
		deleteBlocksSQL,
	} {
		for _, step := range plan(t, s.read, query) {
			require.NotContains(t, step, "SCAN documents", query)
			require.NotContains(t, step, "SCAN deliveries", query)
			require.NotContains(t, step, "SCAN key_blocks", query)
			require.NotContains(t, step, "USE TEMP B-TREE FOR ORDER BY", query)
			require.NotContains(t, step, "AUTOMATIC", query)
		}
	}
	require.Contains(t, plan(t, s.read, deliveriesOpenSQL)[0], "deliveries_open")
}

func plan(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	args := make([]any, 0, 8)
	for range 8 {
		args = append(args, 1)
	}
	rows, err := db.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query, args[:parameters(query)]...)
	require.NoError(t, err)
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		steps = append(steps, detail)
	}
	require.NoError(t, rows.Err())
	return steps
}

// parameters is how many arguments a query takes.
func parameters(query string) int {
	plain, highest := 0, 0
	for i := range query {
		if query[i] != '?' {
			continue
		}
		if i+1 < len(query) && query[i+1] >= '1' && query[i+1] <= '9' {
			highest = max(highest, int(query[i+1]-'0'))
		} else {
			plain++
		}
	}
	return plain + highest
}

// TestDurability checks the settings that the promise to the sender rests on:
// killing the process does not show whether the disk was waited for.
func TestDurability(t *testing.T) {
	s := openTest(t, newDefaultSizes())
	require.Equal(t, 2, onWriter(t, s, `PRAGMA synchronous`), "full: every commit is synced")
	require.Equal(t, pageSize, onWriter(t, s, `PRAGMA page_size`))
	var mode string
	require.NoError(t, s.read.QueryRowContext(t.Context(), `PRAGMA journal_mode`).Scan(&mode))
	require.Equal(t, "wal", mode)
	_, err := s.read.ExecContext(t.Context(), `DELETE FROM documents`)
	require.Error(t, err, "readers cannot write")
}
