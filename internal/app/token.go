package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// readOrMakeToken reads the token in the file, or makes one there that only the
// file's owner can read.
func readOrMakeToken(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err == nil && len(strings.TrimSpace(string(data))) > 0 {
		return strings.TrimSpace(string(data)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the operator's token: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil { // a hub with store and Kafka elsewhere has nothing there yet
		return "", fmt.Errorf("making the data folder: %w", err)
	}
	token := rand.Text()
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("writing the operator's token: %w", err)
	}
	return token, nil
}
