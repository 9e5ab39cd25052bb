package author_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/simplifiedchinese"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/app"
	"tongqu/internal/author"
	"tongqu/internal/wire"
)

func load(t *testing.T, files fs.FS) *adapter.Registry {
	t.Helper()
	r, err := adapter.Load(files, wire.NewDefaultLimits())
	require.NoError(t, err)
	return r
}

// values are a record's canonical values by path, and which of them are personal.
func values(r *adapter.Registry, rec *adapter.Record) (all map[string]string, personal map[string]bool) {
	all, personal = map[string]string{}, map[string]bool{}
	s, _ := r.Canonical(rec.Type)
	var walk func(n *wire.Node, path string)
	walk = func(n *wire.Node, path string) {
		if n.IsLeaf() {
			all[n.Path()] = n.Text
			leaf := s.Shape().At(path)
			personal[n.Path()] = leaf != nil && leaf.Personal != ""
			return
		}
		for c := range n.Children() {
			switch {
			case n.Kind == wire.Array:
				walk(c, path+"[]")
			case path == "":
				walk(c, c.Name)
			default:
				walk(c, path+"."+c.Name)
			}
		}
	}
	walk(rec.Root, "")
	return all, personal
}

func codes(t *adapter.Translation) []string {
	var all []string
	for _, f := range t.Faults {
		all = append(all, string(f.Code)+f.Path)
	}
	for i := range t.Records {
		for _, f := range t.Records[i].Faults {
			all = append(all, string(f.Code)+f.Path)
		}
	}
	return all
}

// TestMaskGoldenCases masks every golden case: what is personal becomes something
// else as long, what is not stays, and the adapter finds the same faults.
func TestMaskGoldenCases(t *testing.T) {
	r := load(t, tongqu.Files)
	inputs, err := fs.Glob(tongqu.Files, "adapters/*/cases/*/input.*")
	require.NoError(t, err)
	masked, replaced := 0, 0
	for _, input := range inputs {
		name := strings.Split(input, "/")[1]
		data, err := fs.ReadFile(tongqu.Files, input)
		require.NoError(t, err)
		before := r.Translate(data, "")
		m, err := author.Mask(r, name, data, [32]byte{1})
		if err != nil {
			continue // not readable, of the hub's own form, in an envelope
		}
		masked++
		replaced += m.Replaced
		after := r.Translate(m.Data, "")
		require.Equal(t, codes(before), codes(after), input)
		require.Len(t, after.Records, len(before.Records), input)
		twins := map[string]string{}
		for i := range before.Records {
			old, personal := values(r, &before.Records[i])
			now, _ := values(r, &after.Records[i])
			require.Len(t, now, len(old), input)
			for path, value := range old {
				if !personal[path] {
					continue
				}
				require.NotEqual(t, value, now[path], "%s %s", input, path)
				require.Len(t, []rune(now[path]), len([]rune(value)), "%s %s", input, path)
				if twin, ok := twins[path[strings.LastIndex(path, "/"):]+value]; ok {
					require.Equal(t, twin, now[path], "the same for the same: %s", input)
				}
				twins[path[strings.LastIndex(path, "/"):]+value] = now[path]
			}
		}
		if m.Replaced == 0 {
			require.True(t, bytes.Equal(data, m.Data), input)
		}
		again, err := author.Mask(r, name, data, [32]byte{1})
		require.NoError(t, err)
		require.Equal(t, m.Data, again.Data)
	}
	require.Greater(t, masked, 60)
	require.Greater(t, replaced, 300)
}

