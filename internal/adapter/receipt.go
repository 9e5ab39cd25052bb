package adapter

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tongqu/internal/conf"
	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// Receipt says how a message is answered in the agency's own format.
type Receipt struct {
	// Message is the message of the same adapter that answers.
	Message string `yaml:"message"`
	// Per is record, when left out: the receipt has a node for each record; or
	// document: it is one canonical record for the whole document.
	Per string `yaml:"per"`
	// Status is the agency's code for accepted, rejected, duplicate and stale; of a
	// document also for partial, when some of its records were rejected.
	Status map[string]string `yaml:"status"`
	// Fields builds the canonical record of the receipt: its path → where the value
	// comes from, see answering.text. A path of an array, failed[].no, goes with a
	// source that repeats, $failed[].no.
	Fields map[string]string `yaml:"fields"`
	// Info is the text for an accepted record; {path} is replaced by the record's value.
	Info string `yaml:"info"`
}

// The values of Per.
const (
	perRecord   = "record"
	perDocument = "document"
)

// Answer is what became of one record, for the agency's own receipt.
type Answer struct {
	// Root is the record's canonical value, as far as it could be translated.
	Root *wire.Node
	// Outcome is accepted, rejected, duplicate or stale.
	Outcome string
	// Faults are the record's own; those of the document are the translation's.
	Faults fault.List
	// Info is told when there are no faults to tell, e.g. the first record's id.
	Info string
}

// The outcomes beyond those of a record's status.
const (
	OutcomeStale = "stale"
	partial      = "partial"
)

func (a *Answer) held() bool {
	return a.Outcome == string(record.Accepted) || a.Outcome == string(record.Duplicate)
}

// HasReceipt reports whether the translated document is answered in the agency's
// own format: its message has a receipt, and so have its records, or it as a whole.
func (t *Translation) HasReceipt() bool {
	return t.message != nil && t.message.answer != nil && (len(t.Records) > 0 || t.message.Receipt.Per == perDocument)
}

// ReceiptFormat is the format of the receipt: xml, json or csv.
func (t *Translation) ReceiptFormat() string { return t.message.answer.Adapter.Format }

// receiptTime is how times are written in receipts and envelopes: RFC 3339 with
// milliseconds.
const receiptTime = "2006-01-02T15:04:05.000Z07:00"

// Receipt writes the agency's own receipt for the answers, one a record; at is the
// receipt's time and id its own number. It goes back in the envelopes that the
// document came in, where they say so, from its receiver to its sender.
func (t *Translation) Receipt(answers []Answer, at time.Time, id string) (Encoded, error) {
	m := t.message
	format := Format{message: m.answer}
	tr := Transfer{ID: id, At: at}
	for _, e := range t.envelopes {
		if e.message.Envelope.Answers {
			format.envelopes = append(format.envelopes, e.message)
			tr.Sender, tr.Receiver = cmp.Or(e.receiver, tr.Sender), cmp.Or(e.sender, tr.Receiver)
		}
	}
	whole := answering{receipt: m.Receipt, translation: t, answers: answers, at: at.In(china).Format(receiptTime), id: id}
	var roots []*wire.Node
	if m.Receipt.Per == perDocument {
		roots = append(roots, whole.build())
	} else {
		for i := range answers {
			one := whole
			one.answer = &answers[i]
			roots = append(roots, one.build())
		}
	}
	// A receipt for a document that could not be read whole lacks what could not
	// be read; it is sent all the same, as customs does.
	root, _ := m.answer.Table.Encode(roots)
	return format.write(root, tr, true)
}

// answering is where the values of a receipt come from: the whole document, one of
// its records, or one of the faults of either.
type answering struct {
	receipt     *Receipt
	translation *Translation
	answers     []Answer
	at, id      string

	answer *Answer // of a record
	fault  *fault.Fault
}

// build makes the canonical record of a receipt.
func (a *answering) build() *wire.Node {
	root := &wire.Node{Kind: wire.Object}
	for _, path := range sorted(a.receipt.Fields) {
		a.put(root, path, a.receipt.Fields[path])
	}
	return root
}

// put sets what a source gives at a path, below each item of what repeats.
func (a *answering) put(n *wire.Node, path, source string) {
	list, rest, repeats := strings.Cut(path, "[].")
	if !repeats {
		if text := a.text(source); text != "" {
			put(n, path, text)
		}
		return
	}
	name, inner, _ := strings.Cut(source, "[].")
	items := a.list(name)
	if len(items) == 0 {
		return
	}
	array := value(n, list)
	if array == nil {
		array = put(n, list, "")
		array.Kind = wire.Array
	}
	at := array.First
	for i := range items {
		if at == nil {
			at = array.Append(&wire.Node{Kind: wire.Object})
		}
		items[i].put(at, rest, inner)
		at = at.Next
	}
}

