package wire

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
)

// manyKeys writes n members with different keys, each followed by a comma.
func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d":0,`, i)
	}
	return b.String()
}

func TestReadJSONTree(t *testing.T) {
	tests := []struct {
		name, in string
		format   Format
		want     string
	}{
		{"all kinds", `{"s":"x","n":-1.50e+3,"t":true,"f":false,"z":null,"o":{},"a":[]}`, JSON, "object  1:1\n" +
			" string s \"x\" 1:6\n number n \"-1.50e+3\" 1:14\n boolean t \"true\" 1:27\n boolean f \"false\" 1:36\n null z 1:46\n object o 1:55\n array a 1:62\n"},
		{"order and places", "{\n  \"单号\": \"甲\",\r\n\t\"b\": [1,\n {\"c\": 2}]}", JSON, "object  1:1\n string 单号 \"甲\" 2:9\n array b 3:7\n  number  \"1\" 3:8\n  object  4:2\n   number c \"2\" 4:8\n"},
		{"digits stay", `[100.10, 0, -0, 1E400, 12345678901234567890.123]`, JSON, "array  1:1\n number  \"100.10\" 1:2\n number  \"0\" 1:10\n number  \"-0\" 1:13\n number  \"1E400\" 1:17\n number  \"12345678901234567890.123\" 1:24\n"},
		{"escapes", `["\"\\\/\b\f\n\r\t\u4e2D\ud83d\uDE00", "a\u0000b"]`, JSON, "array  1:1\n string  \"\\\"\\\\/\\b\\f\\n\\r\\t中😀\" 1:2\n string  \"a\\x00b\" 1:40\n"},
		{"lines", "{\"a\":1}\n{\"a\":2}\r\n\n[3]\n", NDJSON, "array  1:1\n object  1:1\n  number a \"1\" 1:6\n object  2:1\n  number a \"2\" 2:6\n array  4:1\n  number  \"3\" 4:2\n"},
		{"byte order mark", "\uFEFF[1]", JSON, "array  1:1\n number  \"1\" 1:2\n"},
		{"UTF-16 without mark", "[\x00\"\x00\x2d\x4e\"\x00]\x00", JSON, "array  1:1\n string  \"中\" 1:2\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := Read([]byte(tt.in), NewDefaultLimits())
			require.NoError(t, err)
			require.Equal(t, tt.format, doc.Format)
			require.Equal(t, tt.want, outline(doc.Root, true))
		})
	}
}

func TestReadJSONManyMembers(t *testing.T) {
	doc, err := Read([]byte("{"+manyKeys(100)+`"last":1}`), NewDefaultLimits())
	require.NoError(t, err)
	require.Len(t, slices.Collect(doc.Root.Children()), 101)
	require.Equal(t, "last", doc.Root.Last.Name)
}

