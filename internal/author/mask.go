package author

import (
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"tongqu/internal/adapter"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// Masked is a document whose personal data are replaced.
type Masked struct {
	Data []byte
	// Replaced is how many values were replaced.
	Replaced int
	// Left are places where a replaced value stands once more, in what feeds no
	// personal value: a name in a remark. They are left as they are.
	Left []string
}

// Mask replaces the personal data of a document by invented ones: the values that
// the table of its message takes to canonical values marked x-personal. They keep
// their length and kind, and their check digits are as right or wrong as before;
// the same value is replaced by the same one throughout. Everything else stays as
// it is, byte for byte, in the document's charset. seed makes the inventions; with
// another one they are others.
func Mask(r *adapter.Registry, name string, data []byte, seed [32]byte) (*Masked, error) {
	t := r.Translate(data, name)
	if t.Document == nil {
		return nil, fmt.Errorf("reading the document: %w", t.Faults)
	}
	m := r.Message(t.Adapter + "/" + t.Message)
	if m == nil || m.Adapter.Name != name || m.Table == nil {
		return nil, fmt.Errorf("the document is no message of %s that a table translates", name)
	}
	if outer, err := wire.Read(data, wire.NewDefaultLimits()); err != nil || outer.Root.Name != t.Document.Root.Name {
		return nil, errors.New("the document came in an envelope: mask what it carries")
	}
	text, codec, err := decode(data, t.Document.Charset)
	if err != nil {
		return nil, err
	}
	personal := personalFeeds(m)
	k := &masker{text: text, inventor: newInventor(seed), lines: lineStarts(text), parts: personalParts(m, t)}
	k.walk(t.Document.Root, "", func(n *wire.Node, path string) {
		if leaf := personal[path]; leaf != nil {
			k.replace(n, leaf)
		}
	})
	if len(k.problems) > 0 {
		return nil, errors.Join(k.problems...)
	}
	k.walk(t.Document.Root, "", func(n *wire.Node, path string) {
		if personal[path] != nil {
			return
		}
		for old := range k.done {
			if len([]rune(old)) > 1 && strings.Contains(n.Text, old) {
				at := n.Place()
				k.left = append(k.left, fmt.Sprintf("%d:%d %s", at.Line, at.Column, at.Path))
				return
			}
		}
	})
	out, err := encode(k.apply(), codec)
	if err != nil {
		return nil, err
	}
	return &Masked{Data: out, Replaced: len(k.edits), Left: k.left}, nil
}

// personalFeeds are the wire paths whose values are personal.
func personalFeeds(m *adapter.Message) map[string]*schema.Shape {
	personal := map[string]*schema.Shape{}
	for path, canonical := range m.Table.Feeds() {
		for _, c := range canonical {
			if s := m.Canonical.Shape().At(c); s != nil && s.Personal != "" {
				personal[path] = s
			}
		}
	}
	return personal
}

// personalParts are the personal values that are only part of the sender's, as in
// "(JW)NAME": by line and column of the sender's value.
func personalParts(m *adapter.Message, t *adapter.Translation) map[[2]int]string {
	parts := map[[2]int]string{}
	for _, row := range t.Explain() {
		leaf := m.Canonical.Shape().At(index.ReplaceAllString(row.Canonical, "[]"))
		raw := strings.TrimSpace(row.Raw)
		if leaf != nil && leaf.Personal != "" && row.Value != "" && row.Value != raw && strings.Contains(raw, row.Value) {
			parts[[2]int{row.Line, row.Column}] = row.Value
		}
	}
	return parts
}

var index = regexp.MustCompile(`\[[0-9]+\]`)

// charsets are those that documents are read in.
var charsets = map[string]encoding.Encoding{
	"GBK": simplifiedchinese.GBK, "GB2312": simplifiedchinese.GBK, "GB18030": simplifiedchinese.GB18030,
	"UTF-16LE": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "UTF-16BE": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"UTF-16": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
}

// decode turns a document into text such that encode gives back the same bytes.
func decode(data []byte, charset string) (string, encoding.Encoding, error) {
	codec := charsets[strings.ToUpper(charset)]
	if codec == nil {
		return string(data), nil, nil
	}
	text, err := codec.NewDecoder().Bytes(data)
	if err != nil {
		return "", nil, fmt.Errorf("decoding %s: %w", charset, err)
	}
	if back, err := encode(string(text), codec); err != nil || string(back) != string(data) {
		return "", nil, fmt.Errorf("the document has bytes that %s does not give back: it cannot be masked and stay as it is", charset)
	}
	return string(text), codec, nil
}

func encode(text string, codec encoding.Encoding) ([]byte, error) {
	if codec == nil {
		return []byte(text), nil
	}
	data, err := codec.NewEncoder().Bytes([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return data, nil
}

// lineStarts are the offsets at which the lines of a text begin.
func lineStarts(text string) []int {
	starts := []int{len(text) - len(strings.TrimPrefix(text, "\ufeff"))}
	for i := 0; i < len(text); i++ {
		if text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n' {
			i++
		}
		if text[i] == '\n' || text[i] == '\r' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// masker replaces values in a text.
type masker struct {
	text     string
	lines    []int
	parts    map[[2]int]string
	inventor *inventor
	edits    []edit
	done     map[string]bool // what was replaced
	left     []string
	problems []error
}

type edit struct {
	at       int
	old, now string
}

// walk visits the leaves with their paths from the root, without indexes.
func (k *masker) walk(n *wire.Node, path string, visit func(n *wire.Node, path string)) {
	for c := range n.Children() {
		at := path
		if n.Kind != wire.Array {
			at += "/" + map[bool]string{true: "@"}[c.Attr] + c.Name
		}
		if c.IsLeaf() {
			visit(c, at)
			continue
		}
		if c.Kind == wire.Object && c.Text != "" {
			visit(c, at+"/#text")
		}
		k.walk(c, at, visit)
	}
}

// slack is how far behind its place a value may begin: blanks, quotes, CDATA.
const slack = 200

// replace notes the edit for one value.
func (k *masker) replace(n *wire.Node, leaf *schema.Shape) {
	old := strings.TrimSpace(n.Text)
	if part := k.parts[[2]int{int(n.Line), int(n.Column)}]; part != "" {
		old = part
	}
	if old == "" {
		return
	}
	now := k.inventor.invent(old, leaf)
	if k.done == nil {
		k.done = map[string]bool{}
	}
	k.done[old] = true
	from := k.offset(int(n.Line), int(n.Column))
	window := k.text[from:min(len(k.text), from+len(old)*6+len(n.Name)+slack)]
	for _, written := range []string{old, escaped(old), jsonEscaped(old)} {
		if i := strings.Index(window, written); i >= 0 {
			k.edits = append(k.edits, edit{from + i, written, now})
			return
		}
	}
	at := n.Place()
	k.problems = append(k.problems, fmt.Errorf("%d:%d %s: the value is written in a way that cannot be replaced", at.Line, at.Column, at.Path))
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}

func jsonEscaped(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `/`, `\/`).Replace(s)
}

// offset is where a line and column stand in the text.
func (k *masker) offset(line, column int) int {
	at := k.lines[min(max(line, 1), len(k.lines))-1]
	for i := range k.text[at:] {
		if column--; column <= 0 {
			return at + i
		}
	}
	return len(k.text)
}

// apply makes the edits, from the front.
func (k *masker) apply() string {
	slices.SortFunc(k.edits, func(a, b edit) int { return a.at - b.at })
	var b strings.Builder
	last := 0
	for _, e := range k.edits {
		if e.at < last {
			continue // the same value, found from two nodes
		}
		b.WriteString(k.text[last:e.at])
		b.WriteString(e.now)
		last = e.at + len(e.old)
	}
	b.WriteString(k.text[last:])
	return b.String()
}
