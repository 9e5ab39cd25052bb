package wire

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"

	"tongqu/internal/fault"
)

// The charsets, as Document.Charset and XMLStyle.Charset name them.
const (
	UTF8    = "UTF-8"
	UTF16LE = "UTF-16LE"
	UTF16BE = "UTF-16BE"
	GB2312  = "GB2312"
	GBK     = "GBK"
	GB18030 = "GB18030"

	utf16Any = "UTF-16" // declared so: the bytes say which
)

// labels maps what agencies write in encoding="…", in lower case, to a charset.
var labels = map[string]string{
	"utf-8": UTF8, "utf8": UTF8, "us-ascii": UTF8, "ascii": UTF8,
	"utf-16": utf16Any, "utf-16le": UTF16LE, "utf-16be": UTF16BE, "unicode": utf16Any, "ucs-2": utf16Any,
	"gb2312": GB2312, "gb_2312-80": GB2312, "csgb2312": GB2312, "euc-cn": GB2312,
	"gbk": GBK, "x-gbk": GBK, "cp936": GBK, "ms936": GBK, "windows-936": GBK,
	"gb18030": GB18030, "gb18030-2000": GB18030, "gb18030-2005": GB18030, "gb18030-2022": GB18030,
}

// source is a document's text in UTF-8 with LF line ends: the form in which it
// is scanned. Lines and columns are those of the document as sent, because a
// charset changes no character and a line end is one line end in every form.
type source struct {
	text     string
	charset  string // what the bytes are
	declared string // the label as sent; "" when there is none
	flags    fault.List
	stop     *stop // nil when text is the whole document
}

// stop says why a source's text ends before its document does.
type stop struct {
	code  fault.Code
	value string
	args  []any
	// cut: the document ends in the middle of a character, as one that was cut does.
	cut bool
}

// at makes the fault for s, found in the element or member of that path.
func (s *stop) at(text, path string) error {
	line, column := lineColumn(text, len(text))
	return fault.List{fault.New(s.code, fault.Place{Path: path, Line: line, Column: column}, s.value, s.args...)}
}

// newSource decodes data, which it does not keep. A document whose bytes are
// plainly in another charset than declared is read in the one it is in, with a
// CHARSET_MISMATCH flag. The error is a CHARSET_UNKNOWN fault.
func newSource(data []byte, format Format) (source, error) {
	var src source
	var bits uint8
	bom := false
	wide := charsetOfUTF16(data)
	switch wide {
	case UTF16LE, UTF16BE:
		bits = src.fromUTF16(data, wide)
	case "":
		data, bom = bytes.CutPrefix(data, []byte("\xEF\xBB\xBF"))
		src.text = string(data)
		bits = survey(data)
	default:
		return src, unknownCharset(wide, fault.Place{Path: "/", Line: 1, Column: 1})
	}
	declared, at := UTF8, fault.Place{Path: "/", Line: 1, Column: 1}
	if format == XML {
		if label, offset := declaredLabel(src.text); label != "" {
			src.declared = label
			at.Line, at.Column = lineColumn(src.text, offset)
			if declared = labels[strings.ToLower(label)]; declared == "" {
				return src, unknownCharset(label, at)
			}
		}
	}
	if wide != "" {
		if src.declared != "" && declared != src.charset && declared != utf16Any {
			src.mismatch(src.declared, at)
		}
	} else {
		if src.charset = declared; strings.HasPrefix(declared, utf16Any) {
			src.charset = UTF8 // bytes that are not UTF-16, whatever they say
		}
		if bits&notASCII != 0 {
			src.decode(data, bom)
		}
		if src.charset != declared && format != CSV { // a table declares nothing
			src.mismatch(cmp.Or(src.declared, UTF8), at)
		}
	}
	if bits&carriageReturn != 0 {
		src.text = normalizeLines(src.text)
	}
	if format == XML && (bits&control != 0 || bits&notASCII != 0 && hasNonCharacter(src.text)) {
		src.stopAtIllegal()
	}
	return src, nil
}

// mismatch flags that the document says it is in another charset.
func (src *source) mismatch(declared string, at fault.Place) {
	src.flags = fault.List{fault.New(fault.CharsetMismatch, at, declared, declared, src.charset).Flagged()}
}

func unknownCharset(label string, at fault.Place) error {
	return fault.List{fault.New(fault.CharsetUnknown, at, label, label)}
}