// list is what repeats under a name: $records, $failed (those that were refused
// for something of their own), and $errors of the document or of a record.
func (a *answering) list(name string) []answering {
	var items []answering
	switch name {
	case "$records", "$failed":
		for i := range a.answers {
			item := *a
			item.answer = &a.answers[i]
			if name == "$records" || item.answer.Faults.Refuses() {
				items = append(items, item)
			}
		}
	case "$errors":
		faults := a.errors()
		for i := range faults {
			item := *a
			item.fault = &faults[i]
			items = append(items, item)
		}
	}
	return items
}

// errors are the errors of the record, or else of the document.
func (a *answering) errors() fault.List {
	faults := a.translation.Faults
	if a.answer != nil {
		faults = a.answer.Faults
	}
	return slices.DeleteFunc(slices.Clone(faults), func(f fault.Fault) bool { return f.Severity != fault.Error })
}

// text is the value of a source:
//
//	a.path                  the answered record's canonical value
//	./PATH                  what stands at a wire path below the record's element
//	/PATH                   what stands at a wire path of the answered document
//	$envelope/PATH          the same of the envelope it came in
//	$status $time $id $info as the manual of adapters has them
//	$total $held $accepted $duplicates $rejected $errorCount   numbers of records, of errors
//	field name text en code value rule path line column        of an item of $errors[]
func (a *answering) text(source string) string {
	if a.fault != nil {
		return faultText(a.fault, source)
	}
	switch {
	case strings.HasPrefix(source, "$envelope/"):
		if n := len(a.translation.envelopes); n > 0 {
			return wireText(a.translation.envelopes[n-1].root, strings.TrimPrefix(source, "$envelope"))
		}
		return ""
	case strings.HasPrefix(source, "$"):
		return a.own(source)
	case strings.HasPrefix(source, "/"):
		return wireText(a.translation.Document.Root, source)
	}
	if a.answer == nil {
		return ""
	}
	if path, ok := strings.CutPrefix(source, "./"); ok {
		return wireText(a.answer.Root.From, path)
	}
	return Value(a.answer.Root, source)
}

func wireText(root *wire.Node, path string) string {
	if root == nil {
		return ""
	}
	if n := find(root, path); n != nil {
		return strings.TrimSpace(n.Text)
	}
	return ""
}

// own is a value that the hub itself has for the receipt.
func (a *answering) own(name string) string {
	switch name {
	case "$status":
		return a.status()
	case "$time":
		return a.at
	case "$id":
		return a.id
	case "$info":
		return a.info()
	case "$total":
		return strconv.Itoa(len(a.answers))
	case "$errorCount":
		return strconv.Itoa(len(a.errors()))
	}
	n := 0
	for i := range a.answers {
		outcome := a.answers[i].Outcome
		switch name {
		case "$held":
			if a.answers[i].held() {
				n++
			}
		case "$accepted":
			if outcome == string(record.Accepted) {
				n++
			}
		case "$duplicates":
			if outcome == string(record.Duplicate) {
				n++
			}
		case "$rejected":
			if !a.answers[i].held() {
				n++
			}
		}
	}
	return strconv.Itoa(n)
}

// status is the code for what became of the record, or of the whole document.
func (a *answering) status() string {
	if a.answer != nil {
		return a.receipt.Status[a.answer.Outcome]
	}
	held := 0
	for i := range a.answers {
		if a.answers[i].held() {
			held++
		}
	}
	switch {
	case held == 0:
		return a.receipt.Status[string(record.Rejected)]
	case held < len(a.answers):
		return a.receipt.Status[partial]
	}
	return a.receipt.Status[string(record.Accepted)]
}

// maxInfo is the length of returnInfo in the CEB receipts, in characters.
const maxInfo = 1000

// info is the receipt's text: the faults, each with its place, or the template.
func (a *answering) info() string {
	faults := a.translation.Faults
	var root *wire.Node
	if a.answer != nil {
		faults, root = append(slices.Clip(faults), a.answer.Faults...), a.answer.Root
	}
	var b strings.Builder
	for _, f := range faults {
		if f.Severity != fault.Error {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(';')
		}
		b.WriteString(f.ZH)
		if f.Line > 0 {
			fmt.Fprintf(&b, "[%s 第%d行第%d列]", f.Path, f.Line, f.Column)
		}
	}
	if b.Len() == 0 && a.answer != nil {
		b.WriteString(a.answer.Info)
	}
	if b.Len() == 0 {
		b.WriteString(fillPaths(a.receipt.Info, root))
	}
	if runes := []rune(b.String()); len(runes) > maxInfo {
		return string(runes[:maxInfo-1]) + "…"
	}
	return b.String()
}

// faultSources are what an item of $errors[] has.
var faultSources = []string{"field", "name", "text", "en", "code", "value", "rule", "path", "line", "column"}

