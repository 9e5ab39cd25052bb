package intake

import (
	"archive/zip"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"tongqu/internal/mailbox"
	"tongqu/internal/store"
)

// door is a file door whose looks the test commands.
type door struct {
	*rig
	*Files
}

func newDoor(t *testing.T) *door {
	t.Helper()
	r := newRig(t)
	f, err := NewFiles(r.Intake, r.agency, filepath.Join(t.TempDir(), "platform"), time.Millisecond, 1<<20)
	require.NoError(t, err)
	return &door{r, f}
}

// put writes a file as a client does that does not rename.
func (d *door) put(t *testing.T, name string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(d.box.Path(mailbox.OutBox, name), data, 0o600))
}

// looks looks twice: at the first a file is new, at the second it is finished.
func (d *door) looks(t *testing.T) {
	t.Helper()
	require.NoError(t, d.look(t.Context()))
	require.NoError(t, d.look(t.Context()))
}

func (d *door) names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(d.box.Path(folder, ""))
	require.NoError(t, err)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

func TestGrowingFile(t *testing.T) {
	d := newDoor(t)
	doc := d.order(t, "GRO", 1)
	for _, end := range []int{0, 10, len(doc) / 2, len(doc) - 1, len(doc)} {
		d.put(t, "a.xml", doc[:end])
		require.NoError(t, d.look(t.Context()))
		require.Equal(t, []string{"a.xml"}, d.names(t, mailbox.OutBox))
	}
	require.Zero(t, d.balance(t).Documents.Received)
	require.NoError(t, d.look(t.Context()))
	require.Equal(t, []string{"a.xml"}, d.names(t, mailbox.SentBox))
	require.Equal(t, store.Counts{Received: 1, Accepted: 1}, d.balance(t).Documents)
}

func TestFileNames(t *testing.T) {
	d := newDoor(t)
	names := []string{
		"an order.xml", "订单 2026-03-08 王.xml", "-rf.xml", "noending", "a%b'c\"d;$(e).xml", "\xb6\xa9\xb5\xa5.xml", // 订单 in GBK
		strings.Repeat("长", 83) + ".xml", "two..dots.xml",
	}
	for i, name := range names {
		d.put(t, name, d.order(t, "NAM"+string(rune('A'+i)), 1))
	}
	d.looks(t)
	require.ElementsMatch(t, names, d.names(t, mailbox.SentBox))
	require.Empty(t, d.names(t, mailbox.OutBox))
	receipts := d.names(t, mailbox.InBox)
	require.Len(t, receipts, len(names))
	for _, r := range receipts {
		require.Regexp(t, `^Successed_`, r)
		require.Regexp(t, `_[0-9a-f-]{36}\.xml$`, r)
	}
}

func TestFileNameTaken(t *testing.T) {
	d := newDoor(t)
	for i, want := range []int{1, 2, 3} {
		d.put(t, "same.xml", d.order(t, "TAK"+string(rune('A'+i)), 1))
		d.looks(t)
		require.Len(t, d.names(t, mailbox.SentBox), want, "none is overwritten")
	}
	require.Contains(t, d.names(t, mailbox.SentBox), "same.xml")

	// Refused ones, too, each with its own reasons.
	for range 2 {
		d.put(t, "bad.xml", []byte("<a>"))
		d.looks(t)
	}
	fails := d.names(t, mailbox.FailBox)
	require.Len(t, fails, 4)
	for _, name := range fails {
		if !strings.HasSuffix(name, ".errors.json") {
			require.Contains(t, fails, name+".errors.json")
		}
	}
}

