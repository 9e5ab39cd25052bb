// Package fault holds errors as data: a stable code, the place in the sender's
// document, the value, the rule, and a text in Chinese and in English.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Severity says what a fault does to the record it belongs to.
type Severity string

// An Error refuses the record (or the document); a Flag goes on with it.
const (
	Error Severity = "error"
	Flag  Severity = "flag"
)

// Place is where in the sender's own document something stands. Path is
// XPath-like, without prefixes, with a 1-based index on repeated elements:
// /CEB311Message/Order[2]/OrderHead/currency. Line and Column count from 1; 0 is unknown.
type Place struct {
	Path   string
	Line   int
	Column int
}

// Fault is one thing that is wrong, as users see it.
type Fault struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Path     string   `json:"path,omitempty"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	// Name is the element's Chinese name where the schema gives one.
	Name string `json:"name,omitempty"`
	// Value is the offending value, cut to 200 characters. It may be personal
	// data: it goes back to its sender, never into a log.
	Value string `json:"value,omitempty"`
	// Rule is the rule in a few machine-readable words: "maxLength 60", "enum 1 2 3".
	Rule string `json:"rule,omitempty"`
	ZH   string `json:"zh"`
	EN   string `json:"en"`
}

// maxValue is the number of characters of a value that a fault repeats.
const maxValue = 200

// New makes an error-severity fault; args fill the code's texts (see codes.go).
func New(code Code, at Place, value string, args ...any) Fault {
	t, ok := texts[code]
	if !ok {
		t = text{zh: string(code), en: string(code)}
	}
	return Fault{
		Code: code, Severity: Error, Path: at.Path, Line: at.Line, Column: at.Column,
		Value: cut(value), ZH: fill(t.zh, args), EN: fill(t.en, args),
	}
}

// fill replaces {0}, {1} … by the arguments, so that the two languages may use
// them in different orders.
func fill(s string, args []any) string {
	for i, a := range args {
		s = strings.ReplaceAll(s, fmt.Sprintf("{%d}", i), fmt.Sprint(a))
	}
	return s
}

func cut(s string) string {
	n := 0
	for i := range s {
		if n == maxValue {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// WithRule returns f with its rule set.
func (f Fault) WithRule(rule string) Fault { f.Rule = rule; return f }

// WithName returns f with the element's Chinese name set.
func (f Fault) WithName(name string) Fault { f.Name = name; return f }

// Flagged returns f with severity Flag.
func (f Fault) Flagged() Fault { f.Severity = Flag; return f }

// Error makes a Fault an error: "path:line:col: text (code)".
func (f Fault) Error() string {
	var b strings.Builder
	if f.Path != "" {
		b.WriteString(f.Path)
		b.WriteByte(' ')
	}
	if f.Line > 0 {
		fmt.Fprintf(&b, "line %d column %d: ", f.Line, f.Column)
	}
	b.WriteString(f.EN)
	fmt.Fprintf(&b, " (%s)", f.Code)
	return b.String()
}

// List is all faults of one document or record.
type List []Fault

// Error joins the faults, one a line.
func (l List) Error() string {
	s := make([]string, len(l))
	for i, f := range l {
		s[i] = f.Error()
	}
	return strings.Join(s, "\n")
}

// Refuses reports whether any fault of the list is an error.
func (l List) Refuses() bool {
	for i := range l {
		if l[i].Severity == Error {
			return true
		}
	}
	return false
}

// Of returns the faults that err carries (a Fault or a List anywhere in its
// chain), or nil when err is not the sender's doing.
func Of(err error) List {
	if l, ok := errors.AsType[List](err); ok {
		return l
	}
	if f, ok := errors.AsType[Fault](err); ok {
		return List{f}
	}
	return nil
}
