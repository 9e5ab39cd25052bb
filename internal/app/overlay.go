package app

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// overlay shows the files of a folder on disk over those of the binary: a file
// that is on disk hides the built-in one of the same name.
type overlay struct{ top, base fs.FS }

// Overlay returns base with the folder dir over it; an empty dir is base alone.
func Overlay(base fs.FS, dir string) fs.FS {
	if dir == "" {
		return base
	}
	return overlay{os.DirFS(dir), base}
}

// Open opens the file on disk, or else the built-in one.
func (o overlay) Open(name string) (fs.File, error) {
	f, err := o.top.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return o.base.Open(name)
	}
	return f, err
}

// ReadDir lists both folders together.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	top, topErr := fs.ReadDir(o.top, name)
	base, baseErr := fs.ReadDir(o.base, name)
	if topErr != nil && baseErr != nil {
		return nil, topErr
	}
	byName := map[string]fs.DirEntry{}
	for _, e := range slices.Concat(base, top) {
		byName[path.Clean(e.Name())] = e
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b fs.DirEntry) int {
		return strings.Compare(a.Name(), b.Name())
	}), nil
}