// decode finds the charset of an 8-bit document that is not plain ASCII, given the
// one declared in src.charset, and sets src.text if it is not UTF-8.
func (src *source) decode(data []byte, bom bool) {
	valid := utf8.Valid(data)
	if src.charset == UTF8 {
		if valid {
			return
		}
		bad, cut := firstInvalidUTF8(data)
		if !cut && !bom && !mostlyUTF8(data) {
			if text, _, _, err := decodeGB18030(data); err == nil {
				src.text, src.charset = text, GB18030
				return
			}
		}
		src.invalid(string(data[:bad]), data[bad:], cut)
		return
	}
	// A GB charset is declared. Bytes that make valid UTF-8 with characters of
	// three bytes, as Chinese has, are UTF-8; valid sequences of two bytes occur
	// in GB text by chance (毛 is C3 AB), so there the declaration counts.
	if valid && (bom || bytes.ContainsFunc(data, func(r rune) bool { return r >= 0x800 })) {
		src.charset = UTF8
		return
	}
	text, bad, cut, err := decodeGB18030(data)
	if err != nil {
		src.invalid(text, data[bad:], cut)
		return
	}
	src.text = text
}

// invalid ends the text before rest, whose first byte is not valid.
func (src *source) invalid(text string, rest []byte, cut bool) {
	src.text = text
	src.stop = &stop{
		code: fault.CharsetInvalid, cut: cut,
		value: "0x" + strings.ToUpper(hex.EncodeToString(rest[:1])), args: []any{src.charset},
	}
}

// charsetOfUTF16 tells by the byte order mark, or by a zero beside the first
// character, whether data are UTF-16 (or UTF-32); "" for all other charsets.
func charsetOfUTF16(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\xFF\xFE\x00\x00")), bytes.HasPrefix(data, []byte("\x00\x00\xFE\xFF")):
		return "UTF-32"
	case bytes.HasPrefix(data, []byte("\xFF\xFE")), len(data) > 1 && data[0] != 0 && data[1] == 0:
		return UTF16LE
	case bytes.HasPrefix(data, []byte("\xFE\xFF")), len(data) > 1 && data[0] == 0 && data[1] != 0:
		return UTF16BE
	}
	return ""
}

// fromUTF16 fills src from UTF-16 and returns the survey of its text.
func (src *source) fromUTF16(data []byte, charset string) (bits uint8) {
	src.charset = charset
	unit := func(i int) rune {
		if charset == UTF16LE {
			return rune(binary.LittleEndian.Uint16(data[i:]))
		}
		return rune(binary.BigEndian.Uint16(data[i:]))
	}
	text := make([]byte, 0, len(data))
	for i := 0; i < len(data); i += 2 {
		if i+1 == len(data) {
			src.invalid(string(text), data[i:], true)
			return survey(text)
		}
		r := unit(i)
		if utf16.IsSurrogate(r) {
			second := rune(0)
			if i+4 <= len(data) {
				second = unit(i + 2)
			}
			if r = utf16.DecodeRune(r, second); r == utf8.RuneError {
				src.invalid(string(text), data[i:], i+4 > len(data))
				return survey(text)
			}
			i += 2
		}
		if i > 0 || r != '\uFEFF' {
			text = utf8.AppendRune(text, r)
		}
	}
	src.text = string(text)
	return survey(text)
}

// firstInvalidUTF8 returns the offset of the first byte that is not valid; cut
// says that it begins a character which only the end of data keeps from being whole.
func firstInvalidUTF8(data []byte) (offset int, cut bool) {
	for offset < len(data) {
		r, size := utf8.DecodeRune(data[offset:])
		if r == utf8.RuneError && size <= 1 {
			return offset, !utf8.FullRune(data[offset:])
		}
		offset += size
	}
	return offset, false
}

// mostlyUTF8 reports whether more of the bytes above ASCII make UTF-8 characters
// than not: then data is damaged UTF-8 rather than text of another charset, which
// a GB decoder would happily turn into wrong characters.
func mostlyUTF8(data []byte) bool {
	good, bad := 0, 0
	for len(data) > 0 {
		_, size := utf8.DecodeRune(data)
		switch {
		case size > 1:
			good += size
		case data[0] >= utf8.RuneSelf:
			bad++
		}
		data = data[size:]
	}
	return good > bad
}

var errNotGB18030 = errors.New("not GB18030")

