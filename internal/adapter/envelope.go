package adapter

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tongqu/internal/conf"
	"tongqu/internal/fault"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// maxEnvelopes is how deep envelopes may be nested.
const maxEnvelopes = 3

// The encodings of an envelope's content.
const (
	encodingBase64 = "base64"
	encodingText   = "text"
	encodingXML    = "xml"
)

// anyChild ends a data path whose content is whatever element stands there.
const anyChild = "/*"

// Envelope describes a transport message that carries another document.
type Envelope struct {
	// Data is the wire path of the content, relative to the root. Of content that is
	// XML it is the path of the inner root element; the last step may be *.
	Data string `yaml:"data"`
	// Encoding is base64, text or xml.
	Encoding string `yaml:"encoding"`
	// Charset is what an inner document is written in, where it is not its adapter's own.
	Charset string `yaml:"charset"`
	// Fields are what is written besides the content: wire path → text, in which
	// $id, $time, $time(LAYOUT), $number(DIGITS), $message, $sender and $receiver are
	// replaced. Without fields the envelope is only read.
	Fields map[string]string `yaml:"fields"`
	// Names are what $message writes, where it is not the message's name: a message,
	// as NAME or ADAPTER/NAME → text.
	Names map[string]string `yaml:"names"`
	// Answers says that receipts of what came in the envelope go back in it.
	Answers bool `yaml:"answers"`
}

// Transfer is what envelopes are addressed with. Its zero value does for documents
// without any.
type Transfer struct {
	// ID is the number of this transfer; the same for one that is tried again.
	ID               string
	Sender, Receiver string
	At               time.Time
}

// china is the zone in which agencies write their times.
var china = time.FixedZone("UTC+8", 8*60*60)

// opened is an envelope that a document came in.
type opened struct {
	message          *Message
	root             *wire.Node
	sender, receiver string
}

// lint returns what is wrong with the envelope of a message by itself.
func (e *Envelope) lint(shape *schema.Shape) (problems []string) {
	add := func(format string, args ...any) {
		problems = append(problems, "envelope: "+fmt.Sprintf(format, args...))
	}
	switch e.Encoding {
	case encodingBase64, encodingText, encodingXML:
	default:
		add("encoding must be base64, text or xml, not %q", e.Encoding)
	}
	container, wild := strings.CutSuffix(e.Data, anyChild)
	if wild && e.Encoding != encodingXML {
		add("data %q: only content that is XML ends with *", e.Data)
	}
	if e.Data == "" || shape.At(container) == nil {
		add("data: there is no %q in the schema", container)
	}
	for _, path := range sorted(e.Fields) {
		if s := shape.At(path); s == nil {
			add("fields: there is no %q in the schema", path)
		} else if s.Kind == schema.Object {
			add("fields: %s is no value but holds others", path)
		}
		for _, ref := range references.FindAllStringSubmatch(e.Fields[path], -1) {
			if _, err := (&Transfer{}).value(ref, ""); err != nil {
				add("fields: %s: %v", path, err)
			}
		}
	}
	if len(e.Fields) > 0 {
		for _, path := range e.unwritten(shape, "") {
			add("fields: %s is required, and nothing writes it", path)
		}
	} else if e.Answers {
		add("answers needs fields: without them nothing can be written")
	}
	return problems
}

// unwritten lists the required values below a shape that no field gives.
func (e *Envelope) unwritten(s *schema.Shape, base string) []string {
	var paths []string
	for _, p := range s.Props {
		path, item := base+p.Name, itemOf(p)
		switch {
		case !p.Required, e.writes(path), path == e.Data, path+anyChild == e.Data:
		case item.Kind == schema.Object:
			paths = append(paths, e.unwritten(item, path+"/")...)
		default:
			paths = append(paths, path)
		}
	}
	return paths
}

func (e *Envelope) writes(path string) bool {
	_, ok := e.Fields[path]
	return ok
}

// goesBelow reports whether a field or the content stands below the path.
func (e *Envelope) goesBelow(path string) bool {
	if strings.HasPrefix(e.Data, path+"/") {
		return true
	}
	for p := range e.Fields {
		if strings.HasPrefix(p, path+"/") {
			return true
		}
	}
	return false
}

func itemOf(p *schema.Shape) *schema.Shape {
	if p.Kind == schema.Array && p.Items != nil {
		return p.Items
	}
	return p
}

// references are the values that a field's text is filled with.
var references = regexp.MustCompile(`\$([a-z]+)(?:\(([^)]*)\))?`)

// value is what a reference stands for; ref is a match of references.
func (tr *Transfer) value(ref []string, message string) (string, error) {
	name, arg := ref[1], ref[2]
	if arg != "" && name != "time" && name != "number" {
		return "", fmt.Errorf("$%s takes no argument", name)
	}
	switch name {
	case "id":
		return tr.ID, nil
	case "message":
		return message, nil
	case "sender":
		return tr.Sender, nil
	case "receiver":
		return tr.Receiver, nil
	case "time":
		if arg == "" {
			arg = receiptTime
		}
		return tr.At.In(china).Format(arg), nil
	case "number":
		digits, err := strconv.Atoi(arg)
		if err != nil || digits < 1 || digits > 18 {
			return "", errors.New("$number needs how many digits, from 1 to 18")
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(tr.ID)) // a hash takes all
		s := fmt.Sprintf("%0*d", digits, h.Sum64())
		return s[len(s)-digits:], nil
	}
	return "", fmt.Errorf("unknown $%s", name)
}

