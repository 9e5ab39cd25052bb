package pgtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func (s *Server) archive() string { return filepath.Join(s.dir, "archive") }

func (s *Server) base() string { return filepath.Join(s.dir, "base") }

// Archive has the server keep every segment of its log in a folder. It is restarted.
func (s *Server) Archive(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, os.Mkdir(s.archive(), 0o700))
	require.NoError(tb, giveAway(s.archive()))
	s.Exec(tb, "ALTER SYSTEM SET archive_mode = on")
	s.Exec(tb, fmt.Sprintf("ALTER SYSTEM SET archive_command = 'test ! -f %[1]s/%%f && cp %%p %[1]s/%%f'", s.archive()))
	s.Kill()
	s.Restart(tb)
}

// BaseBackup copies the running server's files, once.
func (s *Server) BaseBackup(tb testing.TB) {
	tb.Helper()
	s.command(tb, "pg_basebackup", "--host", s.dir, "--username", "postgres", "--checkpoint", "fast", "--pgdata", s.base())
}

// ArchiveAll returns once all that was committed so far is in the archive.
func (s *Server) ArchiveAll(tb testing.TB) {
	tb.Helper()
	s.Exec(tb, "CREATE TABLE IF NOT EXISTS archived_up_to_here ()") // a switch of an empty segment does nothing
	var segment string
	s.ask(tb, "SELECT pg_walfile_name(pg_switch_wal())", &segment)
	require.Eventually(tb, func() bool {
		_, err := os.Stat(filepath.Join(s.archive(), segment))
		return err == nil
	}, patience, 50*time.Millisecond, "segment %s was not archived", segment)
}

// Now is the server's time.
func (s *Server) Now(tb testing.TB) time.Time {
	tb.Helper()
	var now time.Time
	s.ask(tb, "SELECT clock_timestamp()", &now)
	return now
}

// RestoreTo starts another server on the base backup, with what the archive holds up to
// that moment, and waits until it can be written. The first one should be down.
func (s *Server) RestoreTo(tb testing.TB, moment time.Time) *Server {
	tb.Helper()
	dir, err := os.MkdirTemp("", "tongqu-pg-") //nolint:usetesting // the server's user cannot come into tb.TempDir, and a socket's name must be short
	require.NoError(tb, err)
	r := &Server{bin: s.bin, dir: dir}
	tb.Cleanup(func() {
		r.Kill()
		require.NoError(tb, os.RemoveAll(dir))
	})
	require.NoError(tb, giveAway(dir))
	require.NoError(tb, os.Rename(s.base(), r.data()))
	settings := fmt.Sprintf("restore_command = 'cp %s/%%f %%p'\nrecovery_target_time = '%s'\nrecovery_target_action = 'promote'\n",
		s.archive(), moment.Format("2006-01-02 15:04:05.000000-07:00"))
	auto, err := os.OpenFile(filepath.Join(r.data(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(tb, err)
	_, err = auto.WriteString(settings)
	require.NoError(tb, err)
	require.NoError(tb, auto.Close())
	require.NoError(tb, os.WriteFile(filepath.Join(r.data(), "recovery.signal"), nil, 0o600))
	require.NoError(tb, giveAway(filepath.Join(r.data(), "recovery.signal")))
	r.Restart(tb)
	require.Eventually(tb, func() bool {
		var recovering bool
		r.ask(tb, "SELECT pg_is_in_recovery()", &recovering)
		return !recovering
	}, patience, 50*time.Millisecond)
	return r
}

// ask reads one value from the database postgres.
func (s *Server) ask(tb testing.TB, query string, value any) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	require.NoError(tb, err)
	err = conn.QueryRow(ctx, query).Scan(value)
	require.NoError(tb, conn.Close(ctx))
	require.NoError(tb, err)
}
