package wire

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"tongqu/internal/fault"
)

// ReadJSON reads a JSON text (RFC 8259), or several that each begin on a line of
// their own (NDJSON; the root is then an array of them). It is strict: duplicate
// keys, unpaired surrogates and anything after the value are refused. The order of
// members and the digits of numbers stay as sent. A node's place is where its
// value begins.
func ReadJSON(data []byte, l Limits) (*Document, error) {
	l = l.withDefaults()
	if err := checkSize(data, l); err != nil {
		return nil, err
	}
	src, err := newSource(data, JSON)
	if err != nil {
		return nil, err
	}
	r := jsonReader{text: src.text, at: newCursor(src.text), limits: l, stop: src.stop}
	r.arena.Reserve(strings.Count(src.text, ",") + minSlab)
	root, format, err := r.document()
	if err == nil && src.stop != nil {
		err = src.stop.at(src.text, "/")
	}
	if err != nil {
		return nil, append(src.flags, fault.Of(err)...)
	}
	return &Document{Root: root, Format: format, Charset: src.charset, Faults: src.flags}, nil
}

// jsonReader builds the tree in one pass over text, which is valid UTF-8.
type jsonReader struct {
	text   string
	pos    int // the next byte to read
	at     cursor
	limits Limits
	stop   *stop

	node    *Node // the node whose value is being read
	depth   int
	nodes   int
	arena   Arena
	scratch []byte // a string with escapes replaced
}

// manyMembers is the number of members from which on duplicate keys are found
// with a map instead of by looking at each.
const manyMembers = 16

// document reads the whole text.
func (r *jsonReader) document() (*Node, Format, error) {
	r.skipBlanks()
	root, err := r.newNode(nil)
	if err != nil {
		return nil, "", err
	}
	if err := r.value(root); err != nil {
		return nil, "", err
	}
	newLine := r.skipBlanks()
	if r.pos == len(r.text) {
		return root, JSON, nil
	}
	list := r.arena.New()
	list.Kind, list.Line, list.Column = Array, 1, 1
	list.Append(root)
	for r.pos < len(r.text) {
		if !newLine {
			r.node = nil
			return nil, "", r.malformed(r.pos, "值之后还有内容", "something follows the value")
		}
		item, err := r.newNode(list)
		if err != nil {
			return nil, "", err
		}
		if err := r.value(item); err != nil {
			return nil, "", err
		}
		newLine = r.skipBlanks()
	}
	return list, NDJSON, nil
}

// newNode makes a node below parent, which it becomes part of.
func (r *jsonReader) newNode(parent *Node) (*Node, error) {
	if r.nodes++; r.nodes > r.limits.MaxNodes {
		r.node = parent
		return nil, r.fail(fault.DocumentTooManyNodes, r.pos, "", r.limits.MaxNodes)
	}
	n := r.arena.New()
	if parent != nil {
		parent.Append(n)
	}
	return n, nil
}

// skipBlanks reports whether it passed the end of a line.
func (r *jsonReader) skipBlanks() (newLine bool) {
	for ; r.pos < len(r.text); r.pos++ {
		switch r.text[r.pos] {
		case '\n':
			newLine = true
		case ' ', '\t':
		default:
			return newLine
		}
	}
	return newLine
}

// value reads the value at r.pos into n.
func (r *jsonReader) value(n *Node) error {
	r.node = n
	if r.pos == len(r.text) {
		return r.truncated()
	}
	r.at.seek(r.pos)
	n.Line, n.Column = r.at.line, r.at.column
	switch b := r.text[r.pos]; b {
	case '{', '[':
		if r.depth++; r.depth > r.limits.MaxDepth {
			return r.fail(fault.DocumentTooDeep, r.pos, "", r.limits.MaxDepth)
		}
		r.pos++
		var err error
		if b == '{' {
			err = r.members(n)
		} else {
			n.Kind = Array
			err = r.items(n)
		}
		r.depth--
		return err
	case '"':
		n.Kind = Text
		var err error
		n.Text, err = r.string()
		return err
	case 't':
		n.Kind = Bool
		return r.literal(n, "true")
	case 'f':
		n.Kind = Bool
		return r.literal(n, "false")
	case 'n':
		n.Kind = Null
		return r.literal(n, "null")
	default:
		if b == '-' || b >= '0' && b <= '9' {
			n.Kind = Number
			return r.number(n)
		}
	}
	return r.malformed(r.pos, "此处应为一个值", "a value is expected here")
}

