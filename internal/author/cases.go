package author

import (
	"fmt"
	"strings"
)

// caseHeader begins cases/README.md.
func caseHeader(name string) string {
	return fmt.Sprintf("# Golden cases of %s\n\nEach folder holds a document as an agency would send it and what the adapter must make of it.\n\n| case | what it shows | faults |\n|---|---|---|\n", name)
}

// appendCase adds a row to the table of cases.
func appendCase(list []byte, name, shows, faults string) []byte {
	text := strings.TrimRight(string(list), "\n") + "\n"
	return fmt.Appendf([]byte(text), "| `%s` | %s | %s |\n", name, strings.ReplaceAll(shows, "|", "\\|"), faults)
}
