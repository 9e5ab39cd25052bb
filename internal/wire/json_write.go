package wire

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// AppendJSON appends n and what is below it as compact JSON, members in tree
// order, and returns the extended buffer. A number is written with its own
// digits. Names of an object's children must differ, as those of a JSON document
// and of a canonical record do. In an XML tree an attribute is "@name" and the
// text of an element that has more than text is "#text".
func AppendJSON(dst []byte, n *Node) []byte {
	switch n.Kind {
	case Text:
		return appendString(dst, "", n.Text)
	case Number, Bool:
		return append(dst, n.Text...)
	case Null:
		return append(dst, "null"...)
	case Array:
		dst = append(dst, '[')
		for c := n.First; c != nil; c = c.Next {
			if c != n.First {
				dst = append(dst, ',')
			}
			dst = AppendJSON(dst, c)
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	for c := n.First; c != nil; c = c.Next {
		if c != n.First {
			dst = append(dst, ',')
		}
		mark := ""
		if c.Attr {
			mark = "@"
		}
		dst = append(appendString(dst, mark, c.Name), ':')
		dst = AppendJSON(dst, c)
	}
	if n.Text != "" {
		if n.First != nil {
			dst = append(dst, ',')
		}
		dst = append(dst, `"#text":`...)
		dst = appendString(dst, "", n.Text)
	}
	return append(dst, '}')
}

// WriteJSON returns n as JSON for people, one member a line, each level indented
// by one more indent; an empty indent gives compact JSON.
func WriteJSON(n *Node, indent string) []byte {
	compact := AppendJSON(nil, n)
	if indent == "" {
		return compact
	}
	var b bytes.Buffer
	if err := json.Indent(&b, compact, "", indent); err != nil {
		return compact // only a Number whose Text is no number can come to this
	}
	return b.Bytes()
}

// plainJSON says which bytes stand in a JSON string as they are.
var plainJSON = func() (plain [256]bool) {
	for b := 0x20; b < utf8.RuneSelf; b++ {
		plain[b] = b != '"' && b != '\\'
	}
	return plain
}()

// appendString appends mark+s as a JSON string, escaped as encoding/json does
// without HTML escaping.
func appendString(dst []byte, mark, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	dst = append(dst, mark...)
	from := 0
	for i := 0; i < len(s); {
		b := s[i]
		if plainJSON[b] {
			i++
			continue
		}
		if b < utf8.RuneSelf {
			dst = append(dst, s[from:i]...)
			switch b {
			case '"', '\\':
				dst = append(dst, '\\', b)
			case '\b':
				dst = append(dst, '\\', 'b')
			case '\f':
				dst = append(dst, '\\', 'f')
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&0xF])
			}
			i++
			from = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(append(dst, s[from:i]...), `\ufffd`...)
			from = i + size
		case r == '\u2028' || r == '\u2029': // line ends to JavaScript
			dst = append(append(dst, s[from:i]...), '\\', 'u', '2', '0', '2', hex[r&0xF])
			from = i + size
		}
		i += size
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
