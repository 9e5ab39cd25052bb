//go:build !unix

package embedded

import "os"

// lockFile only opens the file: this system has no flock.
func lockFile(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
}