func faultText(f *fault.Fault, source string) string {
	switch source {
	case "field": // the last step of the path, without its index
		step := f.Path[strings.LastIndexByte(f.Path, '/')+1:]
		step, _, _ = strings.Cut(step, "[")
		return strings.TrimPrefix(step, "@")
	case "name":
		return f.Name
	case "text":
		return f.ZH
	case "en":
		return f.EN
	case "code":
		return string(f.Code)
	case "value":
		return f.Value
	case "rule":
		return f.Rule
	case "path":
		return f.Path
	case "line":
		return strconv.Itoa(f.Line)
	case "column":
		return strconv.Itoa(f.Column)
	}
	return ""
}

// fillPaths replaces each {path} of the template by the record's value.
func fillPaths(template string, root *wire.Node) string {
	var b strings.Builder
	for {
		before, rest, open := strings.Cut(template, "{")
		b.WriteString(before)
		if !open {
			return b.String()
		}
		path, after, _ := strings.Cut(rest, "}")
		b.WriteString(Value(root, path))
		template = after
	}
}

// put sets the text at a canonical path, making the objects on the way, and
// returns the leaf.
func put(root *wire.Node, path, text string) *wire.Node {
	for {
		step, rest, more := strings.Cut(path, ".")
		if !more {
			return root.Append(&wire.Node{Kind: wire.Text, Name: step, Text: text})
		}
		child := root.Child(step)
		if child == nil {
			child = root.Append(&wire.Node{Kind: wire.Object, Name: step})
		}
		root, path = child, rest
	}
}

// lintReceipt finds paths in the receipt's fields that are in no schema, and
// sources that do not fit.
func (m *Message) lintReceipt() conf.Problems {
	var ps conf.Problems
	add := func(path, format string, args ...any) {
		ps = append(ps, conf.Problem{
			File: "adapters/" + m.Adapter.Name + "/adapter.yaml", Line: 1, Column: 1,
			Message: "message " + m.Name + ": receipt: " + path + ": " + fmt.Sprintf(format, args...),
		})
	}
	lists := map[string]string{}
	for _, path := range sorted(m.Receipt.Fields) {
		source := m.Receipt.Fields[path]
		if m.answer.Canonical.Shape().At(path) == nil {
			add(path, "there is no such path in %s", m.answer.Table.Canonical())
			continue
		}
		at := sourceAt{whole: m.Receipt.Per == perDocument}
		for prefix, from := "", source; ; {
			list, rest, repeats := strings.Cut(strings.TrimPrefix(path, prefix), "[].")
			name, inner, also := strings.Cut(from, "[].")
			if repeats != also {
				add(path, "a list goes with a source that repeats as often, such as $failed[].%s", rest)
				break
			}
			if !repeats {
				if problem := at.check(m, from); problem != "" {
					add(path, "%s", problem)
				}
				break
			}
			prefix += list + "[]."
			if before := lists[prefix]; before != "" && before != name {
				add(path, "%s comes from %s and from %s", strings.TrimSuffix(prefix, "[]."), before, name)
			}
			lists[prefix] = name
			if problem := at.into(name); problem != "" {
				add(path, "%s", problem)
				break
			}
			from = inner
		}
	}
	return ps
}

// sourceAt is where in an answer a source is looked up.
type sourceAt struct{ whole, fault bool }

// into goes into a list.
func (s *sourceAt) into(list string) string {
	switch {
	case s.fault:
	case list == "$errors":
		s.fault = true
		return ""
	case s.whole && (list == "$records" || list == "$failed"):
		s.whole = false
		return ""
	}
	return "there is no list " + list + " here"
}

func (s *sourceAt) check(m *Message, source string) string {
	known := func(shape *schema.Shape, path string) string {
		if shape.At(path) == nil {
			return fmt.Sprintf("there is no %q in the answered message", source)
		}
		return ""
	}
	wirePath := m.Wire.Shape()
	switch {
	case s.fault:
		if !slices.Contains(faultSources, source) {
			return fmt.Sprintf("an error has no %q: it has %s", source, strings.Join(faultSources, ", "))
		}
	case strings.HasPrefix(source, "$envelope/"):
	case strings.HasPrefix(source, "$"):
		names := []string{"$status", "$time", "$id", "$info", "$total", "$held", "$accepted", "$duplicates", "$rejected", "$errorCount"}
		if !slices.Contains(names, source) {
			return fmt.Sprintf("unknown %s%s", source, conf.DidYouMean(source, names))
		}
	case strings.HasPrefix(source, "/"):
		return known(wirePath, source)
	case s.whole:
		return fmt.Sprintf("a document has many records: $records[].%s or $failed[].%s", source, source)
	case strings.HasPrefix(source, "./"):
		return known(m.Table.Each(), strings.TrimPrefix(source, "./"))
	default:
		return known(m.Canonical.Shape(), source)
	}
	return ""
}
