package app_test

import (
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBackupOfARunningSQLiteHub takes the store's backup with sqlite3 while documents come in,
// as docs/backup.md says, loses the data folder, and goes on from the backup alone.
func TestBackupOfARunningSQLiteHub(t *testing.T) {
	sqlite3, err := exec.LookPath("sqlite3")
	if err != nil && os.Getenv("TONGQU_CLUSTER") != "required" {
		t.Skip("sqlite3 is not installed")
	}
	require.NoError(t, err)
	data, file := t.TempDir(), filepath.Join(t.TempDir(), "backup.db")
	sink := subscribe(t, data, "sink")
	h := startHub(t, data, nil)
	before := h.orders(t, "BEFORE", 30)
	require.Eventually(t, func() bool { return sink.times(before["BEFORE29-1"]) == 1 }, restorePatience, 20*time.Millisecond)
	sink.away.Store(true)
	maps.Copy(before, h.orders(t, "AWAY", 10))
	backup := exec.CommandContext(t.Context(), sqlite3, filepath.Join(data, "store", "tongqu.db"), ".timeout 10000", ".backup "+file)
	output := make(chan []byte, 1)
	go func() {
		out, err := backup.CombinedOutput()
		if err != nil {
			out = append(out, err.Error()...)
		}
		output <- out
	}()
	during := h.orders(t, "DURING", 100)
	require.Empty(t, string(<-output))
	after := h.orders(t, "AFTER", 5)
	h.stop()

	lost := t.TempDir() // a new data folder, with the agencies and the backup alone
	require.NoError(t, os.CopyFS(filepath.Join(lost, "override"), os.DirFS(filepath.Join(data, "override"))))
	require.NoError(t, os.Mkdir(filepath.Join(lost, "store"), 0o750))
	copyFile(t, file, filepath.Join(lost, "store", "tongqu.db"))
	sink.away.Store(false)
	h = startHub(t, lost, nil)
	h.settle(t)
	held := recorded(t, h.Store())
	for no, id := range before {
		require.Equal(t, id, held[no], "%s was acknowledged before the backup", no)
		require.Positive(t, sink.times(id), "%s is delivered, with the folder kafka lost", no)
	}
	require.Equal(t, 1, sink.times(before["BEFORE0-1"]), "what is known to be delivered is not delivered again")
	for no := range after {
		require.NotContains(t, held, no)
	}
	for no, id := range held {
		if before[no] == "" {
			require.Equal(t, id, during[no], no)
		}
	}
	again := h.send(t, platformToken, orderXML("BEFORE0", 1, nil))
	require.Equal(t, before["BEFORE0-1"], again.Records[0].DuplicateOf)
	require.Len(t, h.orders(t, "AFTER", 5), 5)
}

// TestCopyOfAStoppedHub copies the whole folder of a stopped hub and goes on from the copy:
// nothing is missing, nothing is delivered again.
func TestCopyOfAStoppedHub(t *testing.T) {
	data := t.TempDir()
	sink := subscribe(t, data, "sink")
	h := startHub(t, data, nil)
	sent := h.orders(t, "SENT", 30)
	h.settle(t)
	sink.away.Store(true)
	maps.Copy(sent, h.orders(t, "AWAY", 10))
	h.stop()
	restored := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.CopyFS(restored, os.DirFS(data)))
	require.NoError(t, os.RemoveAll(data))
	sink.away.Store(false)
	h = startHub(t, restored, nil)
	h.settle(t)
	require.Equal(t, sent, recorded(t, h.Store()))
	for no, id := range sent {
		require.Equal(t, 1, sink.times(id), no)
	}
	require.Len(t, h.orders(t, "MORE", 5), 5)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	require.NoError(t, err)
	defer func() { require.NoError(t, in.Close()) }()
	out, err := os.Create(to)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Close())
}
