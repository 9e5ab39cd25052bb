package main

import (
	"bytes"
	"flag"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu"
	"tongqu/internal/bus/kafkatest"
	"tongqu/internal/store/postgres/pgtest"
)

// given are the flags of the command, after -args; wanted is what TestServers measures.
var (
	given  settings
	wanted = flag.String("measure", "", "what TestServers measures (default: all, quickly)")
)

func TestMain(m *testing.M) {
	given.register(flag.CommandLine)
	flag.Parse()
	os.Exit(m.Run())
}

// buildHub builds the hub's program.
func buildHub(t *testing.T) string {
	t.Helper()
	hub := filepath.Join(t.TempDir(), "tongqu")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", hub, "tongqu/cmd/tongqu").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return hub
}

// small makes of the settings a run that only shows that the measuring works.
func small(s *settings) {
	s.duration, s.runs, s.documents, s.sizes = 300*time.Millisecond, 1, 300, "0.001"
}

// rows are the rows of the tables that were printed, without their heads.
func rows(text string) []string {
	var all []string
	table := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "|---"):
			table = true
		case !strings.HasPrefix(line, "|"):
			table = false
		case table:
			all = append(all, line)
		}
	}
	return all
}

// TestMeasuring takes every measurement that one hub allows, quickly.
func TestMeasuring(t *testing.T) {
	s := &settings{hub: buildHub(t), dir: t.TempDir(), only: "64"}
	s.numbers.Store(given.numbers.Load())
	small(s)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, s, []string{"loads", "drain", "growth", "codec"}))
	adapters, err := fs.Glob(tongqu.Files, "adapters/*/adapter.yaml")
	require.NoError(t, err)
	require.Len(t, rows(out.String()), 1+1+1+len(adapters), "%s", &out)
	require.NotContains(t, out.String(), "| 0 |")
	t.Log("\n" + out.String())
	left, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, left, "the data are removed")
	require.ErrorContains(t, run(t.Context(), io.Discard, s, []string{"loads", "nothing"}), "no measurement")
	require.ErrorIs(t, run(t.Context(), io.Discard, s, []string{"scale"}), errNeedsServers)
}

// TestServers measures hubs on a PostgreSQL and three Kafka brokers, which it starts:
// quickly, or as long as the flags say; make bench-servers.
func TestServers(t *testing.T) {
	server, kafka := pgtest.Start(t), kafkatest.Start(t, 3)
	s := &given
	if *wanted == "" {
		small(s)
		s.only = "64"
		*wanted = "loads scale drain growth"
	}
	s.hub, s.kafka = buildHub(t), strings.Join(kafka.Addrs(kafkatest.Plain), ",")
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	var table bytes.Buffer
	out := io.MultiWriter(&table, os.Stdout)
	for name := range strings.FieldsSeq(*wanted) {
		s.postgres = server.NewDatabase(t)
		if name == "drain" {
			_, err := io.WriteString(out, "\n")
			require.NoError(t, err)
			require.NoError(t, drainAfter(t.Context(), out, s, []outage{{"all brokers", func() { kafka.Kill(0, 1, 2) }, func() { kafka.Repair(t) }}}))
			continue
		}
		require.NoError(t, run(t.Context(), out, s, []string{name}))
	}
	require.NotEmpty(t, rows(table.String()))
}