func (tr *Transfer) fill(template, message string) string {
	return references.ReplaceAllStringFunc(template, func(s string) string {
		v, err := tr.value(references.FindStringSubmatch(s), message)
		if err != nil {
			return "" // the lint has tried it
		}
		return v
	})
}

// letter is a document on its way into envelopes: its tree, and the message that
// writes it.
type letter struct {
	root    *wire.Node
	message *Message
	// prefixes are those of all that is in the tree.
	prefixes map[string]string
}

func (l *letter) write(charset string) (Encoded, error) {
	style := l.message.style
	style.Prefixes = l.prefixes
	if charset != "" {
		style.Charset = charset
	}
	return l.message.write(l.root, style)
}

// seal puts a letter into an envelope.
func (m *Message) seal(inner *letter, tr Transfer) (*letter, error) {
	e := m.Envelope
	w := sealing{Envelope: e, transfer: tr, name: inner.message.Name}
	for _, key := range []string{inner.message.Name, inner.message.ID()} {
		if name, ok := e.Names[key]; ok {
			w.name = name
		}
	}
	prefixes := m.style.Prefixes
	switch e.Encoding {
	case encodingXML:
		last := e.Data[strings.LastIndexByte(e.Data, '/')+1:]
		if inner.message.Adapter.Format != formatXML || last != "*" && last != inner.root.Name {
			return nil, fault.List{fault.New(fault.DeliveryNotEncoded, fault.Place{}, "", m.ID(), e.Data+" ≠ "+inner.message.ID())}
		}
		w.content = inner.root
		prefixes = maps.Clone(prefixes)
		if prefixes == nil {
			prefixes = map[string]string{}
		}
		for space, prefix := range inner.prefixes {
			if _, ok := prefixes[space]; !ok {
				prefixes[space] = prefix
			}
		}
	default:
		charset := e.Charset
		if e.Encoding == encodingText {
			charset = wire.UTF8 // text in a text has no charset of its own
		}
		written, err := inner.write(charset)
		if err != nil {
			return nil, err
		}
		text := string(written.Body)
		if e.Encoding == encodingBase64 {
			text = base64.StdEncoding.EncodeToString(written.Body)
		}
		w.content = &wire.Node{Kind: wire.Text, Text: text}
	}
	shape := m.Wire.Shape()
	root := w.element(shape, shape.Root, "")
	return &letter{root: root, message: m, prefixes: prefixes}, nil
}

// sealing writes the tree of one envelope.
type sealing struct {
	*Envelope
	transfer Transfer
	name     string // of the message inside
	content  *wire.Node
}

// element makes the element of a shape, in the order of the schema; base is its path.
func (w *sealing) element(s *schema.Shape, name, base string) *wire.Node {
	n := &wire.Node{Kind: wire.Object, Name: name, Space: s.Namespace}
	for _, p := range s.Props {
		path, item := base+p.Name, itemOf(p)
		text, given := w.Fields[path]
		switch {
		case given:
			if text = w.transfer.fill(text, w.name); text != "" {
				w.leaf(n, p.Name, item, text)
			}
		case path == w.Data && w.Encoding == encodingXML:
			n.Append(w.content)
		case path == w.Data:
			w.content.Name, w.content.Space = p.Name, item.Namespace
			n.Append(w.content)
		case path+anyChild == w.Data:
			n.Append(&wire.Node{Kind: wire.Object, Name: p.Name, Space: item.Namespace}).Append(w.content)
		case w.goesBelow(path):
			n.Append(w.element(item, p.Name, path+"/"))
		}
	}
	return n
}

func (w *sealing) leaf(n *wire.Node, name string, s *schema.Shape, text string) {
	if name == "#text" {
		n.Text = text
		return
	}
	leaf := &wire.Node{Kind: wire.Text, Space: s.Namespace, Text: text}
	if leaf.Name, leaf.Attr = strings.CutPrefix(name, "@"); leaf.Attr {
		leaf.Space = ""
	}
	n.Append(leaf)
}