// members reads an object behind its "{".
func (r *jsonReader) members(n *Node) error {
	var seen map[string]struct{}
	for count := 0; ; count++ {
		if done, err := r.next(n, '}', count == 0); done || err != nil {
			return err
		}
		if r.text[r.pos] != '"' {
			return r.malformed(r.pos, "此处应为键名", "a key is expected here")
		}
		at := r.pos
		key, err := r.string()
		if err != nil {
			return err
		}
		duplicate := false
		switch {
		case count < manyMembers:
			for c := n.First; c != nil && !duplicate; c = c.Next {
				duplicate = c.Name == key
			}
		case seen == nil:
			seen = make(map[string]struct{}, 4*manyMembers)
			for c := range n.Children() {
				seen[c.Name] = struct{}{}
			}
			fallthrough
		default:
			if _, duplicate = seen[key]; !duplicate {
				seen[key] = struct{}{}
			}
		}
		if duplicate {
			return r.fail(fault.JSONDuplicateKey, at, key, key)
		}
		r.skipBlanks()
		if r.pos == len(r.text) {
			return r.truncated()
		}
		if r.text[r.pos] != ':' {
			return r.malformed(r.pos, "键名之后应为 “:”", `":" must follow the key`)
		}
		r.pos++
		r.skipBlanks()
		c, err := r.newNode(n)
		if err != nil {
			return err
		}
		c.Name = key
		if err := r.value(c); err != nil {
			return err
		}
	}
}

// items reads an array behind its "[".
func (r *jsonReader) items(n *Node) error {
	for first := true; ; first = false {
		if done, err := r.next(n, ']', first); done || err != nil {
			return err
		}
		c, err := r.newNode(n)
		if err != nil {
			return err
		}
		if err := r.value(c); err != nil {
			return err
		}
	}
}

// next moves to the next member or item of n, over the comma, or behind n's end.
func (r *jsonReader) next(n *Node, end byte, first bool) (done bool, err error) {
	r.node = n
	r.skipBlanks()
	if r.pos == len(r.text) {
		return false, r.truncated()
	}
	if r.text[r.pos] == end {
		r.pos++
		return true, nil
	}
	if first {
		return false, nil
	}
	if r.text[r.pos] != ',' {
		return false, r.malformed(r.pos, "此处应为 “,” 或 “"+string(end)+"”", `"," or "`+string(end)+`" is expected here`)
	}
	r.pos++
	r.skipBlanks()
	if r.pos == len(r.text) {
		return false, r.truncated()
	}
	if r.text[r.pos] == end {
		return false, r.malformed(r.pos, "“,” 之后缺少内容", `something is missing after ","`)
	}
	return false, nil
}

// literal reads true, false or null.
func (r *jsonReader) literal(n *Node, word string) error {
	rest := r.text[r.pos:]
	switch {
	case strings.HasPrefix(rest, word):
		r.pos += len(word)
		if n.Kind == Bool {
			n.Text = word
		}
		return nil
	case strings.HasPrefix(word, rest):
		return r.truncated()
	}
	return r.malformed(r.pos, "此处应为一个值", "a value is expected here")
}

// number reads a number and keeps it as it is written.
func (r *jsonReader) number(n *Node) error {
	start := r.pos
	r.skip("-")
	if !r.skip("0") && r.digits() == 0 {
		return r.wrongNumber(start)
	}
	if r.skip(".") && r.digits() == 0 {
		return r.wrongNumber(start)
	}
	if r.skip("eE") {
		r.skip("+-")
		if r.digits() == 0 {
			return r.wrongNumber(start)
		}
	}
	n.Text = r.text[start:r.pos]
	return nil
}

// skip passes one byte if it is one of set.
func (r *jsonReader) skip(set string) bool {
	if r.pos < len(r.text) && strings.IndexByte(set, r.text[r.pos]) >= 0 {
		r.pos++
		return true
	}
	return false
}

func (r *jsonReader) digits() (count int) {
	for r.pos < len(r.text) && r.text[r.pos] >= '0' && r.text[r.pos] <= '9' {
		r.pos++
		count++
	}
	return count
}

