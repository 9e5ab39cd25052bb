package wire

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"unicode/utf8"

	"tongqu/internal/fault"
)

// WriteCSV writes lines of cells, separated by commas and ended by CR LF (RFC
// 4180). In UTF-8 it begins with a byte order mark, without which spreadsheets
// take it for another charset. The error is a Fault: CHARSET_UNKNOWN, or
// CHARSET_NOT_WRITABLE for a character that the charset does not have.
func WriteCSV(lines [][]string, charset string) ([]byte, error) {
	known := labels[strings.ToLower(charset)]
	if known == "" || strings.HasPrefix(known, utf16Any) {
		return nil, fault.New(fault.CharsetUnknown, fault.Place{}, charset, charset)
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	if err := w.WriteAll(lines); err != nil {
		return nil, fmt.Errorf("writing CSV: %w", err)
	}
	if known == UTF8 {
		return append([]byte("\xEF\xBB\xBF"), b.Bytes()...), nil
	}
	enc := newGBEncoder(known)
	for _, line := range lines {
		for _, cell := range line {
			for _, r := range cell {
				if r >= utf8.RuneSelf && !enc.has(r) {
					return nil, fault.New(fault.CharsetNotWritable, fault.Place{}, cell, codePoint(r), known)
				}
			}
		}
	}
	return enc.encode(b.Bytes()), nil
}
