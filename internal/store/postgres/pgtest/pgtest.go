// Package pgtest runs PostgreSQL for tests: the installed server on a folder of
// its own, reached by a Unix socket in that folder.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// patience bounds how long the server may take to start or stop.
const patience = time.Minute

// settings are the server's own, durable in every way.
var settings = []string{
	"listen_addresses=", "fsync=on", "synchronous_commit=on", "full_page_writes=on", "max_connections=100",
	"shared_buffers=128MB", "max_wal_size=1GB", "log_min_messages=warning", "timezone=Asia/Shanghai",
}

// Server is a PostgreSQL server.
type Server struct {
	bin  string // the folder of its programs
	dir  string
	env  []string // more of the server's environment
	run  *process // nil while it is down
	next int      // the next database's number
}

// Start runs a server until the test ends. It skips the test unless the
// environment has TONGQU_CLUSTER=required; then a server that is not installed is
// a failure.
func Start(tb testing.TB) *Server {
	tb.Helper()
	if os.Getenv("TONGQU_CLUSTER") != "required" {
		tb.Skip("TONGQU_CLUSTER=required runs PostgreSQL")
	}
	dir, err := os.MkdirTemp("", "tongqu-pg-") //nolint:usetesting // the server's user cannot come into tb.TempDir, and a socket's name must be short
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, os.RemoveAll(dir)) })
	return StartIn(tb, dir)
}

// StartIn runs a server in an empty folder, with more of an environment (NAME=VALUE),
// until the test ends. The folder's name must be short and open to all users.
func StartIn(tb testing.TB, dir string, env ...string) *Server {
	tb.Helper()
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	require.NoError(tb, err)
	require.NotEmpty(tb, bins, "PostgreSQL is not installed (Debian package postgresql)")
	s := &Server{bin: bins[len(bins)-1], dir: dir, env: env}
	tb.Cleanup(s.Kill)
	require.NoError(tb, giveAway(dir))
	s.command(tb, "initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--pgdata", s.data())
	s.Restart(tb)
	return s
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// command runs one of the server's programs as the server's user.
func (s *Server) command(tb testing.TB, name string, args ...string) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), filepath.Join(s.bin, name), args...) //nolint:gosec // programs of the system
	cmd.Dir = s.dir
	asServer(cmd)
	out, err := cmd.CombinedOutput()
	require.NoError(tb, err, "%s", out)
}

// Restart starts the server when it is down and waits until it answers.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	args := []string{"-D", s.data(), "-k", s.dir}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, log.Close()) }()
	deadline := time.Now().Add(patience)
	for {
		if s.run == nil || s.run.done() { // not yet, or it found the old one's memory still in use
			cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...) //nolint:gosec,noctx // it is to outlive the call
			cmd.Dir = s.dir
			cmd.Env = append(os.Environ(), s.env...)
			cmd.Stdout, cmd.Stderr = log, log
			asServer(cmd)
			s.run, err = start(cmd)
			require.NoError(tb, err)
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), time.Second)
		err = s.exec(ctx, "SELECT 1")
		if err == nil {
			cancel()
			return
		}
		if time.Now().After(deadline) {
			cancel()
			text, _ := os.ReadFile(log.Name())
			require.NoError(tb, err, "%s", text)
		}
		select { // a pause
		case <-s.run.ended:
		case <-time.After(50 * time.Millisecond):
		}
		cancel()
	}
}

// Kill ends all of the server's processes at once, as SIGKILL does.
func (s *Server) Kill() {
	if s.run != nil {
		killAll(s.run)
		s.run = nil
	}
}

// Socket is the Unix socket on which the server listens.
func (s *Server) Socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

// URL is the address of a database.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database, RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

// NewDatabase makes an empty database and returns its address.
func (s *Server) NewDatabase(tb testing.TB) string {
	tb.Helper()
	s.next++
	name := "test" + strconv.Itoa(s.next)
	s.Exec(tb, "CREATE DATABASE "+name)
	return s.URL(name)
}

// NewSchema makes an empty schema in the database postgres and returns an address
// that works in it. It costs less than a database.
func (s *Server) NewSchema(tb testing.TB) string {
	tb.Helper()
	s.next++
	name := "test" + strconv.Itoa(s.next)
	s.Exec(tb, "CREATE SCHEMA "+name)
	return s.URL("postgres") + "&search_path=" + name
}

// Exec runs statements in the database postgres.
func (s *Server) Exec(tb testing.TB, statements string) {
	tb.Helper()
	require.NoError(tb, s.exec(context.WithoutCancel(tb.Context()), statements))
}

func (s *Server) exec(ctx context.Context, statements string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	_, err = conn.Exec(ctx, statements)
	if closed := conn.Close(ctx); err == nil {
		err = closed
	}
	return err
}
