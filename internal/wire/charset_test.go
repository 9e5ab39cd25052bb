package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"pgregory.net/rapid"

	"tongqu/internal/fault"
)

// inCharset encodes s with an encoder that is not ours.
func inCharset(t require.TestingT, charset, s string) string {
	var enc encoding.Encoding
	switch charset {
	case UTF8:
		return s
	case GB2312, GBK:
		enc = simplifiedchinese.GBK
	case GB18030:
		enc = simplifiedchinese.GB18030
	default:
		var order binary.AppendByteOrder = binary.LittleEndian
		if charset == UTF16BE {
			order = binary.BigEndian
		}
		var out []byte
		for _, unit := range utf16.Encode([]rune(s)) {
			out = order.AppendUint16(out, unit)
		}
		return string(out)
	}
	out, err := enc.NewEncoder().String(s)
	require.NoError(t, err)
	return out
}

// TestCharsets reads the same document in every charset under every label.
func TestCharsets(t *testing.T) {
	const name = "深圳海贝（㐀）有限公司" // 㐀 is not in GBK: four bytes in GB18030
	tests := []struct {
		label, actual, bom string
		charset            string
		mismatch           bool
	}{
		{"UTF-8", UTF8, "", UTF8, false},
		{"", UTF8, "", UTF8, false},
		{"utf8", UTF8, "\uFEFF", UTF8, false},
		{"gbk", GB18030, "", GBK, false},
		{"GB2312", GBK, "", GB2312, false},
		{"GB18030", GB18030, "", GB18030, false},
		{"cp936", GBK, "", GBK, false},
		{"GBK", UTF8, "", UTF8, true},
		{"GB2312", UTF8, "\uFEFF", UTF8, true},
		{"gb18030", UTF8, "", UTF8, true},
		{"UTF-8", GB18030, "", GB18030, true},
		{"UTF-8", GBK, "", GB18030, true},
		{"", GBK, "", GB18030, true},
		{"UTF-16", UTF16LE, "\uFEFF", UTF16LE, false},
		{"UTF-16", UTF16BE, "\uFEFF", UTF16BE, false},
		{"utf-16", UTF16LE, "", UTF16LE, false},
		{"UTF-16BE", UTF16BE, "", UTF16BE, false},
		{"", UTF16LE, "\uFEFF", UTF16LE, false},
		{"UTF-8", UTF16LE, "\uFEFF", UTF16LE, true},
		{"utf-16", UTF8, "", UTF8, true},
		{"unicode", GBK, "", GB18030, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s as %q with mark %v", tt.actual, tt.label, tt.bom != ""), func(t *testing.T) {
			value := name
			if tt.actual == GBK {
				value = strings.Replace(name, "㐀", "乙", 1)
			}
			declaration := ""
			if tt.label != "" {
				declaration = `<?xml version="1.0" encoding="` + tt.label + `"?>`
			}
			text := tt.bom + declaration + "\n<单 位=\"" + value + "\">" + value + "\r\n</单>"
			doc, err := Read([]byte(inCharset(t, tt.actual, text)), NewDefaultLimits())
			require.NoError(t, err)
			require.Equal(t, value+"\n", doc.Root.Text)
			require.Equal(t, value, doc.Root.First.Text)
			require.Equal(t, [2]int32{2, 20}, [2]int32{doc.Root.Line, doc.Root.Column}, "places count characters")
			require.Equal(t, tt.charset, doc.Charset)
			require.Equal(t, tt.label, doc.Declared)
			require.Equal(t, tt.mismatch, len(doc.Faults) > 0, "%v", doc.Faults)
			if tt.mismatch {
				require.Equal(t, fault.CharsetMismatch, doc.Faults[0].Code)
				require.Equal(t, fault.Flag, doc.Faults[0].Severity)
				require.False(t, doc.Faults.Refuses())
				require.Contains(t, doc.Faults[0].EN, "read as "+tt.charset)
			}
		})
	}
}