func TestReadJSONFaults(t *testing.T) {
	tests := []struct {
		name, in     string
		code         fault.Code
		path         string
		line, column int
		en           string
	}{
		{"truncated object", "{\n \"a\": 1", fault.JSONTruncated, "/", 2, 8, "too early"},
		{"truncated string", `{"a": "x`, fault.JSONTruncated, "/a", 1, 9, ""},
		{"truncated escape", `["\u12`, fault.JSONTruncated, "/[1]", 1, 7, ""},
		{"truncated pair", `["\ud83d`, fault.JSONTruncated, "/[1]", 1, 9, ""},
		{"truncated word", `[tru`, fault.JSONTruncated, "/[1]", 1, 5, ""},
		{"truncated number", `[1, -`, fault.JSONTruncated, "/[2]", 1, 6, ""},
		{"truncated key", `{"a`, fault.JSONTruncated, "/", 1, 4, ""},
		{"truncated before the value", `{"a":`, fault.JSONTruncated, "/a", 1, 6, ""},
		{"truncated in a character", "[\"中\xE6", fault.JSONTruncated, "/[1]", 1, 4, ""},
		{"duplicate key", "{\"a\":{\"b\":1,\n\"b\":2}}", fault.JSONDuplicateKey, "/a", 2, 1, "key b"},
		{"duplicate key by escape", `{"a":1,"\u0061":2}`, fault.JSONDuplicateKey, "/", 1, 8, "key a"},
		{"duplicate of the seventeenth key", "{" + manyKeys(17) + `"k16":1}`, fault.JSONDuplicateKey, "/", 1, 2 + len(manyKeys(17)), "key k16"},
		{"trailing value", "[1] [2]", fault.JSONNotWellFormed, "/", 1, 5, "follows the value"},
		{"trailing text on the next line", "[1]\nx", fault.JSONNotWellFormed, "/[2]", 2, 1, "a value is expected"},
		{"trailing comma", "[1,]", fault.JSONNotWellFormed, "/", 1, 4, `missing after ","`},
		{"trailing comma in an object", `{"a":1,}`, fault.JSONNotWellFormed, "/", 1, 8, `missing after ","`},
		{"no comma", "[1 2]", fault.JSONNotWellFormed, "/", 1, 4, `"," or "]" is expected`},
		{"no colon", `{"a" 1}`, fault.JSONNotWellFormed, "/", 1, 6, `":" must follow`},
		{"key without quotes", "{a:1}", fault.JSONNotWellFormed, "/", 1, 2, "a key is expected"},
		{"single quotes", "['a']", fault.JSONNotWellFormed, "/[1]", 1, 2, "a value is expected"},
		{"word", "[nul]", fault.JSONNotWellFormed, "/[1]", 1, 2, "a value is expected"},
		{"not a number", "[NaN]", fault.JSONNotWellFormed, "/[1]", 1, 2, "a value is expected"},
		{"leading zero", "[01]", fault.JSONNotWellFormed, "/", 1, 3, `"," or "]" is expected`},
		{"number without digits", "[1.]", fault.JSONNotWellFormed, "/[1]", 1, 2, "number is wrong"},
		{"exponent without digits", "[1e+]", fault.JSONNotWellFormed, "/[1]", 1, 2, "number is wrong"},
		{"line end in a string", "[\"a\nb\"]", fault.JSONNotWellFormed, "/[1]", 1, 4, "U+000A is not allowed"},
		{"unknown escape", `["\x"]`, fault.JSONNotWellFormed, "/[1]", 1, 3, "escape sequence is wrong"},
		{"short escape", `["\u12g4"]`, fault.JSONNotWellFormed, "/[1]", 1, 3, "escape sequence is wrong"},
		{"high surrogate alone", `["\ud83d!"]`, fault.JSONNotWellFormed, "/[1]", 1, 3, "surrogate stands alone"},
		{"low surrogate alone", `["\ude00"]`, fault.JSONNotWellFormed, "/[1]", 1, 3, "surrogate stands alone"},
		{"two high surrogates", `["\ud83d\ud83d"]`, fault.JSONNotWellFormed, "/[1]", 1, 3, "surrogate stands alone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read([]byte(tt.in), NewDefaultLimits())
			require.Error(t, err)
			f := lastFault(err)
			require.Equal(t, tt.code, f.Code, f.EN)
			require.Equal(t, tt.path, f.Path)
			require.Equal(t, [2]int{tt.line, tt.column}, [2]int{f.Line, f.Column})
			require.Contains(t, f.EN, tt.en)
			require.NotContains(t, f.EN+f.ZH, "{")
		})
	}
}

func TestReadJSONLimits(t *testing.T) {
	l := Limits{MaxBytes: 40, MaxDepth: 2, MaxNodes: 4}
	tests := []struct {
		in   string
		code fault.Code
		path string
	}{
		{`["` + strings.Repeat("x", 40) + `"]`, fault.DocumentTooLarge, "/"},
		{`{"a":[{}]}`, fault.DocumentTooDeep, "/a[1]"},
		{`[1,2,3,4]`, fault.DocumentTooManyNodes, "/"},
	}
	for _, tt := range tests {
		_, err := Read([]byte(tt.in), l)
		f := lastFault(err)
		require.Equal(t, tt.code, f.Code, tt.in)
		require.Equal(t, tt.path, f.Path)
		require.NotZero(t, f.Line)
	}
	_, err := Read([]byte(`{"a":[1,2]}`), l)
	require.NoError(t, err, "at the limits, not above them")
}

func TestReadJSONEveryCut(t *testing.T) {
	whole := "{\"单号\":\"SZ\\u4e2d\\ud83d\\ude00海\",\"n\":[-1.5e-3,true,null,{\"x\":\"\\n\"}]}"
	for i := 1; i < len(whole); i++ {
		_, err := ReadJSON([]byte(whole[:i]), NewDefaultLimits())
		require.Equal(t, fault.JSONTruncated, lastFault(err).Code, "cut at %d: %v", i, err)
	}
	_, err := ReadJSON([]byte(whole), NewDefaultLimits())
	require.NoError(t, err)
}
