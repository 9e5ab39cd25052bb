package wire

import (
	"bytes"

	"tongqu/internal/fault"
)

// Format is the syntax of a document.
type Format string

// The formats.
const (
	XML    Format = "xml"
	JSON   Format = "json"
	NDJSON Format = "ndjson" // several JSON values, each on lines of its own
	CSV    Format = "csv"    // lines of cells
)

// Document is a document that was read.
type Document struct {
	// Root is the root element or JSON value; of NDJSON, an array of the values, and
	// of CSV, an array of lines, which are arrays of cells.
	Root   *Node
	Format Format
	// Charset is the one the bytes are in; Declared is the label an XML
	// declaration gives, as written, or "".
	Charset, Declared string
	// Faults are flags: what was odd but could be read.
	Faults fault.List
}

// Read reads a document in whatever format and charset it is. Data are neither
// kept nor changed. When it cannot be read the error is a fault.List whose last
// fault says why, with its line and column.
func Read(data []byte, l Limits) (*Document, error) {
	switch Sniff(data) {
	case XML:
		return ReadXML(data, l)
	case JSON:
		return ReadJSON(data, l)
	}
	return ReadCSV(data, l)
}

// Sniff tells by the first character whether data are XML or a JSON object or
// array, in any charset; "" is neither: perhaps a table.
func Sniff(data []byte) Format {
	for _, bom := range []string{"\xEF\xBB\xBF", "\xFF\xFE", "\xFE\xFF"} {
		data = bytes.TrimPrefix(data, []byte(bom))
	}
	// In UTF-16 the characters of the markup have a zero byte beside them.
	for _, b := range data {
		switch b {
		case ' ', '\t', '\r', '\n', 0:
			continue
		case '<':
			return XML
		case '{', '[':
			return JSON
		}
		break
	}
	return ""
}

// checkSize refuses data that are too large, or that hold nothing but blanks.
func checkSize(data []byte, l Limits) error {
	if len(data) > l.MaxBytes {
		return wholeFault(fault.DocumentTooLarge, l.MaxBytes)
	}
	for _, b := range bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF")) {
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			return nil
		}
	}
	return wholeFault(fault.DocumentEmpty)
}

// wholeFault is a fault of the document as a whole; it stands at its beginning.
func wholeFault(code fault.Code, args ...any) error {
	return fault.List{fault.New(code, fault.Place{Path: "/", Line: 1, Column: 1}, "", args...)}
}