func TestCharsetFaults(t *testing.T) {
	tests := []struct {
		name, in     string
		code         fault.Code
		path         string
		line, column int
		value        string
	}{
		{"damaged UTF-8", "<a>\n<b>海关总署\xFF广州</b></a>", fault.CharsetInvalid, "/a/b", 2, 8, "0xFF"},
		{"UTF-8 cut in a value", "<a><b>广州市\xE5\xA4</b></a>", fault.CharsetInvalid, "/a/b", 1, 10, "0xE5"},
		{"valid in no charset", "<a>\xC0</a>", fault.CharsetInvalid, "/a", 1, 4, "0xC0"},
		{"damaged after a mark", "\uFEFF<a>\xD6\xD0\xB9\xFA</a>", fault.CharsetInvalid, "/a", 1, 4, "0xD6"},
		{"damaged after the root", "<a/>\xFF", fault.CharsetInvalid, "/", 1, 5, "0xFF"},
		{"cut character after the root", "<a/>\xE6", fault.CharsetInvalid, "/", 1, 5, "0xE6"},
		{"damaged GBK", "<?xml version='1.0' encoding='gbk'?>\n<a><b>\xD6\xD0\xFF\xB9\xFA</b></a>", fault.CharsetInvalid, "/a/b", 2, 8, "0xFF"},
		{"GBK cut at the end", "<?xml version='1.0' encoding='gbk'?>\n<a><b>\xD6\xD0\xB9", fault.XMLTruncated, "/a/b", 2, 8, "<b>"},
		{"GB18030 cut at the end", "<?xml version='1.0' encoding='gb18030'?><a>\x81\x39\xEE", fault.XMLTruncated, "/a", 1, 44, "<a>"},
		{"GB18030 that is nothing", "<?xml version='1.0' encoding='gb18030'?><a>\x84\x31\xA4\x37\x84\x31\xA5\x30</a>", fault.CharsetInvalid, "/a", 1, 45, "0x84"},
		{"UTF-16 with half a pair", "\xFF\xFE<\x00a\x00>\x00\x3d\xd8<\x00/\x00a\x00>\x00", fault.CharsetInvalid, "/a", 1, 4, "0x3D"},
		{"UTF-16 cut at the end", "\xFF\xFE<\x00a\x00>\x00\x2d", fault.XMLTruncated, "/a", 1, 4, "<a>"},
		{"unknown label", "<?xml version='1.0' encoding='x-mac'?><a/>", fault.CharsetUnknown, "/", 1, 31, "x-mac"},
		{"UTF-32", "\xFF\xFE\x00\x00<\x00\x00\x00", fault.CharsetUnknown, "/", 1, 1, "UTF-32"},
		{"JSON", "{\n\"a\": \"海关总署\xFF\"}", fault.CharsetInvalid, "/a", 2, 11, "0xFF"},
		{"JSON after the value", "{}\xFF", fault.CharsetInvalid, "/", 1, 3, "0xFF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read([]byte(tt.in), NewDefaultLimits())
			if tt.code == fault.CharsetUnknown {
				_, err = ReadXML([]byte(tt.in), NewDefaultLimits())
			}
			f := lastFault(err)
			require.Equal(t, tt.code, f.Code, f.EN)
			require.Equal(t, tt.path, f.Path)
			require.Equal(t, [2]int{tt.line, tt.column}, [2]int{f.Line, f.Column})
			require.Equal(t, tt.value, f.Value)
		})
	}
}

// TestCharsetOfJSON: JSON is UTF-8 by its standard, but GB bytes are read too.
func TestCharsetOfJSON(t *testing.T) {
	doc, err := Read([]byte(inCharset(t, GBK, `{"名称":"广州海关"}`)), NewDefaultLimits())
	require.NoError(t, err)
	require.Equal(t, "广州海关", doc.Root.Child("名称").Text)
	require.Equal(t, GB18030, doc.Charset)
	require.Equal(t, fault.CharsetMismatch, doc.Faults[0].Code)
}

// TestCharsetFaultKeepsFlags: a document that is refused still tells its flags.
func TestCharsetFaultKeepsFlags(t *testing.T) {
	_, err := Read([]byte("<?xml version='1.0' encoding='gbk'?><a>广州</b>"), NewDefaultLimits())
	list := fault.Of(err)
	require.Len(t, list, 2)
	require.Equal(t, fault.CharsetMismatch, list[0].Code)
	require.Equal(t, fault.XMLNotWellFormed, list[1].Code)
}

// TestGBChance: the GB bytes of some words are valid UTF-8 of two-byte letters;
// what is declared decides.
func TestGBChance(t *testing.T) {
	doc, err := Read([]byte("<?xml version='1.0' encoding='gbk'?><a>\xC3\xAB</a>"), NewDefaultLimits())
	require.NoError(t, err)
	require.Equal(t, "毛", doc.Root.Text)
	require.Empty(t, doc.Faults)
}

// TestCharsetText: any text that a charset can hold comes back from it unchanged.
func TestCharsetText(t *testing.T) {
	tests := []struct {
		charset string
		chars   *rapid.Generator[rune]
	}{
		{UTF8, rapid.Rune()},
		{UTF16LE, rapid.Rune()},
		{UTF16BE, rapid.Rune()},
		{GB18030, rapid.Rune()},
		{GBK, rapid.OneOf(rapid.RuneFrom([]rune("海关总署龘镕，。（）①￥ê")), rapid.RuneFrom([]rune("az09 ")))},
	}
	for _, tt := range tests {
		t.Run(tt.charset, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				value := rapid.StringOf(tt.chars.Filter(func(r rune) bool {
					// The encoder does not know the private use area's codes.
					private := tt.charset == GB18030 && r >= 0xE000 && r <= 0xF8FF
					return isXMLChar(r) && !private && r != '\r' && !strings.ContainsRune("<&>]", r)
				})).Draw(t, "value")
				text := `<?xml version="1.0" encoding="` + tt.charset + `"?><a 注="海关总署">` + value + `</a>`
				doc, err := Read([]byte(inCharset(t, tt.charset, text)), NewDefaultLimits())
				require.NoError(t, err)
				require.Equal(t, value, doc.Root.Text)
				require.Equal(t, tt.charset, doc.Charset)
				require.Empty(t, doc.Faults)
			})
		})
	}
}
