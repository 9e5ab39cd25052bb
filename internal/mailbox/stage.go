package mailbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// staged begins the names of the folders in OutBox that hold files on their way.
const staged = ".batch-"

// Folders lists the sub-folders of a folder that clients put there.
func (b *Box) Folders(folder string) ([]string, error) {
	return b.folders(folder, func(name string) bool { return !strings.HasPrefix(name, ".") })
}

// Staged lists the folders that Stage has made in OutBox, as Stage returned them.
func (b *Box) Staged() ([]string, error) {
	return b.folders(OutBox, func(name string) bool { return strings.HasPrefix(name, staged) })
}

func (b *Box) folders(folder string, wanted func(string) bool) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(b.dir, folder))
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", folder, err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && wanted(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Stage moves files of OutBox into one folder there, so that they can leave it
// together, and returns the folder's name. A crash leaves some of them in it: see Unstage.
func (b *Box) Stage(name string, files []string) (string, error) {
	name = staged + name
	if err := os.MkdirAll(b.Path(OutBox, name), 0o750); err != nil {
		return "", fmt.Errorf("staging %s: %w", name, err)
	}
	for _, f := range files {
		if err := os.Rename(b.Path(OutBox, f), filepath.Join(b.Path(OutBox, name), f)); err != nil {
			return "", errors.Join(fmt.Errorf("staging %s: %w", f, err), b.unstage(name))
		}
	}
	return name, errors.Join(syncDir(b.Path(OutBox, name)), syncDir(filepath.Join(b.dir, OutBox)))
}

// Unstage puts the files of all staged folders back into OutBox.
func (b *Box) Unstage() error {
	names, err := b.Staged()
	for _, name := range names {
		err = errors.Join(err, b.unstage(name))
	}
	return err
}

func (b *Box) unstage(name string) error {
	dir := b.Path(OutBox, name)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("unstaging %s: %w", name, err)
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(dir, e.Name()), b.Path(OutBox, e.Name())); err != nil {
			return fmt.Errorf("unstaging %s: %w", e.Name(), err)
		}
	}
	return errors.Join(os.Remove(dir), syncDir(filepath.Join(b.dir, OutBox)))
}

// Unstaged is the name that a staged folder shall have when it leaves OutBox.
func Unstaged(name string) string { return strings.TrimPrefix(name, staged) }
