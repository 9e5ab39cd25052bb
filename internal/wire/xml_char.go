package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// What a byte may be in XML; every byte of a character above ASCII counts as a
// letter here and is looked at more closely where it stands in a name.
const (
	nameStart  = 1 << iota // may begin a name
	namePart               // may stand in a name
	markup                 // ends a run of plain text: < & ]
	blankSpace             // XML 1.0 §2.3 S; CR is gone (normalizeLines)
)

var xmlClass = func() (c [256]uint8) {
	for b := range 256 {
		switch r := rune(b); {
		case r >= utf8.RuneSelf, r == '_', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			c[b] = nameStart | namePart
		case r == '-', r == '.', '0' <= r && r <= '9':
			c[b] = namePart
		case r == '<', r == '&', r == ']':
			c[b] = markup
		case r == ' ', r == '\t', r == '\n', r == '\r':
			c[b] = blankSpace
		}
	}
	return c
}()

// isXMLChar reports whether XML 1.0 §2.2 allows r.
func isXMLChar(r rune) bool {
	return r >= 0x20 && r <= 0xD7FF || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}

// isNameStart and isNamePart are XML 1.0 (fifth edition) §2.3 NameStartChar and
// NameChar without the colon, which Namespaces in XML keeps for prefixes.
func isNameStart(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 0 && xmlClass[r]&nameStart != 0
	}
	return r >= 0xC0 && r <= 0x2FF && r != 0xD7 && r != 0xF7 ||
		r >= 0x370 && r <= 0x1FFF && r != 0x37E ||
		r == 0x200C || r == 0x200D || r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF ||
		r >= 0x3001 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF || r >= 0xFDF0 && r <= 0xFFFD ||
		r >= 0x10000 && r <= 0xEFFFF
}

func isNamePart(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 0 && xmlClass[r]&namePart != 0
	}
	return isNameStart(r) || r == 0xB7 || r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040
}

// isNCName reports whether s is a name without a colon.
func isNCName(s string) bool {
	for i, r := range s {
		if i == 0 && !isNameStart(r) || !isNamePart(r) {
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}

// isBlank reports whether s holds nothing but XML white space.
func isBlank(s string) bool {
	for i := range len(s) {
		if xmlClass[s[i]]&blankSpace == 0 {
			return false
		}
	}
	return true
}

// trimBlanks cuts XML white space off both ends of s.
func trimBlanks(s string) string { return strings.Trim(s, " \t\r\n") }

// codePoint writes r as U+4E2D.
func codePoint(r rune) string { return fmt.Sprintf("U+%04X", r) }