// open translates what an envelope carries. Places in the inner document are its
// own lines, their paths begin with the envelope's.
func (r *Registry) open(t *Translation, m *Message, only string, depth int) *Translation {
	t.Adapter, t.Message = m.Adapter.Name, m.Name
	if depth == maxEnvelopes {
		t.Faults = append(t.Faults, fault.New(fault.EnvelopeTooNested, t.Document.Root.Place(), "", maxEnvelopes))
		return t
	}
	outer := m.Wire.Check(t.Document.Root)
	settle(m.Adapter.Deviations, outer)
	t.Faults = append(t.Faults, outer...)
	env := opened{message: m, root: t.Document.Root, sender: m.Envelope.read(t.Document.Root, "$sender"), receiver: m.Envelope.read(t.Document.Root, "$receiver")}
	inner, at, err := r.unseal(t.Document, m.Envelope)
	if err != nil {
		t.Faults = append(t.Faults, fault.Of(err)...)
		return t
	}
	inner = r.take(inner, only, depth+1)
	for i := range inner.Faults {
		inner.Faults[i].Path = at + inner.Faults[i].Path
	}
	for i := range inner.Records {
		for j := range inner.Records[i].Faults {
			inner.Records[i].Faults[j].Path = at + inner.Records[i].Faults[j].Path
		}
	}
	inner.Faults = append(t.Faults, inner.Faults...)
	inner.envelopes = append([]opened{env}, inner.envelopes...)
	if inner.Adapter == "" {
		inner.Adapter, inner.Message = t.Adapter, t.Message
	}
	return inner
}

// unseal takes the inner document out, and tells the path of where it was.
func (r *Registry) unseal(doc *wire.Document, e *Envelope) (inner *Translation, at string, err error) {
	path, wild := strings.CutSuffix(e.Data, anyChild)
	content := find(doc.Root, path)
	if wild && content != nil {
		content = content.FirstElement()
	}
	if content == nil {
		return nil, "", fault.List{fault.New(fault.EnvelopeInvalid, doc.Root.Place(), "", e.Data)}
	}
	if e.Encoding == encodingXML {
		at = content.Parent.Path()
		content.Parent, content.Next = nil, nil // a document of its own
		return &Translation{Document: &wire.Document{Root: content, Format: doc.Format, Charset: doc.Charset}}, at, nil
	}
	data := []byte(content.Text)
	if e.Encoding == encodingBase64 {
		data, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(content.Text), ""))
		if err == nil && bytes.HasPrefix(data, []byte("\x1f\x8b")) {
			data, err = r.inflate(data)
		}
		if err != nil {
			return nil, "", fault.List{fault.New(fault.EnvelopeInvalid, content.Place(), content.Text, err)}
		}
	}
	inner = r.read(data)
	if e.Encoding == encodingText { // in a text there is no charset to be wrong about
		inner.Faults = slices.DeleteFunc(inner.Faults, func(f fault.Fault) bool { return f.Code == fault.CharsetMismatch })
	}
	return inner, content.Path(), nil
}

// inflate unpacks content that was packed with gzip before it was encoded.
func (r *Registry) inflate(data []byte) ([]byte, error) {
	gz, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	most := int64(max(r.limits.MaxBytes, 1))
	data, err = io.ReadAll(io.LimitReader(gz, most+1)) // one more is found too large by the reader
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return data, nil
}

// read is the value that stands where a field with only that reference is written.
func (e *Envelope) read(root *wire.Node, reference string) string {
	for path, template := range e.Fields {
		if template == reference {
			if n := find(root, path); n != nil {
				return strings.TrimSpace(n.Text)
			}
		}
	}
	return ""
}

// Format is how records are written: a message, and the envelopes around it,
// outermost first.
type Format struct {
	envelopes []*Message
	message   *Message
}

// Format finds the format ADAPTER/MESSAGE, with envelopes before it, outermost
// first: customs_dxp/DxpMsg+customs_ceb/CEB311Message.
func (r *Registry) Format(name string) (*Format, error) {
	f := &Format{}
	ids := strings.Split(name, "+")
	for i, id := range ids {
		m := r.Message(id)
		switch {
		case m == nil:
			return nil, fmt.Errorf("no message %q", id)
		case i < len(ids)-1 && (m.Envelope == nil || len(m.Envelope.Fields) == 0):
			return nil, fmt.Errorf("%s is no envelope that can be written", id)
		case i < len(ids)-1:
			f.envelopes = append(f.envelopes, m)
		case m.Table == nil:
			return nil, fmt.Errorf("%s is an envelope: say what is in it, %s+ADAPTER/MESSAGE", id, id)
		default:
			f.message = m
		}
	}
	return f, nil
}

// Addressed reports whether writing needs a sender and a receiver.
func (f *Format) Addressed() bool { return len(f.envelopes) > 0 }

// write puts a tree of the format's message into its envelopes. What the
// envelopes' schemas do not allow is a fault, unless it is a receipt, which is
// sent all the same.
func (f *Format) write(root *wire.Node, tr Transfer, receipt bool) (Encoded, error) {
	l := &letter{root: root, message: f.message, prefixes: f.message.style.Prefixes}
	for _, m := range slices.Backward(f.envelopes) {
		var err error
		if l, err = m.seal(l, tr); err != nil {
			return Encoded{}, err
		}
		if found := m.Wire.Check(l.root); found.Refuses() && !receipt {
			return Encoded{}, found
		}
	}
	return l.write("")
}

// lintEnvelope is lint with the place of the manifest.
func (m *Message) lintEnvelope() conf.Problems {
	var ps conf.Problems
	for _, p := range m.Envelope.lint(m.Wire.Shape()) {
		ps = append(ps, conf.Problem{File: "adapters/" + m.Adapter.Name + "/adapter.yaml", Line: 1, Column: 1, Message: "message " + m.Name + ": " + p})
	}
	return ps
}
