package wire

import (
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// gbEncoder encodes UTF-8 in one of the GB charsets.
type gbEncoder struct {
	charset string
	enc     *encoding.Encoder
	buf     [4]byte
}

func newGBEncoder(charset string) *gbEncoder {
	if charset == GB18030 {
		return &gbEncoder{charset: charset, enc: simplifiedchinese.GB18030.NewEncoder()}
	}
	return &gbEncoder{charset: charset, enc: simplifiedchinese.GBK.NewEncoder()}
}

// encode writes XML text, with a character reference for what the charset lacks.
func (e *gbEncoder) encode(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			out = append(out, text[i])
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if b, ok := e.character(text[i : i+size]); ok {
			out = append(out, b...)
		} else {
			out = fmt.Appendf(out, "&#x%X;", r)
		}
		i += size
	}
	return out
}

// has reports whether the charset has r.
func (e *gbEncoder) has(r rune) bool {
	_, ok := e.character([]byte(string(r)))
	return ok
}

// character encodes one character above ASCII. Characters of the private use area
// have codes that differ between versions of GB18030, so they have none here. GBK
// is taken without the euro sign at 80 that Windows adds to it, and GB2312 is what
// of GBK lies in its rows.
func (e *gbEncoder) character(utf []byte) ([]byte, bool) {
	if r, _ := utf8.DecodeRune(utf); r >= 0xE000 && r <= 0xF8FF {
		return nil, false
	}
	n, _, err := e.enc.Transform(e.buf[:], utf, true)
	b := e.buf[:n]
	if err != nil || n < 2 {
		return nil, false
	}
	if e.charset == GB2312 {
		rows := b[0] >= 0xA1 && b[0] <= 0xA9 || b[0] >= 0xB0 && b[0] <= 0xF7
		return b, rows && b[1] >= 0xA1
	}
	return b, true
}
