package codes_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/codes"
	"tongqu/internal/conf"
)

func load(t *testing.T, files map[string]string) (*codes.Lists, error) {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return codes.Load(fsys)
}

const currency = "\ufeffiso,customs,safe,zh,en,only\n" +
	"CNY,142,CNY,人民币,Renminbi,\n" +
	"USD,502,USD,美元,US dollar,\n" +
	"CNY,CNH,,离岸人民币,offshore,decode\n" +
	"XCD,502,,东加勒比元,EC dollar,encode\n"

func TestColumn(t *testing.T) {
	lists, err := load(t, map[string]string{
		"currency.csv":  currency,
		"direction.csv": "direction,ceb\nimport,I\nexport,E\n",
		"unit.csv":      "unit,zh\n007,个\n035,千克\n",
		"notes.txt":     "no list",
	})
	require.NoError(t, err)
	require.Equal(t, []string{"currency", "direction", "unit"}, lists.Names())

	t.Run("translates both ways", func(t *testing.T) {
		c, err := lists.Column("currency.customs")
		require.NoError(t, err)
		require.Equal(t, "currency.customs", c.String())
		for wire, want := range map[string]string{"142": "CNY", "502": "USD", "CNH": "CNY"} {
			got, ok := c.Decode(wire)
			require.True(t, ok)
			require.Equal(t, want, got)
		}
		for code, want := range map[string]string{"CNY": "142", "USD": "502", "XCD": "502"} {
			got, ok := c.Encode(code)
			require.True(t, ok)
			require.Equal(t, want, got)
		}
		_, ok := c.Decode("999")
		require.False(t, ok)
		_, ok = c.Encode("142")
		require.False(t, ok)
		require.True(t, c.Has("XCD"))
		require.False(t, c.Has("142"))
	})
	t.Run("a system without the code", func(t *testing.T) {
		c, err := lists.Column("currency.safe")
		require.NoError(t, err)
		_, ok := c.Encode("XCD")
		require.False(t, ok)
	})
	t.Run("the only coding needs no column", func(t *testing.T) {
		c, err := lists.Column("direction")
		require.NoError(t, err)
		got, ok := c.Decode("E")
		require.True(t, ok)
		require.Equal(t, "export", got)
	})
	t.Run("a list without codings allows its codes", func(t *testing.T) {
		c, err := lists.Column("unit")
		require.NoError(t, err)
		got, ok := c.Decode("007")
		require.True(t, ok)
		require.Equal(t, "007", got)
		_, ok = c.Encode("7")
		require.False(t, ok)
	})
	t.Run("names", func(t *testing.T) {
		l, ok := lists.List("currency")
		require.True(t, ok)
		require.Equal(t, "人民币", l.Name("CNY", "zh"))
		require.Equal(t, "US dollar", l.Name("USD", "en"))
		require.Empty(t, l.Name("EUR", "en"))
		require.Equal(t, []string{"CNY", "USD", "XCD"}, l.Codes())
	})
	t.Run("bad references", func(t *testing.T) {
		for ref, want := range map[string]string{
			"nosuch":          `no code list "nosuch"`,
			"currency.nosuch": `has no column "nosuch", only iso, customs, safe`,
			"currency":        "several codings",
			"unit.zh":         `has no column "zh"`,
		} {
			_, err := lists.Column(ref)
			require.ErrorContains(t, err, want)
		}
	})
}

func TestLint(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"empty file", "", []string{"l.csv:1:1: empty code list"}},
		{"not UTF-8", "a,b\n\xb1,\xd2\n", []string{"l.csv:1:1: not UTF-8"}},
		{"first column", "zh,a\nx,y\n", []string{"l.csv:1:1: the first column must be the canonical code"}},
		{"column twice", "a,b,b\n", []string{`l.csv:1:5: column "b" stands twice`}},
		{"column name", "a,b.c\n", []string{`l.csv:1:3: column "b.c": a name without blanks or points is needed`}},
		{"field count", "a,b\nx\ny,1\nz,2,3\n", []string{"l.csv:2:1: 1 fields where the header has 2", "l.csv:4:1: 3 fields where the header has 2"}},
		{"quote", "a,b\nx,\"y\n", []string{`l.csv:2:6: extraneous or missing " in quoted-field`}},
		{"blanks", "a,b\nx, 1\n", []string{`l.csv:2:3: blanks around " 1"`}},
		{"empty code", "a,b\n,1\n", []string{"l.csv:2:1: the canonical code is empty"}},
		{"only", "a,b,only\nx,1,both\n", []string{`l.csv:2:5: "both" must be decode, encode or empty`}},
		{"plain list", "a\nx\nx\n", []string{`l.csv:3:1: "x" stands twice`}},
		{"two meanings", "a,b\nx,1\ny,1\n", []string{`l.csv:3:3: b "1" already means "x" (line 2): mark one row only=encode`}},
		{"two writings", "a,b\nx,1\nx,2\n", []string{`l.csv:3:3: "x" is already written "1" in b (line 2): mark one row only=decode`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, map[string]string{"l.csv": tt.text})
			var problems conf.Problems
			require.ErrorAs(t, err, &problems)
			require.Equal(t, strings.Join(tt.want, "\n"), problems.Error())
		})
	}
}

// Whatever a list without marks says, it says in both directions.
func TestOneToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringMatching(`[A-Z0-9]{1,2}`)
		canonical := rapid.SliceOfN(cell, 1, 20).Draw(t, "canonical")
		wire := rapid.SliceOfN(cell, len(canonical), len(canonical)).Draw(t, "wire")
		text := []string{"a,b"}
		for i := range canonical {
			text = append(text, canonical[i]+","+wire[i])
		}
		lists, err := codes.Load(fstest.MapFS{"l.csv": {Data: []byte(strings.Join(text, "\n"))}})
		if err != nil {
			if _, ok := errors.AsType[conf.Problems](err); !ok {
				t.Fatal(err)
			}
			return
		}
		c, err := lists.Column("l")
		if err != nil {
			t.Fatal(err)
		}
		for i := range canonical {
			if got, ok := c.Encode(canonical[i]); !ok || got != wire[i] {
				t.Fatalf("Encode(%q) = %q, %v", canonical[i], got, ok)
			}
			if got, ok := c.Decode(wire[i]); !ok || got != canonical[i] {
				t.Fatalf("Decode(%q) = %q, %v", wire[i], got, ok)
			}
		}
	})
}

// The lists that the hub ships are sound.
func TestShippedLists(t *testing.T) {
	_, err := codes.Load(os.DirFS("../../mappings/codes"))
	require.NoError(t, err)
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(currency))
	f.Add([]byte("a,b,only\nx,1,decode\nx,\"2\",\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		lists, err := codes.Load(fstest.MapFS{"l.csv": {Data: data}})
		if err == nil {
			_, _ = lists.Column("l")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	lists, err := codes.Load(fstest.MapFS{"currency.csv": {Data: []byte(currency)}})
	require.NoError(b, err)
	c, err := lists.Column("currency.customs")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		c.Decode("142")
	}
}
