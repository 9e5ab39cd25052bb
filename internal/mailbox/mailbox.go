// Package mailbox is the folder by which an agency's client exchanges files with
// the hub, in the layout that the single-window import client uses: OutBox (to
// send), SentBox (recorded), FailBox (refused), InBox (receipts and deliveries).
package mailbox

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The four folders of a mailbox.
const (
	OutBox  = "OutBox"
	SentBox = "SentBox"
	FailBox = "FailBox"
	InBox   = "InBox"
)

// Box is one mailbox.
type Box struct{ dir string }

// Open makes the folders that are missing.
func Open(dir string) (*Box, error) {
	for _, folder := range []string{OutBox, SentBox, FailBox, InBox} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o750); err != nil {
			return nil, fmt.Errorf("making mailbox: %w", err)
		}
	}
	return &Box{dir}, nil
}

// Path is where a file of the mailbox lies.
func (b *Box) Path(folder, name string) string { return filepath.Join(b.dir, folder, name) }

// Write puts a file into a folder so that a reader never sees part of it and a
// crash never loses it: temporary name, fsync, rename, fsync of the folder. A
// file of that name is replaced.
func (b *Box) Write(folder, name string, data []byte) error {
	dir := filepath.Join(b.dir, folder)
	tmp, err := os.CreateTemp(dir, ".*.tmp")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(0o640)
	}
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return syncDir(dir)
}

// maxName is the longest file name in bytes that file systems take.
const maxName = 255

// Name joins the parts of a file name and cuts the stem so that the whole is no
// longer than file systems take.
func Name(prefix, stem, ending string) string {
	room := max(maxName-len(prefix)-len(ending), 0)
	if len(stem) > room {
		for room > 0 && !utf8.RuneStart(stem[room]) {
			room--
		}
		stem = stem[:room]
	}
	return prefix + stem + ending
}

// Free is the name under which a file can be put into a folder: its own, or where
// that is taken, one with the mark before the ending, and a number if need be.
func (b *Box) Free(folder, name, mark string) string {
	ext := filepath.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	free, ending := name, "."+mark+ext
	for n := 2; b.holds(folder, free); n++ {
		free = Name("", stem, ending)
		ending = "." + mark + "-" + strconv.Itoa(n) + ext
	}
	return free
}

func (b *Box) holds(folder, name string) bool {
	_, err := os.Lstat(b.Path(folder, name))
	return err == nil
}

// Move takes a file from one folder to another, under the name target; a file of
// that name is replaced, see Free.
func (b *Box) Move(name, from, to, target string) error {
	if err := os.Rename(b.Path(from, name), b.Path(to, target)); err != nil {
		return fmt.Errorf("moving %s to %s: %w", name, to, err)
	}
	return errors.Join(syncDir(filepath.Join(b.dir, to)), syncDir(filepath.Join(b.dir, from)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// Is reports whether the folder still holds this very file, unchanged.
func (b *Box) Is(folder string, f File) bool {
	info, err := os.Lstat(b.Path(folder, f.Name))
	return err == nil && info.Size() == f.Size && info.ModTime().Equal(f.Modified)
}

// File is a file waiting in a folder.
type File struct {
	Name     string
	Size     int64
	Modified time.Time
}

// unfinished are the endings clients give to files they still write.
var unfinished = []string{".tmp", ".temp", ".part", ".filepart", ".crdownload"}

// List returns the finished files of a folder, oldest first.
func (b *Box) List(folder string) ([]File, error) {
	entries, err := os.ReadDir(filepath.Join(b.dir, folder))
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", folder, err)
	}
	var files []File
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || slices.Contains(unfinished, strings.ToLower(filepath.Ext(name))) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", folder, err)
		}
		files = append(files, File{name, info.Size(), info.ModTime()})
	}
	slices.SortFunc(files, func(a, c File) int {
		return cmp.Or(a.Modified.Compare(c.Modified), strings.Compare(a.Name, c.Name))
	})
	return files, nil
}