// TestCrashBeforeMove finds a file again that was recorded already: it is a
// duplicate, and gone from OutBox.
func TestCrashBeforeMove(t *testing.T) {
	d := newDoor(t)
	doc := d.order(t, "CRA", 2)
	d.put(t, "a.xml", doc)
	d.looks(t)
	require.NoError(t, os.Rename(d.box.Path(mailbox.SentBox, "a.xml"), d.box.Path(mailbox.OutBox, "a.xml")))
	again, err := NewFiles(d.Intake, d.Files.agency, filepath.Dir(d.box.Path(mailbox.OutBox, "")), time.Millisecond, 1<<20)
	require.NoError(t, err)
	d.Files = again
	d.looks(t)
	require.Equal(t, []string{"a.xml"}, d.names(t, mailbox.SentBox))
	require.Equal(t, store.Counts{Received: 2, Accepted: 1, Duplicates: 1}, d.balance(t).Documents)
	require.Equal(t, store.Counts{Received: 4, Accepted: 2, Duplicates: 2}, d.balance(t).Records)
	require.Len(t, d.names(t, mailbox.InBox), 2, "both were answered")
}

func TestFileTooLarge(t *testing.T) {
	d := newDoor(t)
	d.put(t, "big.xml", make([]byte, 1<<20+1))
	d.put(t, "fits.xml", d.order(t, "FIT", 1))
	d.looks(t)
	require.Equal(t, []string{"big.xml", "big.xml.errors.json"}, d.names(t, mailbox.FailBox))
	reasons, err := os.ReadFile(d.box.Path(mailbox.FailBox, "big.xml.errors.json"))
	require.NoError(t, err)
	require.Contains(t, string(reasons), "DOCUMENT_TOO_LARGE")
	require.Contains(t, string(reasons), "1048576")
	require.Equal(t, []string{"fits.xml"}, d.names(t, mailbox.SentBox))
	require.EqualValues(t, 1, d.balance(t).Documents.Received)
	require.InDelta(t, 1, testutil.ToFloat64(d.metrics.refused.WithLabelValues("DOCUMENT_TOO_LARGE")), 0)
}

// TestStoreAway keeps every file where it is, in order, until the store is back,
// and logs the trouble once.
func TestStoreAway(t *testing.T) {
	d := newDoor(t)
	d.put(t, "1.xml", d.order(t, "AWA", 1))
	d.put(t, "2.xml", d.order(t, "AWB", 1))
	require.NoError(t, d.look(t.Context()))
	back := d.store
	broken := newRig(t)
	require.NoError(t, broken.store.Close())
	d.store = broken.store
	for range 3 {
		err := d.look(t.Context())
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.Contains(t, err.Error(), "receiving 1.xml")
		require.NotContains(t, err.Error(), "2.xml", "later files wait, too")
		d.report(err)
	}
	require.Equal(t, 1, d.logs.Len())
	require.Equal(t, []string{"1.xml", "2.xml"}, d.names(t, mailbox.OutBox))
	require.Empty(t, d.names(t, mailbox.InBox))

	d.store = back
	err := d.look(t.Context())
	require.NoError(t, err)
	d.report(err)
	require.Equal(t, 2, d.logs.Len())
	require.Equal(t, []string{"1.xml", "2.xml"}, d.names(t, mailbox.SentBox))
}

// TestCannotMove records a file once, however often it cannot be moved.
func TestCannotMove(t *testing.T) {
	d := newDoor(t)
	sent := d.box.Path(mailbox.SentBox, "")
	require.NoError(t, os.Remove(sent))
	d.put(t, "a.xml", d.order(t, "MOV", 1))
	require.NoError(t, d.look(t.Context()))
	for range 3 {
		require.ErrorContains(t, d.look(t.Context()), "moving a.xml to SentBox")
	}
	require.EqualValues(t, 1, d.balance(t).Documents.Received)
	require.NoError(t, os.Mkdir(sent, 0o750))
	require.NoError(t, d.look(t.Context()))
	require.Equal(t, []string{"a.xml"}, d.names(t, mailbox.SentBox))
	require.Len(t, d.names(t, mailbox.InBox), 1, "the receipt is one, too")
	require.EqualValues(t, 1, d.balance(t).Documents.Received)
	require.Empty(t, d.recorded)
}

