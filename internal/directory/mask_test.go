package directory_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/directory"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// personShape marks one field of each kind of personal data, in a list and out of it.
func personShape() *schema.Shape {
	leaf := func(name, personal string) *schema.Shape { return &schema.Shape{Name: name, Personal: personal} }
	item := &schema.Shape{Props: []*schema.Shape{leaf("name", ""), leaf("maker", "name")}}
	return &schema.Shape{Props: []*schema.Shape{
		leaf("orderNo", ""),
		{Name: "buyer", Props: []*schema.Shape{leaf("name", "name"), leaf("idNumber", "id"), leaf("phone", "phone")}},
		leaf("address", "address"), leaf("account", "account"),
		{Name: "items", Items: item},
	}}
}

func newMasker(tb testing.TB) *directory.Masker {
	tb.Helper()
	m, err := directory.NewMasker(personShape())
	require.NoError(tb, err)
	return m
}

func TestMaskJSON(t *testing.T) {
	const in = `{"orderNo":"A1","buyer":{"name":"张三丰","idNumber":"130681199001013332","phone":"13812345940","idType":"1"},` +
		`"address":"广东省广州市天河区测试路1号","account":"6222020000001234","items":[{"name":"茶","maker":"李四"},{"name":"杯","maker":null}]}`
	const want = `{"orderNo":"A1","buyer":{"name":"张*","idNumber":"130681********3332","phone":"138****5940","idType":"1"},` +
		`"address":"广东省广州市***","account":"************1234","items":[{"name":"茶","maker":"李*"},{"name":"杯","maker":null}]}`
	body := []byte(in)
	before := slices.Clone(body)
	got, err := newMasker(t).MaskJSON(body, wire.NewDefaultLimits())
	require.NoError(t, err)
	require.JSONEq(t, want, string(got))
	require.Equal(t, before, body, "the caller's bytes stay")
}

func TestMaskLengths(t *testing.T) {
	tests := []struct{ field, value, want string }{
		{"buyer.name", "", ""},
		{"buyer.name", "张", "*"},
		{"buyer.name", "欧阳某某", "欧*"},
		{"buyer.name", "John Smith", "J*"},
		{"buyer.idNumber", "130681900101333", "130681*****1333"},
		{"buyer.idNumber", "E12345678", "E******78"},
		{"buyer.idNumber", "1234", "***4"},
		{"buyer.idNumber", "12", "**"},
		{"buyer.phone", "+8613812345940", "+86138****5940"},
		{"buyer.phone", "010-12345678", "010-****5678"},
		{"buyer.phone", "87654321", "******21"},
		{"buyer.phone", "110", "***"},
		{"buyer.phone", "13812345940,13912345941", "138****************5941"},
		{"address", "广州市", "广***"},
		{"address", "路", "***"},
		{"address", "", "***"},
		{"account", "123", "**3"},
		{"account", "1", "*"},
		{"account", "12345678", "****5678"},
	}
	m := newMasker(t)
	for _, tt := range tests {
		t.Run(tt.field+" "+tt.value, func(t *testing.T) {
			root := &wire.Node{}
			at := root
			path := strings.Split(tt.field, ".")
			for _, step := range path[:len(path)-1] {
				at = at.Append(&wire.Node{Name: step})
			}
			leaf := at.Append(&wire.Node{Kind: wire.Text, Name: path[len(path)-1], Text: tt.value})
			m.Mask(root)
			require.Equal(t, tt.want, leaf.Text)
		})
	}
}