// decodeGB18030 decodes GB18030 and the charsets it contains, GBK and GB2312. On
// errNotGB18030 it returns the text before the first invalid byte, that byte's
// offset, and whether a cut-off character is all that is wrong.
func decodeGB18030(data []byte) (text string, bad int, cut bool, err error) {
	for bad < len(data) {
		size := 1
		if data[bad] >= utf8.RuneSelf {
			size, cut = gbCharacter(data[bad:])
		}
		if size == 0 {
			err = errNotGB18030
			break
		}
		bad += size
	}
	data = data[:bad]
	decoded := make([]byte, bad+bad/2+utf8.UTFMax)
	dec := simplifiedchinese.GB18030.NewDecoder()
	for n, read := 0, 0; ; {
		written, r, err := dec.Transform(decoded[n:], data[read:], true)
		n, read = n+written, read+r
		if !errors.Is(err, transform.ErrShortDst) {
			text = string(decoded[:n])
			break
		}
		longer := make([]byte, 2*len(decoded))
		copy(longer, decoded[:n])
		decoded = longer
	}
	if !strings.ContainsRune(text, utf8.RuneError) {
		return text, bad, cut, err
	}
	// The decoder writes U+FFFD for codes that stand for nothing, but U+FFFD may
	// also have been sent.
	i := 0
	for j, r := range text {
		if r == utf8.RuneError && !bytes.HasPrefix(data[i:], []byte("\x84\x31\xA4\x37")) {
			return text[:j], i, false, errNotGB18030
		}
		size, _ := gbCharacter(data[i:])
		i += size
	}
	return text, bad, cut, err
}

// gbCharacter returns the number of bytes of the character that data begin with
// (GB 18030 §5), 0 when they begin with none; cut says that only the end of data
// keeps it from being whole.
func gbCharacter(data []byte) (size int, cut bool) {
	digit := func(b byte) bool { return b >= '0' && b <= '9' }
	switch {
	case data[0] <= 0x80: // 80 is the euro sign of code page 936
		return 1, false
	case data[0] == 0xFF:
		return 0, false
	case len(data) == 1:
		return 0, true
	case data[1] >= 0x40 && data[1] != 0x7F && data[1] != 0xFF:
		return 2, false
	case !digit(data[1]), len(data) > 2 && (data[2] <= 0x80 || data[2] == 0xFF), len(data) > 3 && !digit(data[3]):
		return 0, false
	case len(data) < 4:
		return 0, true
	}
	return 4, false
}

// declaredLabel returns the charset label of an XML declaration and its offset,
// or "". It is lenient: the reader checks the declaration's grammar later.
func declaredLabel(text string) (label string, offset int) {
	if !strings.HasPrefix(text, "<?xml") {
		return "", 0
	}
	end := strings.Index(text[:min(len(text), 512)], "?>")
	if end < 0 {
		return "", 0
	}
	at := strings.Index(text[:end], "encoding")
	if at < 0 {
		return "", 0
	}
	at += len("encoding")
	value := strings.TrimLeft(text[at:end], " \t\r\n=")
	at = end - len(value)
	if value == "" || value[0] != '"' && value[0] != '\'' {
		return "", 0
	}
	label, _, closed := strings.Cut(value[1:], value[:1])
	if !closed {
		return "", 0
	}
	return label, at + 1
}

// What survey finds in a text.
const (
	notASCII       = 1 << iota
	carriageReturn // a CR
	control        // a control character that XML 1.0 does not allow
)

// byteClass gives the survey bits of the bytes below blank.
var byteClass = func() (c [256]uint8) {
	for b := range 0x20 {
		c[b] = control
	}
	c['\t'], c['\n'], c['\r'] = 0, 0, carriageReturn
	return c
}()

// survey looks at every byte of a text, in a charset that contains ASCII, and
// tells what is to be reckoned with.
func survey(data []byte) (bits uint8) {
	const blanks, tops = 0x2020202020202020, 0x8080808080808080
	all := uint64(0)
	for len(data) >= 8 {
		w := binary.LittleEndian.Uint64(data)
		all |= w
		if (w-blanks)&^w&tops != 0 { // one of the eight bytes is below blank
			for _, b := range data[:8] {
				bits |= byteClass[b]
			}
		}
		data = data[8:]
	}
	for _, b := range data {
		all |= uint64(b)
		bits |= byteClass[b]
	}
	if all&tops != 0 {
		bits |= notASCII
	}
	return bits
}

// hasNonCharacter reports whether text holds U+FFFE or U+FFFF.
func hasNonCharacter(text string) bool {
	return strings.Contains(text, "\uFFFE") || strings.Contains(text, "\uFFFF")
}

// stopAtIllegal ends the text before its first character that XML 1.0 §2.2 does
// not allow.
func (src *source) stopAtIllegal() {
	for i, r := range src.text {
		if !isXMLChar(r) {
			s := codePoint(r)
			src.stop = &stop{
				code: fault.XMLNotWellFormed, value: s,
				args: []any{"不允许的字符 " + s, "character " + s + " is not allowed"},
			}
			src.text = src.text[:i]
			return
		}
	}
}

// normalizeLines turns CR LF and lone CR into LF (XML 1.0 §2.11).
func normalizeLines(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for {
		i := strings.IndexByte(text, '\r')
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i])
		b.WriteByte('\n')
		if text = text[i+1:]; strings.HasPrefix(text, "\n") {
			text = text[1:]
		}
	}
}
