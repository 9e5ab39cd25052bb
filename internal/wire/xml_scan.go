package wire

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"tongqu/internal/fault"
)

// qname is a name as written and where its local part begins.
type qname struct {
	text  string
	colon int // index of the colon; -1 without a prefix
}

func (n qname) local() string { return n.text[n.colon+1:] }

func (n qname) prefix() string {
	if n.colon < 0 {
		return ""
	}
	return n.text[:n.colon]
}

// declares reports whether an attribute of that name declares a namespace, and
// for which prefix.
func (n qname) declares() (prefix string, ok bool) {
	if n.colon < 0 {
		return "", n.text == "xmlns"
	}
	return n.local(), n.prefix() == "xmlns"
}

// name reads a name (Namespaces in XML 1.0 §4 QName). within is the markup it stands
// in, an element's name for its start tag, and start where that begins.
func (r *xmlReader) name(within string, start int) (qname, error) {
	text, begin := r.text, r.pos
	colon, part := -1, begin
	i := begin
	for ; i < len(text); i++ {
		b := text[i]
		if xmlClass[b]&namePart != 0 && b < utf8.RuneSelf {
			if i > part || xmlClass[b]&nameStart != 0 {
				continue
			}
			break
		}
		if b == ':' && colon < 0 && i > part {
			colon, part = i-begin, i+1
			continue
		}
		if b < utf8.RuneSelf {
			break
		}
		c, size := utf8.DecodeRuneInString(text[i:])
		if !isNamePart(c) || i == part && !isNameStart(c) {
			break
		}
		i += size - 1
	}
	r.pos = i
	if i == len(text) {
		if within == "</" {
			return qname{}, r.truncatedElement()
		}
		if within == "<" {
			within += text[begin:]
		}
		return qname{}, r.truncatedIn(within, start)
	}
	if i == part || text[i] == ':' {
		return qname{}, r.malformed(begin, text[begin:i], "名称有误", "a name is wrong")
	}
	return qname{text[begin:i], colon}, nil
}

func (r *xmlReader) skipBlanks() {
	for r.pos < len(r.text) && xmlClass[r.text[r.pos]]&blankSpace != 0 {
		r.pos++
	}
}

// attributeValue reads = and a quoted value; offset is where the value begins.
func (r *xmlReader) attributeValue(within string, start int) (value string, offset int, err error) {
	r.skipBlanks()
	if r.pos == len(r.text) {
		return "", 0, r.truncatedIn(within, start)
	}
	if r.text[r.pos] != '=' {
		return "", 0, r.malformed(r.pos, "", "属性名之后应为 “=”", `"=" must follow the name of an attribute`)
	}
	r.pos++
	r.skipBlanks()
	if r.pos == len(r.text) {
		return "", 0, r.truncatedIn(within, start)
	}
	quote := r.text[r.pos]
	if quote != '"' && quote != '\'' {
		return "", 0, r.malformed(r.pos, "", "属性值应有引号", "the value of an attribute must be quoted")
	}
	r.pos++
	offset = r.pos
	from := r.pos
	r.scratch = r.scratch[:0]
	for i := r.pos; i < len(r.text); {
		switch b := r.text[i]; b {
		case quote:
			value = r.text[from:i]
			if len(r.scratch) > 0 {
				value = string(append(r.scratch, value...))
			}
			r.pos = i + 1
			return value, offset, nil
		case '<':
			return "", 0, r.malformed(i, "<", "属性值中不允许 “<”", `"<" is not allowed in the value of an attribute`)
		case '\t', '\n': // XML 1.0 §3.3.3
			r.scratch = append(append(r.scratch, r.text[from:i]...), ' ')
			i++
			from = i
		case '&':
			r.scratch = append(r.scratch, r.text[from:i]...)
			end, err := r.reference(i)
			if err != nil {
				return "", 0, err
			}
			if end == 0 {
				return "", 0, r.truncatedIn(within, start)
			}
			i, from = end, end
		default:
			i++
		}
	}
	return "", 0, r.truncatedIn(within, start)
}

// characters reads text up to the next markup.
func (r *xmlReader) characters() error {
	text, from := r.text, r.pos
	i := from
	if len(r.open) == 0 {
		r.skipBlanks()
		if r.pos == len(text) || text[r.pos] == '<' {
			return nil
		}
		if r.root != nil {
			return r.malformed(r.pos, "", "根元素之后还有内容", "something follows the root element")
		}
		return r.malformed(r.pos, "", "根元素之前有内容", "something stands before the root element")
	}
	e := r.top()
	r.scratch = r.scratch[:0]
	for {
		for i < len(text) && xmlClass[text[i]]&markup == 0 {
			i++
		}
		if i == len(text) {
			r.pos = i
			return nil // truncated: document says so
		}
		switch text[i] {
		case '<':
			piece := text[from:i]
			if len(r.scratch) > 0 {
				piece = string(append(r.scratch, piece...))
			}
			e.add(piece)
			r.pos = i
			return nil
		case '&':
			r.scratch = append(r.scratch, text[from:i]...)
			end, err := r.reference(i)
			if err != nil {
				return err
			}
			if end == 0 {
				return r.truncatedElement()
			}
			i, from = end, end
		default:
			if strings.HasPrefix(text[i:], "]]>") {
				return r.malformed(i, "]]>", "文本中不允许 “]]>”", `"]]>" is not allowed in text`)
			}
			i++
		}
	}
}

