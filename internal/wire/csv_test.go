package wire

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
)

func TestReadCSV(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"commas", "no,name\n1,茶\n", `[["no","name"],["1","茶"]]`},
		{"semicolons and decimal commas", "no;qty;amt\n1;2,5;3,5\n", `[["no","qty","amt"],["1","2,5","3,5"]]`},
		{"tabs", "no\tname\r\n1\ta,b;c\r\n", `[["no","name"],["1","a,b;c"]]`},
		{"byte order mark", "\xEF\xBB\xBFno,name", `[["no","name"]]`},
		{"UTF-16 as spreadsheets save it", inCharset(t, UTF16LE, "no\t名称\r\n1\t茶\r\n"), `[["no","名称"],["1","茶"]]`},
		{"GBK", inCharset(t, GBK, "编号,名称\n1,茶叶\n"), `[["编号","名称"],["1","茶叶"]]`},
		{"quotes", "a,b\n\"x, \"\"y\"\"\n z\",2\n", `[["a","b"],["x, \"y\"\n z","2"]]`},
		{"blank lines and ragged ones", "a,b\n\n1\n\n1,2,3\n", `[["a","b"],["1"],["1","2","3"]]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, err := Read([]byte(c.in), NewDefaultLimits())
			require.NoError(t, err)
			require.Equal(t, CSV, doc.Format)
			require.Empty(t, doc.Faults)
			require.Equal(t, c.want, string(AppendJSON(nil, doc.Root)))
		})
	}
}

func TestReadCSVPlaces(t *testing.T) {
	doc, err := ReadCSV([]byte("编号,名称,数量\r\n\r\n1,\"茶\r\n叶\",2\r\n\"3\",瓷器,4\r\n"), NewDefaultLimits())
	require.NoError(t, err)
	var places [][3]any
	for line := range doc.Root.Children() {
		for c := range line.Children() {
			places = append(places, [3]any{c.Text, int(c.Line), int(c.Column)})
		}
	}
	require.Equal(t, [][3]any{
		{"编号", 1, 1},
		{"名称", 1, 4},
		{"数量", 1, 7},
		{"1", 3, 1},
		{"茶\n叶", 3, 3},
		{"2", 4, 4},
		{"3", 5, 1},
		{"瓷器", 5, 5},
		{"4", 5, 8},
	}, places)
}

func TestReadCSVFaults(t *testing.T) {
	for _, c := range []struct {
		name, in     string
		code         fault.Code
		line, column int
	}{
		{"no separator", "hello\nworld\n", fault.DocumentNotReadable, 1, 1},
		{"a workbook", "PK\x03\x04,\n", fault.DocumentNotReadable, 1, 1},
		{"bare quote", "a,b\n1,5\" pipe\n", fault.CSVNotWellFormed, 2, 4},
		{"something after a quote", "a,b\n中,\"x\"y\n", fault.CSVNotWellFormed, 2, 5},
		{"quote not closed", "a,b\n1,\"x\n2,3\n", fault.CSVNotWellFormed, 4, 1},
		{"half a character", "名,a\n茶,\xE8\x8C", fault.CharsetInvalid, 2, 3},
		{"empty", " \n", fault.DocumentEmpty, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read([]byte(c.in), NewDefaultLimits())
			list := fault.Of(err)
			require.Len(t, list, 1)
			require.Equal(t, c.code, list[0].Code)
			require.Equal(t, [2]int{c.line, c.column}, [2]int{list[0].Line, list[0].Column})
		})
	}
	_, err := ReadCSV([]byte("a,b\n1,2\n3,4\n"), Limits{MaxNodes: 8})
	require.Equal(t, fault.DocumentTooManyNodes, fault.Of(err)[0].Code)
}

func TestWriteCSV(t *testing.T) {
	lines := [][]string{{"编号", "名称"}, {"1", "a,\"b\"\n茶"}}
	for _, charset := range []string{"UTF-8", "GBK"} {
		data, err := WriteCSV(lines, charset)
		require.NoError(t, err)
		doc, err := Read(data, NewDefaultLimits())
		require.NoError(t, err)
		require.Equal(t, `[["编号","名称"],["1","a,\"b\"\n茶"]]`, string(AppendJSON(nil, doc.Root)))
	}
	data, err := WriteCSV(lines[:1], "utf8")
	require.NoError(t, err)
	require.Equal(t, "\xEF\xBB\xBF编号,名称\r\n", string(data))
	_, err = WriteCSV([][]string{{"🚢"}}, "GB2312")
	require.Equal(t, fault.CharsetNotWritable, fault.Of(err)[0].Code)
	_, err = WriteCSV(lines, "KOI8")
	require.Equal(t, fault.CharsetUnknown, fault.Of(err)[0].Code)
}

// FuzzCSV holds the reader against encoding/csv by itself: it adds places to the
// cells and changes none.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a;b\r\n\r\n\"x\r\ny\";2", "a\tb\n\"\"\"\",", "a,b\n\"", "编号,名称\n1,\"茶\"\n2,\"叶\n\"x", "a,b\n \n,\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		doc, err := ReadCSV([]byte(in), NewDefaultLimits())
		if err != nil {
			requirePlaced(t, in, err)
			return
		}
		src, err := newSource([]byte(in), CSV)
		require.NoError(t, err)
		oracle := csv.NewReader(strings.NewReader(src.text))
		oracle.Comma, oracle.FieldsPerRecord = separator(src.text), -1
		lines := strings.Split(src.text, "\n")
		line := doc.Root.First
		for {
			record, err := oracle.Read()
			if errors.Is(err, io.EOF) {
				require.Nil(t, line)
				return
			}
			require.NoError(t, err)
			c := line.First
			for _, want := range record {
				require.Equal(t, want, c.Text)
				rest := string([]rune(lines[c.Line-1])[c.Column-1:])
				first, _, _ := strings.Cut(want, "\n")
				require.True(t, strings.HasPrefix(rest, first) || strings.HasPrefix(rest, "\""), "%q at %d:%d", want, c.Line, c.Column)
				c = c.Next
			}
			require.Nil(t, c)
			line = line.Next
		}
	})
}
