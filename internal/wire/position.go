package wire

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
	line, column := c.line, c.column
	for i := c.offset; i < offset; i++ {
		switch b := c.text[i]; {
		case b == '\n':
			line++
			column = 1
		case b&0xC0 != 0x80: // not a continuation byte: a character starts here
			column++
		}
	}
	c.line, c.column, c.offset = line, column, offset
}

// lineColumn returns the line and column of offset in text.
func lineColumn(text string, offset int) (line, column int) {
	c := newCursor(text)
	c.seek(min(offset, len(text)))
	return int(c.line), int(c.column)
}