// reference appends what the reference at offset i stands for to scratch and
// returns the offset behind it, 0 when the document ends within.
func (r *xmlReader) reference(i int) (end int, err error) {
	rest := r.text[i+1:]
	semicolon := strings.IndexByte(rest[:min(len(rest), 64)], ';')
	if semicolon < 0 {
		if len(rest) < 64 && !strings.ContainsAny(rest, "<>&\"' \t\n") {
			return 0, nil
		}
		return 0, r.malformed(i, "&", "“&” 应写作 “&amp;”", `"&" must be written "&amp;"`)
	}
	name := rest[:semicolon]
	end = i + 1 + semicolon + 1
	switch name {
	case "lt":
		r.scratch = append(r.scratch, '<')
		return end, nil
	case "gt":
		r.scratch = append(r.scratch, '>')
		return end, nil
	case "amp":
		r.scratch = append(r.scratch, '&')
		return end, nil
	case "apos":
		r.scratch = append(r.scratch, '\'')
		return end, nil
	case "quot":
		r.scratch = append(r.scratch, '"')
		return end, nil
	}
	value := r.text[i:end]
	if number, ok := strings.CutPrefix(name, "#"); ok {
		c, ok := characterNumber(number)
		if !ok {
			return 0, r.malformed(i, value, "字符引用 "+value+" 有误", "character reference "+value+" is wrong")
		}
		r.scratch = utf8.AppendRune(r.scratch, c)
		return end, nil
	}
	if !isNCName(name) {
		return 0, r.malformed(i, "&", "“&” 应写作 “&amp;”", `"&" must be written "&amp;"`)
	}
	return 0, r.fail(fault.XMLEntity, i, value, value)
}

// characterNumber reads the number of a character reference: 20013 or x4E2D.
func characterNumber(s string) (rune, bool) {
	base := 10
	if hex, ok := strings.CutPrefix(s, "x"); ok {
		s, base = hex, 16
	}
	if s == "" || s[0] == '+' || s[0] == '-' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, base, 32)
	return rune(n), err == nil && isXMLChar(rune(n))
}

// declarationMarkup reads what begins with "<!": a comment or a CDATA section.
func (r *xmlReader) declarationMarkup() error {
	start := r.pos
	rest := r.text[start:]
	const comment, cdata, doctype = "<!--", "<![CDATA[", "<!DOCTYPE"
	switch {
	case strings.HasPrefix(rest, comment):
		body := rest[len(comment):]
		end := strings.Index(body, "--")
		if end < 0 || end+2 == len(body) {
			return r.truncated(comment, start)
		}
		if body[end+2] != '>' {
			return r.malformed(start+len(comment)+end, "--", "注释中不允许 “--”", `"--" is not allowed in a comment`)
		}
		r.pos += len(comment) + end + len("-->")
		return nil
	case strings.HasPrefix(rest, cdata) && len(r.open) > 0:
		body := rest[len(cdata):]
		end := strings.Index(body, "]]>")
		if end < 0 {
			return r.truncated(cdata, start)
		}
		r.top().add(body[:end])
		r.pos += len(cdata) + end + len("]]>")
		return nil
	case strings.HasPrefix(rest, doctype):
		return r.fail(fault.XMLDoctype, start, "")
	case strings.HasPrefix(comment, rest), strings.HasPrefix(cdata, rest), strings.HasPrefix(doctype, rest):
		return r.truncated(rest, start)
	}
	return r.malformed(start, "<!", "“<!” 之后有误", `what follows "<!" is wrong`)
}

// instruction skips a processing instruction.
func (r *xmlReader) instruction() error {
	start := r.pos
	r.pos += len("<?")
	name, err := r.name("<", start)
	if err != nil {
		return err
	}
	if strings.EqualFold(name.text, "xml") {
		return r.malformed(start, "<?xml", "XML 声明只能位于报文开头", "an XML declaration may only stand at the very beginning")
	}
	rest := r.text[r.pos:]
	end := strings.Index(rest, "?>")
	switch {
	case end < 0:
		return r.truncated("<?"+name.text, start)
	case name.colon >= 0, end > 0 && xmlClass[rest[0]]&blankSpace == 0:
		return r.malformed(start, name.text, "处理指令有误", "a processing instruction is wrong")
	}
	r.pos += end + len("?>")
	return nil
}

// path is the agency path of the element that is being read.
func (r *xmlReader) path() string {
	if r.node == nil {
		return "/"
	}
	return r.node.Path()
}

// fail makes a fault at offset.
func (r *xmlReader) fail(code fault.Code, offset int, value string, args ...any) error {
	line, column := lineColumn(r.text, offset)
	return fault.New(code, fault.Place{Path: r.path(), Line: line, Column: column}, value, args...)
}

func (r *xmlReader) malformed(offset int, value, zh, en string) error {
	return r.fail(fault.XMLNotWellFormed, offset, value, zh, en)
}

// truncated says that the document ends inside the markup what, which begins at
// start; or, where only the readable text ends, why it does.
func (r *xmlReader) truncated(what string, start int) error {
	if r.stop != nil && !r.stop.cut {
		return r.stop.at(r.text, r.path())
	}
	line, column := lineColumn(r.text, start)
	return r.fail(fault.XMLTruncated, len(r.text), what, what, line, column)
}

// truncatedIn is truncated for markup as name and attributeValue know it.
func (r *xmlReader) truncatedIn(within string, start int) error {
	if !strings.HasPrefix(within, "<") {
		within = "<" + within + ">"
	}
	return r.truncated(within, start)
}

func (r *xmlReader) truncatedElement() error {
	e := r.top()
	return r.truncated("<"+e.name+">", e.start)
}