func (r *jsonReader) wrongNumber(start int) error {
	if r.pos == len(r.text) {
		return r.truncated()
	}
	return r.malformed(start, "数字格式有误", "a number is wrong")
}

// string reads the string whose opening quote is at r.pos.
func (r *jsonReader) string() (string, error) {
	text, from := r.text, r.pos+1
	r.scratch = r.scratch[:0]
	for i := from; i < len(text); {
		switch b := text[i]; {
		case b == '"':
			r.pos = i + 1
			if len(r.scratch) == 0 {
				return text[from:i], nil
			}
			return string(append(r.scratch, text[from:i]...)), nil
		case b == '\\':
			r.scratch = append(r.scratch, text[from:i]...)
			end, err := r.escape(i)
			if err != nil {
				return "", err
			}
			i, from = end, end
		case b < 0x20:
			s := codePoint(rune(b))
			return "", r.malformed(i, "字符串中不允许的字符 "+s, "character "+s+" is not allowed in a string")
		default:
			i++
		}
	}
	return "", r.truncated()
}

// escape appends what the escape sequence at offset i stands for to scratch and
// returns the offset behind it.
func (r *jsonReader) escape(i int) (end int, err error) {
	if i+1 == len(r.text) {
		return 0, r.truncated()
	}
	b := r.text[i+1]
	switch b {
	case '"', '\\', '/':
	case 'b':
		b = '\b'
	case 'f':
		b = '\f'
	case 'n':
		b = '\n'
	case 'r':
		b = '\r'
	case 't':
		b = '\t'
	case 'u':
		return r.unicodeEscape(i)
	default:
		return 0, r.malformed(i, "转义序列有误", "an escape sequence is wrong")
	}
	r.scratch = append(r.scratch, b)
	return i + 2, nil
}

// unicodeEscape is escape for \uXXXX and for the surrogate pair \uXXXX\uXXXX.
func (r *jsonReader) unicodeEscape(i int) (end int, err error) {
	c, err := r.unit(i)
	if err != nil {
		return 0, err
	}
	end = i + 6
	if utf16.IsSurrogate(c) {
		rest := r.text[end:]
		if c < 0xDC00 && (rest == "" || rest == `\`) {
			return 0, r.truncated() // the other half is cut off
		}
		low := rune(0)
		if strings.HasPrefix(rest, `\u`) {
			if low, err = r.unit(end); err != nil {
				return 0, err
			}
		}
		if c = utf16.DecodeRune(c, low); c == utf8.RuneError {
			return 0, r.malformed(i, "代理对不完整", "a surrogate stands alone")
		}
		end += 6
	}
	r.scratch = utf8.AppendRune(r.scratch, c)
	return end, nil
}

// unit reads the code unit of the \uXXXX at offset i.
func (r *jsonReader) unit(i int) (rune, error) {
	digits := r.text[i+2 : min(i+6, len(r.text))]
	c := rune(0)
	for _, d := range []byte(digits) {
		v, err := strconv.ParseUint(string(d), 16, 8)
		if err != nil {
			return 0, r.malformed(i, "转义序列有误", "an escape sequence is wrong")
		}
		c = c<<4 | rune(v)
	}
	if len(digits) < 4 {
		return 0, r.truncated()
	}
	return c, nil
}

// fail makes a fault at offset, in the node that is being read.
func (r *jsonReader) fail(code fault.Code, offset int, value string, args ...any) error {
	path := "/"
	if r.node != nil {
		path = r.node.Path()
	}
	line, column := lineColumn(r.text, offset)
	return fault.New(code, fault.Place{Path: path, Line: line, Column: column}, value, args...)
}

// malformed shows the character at offset as the value.
func (r *jsonReader) malformed(offset int, zh, en string) error {
	value := ""
	if c, size := utf8.DecodeRuneInString(r.text[offset:]); size > 0 {
		value = string(c)
	}
	return r.fail(fault.JSONNotWellFormed, offset, value, zh, en)
}

// truncated says that the document ends too early; or, where only the readable
// text ends, why it does.
func (r *jsonReader) truncated() error {
	if r.stop != nil && !r.stop.cut {
		return r.stop.at(r.text, r.node.Path())
	}
	return r.fail(fault.JSONTruncated, len(r.text), "")
}
