package faults

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/store/postgres/pgtest"
)

const (
	// outage is longer than a session of a consumer group and a lease.
	outage = 15 * time.Second
	// longer is how long an outage goes on after the others have taken over.
	longer = 5 * time.Second
)

var scenarios = []scenario{
	{name: "none", what: "nothing goes wrong", run: func(s *Site) { s.Progress(500) }},
	{name: "hub-killed", what: "each hub by turns is killed; the others take over", short: true, crashes: 3, run: func(s *Site) {
		for _, h := range s.Hubs {
			h.Kill()
			s.Recovered()
			h.Start(s)
			s.Progress(100)
		}
	}},
	{name: "hub-killed-at-points", what: "a hub is killed at every commit point", short: true, crashes: len(points), run: func(s *Site) {
		for _, p := range points {
			h := s.StopAt(p, s.Rand.IntN(10), func(h *Hub) { h.run.signal(syscall.SIGKILL) })
			h.Kill()
			h.Start(s)
			s.Recovered()
		}
	}},
	{name: "hub-paused", what: "each hub by turns stops, longer than leases and sessions last, and goes on", short: true, crashes: 3, run: func(s *Site) {
		for _, h := range s.Hubs {
			h.Pause()
			s.Recovered()
			s.Wait(longer)
			h.Resume()
			s.Progress(100)
		}
	}},
	{name: "hub-paused-in-transaction", what: "a hub stops in the middle of a transaction that the others wait for", short: true, crashes: 3, run: func(s *Site) {
		for _, point := range []string{"in the middle of recording", "before recording", "before marking"} {
			h := s.StopAt(named(point), s.Rand.IntN(10), (*Hub).Pause)
			s.Recovered()
			h.Resume()
			s.Progress(100)
		}
	}},
	{name: "hub-kafka-cut", what: "each hub by turns cannot reach Kafka", short: true, crashes: 3, run: func(s *Site) {
		for _, h := range s.Hubs {
			for _, p := range h.Kafka {
				p.Cut()
			}
			s.Recovered()
			s.Wait(longer)
			for _, p := range h.Kafka {
				p.Heal()
			}
			s.Progress(100)
		}
	}},
	{name: "hub-postgres-cut", what: "each hub by turns cannot reach PostgreSQL", short: true, crashes: 3, run: func(s *Site) {
		for _, h := range s.Hubs {
			h.Postgres.Cut()
			s.Recovered()
			s.Wait(longer)
			h.Postgres.Heal()
			s.Progress(100)
		}
	}},
	{name: "hub-subscriber-cut", what: "one hub cannot reach the subscribers", crashes: 1, run: func(s *Site) {
		h := s.Hubs[s.Rand.IntN(hubs)]
		h.Subscribers.Cut()
		s.Wait(outage)
		h.Subscribers.Heal()
		s.Recovered()
	}},
	{name: "broker-killed", what: "a broker is killed and comes back", crashes: 1, run: func(s *Site) {
		s.Kafka.Kill((s.Kafka.Controller(s) + 1) % brokers)
		s.Recovered()
		s.Kafka.Repair(s)
	}},
	{name: "controller-killed", what: "the active controller is killed and comes back", crashes: 1, run: func(s *Site) {
		s.Kafka.Kill(s.Kafka.Controller(s))
		s.Recovered()
		s.Kafka.Repair(s)
	}},
	{name: "brokers-killed", what: "two of three brokers are killed; intake goes on", short: true, crashes: 1, run: func(s *Site) {
		s.Kafka.Kill(0, 1)
		s.Intake(300)
		s.Kafka.Repair(s)
		s.Recovered()
	}},
	{name: "broker-slow", what: "every answer of one broker takes 300 ms", run: func(s *Site) {
		slow := s.Rand.IntN(brokers)
		for _, h := range s.Hubs {
			h.Kafka[slow].Slow(300 * time.Millisecond)
		}
		s.Recovered()
		s.Progress(300)
		for _, h := range s.Hubs {
			h.Kafka[slow].Slow(0)
		}
	}},
	{name: "postgres-killed", what: "PostgreSQL is killed and comes back", short: true, crashes: 1, run: func(s *Site) {
		s.server.Kill()
		s.Wait(3 * time.Second)
		s.server.Restart(s)
		s.Recovered()
	}},
	{name: "postgres-frozen", what: "PostgreSQL answers nothing for a while", crashes: 1, run: func(s *Site) {
		s.server.Freeze()
		s.Wait(outage)
		s.server.Thaw()
		s.Recovered()
	}},
	{name: "postgres-disk-full", what: "PostgreSQL's disk is full for a while", crashes: 1, server: onSmallDisk, run: func(s *Site) {
		ballast := filepath.Join(filepath.Dir(s.server.Socket()), "ballast")
		out, err := exec.CommandContext(s.Context(), "dd", "if=/dev/zero", "of="+ballast, "bs=64k").CombinedOutput() //nolint:gosec // a file of the test's
		require.ErrorContains(s, err, "exit status", "%s", out)
		s.awaitStatus(http.StatusServiceUnavailable)
		s.Wait(outage)
		require.NoError(s, os.Remove(ballast))
		s.server.Restart(s) // it ends by itself when it cannot write its log
		s.Recovered()
	}},
	{name: "postgres-clock-jump", what: "PostgreSQL's clock goes an hour ahead, then two back while all hubs are killed", crashes: 2, server: onFakeTime, run: func(s *Site) {
		setClock(s, 1)
		s.Progress(50)
		for _, h := range s.Hubs {
			h.Kill()
		}
		setClock(s, -1) // the leases of the dead end in two hours
		s.StartHubs()
		s.Recovered()
	}},
	{name: "messages-again", what: "all messages come a second time, in another order", run: func(s *Site) {
		all := s.Kafka.Messages(s, "tongqu.trade.order")
		s.Rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		before := s.Ledger.Again()
		s.Kafka.Produce(s, all)
		s.Progress(100)
		require.Equal(s, before, s.Ledger.Again(), "no subscriber sees it")
	}},
	{name: "rejected-flood", what: "10,000 documents that are rejected, besides the good ones", short: true, run: flood},
	{name: "subscriber-away", what: "a subscriber is away for a scaled day; the others are not delayed", run: func(s *Site) {
		back := oneAway(s)
		for range 6 {
			s.Intake(300)
			s.Delivered("many", "xml")
		}
		back()
		s.Recovered()
	}},
	{name: "subscriber-away-too-long", what: "a subscriber is away until Kafka no longer holds what it missed", short: true, run: func(s *Site) {
		back := oneAway(s)
		s.Intake(500)
		s.Delivered("many", "xml")
		s.Kafka.Expire(s, "tongqu.trade.order")
		s.Intake(100)
		back()
		s.Recovered()
	}},
	{name: "rolling-upgrade", what: "hubs of the version before the last migration are replaced one by one", crashes: 3, prepare: downgrade, run: func(s *Site) {
		for _, h := range s.Hubs {
			h.Stop(s)
			h.binary = s.Binary
			h.Start(s)
			s.Recovered()
			s.Progress(200)
		}
	}},
}

