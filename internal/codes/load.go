package codes

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"tongqu/internal/conf"
)

// The columns of a list that are no coding.
const (
	columnZH   = "zh"
	columnEN   = "en"
	columnOnly = "only"
)

// The values of the column "only": a row that serves one direction.
const (
	onlyDecode = "decode"
	onlyEncode = "encode"
)

// Load reads every *.csv at the root of fsys as the code list of that name. The
// first line names the columns: the canonical coding first, then other systems'
// codings and the optional zh, en and only. Everything that is wrong in the files
// comes back together, as conf.Problems.
func Load(fsys fs.FS) (*Lists, error) {
	files, err := fs.Glob(fsys, "*.csv")
	if err != nil {
		return nil, fmt.Errorf("listing code lists: %w", err)
	}
	lists := &Lists{lists: map[string]*List{}}
	var problems conf.Problems
	for _, file := range files {
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, fmt.Errorf("reading code list: %w", err)
		}
		r := reader{file: file, csv: csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))}
		list := r.read(strings.TrimSuffix(path.Base(file), ".csv"), data)
		problems = append(problems, r.problems...)
		lists.lists[list.name] = list
	}
	if err := problems.Or(); err != nil {
		return nil, err
	}
	return lists, nil
}

// reader reads one file and notes what is wrong in it.
type reader struct {
	file     string
	csv      *csv.Reader
	problems conf.Problems

	header        []string
	zh, en, only  int // fields of these columns, -1 when absent
	codings       []int
	decodeAt      []map[string]int // per coding: the line that gave each code its translation
	encodeAt      []map[string]int
	list          *List
	canonicalOnce map[string]bool
}

func (r *reader) problem(line, column int, format string, args ...any) {
	r.problems = append(r.problems, conf.Problem{File: r.file, Line: line, Column: column, Message: fmt.Sprintf(format, args...)})
}

// fieldProblem is problem at a field of the row just read.
func (r *reader) fieldProblem(field int, format string, args ...any) {
	line, column := r.csv.FieldPos(field)
	r.problem(line, column, format, args...)
}

func (r *reader) read(name string, data []byte) *List {
	r.list = &List{name: name, names: map[string]texts{}}
	if !utf8.Valid(data) {
		r.problem(1, 1, "not UTF-8")
		return r.list
	}
	header, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		r.problem(1, 1, "empty code list")
		return r.list
	}
	if err != nil || !r.readHeader(header) {
		r.syntax(err)
		return r.list
	}
	for {
		row, err := r.csv.Read()
		switch {
		case errors.Is(err, io.EOF):
			return r.list
		case errors.Is(err, csv.ErrFieldCount):
			line, _ := r.csv.FieldPos(0)
			r.problem(line, 1, "%d fields where the header has %d", len(row), len(r.header))
		case err != nil:
			r.syntax(err)
			return r.list
		default:
			r.readRow(row)
		}
	}
}

func (r *reader) syntax(err error) {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		r.problem(parse.Line, parse.Column, "%v", parse.Err)
	}
}

func (r *reader) readHeader(header []string) bool {
	r.header = header
	r.zh, r.en, r.only = -1, -1, -1
	for i, name := range header {
		if name == "" || strings.ContainsFunc(name, func(c rune) bool { return c == '.' || c == ' ' }) {
			r.fieldProblem(i, "column %q: a name without blanks or points is needed", name)
			return false
		}
		if slices.Index(header, name) < i {
			r.fieldProblem(i, "column %q stands twice", name)
			return false
		}
		switch name {
		case columnZH:
			r.zh = i
		case columnEN:
			r.en = i
		case columnOnly:
			r.only = i
		default:
			r.codings = append(r.codings, i)
		}
	}
	if len(r.codings) == 0 || r.codings[0] != 0 {
		r.fieldProblem(0, "the first column must be the canonical code")
		return false
	}
	r.canonicalOnce = map[string]bool{}
	for n, i := range r.codings {
		c := &Column{list: r.list, name: header[i]}
		if n > 0 {
			c.decode, c.encode = map[string]string{}, map[string]string{}
		}
		r.list.columns = append(r.list.columns, c)
		r.decodeAt = append(r.decodeAt, map[string]int{})
		r.encodeAt = append(r.encodeAt, map[string]int{})
	}
	return true
}

func (r *reader) readRow(row []string) {
	for i, v := range row {
		if v != strings.TrimSpace(v) {
			r.fieldProblem(i, "blanks around %q", v)
			return
		}
	}
	code := row[0]
	if code == "" {
		r.fieldProblem(0, "the canonical code is empty")
		return
	}
	only := r.field(row, r.only)
	if only != "" && only != onlyDecode && only != onlyEncode {
		r.fieldProblem(r.only, "%q must be %s, %s or empty", only, onlyDecode, onlyEncode)
		return
	}
	// A row for decoding only may name a code again; its names are those of the main row.
	if _, known := r.list.names[code]; !known {
		r.list.codes = append(r.list.codes, code)
	}
	if _, known := r.list.names[code]; !known || only != onlyDecode {
		r.list.names[code] = texts{r.field(row, r.zh), r.field(row, r.en)}
	}
	if len(r.codings) == 1 {
		if r.canonicalOnce[code] {
			r.fieldProblem(0, "%q stands twice", code)
		}
		r.canonicalOnce[code] = true
	}
	for n, i := range r.codings[1:] {
		if row[i] != "" {
			r.translate(n+1, i, code, row[i], only)
		}
	}
}

// translate notes one pair of a column, and whether it makes the column ambiguous.
func (r *reader) translate(n, field int, code, wire, only string) {
	c := r.list.columns[n]
	line, _ := r.csv.FieldPos(field)
	if only != onlyEncode {
		if at, twice := r.decodeAt[n][wire]; twice {
			r.fieldProblem(field, "%s %q already means %q (line %d): mark one row only=encode", c.name, wire, c.decode[wire], at)
		} else {
			c.decode[wire], r.decodeAt[n][wire] = code, line
		}
	}
	if only != onlyDecode {
		if at, twice := r.encodeAt[n][code]; twice {
			r.fieldProblem(field, "%q is already written %q in %s (line %d): mark one row only=decode", code, c.encode[code], c.name, at)
		} else {
			c.encode[code], r.encodeAt[n][code] = wire, line
		}
	}
}

func (r *reader) field(row []string, i int) string {
	if i < 0 {
		return ""
	}
	return row[i]
}
