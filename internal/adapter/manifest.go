// Package adapter makes an adapter folder whole: it recognises an agency's
// documents, reads, checks and translates them, encodes canonical records back,
// and writes receipts. An adapter is data (adapter.yaml, wire schemas, translation
// tables); nothing here knows one by name.
package adapter

import (
	"fmt"
	"slices"
	"strings"

	"tongqu/internal/conf"
	"tongqu/internal/fault"
)

// The formats that a manifest may name.
const (
	formatXML  = "xml"
	formatJSON = "json"
	formatCSV  = "csv"
)

// Title is a name in the hub's two languages.
type Title struct {
	ZH string `yaml:"zh" json:"zh"`
	EN string `yaml:"en" json:"en"`
}

// Manifest is adapters/NAME/adapter.yaml.
type Manifest struct {
	Name    string `yaml:"name"`
	Title   Title  `yaml:"title"`
	Version string `yaml:"version"`
	// Format is xml, json or csv.
	Format string `yaml:"format"`
	// Charset is what the adapter writes; reading accepts any.
	Charset string `yaml:"charset"`
	// Namespace is that of the messages' root elements, as their schemas say it.
	Namespace string `yaml:"namespace"`
	// Prefixes maps namespace URIs to the prefixes the adapter writes; "" is the default namespace.
	Prefixes   map[string]string `yaml:"prefixes"`
	Messages   []MessageManifest `yaml:"messages"`
	Deviations []Deviation       `yaml:"deviations"`
	Batch      *Batch            `yaml:"batch"`
	// Identity marks an adapter whose documents are canonical records already, of any type.
	Identity bool `yaml:"identity"`
}

// MessageManifest is one message of an adapter.
type MessageManifest struct {
	// Name is the wire schema and the table. The root element is the schema's.
	Name  string `yaml:"name"`
	Title Title  `yaml:"title"`
	// Match tells apart messages of one root: wire path → value, "*" for any.
	Match   map[string]string `yaml:"match"`
	Receipt *Receipt          `yaml:"receipt"`
	// Envelope marks a message that carries another document; it has no table.
	Envelope *Envelope `yaml:"envelope"`
	// Heading is an element that only names what those after it hold.
	Heading    *Heading          `yaml:"heading"`
	Prefixes   map[string]string `yaml:"prefixes"`
	Standalone string            `yaml:"standalone"`
}

// Deviation says what becomes of a fault that the schema or a rule finds: do is
// flag (the record goes on) or refuse. Code or Rule select the fault, Path too
// where given (a step * matches any one; indexes do not count).
type Deviation struct {
	Code fault.Code `yaml:"code"`
	Rule string     `yaml:"rule"`
	Path string     `yaml:"path"`
	Do   string     `yaml:"do"`
	// Seen is the evidence: where senders really do so.
	Seen string `yaml:"seen"`
}

// lint returns what is wrong with the manifest by itself.
func (m *Manifest) lint(file, folder string) conf.Problems {
	var ps conf.Problems
	add := func(format string, args ...any) {
		ps = append(ps, conf.Problem{File: file, Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)})
	}
	if m.Name != folder {
		add("name is %q but the folder is %q", m.Name, folder)
	}
	if m.Title.ZH == "" || m.Title.EN == "" {
		add("title needs zh and en")
	}
	if m.Format != formatXML && m.Format != formatJSON && m.Format != formatCSV {
		add("format must be xml, json or csv, not %q", m.Format)
	}
	if !m.Identity && len(m.Messages) == 0 {
		add("no messages")
	}
	names := map[string]bool{}
	for _, msg := range m.Messages {
		if names[msg.Name] {
			add("message %s stands twice", msg.Name)
		}
		names[msg.Name] = true
		if msg.Title.ZH == "" || msg.Title.EN == "" {
			add("message %s: title needs zh and en", msg.Name)
		}
		if m.Format == formatJSON && len(msg.Match) == 0 {
			add("message %s: a JSON document has no root element to know it by: give match", msg.Name)
		}
		if m.Format == formatCSV && len(msg.Match) > 0 {
			add("message %s: a CSV document is known by its header: match says nothing", msg.Name)
		}
	}
	for _, msg := range m.Messages {
		if r := msg.Receipt; r != nil && !names[r.Message] {
			add("message %s: receipt %q is no message of this adapter", msg.Name, r.Message)
		}
		if r := msg.Receipt; r != nil && r.Per != "" && r.Per != perRecord && r.Per != perDocument {
			add("message %s: receipt: per must be record or document, not %q", msg.Name, r.Per)
		}
	}
	for i, d := range m.Deviations {
		if (d.Code == "") == (d.Rule == "") {
			add("deviation %d: give code or rule", i+1)
		}
		if d.Code != "" && !slices.Contains(fault.Codes(), d.Code) {
			add("deviation %d: unknown code %q", i+1, d.Code)
		}
		if d.Do != "flag" && d.Do != "refuse" {
			add("deviation %d: do must be flag or refuse, not %q", i+1, d.Do)
		}
		if d.Code != "" && d.Seen == "" {
			add("deviation %d: seen must say where senders really do so", i+1)
		}
	}
	return ps
}

// settle applies the deviations to the faults, in place.
func settle(ds []Deviation, faults fault.List) {
	for i := range faults {
		for _, d := range ds {
			if d.matches(&faults[i]) {
				if d.Do == "flag" {
					faults[i].Severity = fault.Flag
				} else {
					faults[i].Severity = fault.Error
				}
				break
			}
		}
	}
}

func (d *Deviation) matches(f *fault.Fault) bool {
	if d.Code != "" && d.Code != f.Code || d.Rule != "" && d.Rule != f.Rule {
		return false
	}
	return d.Path == "" || matchPath(d.Path, f.Path)
}

// matchPath compares step by step; "*" is any one step, indexes do not count.
func matchPath(pattern, path string) bool {
	for {
		var want, step string
		var more, goesOn bool
		want, pattern, more = strings.Cut(pattern, "/")
		step, path, goesOn = strings.Cut(path, "/")
		if i := strings.IndexByte(step, '['); i >= 0 {
			step = step[:i]
		}
		if want != "*" && want != step || more != goesOn {
			return false
		}
		if !more {
			return true
		}
	}
}
