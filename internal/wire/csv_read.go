package wire

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"tongqu/internal/fault"
)

// ReadCSV reads a table as text (RFC 4180): an array of lines, each an array of
// its cells, blank lines left out. The separator is the one of comma, semicolon
// and tab that the first lines have. A cell's place is where it begins, at its
// quote if it has one. Data without any separator, or with control characters,
// are no table (DOCUMENT_NOT_READABLE); quotes that do not match are an error
// (CSV_NOT_WELL_FORMED).
func ReadCSV(data []byte, l Limits) (*Document, error) {
	l = l.withDefaults()
	if err := checkSize(data, l); err != nil {
		return nil, err
	}
	src, err := newSource(data, CSV)
	if err != nil {
		return nil, err
	}
	comma := separator(src.text)
	if comma == 0 || strings.ContainsFunc(src.text, isControl) {
		return nil, wholeFault(fault.DocumentNotReadable)
	}
	r := csvReader{csv: csv.NewReader(strings.NewReader(src.text)), at: newCursor(src.text), limits: l}
	r.csv.Comma, r.csv.FieldsPerRecord, r.csv.ReuseRecord = comma, -1, true
	r.arena.Reserve(strings.Count(src.text, string(comma)) + minSlab)
	root, err := r.lines()
	if err == nil && src.stop != nil {
		err = src.stop.at(src.text, "/")
	}
	if err != nil {
		return nil, append(src.flags, fault.Of(err)...)
	}
	return &Document{Root: root, Format: CSV, Charset: src.charset, Faults: src.flags}, nil
}

// isControl reports whether a character stands in no table.
func isControl(r rune) bool { return r < ' ' && r != '\t' && r != '\n' }

// separators are tried in this order.
const separators = ",;\t"

// separator is the one that most of the first lines have, and of several the
// one that comes first; 0 when none has any.
func separator(text string) rune {
	const most = 20 // lines
	lines, total := [len(separators)]int{}, 0
	quoted, seen := false, [len(separators)]bool{}
	for i := 0; i < len(text) && total < most; i++ {
		switch b := text[i]; {
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '\n':
			total++
			seen = [len(separators)]bool{}
		default:
			if k := strings.IndexByte(separators, b); k >= 0 && !seen[k] {
				seen[k] = true
				lines[k]++
			}
		}
	}
	best := slices.Max(lines[:])
	if best == 0 {
		return 0
	}
	return rune(separators[slices.Index(lines[:], best)])
}

// csvReader turns the records of encoding/csv into nodes with places.
type csvReader struct {
	csv    *csv.Reader
	at     cursor
	limits Limits
	arena  Arena
	nodes  int
}

func (r *csvReader) lines() (*Node, error) {
	root := r.arena.New()
	root.Kind, root.Line, root.Column = Array, 1, 1
	for {
		cells, err := r.csv.Read()
		if errors.Is(err, io.EOF) {
			return root, nil
		}
		if err != nil {
			return nil, r.malformed(err)
		}
		if r.nodes += len(cells) + 1; r.nodes > r.limits.MaxNodes {
			return nil, wholeFault(fault.DocumentTooManyNodes, r.limits.MaxNodes)
		}
		line := root.Append(r.arena.New())
		line.Kind = Array
		for i, text := range cells {
			c := line.Append(r.arena.New())
			c.Kind, c.Text = Text, text
			c.Line, c.Column = r.place(r.csv.FieldPos(i))
		}
		line.Line, line.Column = line.First.Line, line.First.Column
	}
}

// place turns a line and its byte, both from 1, into a line and a character. It
// only moves forward.
func (r *csvReader) place(line, b int) (int32, int32) {
	for int(r.at.line) < line {
		end := strings.IndexByte(r.at.text[r.at.offset:], '\n')
		if end < 0 {
			break
		}
		r.at.seek(r.at.offset + end + 1)
	}
	begun := strings.LastIndexByte(r.at.text[:r.at.offset], '\n') + 1
	if at := begun + b - 1; at > r.at.offset {
		r.at.seek(min(at, len(r.at.text)))
	}
	return r.at.line, r.at.column
}

func (r *csvReader) malformed(err error) error {
	var wrong *csv.ParseError
	if !errors.As(err, &wrong) {
		return fmt.Errorf("reading CSV: %w", err)
	}
	line, column := r.place(wrong.Line, wrong.Column)
	zh, en := "单元格内的引号应写作 \"\"，整个单元格加引号", `a quote in a cell is written "", and the cell is quoted`
	if errors.Is(wrong.Err, csv.ErrQuote) {
		zh, en = "引号没有结束，或结束之后还有内容", "a quote is not closed, or something follows where it is closed"
	}
	at := fault.Place{Path: "/", Line: int(line), Column: int(column)}
	return fault.List{fault.New(fault.CSVNotWellFormed, at, "", zh, en)}
}
