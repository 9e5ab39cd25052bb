package schema

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The character classes of XML Schema that package regexp writes differently
// (XML Schema 1.0 Part 2, appendix F.1.1), as the inside of a bracket.
var xsdClasses = map[byte]string{
	'd': `\p{Nd}`,
	's': ` \t\n\r`,
	'w': `\p{L}\p{M}\p{N}\p{S}`,
	'i': `:_\p{L}`,
	'c': `-.:_\p{L}\p{Nd}\p{M}·`,
}

// notXSDClasses are their complements where they have no simple form.
var notXSDClasses = map[byte]string{
	'D': `\P{Nd}`,
	'S': `^ \t\n\r`,
	'W': `\p{P}\p{Z}\p{C}`,
	'I': `^:_\p{L}`,
	'C': `^-.:_\p{L}\p{Nd}\p{M}·`,
}

// translateRegexp turns a regular expression of XML Schema into one of package
// regexp, without anchors. Class subtraction and Unicode blocks are refused.
func translateRegexp(source string) (string, error) {
	var b strings.Builder
	inClass := false
	for i := 0; i < len(source); i++ {
		c := source[i]
		switch {
		case c == '\\':
			i++
			if i == len(source) {
				return "", errors.New("ends with a backslash")
			}
			if err := writeEscape(&b, source[i:], inClass); err != nil {
				return "", err
			}
			if (source[i] == 'p' || source[i] == 'P') && strings.HasPrefix(source[i+1:], "{") {
				i += strings.IndexByte(source[i:], '}')
			}
		case inClass && c == '[':
			return "", errors.New("class subtraction is not supported")
		case inClass:
			inClass = c != ']'
			b.WriteByte(c)
		case c == '[':
			inClass = true
			b.WriteByte(c)
			if strings.HasPrefix(source[i+1:], "^") {
				i++
				b.WriteByte('^')
			}
		case c == '.':
			b.WriteString(`[^\n\r]`)
		case c == '^' || c == '$': // plain characters in XML Schema
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '(':
			b.WriteString("(?:")
		default:
			b.WriteByte(c)
		}
	}
	if _, err := regexp.Compile(b.String()); err != nil {
		return "", fmt.Errorf("translating to %s: %w", b.String(), err)
	}
	return b.String(), nil
}

// writeEscape writes the escape whose letter rest begins with.
func writeEscape(b *strings.Builder, rest string, inClass bool) error {
	c := rest[0]
	if class, ok := xsdClasses[c]; ok {
		writeClass(b, class, inClass)
		return nil
	}
	if class, ok := notXSDClasses[c]; ok {
		if inClass && class[0] == '^' {
			return fmt.Errorf(`\%c inside brackets is not supported`, c)
		}
		writeClass(b, class, inClass)
		return nil
	}
	switch c {
	case 'p', 'P':
		end := strings.IndexByte(rest, '}')
		if len(rest) < 2 || rest[1] != '{' || end < 0 {
			return fmt.Errorf(`\%c must be followed by {NAME}`, c)
		}
		if strings.HasPrefix(rest[2:], "Is") {
			return fmt.Errorf("the Unicode block %s is not supported", rest[2:end])
		}
		b.WriteString(`\` + rest[:end+1])
	case 'n', 'r', 't':
		b.WriteString(`\` + string(c))
	case '\\', '|', '.', '-', '^', '?', '*', '+', '{', '}', '(', ')', '[', ']', '$':
		b.WriteByte('\\')
		b.WriteByte(c)
	default:
		return fmt.Errorf(`unknown escape \%c`, c)
	}
	return nil
}

func writeClass(b *strings.Builder, class string, inClass bool) {
	if inClass {
		// A hyphen that opens a class must not make a range inside another one.
		b.WriteString(strings.Replace(class, "-", `\-`, 1))
		return
	}
	if strings.HasSuffix(class, "}") && strings.Count(class, `\`) == 1 && class[0] == '\\' {
		b.WriteString(class)
		return
	}
	b.WriteString("[" + class + "]")
}

// anchored makes one whole-value expression of alternatives.
func anchored(alternatives []string) string {
	if len(alternatives) == 1 && !strings.Contains(alternatives[0], "|") {
		return "^" + alternatives[0] + "$"
	}
	return "^(?:" + strings.Join(alternatives, "|") + ")$"
}

// unanchored is a whole-value expression as a part of another.
func unanchored(pattern string) string {
	return "(?:" + strings.TrimSuffix(strings.TrimPrefix(pattern, "^"), "$") + ")"
}

// enumPattern is the whole-value expression of a list of values.
func enumPattern(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	return anchored(quoted)
}
