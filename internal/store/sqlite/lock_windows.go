package sqlite

import (
	"os"

	"golang.org/x/sys/windows"
)

// lock takes the file for this process; the system gives it back when f closes
// or the process ends.
func lock(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
}