// What is not as the schema says is hidden too.
func TestMaskFailsClosed(t *testing.T) {
	const in = `{"buyer":{"name":{"family":"张三","given":["丰收"]},"idNumber":130681199001013332,"phone":true}}`
	got, err := newMasker(t).MaskJSON([]byte(in), wire.NewDefaultLimits())
	require.NoError(t, err)
	require.JSONEq(t, `{"buyer":{"name":{"family":"张*","given":["丰*"]},"idNumber":"130681********3332","phone":"****"}}`, string(got))

	_, err = newMasker(t).MaskJSON([]byte(`{"buyer":`), wire.NewDefaultLimits())
	require.Error(t, err)

	_, err = directory.NewMasker(&schema.Shape{Props: []*schema.Shape{{Name: "face", Personal: "photo"}}})
	require.ErrorContains(t, err, `unknown kind of personal data "photo"`)
	loop := &schema.Shape{Name: "loop"}
	loop.Props = []*schema.Shape{loop}
	_, err = directory.NewMasker(loop)
	require.ErrorContains(t, err, "nested deeper")
}

func TestMaskerOfTypeWithoutPersonalDataIsEmpty(t *testing.T) {
	m, err := directory.NewMasker(&schema.Shape{Props: []*schema.Shape{{Name: "a", Props: []*schema.Shape{{Name: "b"}}}}})
	require.NoError(t, err)
	require.True(t, m.Empty())
	require.False(t, newMasker(t).Empty())
}

// No personal value comes through whole, and of long ones at least four
// characters are always hidden.
func TestMaskHides(t *testing.T) {
	m := newMasker(t)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringN(1, 40, -1).Filter(func(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "*") }).Draw(t, "value")
		for _, field := range []string{"address", "account"} {
			root := &wire.Node{}
			leaf := root.Append(&wire.Node{Kind: wire.Text, Name: field, Text: value})
			m.Mask(root)
			hides(t, value, leaf.Text)
		}
		for _, field := range []string{"name", "idNumber", "phone"} {
			root := &wire.Node{}
			leaf := root.Append(&wire.Node{Name: "buyer"}).Append(&wire.Node{Kind: wire.Text, Name: field, Text: value})
			m.Mask(root)
			hides(t, value, leaf.Text)
		}
	})
}

func hides(t *rapid.T, value, masked string) {
	shown := utf8.RuneCountInString(strings.ReplaceAll(masked, "*", ""))
	n := utf8.RuneCountInString(value)
	if shown >= n || n >= 12 && shown > n-4 {
		t.Fatalf("%q is shown as %q", value, masked)
	}
}

func TestFilter(t *testing.T) {
	const record = `{"direction":"import","platform":{"code":"3120260099"},"count":2,"items":[{"hsCode":"1"},{"hsCode":"0101210000"}]}`
	doc, err := wire.ReadJSON([]byte(record), wire.NewDefaultLimits())
	require.NoError(t, err)
	tests := []struct {
		filter string
		want   bool
	}{
		{"{}", true},
		{"{direction: import}", true},
		{"{direction: export}", false},
		{"{direction: [export, import], platform.code: 3120260099}", true},
		{"{direction: import, platform.code: 1}", false},
		{"{'items[].hsCode': 0101210000}", true},
		{"{'items[].hsCode': 0101210001}", false},
		{"{items.hsCode: 1}", false},
		{"{'platform[].code': 3120260099}", false},
		{"{platform: 3120260099}", false},
		{"{count: 2}", true},
		{"{missing: x}", false},
	}
	for _, tt := range tests {
		t.Run(tt.filter, func(t *testing.T) {
			d, err := directory.Load(files(agencyFile("code: a", "subscriptions:",
				"  - {id: one, resource: 301002/000001, filter: "+tt.filter+", endpoint: {file: {folder: in}}}")))
			require.NoError(t, err)
			require.Equal(t, tt.want, d.Subscriptions()[0].Filter.Matches(doc.Root))
		})
	}
}

func BenchmarkMaskJSON(b *testing.B) {
	m := newMasker(b)
	body := []byte(`{"orderNo":"A1","buyer":{"name":"张三丰","idNumber":"130681199001013332","phone":"13812345940","idType":"1"},` +
		`"address":"广东省广州市天河区测试路1号","account":"6222020000001234","items":[{"name":"茶","maker":"李四"}],"note":"` + strings.Repeat("x", 1000) + `"}`)
	limits := wire.NewDefaultLimits()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.MaskJSON(body, limits); err != nil {
			b.Fatal(err)
		}
	}
}