// TestReplacedMeanwhile has the client overwrite a file while it is received: the
// new one is received as well.
func TestReplacedMeanwhile(t *testing.T) {
	d := newDoor(t)
	d.put(t, "a.xml", d.order(t, "OLD", 1))
	require.NoError(t, d.look(t.Context()))
	d.tick = func() {
		d.tick = func() {}
		d.put(t, "a.xml", d.order(t, "NEW", 2))
	}
	require.NoError(t, d.look(t.Context()))
	require.Equal(t, []string{"a.xml"}, d.names(t, mailbox.OutBox), "the new one is not moved unread")
	require.Empty(t, d.names(t, mailbox.SentBox))
	d.looks(t)
	require.Equal(t, []string{"a.xml"}, d.names(t, mailbox.SentBox))
	require.Equal(t, store.Counts{Received: 3, Accepted: 3}, d.balance(t).Records)
}

func TestTakenBack(t *testing.T) {
	d := newDoor(t)
	d.put(t, "a.xml", d.order(t, "BAC", 1))
	require.NoError(t, d.look(t.Context()))
	require.NoError(t, os.Remove(d.box.Path(mailbox.OutBox, "a.xml")))
	d.looks(t)
	require.Zero(t, d.balance(t).Documents.Received)
	require.NoError(t, os.RemoveAll(d.box.Path(mailbox.OutBox, "")))
	require.ErrorContains(t, d.look(t.Context()), "listing OutBox")
}

// TestRun takes files until its context ends.
func TestRun(t *testing.T) {
	d := newDoor(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	d.put(t, "a.xml", d.order(t, "RUN", 1))
	require.Eventually(t, func() bool { return len(d.names(t, mailbox.SentBox)) == 1 },
		20*time.Second, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
	require.Zero(t, d.logs.Len(), "normal work is silent")
}

// zipFile makes a zip of files, name and content in turn.
func zipFile(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for file := range slices.Chunk(files, 2) {
		entry, err := w.Create(file[0])
		require.NoError(t, err)
		_, err = entry.Write([]byte(file[1]))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// TestZippedDocument: a client packs a document with its PDFs. The document is
// received; what lies beside it is told and goes to SentBox with the zip.
func TestZippedDocument(t *testing.T) {
	d := newDoor(t)
	doc := string(d.order(t, "ZIP", 1))
	d.put(t, "I_TQ1_t-1.zip", zipFile(t, "files/", "", "I_TQ1_t-1.xml", doc, "files/invoice.pdf", "%PDF", "packing.PDF", "%PDF"))
	d.looks(t)
	require.Equal(t, []string{"I_TQ1_t-1.zip"}, d.names(t, mailbox.SentBox))
	receipts := d.names(t, mailbox.InBox)
	require.Len(t, receipts, 1)
	require.Regexp(t, `^Successed_I_TQ1_t-1_[0-9a-f-]{36}\.xml$`, receipts[0])
	page, err := d.store.Documents(t.Context(), store.DocumentQuery{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Equal(t, "I_TQ1_t-1.zip", page.Items[0].Name)
	require.Contains(t, string(page.Items[0].Errors), "files/invoice.pdf")
	require.Contains(t, string(page.Items[0].Errors), "packing.PDF")

	d.put(t, "again.zip", zipFile(t, "other-name.xml", doc))
	d.looks(t)
	require.EqualValues(t, 1, d.balance(t).Documents.Duplicates, "the document counts, not how it is packed")
}

// TestZipOfSomethingElse: a zip without one XML document is received as it is, and refused.
func TestZipOfSomethingElse(t *testing.T) {
	d := newDoor(t)
	doc := string(d.order(t, "ZIQ", 1))
	d.put(t, "two.zip", zipFile(t, "a.xml", doc, "b.xml", doc))
	d.put(t, "none.zip", zipFile(t, "a.pdf", "%PDF"))
	d.put(t, "broken.zip", []byte("PK\x03\x04"))
	d.put(t, "bomb.zip", zipFile(t, "a.xml", strings.Repeat(" ", 1<<20+1)))
	d.looks(t)
	require.Empty(t, d.names(t, mailbox.SentBox))
	require.Empty(t, d.names(t, mailbox.OutBox))
	require.Subset(t, d.names(t, mailbox.FailBox), []string{"two.zip", "none.zip", "broken.zip", "bomb.zip"})
	require.EqualValues(t, 3, d.balance(t).Documents.Rejected, "the bomb was not received at all")
}
