package sqlite

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/storetest"
)

// crashEnv makes the test binary a hub that records until it is killed.
const crashEnv = "TONGQU_CRASH_STORE"

// TestMainOfCrash is the child process of TestCrash: it prints the id of every
// document once Record has returned.
func TestMainOfCrash(t *testing.T) {
	path, ok := os.LookupEnv(crashEnv)
	if !ok {
		t.Skip("the child process of TestCrash")
	}
	s, err := open(t.Context(), path, zap.NewNop(), sizes{memtable: 300, block: 32, part: 16})
	require.NoError(t, err)
	lines := make(chan string)
	for c := range 16 {
		go func() {
			for n := c; ; n += 16 {
				e := storetest.NewEntry("customs", n, n+1)
				if err := s.Record(context.Background(), e); err != nil {
					lines <- "error " + err.Error()
					return
				}
				err := s.SaveDeliveries(context.Background(), []store.Delivery{
					{Subscription: "tax", RecordID: e.Records[0].ID, Status: store.DeliveryDelivered, At: storetest.Start},
				})
				if err != nil {
					lines <- "error " + err.Error()
					return
				}
				lines <- e.Document.ID + " " + string(e.Records[0].Status) + " " + string(e.Records[1].Status) + " " + strconv.FormatInt(e.Records[0].Seq, 10)
			}
		}()
	}
	for line := range lines {
		if _, err := os.Stdout.WriteString(line + "\n"); err != nil {
			return
		}
	}
}

// TestCrash kills a recording process again and again: whatever Record returned
// nil for is there, as it said.
func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	acknowledged := map[string]string{}
	for round := range 10 {
		killChild(t, path, 40+15*round, acknowledged)
		s, err := Open(t.Context(), path, zap.NewNop())
		require.NoError(t, err)
		for id, said := range acknowledged {
			records, err := s.DocumentRecords(t.Context(), id)
			require.NoError(t, err)
			got := string(records[0].Status) + " " + string(records[1].Status) + " " + strconv.FormatInt(records[0].Seq, 10)
			require.Equal(t, said, got)
			settled, err := s.Settled(t.Context(), "tax", []string{records[0].ID})
			require.NoError(t, err)
			require.True(t, settled[records[0].ID])
		}
		requireWhole(t, s)
		require.NoError(t, s.Close())
	}
}

// killChild runs the child on path, kills it after a number of lines and adds
// what it said to acknowledged.
func killChild(t *testing.T, path string, lines int, acknowledged map[string]string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMainOfCrash$") //nolint:gosec // this test itself
	child.Env = append(os.Environ(), crashEnv+"="+path)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	scanner := bufio.NewScanner(out)
	for i := 0; scanner.Scan(); i++ { // to the end: what is in the pipe was said
		id, said, ok := strings.Cut(scanner.Text(), " ")
		require.True(t, ok && id != "error", "%s", scanner.Text())
		acknowledged[id] = said
		if i == lines {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.Error(t, child.Wait(), "killed")
	require.NotEmpty(t, acknowledged)
}

// requireWhole checks that file, sums and index agree.
func requireWhole(t *testing.T, s *Store) {
	t.Helper()
	var check string
	require.NoError(t, s.read.QueryRowContext(t.Context(), `PRAGMA quick_check`).Scan(&check))
	require.Equal(t, "ok", check)
	var documents, records int64
	require.NoError(t, s.read.QueryRowContext(t.Context(), `SELECT count(*), sum(accepted + rejected + duplicates) FROM documents`).Scan(&documents, &records))
	b, err := s.Balance(t.Context(), storetest.Start.AddDate(-1000, 0, 0))
	require.NoError(t, err)
	require.Zero(t, b.Documents)
	var all store.Query
	var seen int64
	for {
		page, err := s.Records(t.Context(), all)
		require.NoError(t, err)
		for i := range page.Items {
			seen++
			if seen%17 == 0 {
				requireFound(t, s, &page.Items[i])
			}
		}
		if all.Cursor = page.Next; all.Cursor == "" {
			break
		}
	}
	require.Equal(t, records, seen)
	var counted int64
	require.NoError(t, s.read.QueryRowContext(t.Context(), `SELECT sum(n) FROM counters WHERE hour = 0 AND kind = 'document'`).Scan(&counted))
	require.Equal(t, documents, counted)
}

// requireFound checks that a record is found by each of its keys.
func requireFound(t *testing.T, s *Store, r *record.Record) {
	t.Helper()
	for _, k := range r.Keys {
		page, err := s.Records(t.Context(), store.Query{Key: k, Limit: 1, Cursor: formatCursor(cursorOldest, r.Seq-1)})
		require.NoError(t, err)
		require.Equal(t, []record.Record{*r}, page.Items)
	}
}