// oneAway takes the subscriber of "one" away until back is called.
func oneAway(s *Site) (back func()) {
	s.Ledger.Answer(func(subscription string) int {
		if subscription == "one" {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	return func() { s.Ledger.Answer(func(string) int { return http.StatusOK }) }
}

// flood sends 10,000 documents that the hub rejects, each of which is kept.
func flood(s *Site) {
	const documents, connections = 10_000, 16
	begin := time.Now()
	var next, refused atomic.Int64
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := next.Add(1); n <= documents; n = next.Add(1) {
				d := s.orders.Refused(fmt.Sprintf("R%06d", n))
				status, _ := post(context.WithoutCancel(s.Context()), client, s.Hubs[n%hubs].URL(), Token, d.Body)
				if status == http.StatusUnprocessableEntity {
					refused.Add(1)
				}
			}
		})
	}
	all.Wait()
	s.Logf("%d rejected documents in %s", documents, time.Since(begin).Round(time.Second))
	require.EqualValues(s, documents, refused.Load())
	s.rejected = documents
	s.Recovered()
}

// onSmallDisk starts a server on a file system of its own, which is small.
func onSmallDisk(t *testing.T) *pgtest.Server {
	t.Helper()
	dir := shortDir(t)
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=400m,mode=755"), "needs root")
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return pgtest.StartIn(t, dir)
}

// onFakeTime starts a server whose clock can be set: clockOf names the file. The
// hub's own clock cannot be set so: a Go program asks the kernel, not the C library.
func onFakeTime(t *testing.T) *pgtest.Server {
	t.Helper()
	libraries, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	require.NoError(t, err)
	require.NotEmpty(t, libraries, "libfaketime is not installed (Debian package faketime)")
	dir := shortDir(t)
	clock := dir + ".clock"
	require.NoError(t, os.WriteFile(clock, []byte("+0"), 0o644)) //nolint:gosec // the server's user reads it
	t.Cleanup(func() { _ = os.Remove(clock) })
	return pgtest.StartIn(t, dir, "LD_PRELOAD="+libraries[0], "FAKETIME_TIMESTAMP_FILE="+clock, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1")
}

// setClock sets the server's clock so many hours off.
func setClock(s *Site, hours int) {
	require.NoError(s, os.WriteFile(clockOf(s.server), fmt.Appendf(nil, "%+dh", hours), 0o644)) //nolint:gosec // the server's user reads it
	require.WithinDuration(s, time.Now().Add(time.Duration(hours)*time.Hour), s.server.Now(s), time.Minute)
}

func clockOf(server *pgtest.Server) string { return filepath.Dir(server.Socket()) + ".clock" }

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tongqu-pg-") //nolint:usetesting // the server's user cannot come into t.TempDir
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// downgrade gives the hubs the binary of the commit before the last migration.
func downgrade(s *Site) {
	git := func(args ...string) string {
		out, err := exec.CommandContext(s.Context(), "git", args...).CombinedOutput() //nolint:gosec // the checkout's own history
		require.NoError(s, err, "git %v: %s", args, out)
		return strings.TrimSpace(string(out))
	}
	last := git("log", "-1", "--format=%H", "--", "../store/postgres/migrations")
	tree := filepath.Join(s.TempDir(), "before")
	git("worktree", "add", "--detach", tree, last+"~1")
	defer git("worktree", "remove", "--force", tree)
	old := Build(s, tree, s.TempDir())
	for _, h := range s.Hubs {
		h.binary = old
	}
}