// TestMaskLeavesTheRest puts personal data where they are awkward: CDATA, escapes,
// blanks, GBK, CRLF, and once more in a remark.
func TestMaskLeavesTheRest(t *testing.T) {
	r := load(t, tongqu.Files)
	text := `<?xml version="1.0" encoding="GBK"?>` + "\r\n" + `<!-- 张三丰 的订单 -->` + "\r\n" +
		`<CEB311Message xmlns="http://www.chinaport.gov.cn/ceb" guid="11111111-1111-4111-8111-111111111111" version="1.0"><Order><OrderHead>` + "\r\n" +
		`<orderNo>D-1</orderNo><buyerName> <![CDATA[张三丰]]></buyerName><buyerTelephone>13800000000</buyerTelephone>` +
		`<buyerIdType>1</buyerIdType><buyerIdNumber>11010519491231002X</buyerIdNumber><consigneeAddress>广州市A&amp;B路5号</consigneeAddress><note>张三丰 本人收</note>` + "\r\n" +
		`</OrderHead></Order></CEB311Message>`
	data, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(text))
	require.NoError(t, err)
	m, err := author.Mask(r, "customs_ceb", data, [32]byte{7})
	require.NoError(t, err)
	require.Equal(t, 4, m.Replaced)
	require.Len(t, m.Left, 1)
	require.Regexp(t, "^4:", m.Left[0])
	require.Contains(t, m.Left[0], "/CEB311Message/Order/OrderHead/note")
	out, err := simplifiedchinese.GBK.NewDecoder().Bytes(m.Data)
	require.NoError(t, err)
	got := string(out)
	require.Len(t, []rune(got), len([]rune(strings.Replace(text, "&amp;", "&", 1))), "as long, an escape aside")
	require.Contains(t, got, "<!-- 张三丰 的订单 -->\r\n", "a comment is no value")
	require.Contains(t, got, "<note>张三丰 本人收</note>")
	for _, gone := range []string{"13800000000", "11010519491231002X", "CDATA[张三丰"} {
		require.NotContains(t, got, gone)
	}
	require.Regexp(t, `<buyerTelephone>138[0-9]{8}</buyerTelephone>`, got)
	require.NotContains(t, codes(r.Translate(m.Data, "")), "RULE_CHECK_DIGIT", "the check digit is right")
	other, err := author.Mask(r, "customs_ceb", data, [32]byte{8})
	require.NoError(t, err)
	require.NotEqual(t, m.Data, other.Data)

	_, err = author.Mask(r, "hub_json", data, [32]byte{})
	require.Error(t, err)
	_, err = author.Mask(r, "customs_ceb", []byte("no document"), [32]byte{})
	require.ErrorContains(t, err, "reading the document")
}

func TestAddCase(t *testing.T) {
	dir := t.TempDir()
	table, err := fs.ReadFile(tongqu.Files, "adapters/customs_ceb/cases/ceb311-check-digits/input.xml")
	require.NoError(t, err)
	r := load(t, tongqu.Files)
	c, err := author.AddCase(r, dir, "customs_ceb", "", table)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "adapters/customs_ceb/cases/ceb311message-1"), c.Folder)
	require.Contains(t, c.Faults, "RULE_CHECK_DIGIT")
	require.Empty(t, c.Problems)
	c, err = author.AddCase(r, dir, "customs_ceb", "", table)
	require.NoError(t, err)
	require.Equal(t, "ceb311message-2", filepath.Base(c.Folder))
	list, err := os.ReadFile(filepath.Join(dir, "adapters/customs_ceb/cases/README.md"))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(list), "| `ceb311message-1` |"))
	require.Equal(t, 1, strings.Count(string(list), "| `ceb311message-2` |"))
	_, err = author.AddCase(r, dir, "customs_ceb", "ceb311message-1", table)
	require.ErrorContains(t, err, "is there already")
	_, err = author.AddCase(r, dir, "customs_ceb", "../x", table)
	require.ErrorContains(t, err, "no name for a case")
	_, err = author.AddCase(r, dir, "customs_dxp", "x", table)
	require.ErrorContains(t, err, "customs_ceb/CEB311Message")
}

func TestCompare(t *testing.T) {
	old := load(t, tongqu.Files)
	dir := t.TempDir()
	table, err := fs.ReadFile(tongqu.Files, "mappings/customs_ceb/CEB311Message.yaml")
	require.NoError(t, err)
	changed := strings.NewReplacer("  remark: OrderHead/note\n", "  remark: {at: OrderHead/note, expr: 'upper(this)'}\n", "  batchNo: OrderHead/batchNumbers\n", "").Replace(string(table))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "mappings/customs_ceb"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mappings/customs_ceb/CEB311Message.yaml"), []byte(changed), 0o600))
	now := load(t, app.Overlay(tongqu.Files, dir))
	data, err := fs.ReadFile(tongqu.Files, "adapters/customs_ceb/cases/ceb311-full/input.xml")
	require.NoError(t, err)
	data = bytes.Replace(data, []byte("<ceb:note>"), []byte("<ceb:note>abc "), 1)
	require.Empty(t, author.Compare(old, old, "customs_ceb", data))
	got := author.Compare(old, now, "customs_ceb", data)
	require.NotEmpty(t, got)
	paths := map[string]author.Difference{}
	for _, d := range got {
		paths[d.Path] = d
	}
	require.Contains(t, paths, "batchNo")
	require.Empty(t, paths["batchNo"].New)
	require.Contains(t, paths["remark"].Old, "abc ")
	require.Contains(t, paths["remark"].New, "ABC ")
	require.Equal(t, 1, paths["remark"].Record)
	require.Len(t, paths, 2)
	require.Equal(t, []author.Difference{}, append([]author.Difference{}, author.Compare(old, now, "customs_ceb", []byte("<x/>"))...))
}
