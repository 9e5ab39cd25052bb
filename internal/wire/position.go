package wire

import "strings"

// cursor turns byte offsets of a text into lines and columns. It only moves
// forward, so that placing every node of a document costs one pass.
type cursor struct {
	text         string
	offset       int
	line, column int32
}

func newCursor(text string) cursor { return cursor{text: text, line: 1, column: 1} }

// seek moves to offset, which must not lie before the cursor. Line ends are LF
// (see newSource); columns count characters.
func (c *cursor) seek(offset int) {
	passed := c.text[c.offset:offset]
	c.offset = offset
	if lines := strings.Count(passed, "\n"); lines > 0 {
		c.line += int32(lines) //nolint:gosec // a document has fewer lines than bytes, and those are limited
		c.column = 1
		passed = passed[strings.LastIndexByte(passed, '\n')+1:]
	}
	characters := int32(0)
	for i := range len(passed) {
		if passed[i]&0xC0 != 0x80 { // not a continuation byte: a character starts here
			characters++
		}
	}
	c.column += characters
}

// lineColumn returns the line and column of offset in text.
func lineColumn(text string, offset int) (line, column int) {
	c := newCursor(text)
	c.seek(min(offset, len(text)))
	return int(c.line), int(c.column)
}
