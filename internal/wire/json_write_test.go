package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAppendJSON(t *testing.T) {
	list := &Node{Kind: Array, Name: "list"}
	list.Append(&Node{Kind: Number, Text: "1.50"})
	list.Append(&Node{Kind: Bool, Text: "true"})
	list.Append(&Node{Kind: Null})
	list.Append(object(""))
	item := object("item", attribute("guid", "1"))
	item.Text = "x"
	root := object("", text("名", "a\"b\\\n<&>\u2028\x01"), list, item)
	want := `{"名":"a\"b\\\n<&>\u2028\u0001","list":[1.50,true,null,{}],"item":{"@guid":"1","#text":"x"}}`
	require.Equal(t, "begin"+want, string(AppendJSON([]byte("begin"), root)))
	require.Equal(t, want, string(WriteJSON(root, "")))

	list.Name, list.First = "", list.Last
	lines := strings.Split(string(WriteJSON(object("", &Node{Kind: Array, Name: "a"}, list), "  ")), "\n")
	require.Equal(t, []string{"{", `  "a": [],`, `  "": [`, "    {}", "  ]", "}"}, lines)
}

// TestAppendJSONString: strings are written as encoding/json writes them, whatever
// their bytes.
func TestAppendJSONString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("\"\\\b\f\n\r\t\x00\x1f\x7f\u2028\u2029<&>海"))),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "s")
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(s))
		require.Equal(t, strings.TrimSuffix(want.String(), "\n"), string(AppendJSON(nil, text("", s))))
	})
}

// jsonTree generates trees as the JSON reader makes them.
func jsonTree(depth int) *rapid.Generator[*Node] {
	return rapid.Custom(func(t *rapid.T) *Node {
		kinds := []Kind{Text, Number, Bool, Null, Object, Array}
		if depth == 0 {
			kinds = kinds[:4]
		}
		n := &Node{Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
		switch n.Kind {
		case Text:
			n.Text = rapid.String().Draw(t, "text")
		case Number:
			n.Text = rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?`).Draw(t, "number")
		case Bool:
			n.Text = strconv.FormatBool(rapid.Bool().Draw(t, "bool"))
		case Object:
			for _, key := range rapid.SliceOfNDistinct(rapid.String(), 0, 20, rapid.ID).Draw(t, "keys") {
				c := jsonTree(depth-1).Draw(t, "member")
				c.Name = key
				n.Append(c)
			}
		case Array:
			for range rapid.IntRange(0, 3).Draw(t, "items") {
				n.Append(jsonTree(depth-1).Draw(t, "item"))
			}
		}
		return n
	})
}

// TestJSONRoundTrip: whatever is written reads back as it was, compact or indented.
func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := jsonTree(2).Draw(t, "tree")
		for _, indent := range []string{"", "\t"} {
			data := WriteJSON(root, indent)
			require.True(t, json.Valid(data), "%s", data)
			doc, err := ReadJSON(data, NewDefaultLimits())
			require.NoError(t, err, "%s", data)
			require.Equal(t, outline(root, false), outline(doc.Root, false), "%s", data)
		}
	})
}
