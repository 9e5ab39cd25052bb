package mailbox_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"tongqu/internal/mailbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *mailbox.Box {
	t.Helper()
	box, err := mailbox.Open(filepath.Join(t.TempDir(), "made", "too"))
	require.NoError(t, err)
	return box
}

func names(t *testing.T, box *mailbox.Box, folder string) []string {
	t.Helper()
	files, err := box.List(folder)
	require.NoError(t, err)
	got := make([]string, len(files))
	for i, f := range files {
		got[i] = f.Name
	}
	return got
}

// TestWriteIsAtomic lets a reader look all the time while a file is replaced: it
// sees one version or the other, whole.
func TestWriteIsAtomic(t *testing.T) {
	box := open(t)
	versions := [][]byte{bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("b"), 1<<19)}
	require.NoError(t, box.Write(mailbox.InBox, "f.xml", versions[0]))
	done, result := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-done:
				result <- nil
				return
			default:
			}
			got, err := os.ReadFile(box.Path(mailbox.InBox, "f.xml"))
			if err != nil {
				result <- err
				return
			}
			if !bytes.Equal(got, versions[0]) && !bytes.Equal(got, versions[1]) {
				result <- errors.New("read a part of a file")
				return
			}
		}
	}()
	for i := range 20 {
		require.NoError(t, box.Write(mailbox.InBox, "f.xml", versions[(i+1)%2]))
		require.Equal(t, []string{"f.xml"}, names(t, box, mailbox.InBox), "temporary files are not listed")
	}
	close(done)
	require.NoError(t, <-result)
	entries, err := os.ReadDir(filepath.Dir(box.Path(mailbox.InBox, "f.xml")))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left over")
}

// TestWriteFails leaves the old file and nothing else.
func TestWriteFails(t *testing.T) {
	box := open(t)
	require.NoError(t, os.Mkdir(box.Path(mailbox.InBox, "taken.xml"), 0o750))
	require.Error(t, box.Write(mailbox.InBox, "taken.xml", []byte("x")), "a folder has the name")
	require.Error(t, box.Write(mailbox.InBox, strings.Repeat("n", 300), []byte("x")), "the name is too long")
	require.ErrorIs(t, box.Write("NoBox", "a.xml", []byte("x")), fs.ErrNotExist)
	entries, err := os.ReadDir(filepath.Dir(box.Path(mailbox.InBox, "x")))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestList(t *testing.T) {
	box := open(t)
	old := time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC)
	for i, name := range []string{"c.xml", "a b.xml", "订单.XML", ".hidden", "part.xml.tmp", "x.PART", "y.filepart", "noending"} {
		path := box.Path(mailbox.OutBox, name)
		require.NoError(t, os.WriteFile(path, []byte(name), 0o600))
		require.NoError(t, os.Chtimes(path, time.Time{}, old.Add(-time.Duration(i)*time.Minute)))
	}
	require.NoError(t, os.Mkdir(box.Path(mailbox.OutBox, "folder"), 0o750))
	require.NoError(t, os.Symlink(box.Path(mailbox.OutBox, "c.xml"), box.Path(mailbox.OutBox, "link.xml")))
	require.Equal(t, []string{"noending", "订单.XML", "a b.xml", "c.xml"}, names(t, box, mailbox.OutBox), "oldest first")
}

func TestMove(t *testing.T) {
	box := open(t)
	put := func(text string) {
		require.NoError(t, os.WriteFile(box.Path(mailbox.OutBox, "a.b.xml"), []byte(text), 0o600))
	}
	for i, want := range []string{"a.b.xml", "a.b.mark.xml", "a.b.mark-2.xml", "a.b.mark-3.xml"} {
		put(want)
		target := box.Free(mailbox.SentBox, "a.b.xml", "mark")
		require.Equal(t, want, target)
		require.NoError(t, box.Move("a.b.xml", mailbox.OutBox, mailbox.SentBox, target))
		require.Len(t, names(t, box, mailbox.SentBox), i+1, "none is overwritten")
	}
	got, err := os.ReadFile(box.Path(mailbox.SentBox, "a.b.mark-2.xml"))
	require.NoError(t, err)
	require.Equal(t, "a.b.mark-2.xml", string(got))
	require.ErrorIs(t, box.Move("gone.xml", mailbox.OutBox, mailbox.SentBox, "gone.xml"), fs.ErrNotExist)
}

func TestIs(t *testing.T) {
	box := open(t)
	path := box.Path(mailbox.OutBox, "a.xml")
	require.NoError(t, os.WriteFile(path, []byte("one"), 0o600))
	files, err := box.List(mailbox.OutBox)
	require.NoError(t, err)
	require.True(t, box.Is(mailbox.OutBox, files[0]))
	require.NoError(t, os.Chtimes(path, time.Time{}, files[0].Modified.Add(time.Millisecond)))
	require.False(t, box.Is(mailbox.OutBox, files[0]), "written anew")
	require.NoError(t, os.Remove(path))
	require.False(t, box.Is(mailbox.OutBox, files[0]), "taken back")
}

// TestName holds for any parts: the name fits, keeps prefix and ending, and cuts
// no character in two.
func TestName(t *testing.T) {
	require.Equal(t, "Failed_订单_1.xml", mailbox.Name("Failed_", "订单", "_1.xml"))
	rapid.Check(t, func(t *rapid.T) {
		stem := strings.Repeat(rapid.String().Draw(t, "stem"), rapid.IntRange(0, 100).Draw(t, "times"))
		name := mailbox.Name("Successed_", stem, "_0192f3c4-7d5e-7a10-8000-9a3f1c2b4d5e.xml")
		require.LessOrEqual(t, len(name), 255)
		require.True(t, strings.HasPrefix(name, "Successed_"))
		require.True(t, strings.HasSuffix(name, "_0192f3c4-7d5e-7a10-8000-9a3f1c2b4d5e.xml"))
		if utf8.ValidString(stem) {
			require.True(t, utf8.ValidString(name))
		}
	})
}
