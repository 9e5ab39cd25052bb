package directory_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/directory"
)

// resources is a directory of three resources: two orders of the same type from
// different providers, and one that is not shared.
const resources = `code: "301002"
category: {zh: 海关, en: Customs}
resources:
  - code: 301002/000001
    title: {zh: 订单, en: Order}
    types: [trade.order]
    summary: {zh: 订单, en: Order}
    provider: {zh: 平台, en: Platform}
    format: self-describing
    share: unconditional
    method: platform
    cycle: real-time
    published: 2026-03-01
  - code: 301002/000002
    title: {zh: 评级, en: Rating}
    types: [credit.rating, credit.review]
    summary: {zh: 评级, en: Rating}
    provider: {zh: 海关, en: Customs}
    format: self-describing
    share: conditional
    condition: {zh: 监管, en: Supervision}
    method: platform
    cycle: weekly
    published: 2026-03-01
  - code: 301002/000003
    title: {zh: 评级, en: Rating}
    types: [credit.rating]
    summary: {zh: 评级, en: Rating}
    provider: {zh: 商务, en: Commerce}
    format: self-describing
    share: none
    condition: {zh: 依据, en: Legal basis}
    method: platform
    cycle: weekly
    published: 2026-03-01
    related: [301002/000001]
`

func agencyFile(lines ...string) string {
	return "title: {zh: 单位, en: Agency}\nkind: other\n" + strings.Join(lines, "\n") + "\n"
}

func files(agencies ...string) fstest.MapFS {
	fsys := fstest.MapFS{"directory/301002.yaml": {Data: []byte(resources)}}
	for i, a := range agencies {
		fsys[fmt.Sprintf("agencies/a%d.yaml", i)] = &fstest.MapFile{Data: []byte(a)}
	}
	return fsys
}

func TestLoadFillsDefaults(t *testing.T) {
	t.Setenv("TONGQU_TEST_SECRET", "hush")
	d, err := directory.Load(files(agencyFile(
		"code: tax",
		"subscriptions:",
		"  - id: tax-order",
		"    resource: 301002/000001",
		"    filter: {direction: import, 'items[].hsCode': [0101210000, \"2\"]}",
		"    endpoint: {http: {url: 'https://tax.example/in', secret: '${env:TONGQU_TEST_SECRET}', timeout: 5s}}",
	)))
	require.NoError(t, err)
	require.Len(t, d.Subscriptions(), 1)
	s := d.Subscriptions()[0]
	require.Equal(t, "tax", s.Agency)
	require.Equal(t, directory.PersonalMasked, s.Personal)
	require.Equal(t, directory.FormatJSON, s.Format)
	require.Equal(t, 1, s.Batch)
	require.Equal(t, []string{"trade.order"}, s.Types)
	require.Equal(t, []string{"tongqu.trade.order"}, s.Topics())
	require.Equal(t, "hush", string(s.Endpoint.HTTP.Secret))
	require.Equal(t, 5*time.Second, s.Endpoint.HTTP.Timeout)
	require.Equal(t, []string{"0101210000", "2"}, s.Filter[1].Values, "a code keeps its zeros")
	found, ok := d.Subscription("tax-order")
	require.True(t, ok)
	require.Same(t, s, found)
	_, ok = d.Subscription("nobody")
	require.False(t, ok)
}

func TestSecretIsNeverPrinted(t *testing.T) {
	e := directory.HTTPEndpoint{URL: "http://a", Secret: "hush"}
	inJSON, err := json.Marshal(e) //nolint:gosec // that it is hidden is the test
	require.NoError(t, err)
	for _, printed := range []string{fmt.Sprint(e), fmt.Sprintf("%+v", e), fmt.Sprintf("%#v", e), fmt.Sprintf("%q", e), string(inJSON)} {
		require.NotContains(t, printed, "hush")
	}
}

func TestLoadSaysWhereAllProblemsAre(t *testing.T) {
	hash := directory.HashToken("t")
	tests := []struct {
		name string
		fsys fstest.MapFS
		want []string
	}{
		{"unknown key", files(agencyFile("code: a", "provide: []")), []string{
			`agencies/a0.yaml:4:1: unknown key "provide"; did you mean "provides"?`,
		}},
		{"unknown resource", files(agencyFile("code: a", "provides: [301002/000009]")), []string{
			`agencies/a0.yaml:4:12: unknown resource "301002/000009"; did you mean "301002/000001"?`,
		}},
		{"two resources of one type", files(agencyFile("code: a", "provides: [301002/000002, 301002/000003]")), []string{
			`agencies/a0.yaml:4:27: the agency already provides credit.rating as 301002/000002`,
		}},
		{"duplicate agency", files(agencyFile("code: a"), agencyFile("code: a")), []string{
			`agencies/a1.yaml:3:7: agency a stands twice`,
		}},
		{"bad agency", files("code: A_1\ntitle: {zh: 单位}\nkind: taxx\n"), []string{
			`agencies/a0.yaml:1:7: code "A_1" must be made of a–z, 0–9 and single hyphens`,
			`agencies/a0.yaml:2:8: title needs a text in zh and in en`,
			`agencies/a0.yaml:3:7: kind "taxx" is not known; did you mean "tax"?`,
		}},
		{"tokens", files(
			agencyFile("code: a", "tokens:", "  - {id: one, sha256: "+hash+"}", "  - {id: one, sha256: abc}"),
			agencyFile("code: b", "tokens: [{id: two, sha256: "+hash+"}]"),
		), []string{
			`agencies/a0.yaml:6:10: a token needs an id of its own`,
			`agencies/a0.yaml:6:23: sha256 must be 64 hexadecimal digits`,
			`agencies/a1.yaml:4:28: the same token stands at agencies/a0.yaml:5`,
		}},
		{"subscriptions", files(agencyFile(
			"code: a",
			"subscriptions:",
			"  - {id: one, resource: 301002/000003, endpoint: {file: {folder: in}}}",
			"  - {id: one, resource: 301002/000001, format: XML, endpoint: {file: {folder: in}}}",
			"  - {id: two, resource: 301002/000001, batch: 2, format: a/B, endpoint: {http: {url: ftp://x}}}",
			"  - {id: three, resource: 301002/000001, personal: plain, types: [trade.payment], endpoint: {}}",
			"  - {id: four, resource: 301002/000001, batch: 5000, endpoint: {file: {}}}",
			"  - {id: five, resource: 301002/000001, batch: 5, endpoint: {file: {folder: in}}}",
		)), []string{
			`agencies/a0.yaml:5:25: resource 301002/000003 is not shared`,
			`agencies/a0.yaml:6:10: subscription one already stands at agencies/a0.yaml:5`,
			`agencies/a0.yaml:6:48: format "XML" must be json or ADAPTER/MESSAGE`,
			`agencies/a0.yaml:7:47: batch above 1 needs format json`,
			`agencies/a0.yaml:7:86: url must be an http or https address`,
			`agencies/a0.yaml:7:80: an http endpoint needs a secret to sign with`,
			`agencies/a0.yaml:8:67: resource 301002/000001 has no type "trade.payment"`,
			`agencies/a0.yaml:8:52: personal "plain" is not known`,
			`agencies/a0.yaml:8:93: an endpoint is either http or file`,
			`agencies/a0.yaml:9:48: batch must be between 1 and 1000`,
			`agencies/a0.yaml:9:71: a file endpoint needs a folder`,
			`agencies/a0.yaml:10:48: batch above 1 needs an http endpoint`,
		}},
		{"filter", files(agencyFile("code: a", "subscriptions:", "  - {id: one, resource: 301002/000001, filter: {a..b: 1}, endpoint: {file: {folder: in}}}")), []string{
			`agencies/a0.yaml:5:48: "a..b" is not a canonical path`,
		}},
		{"secret", files(agencyFile("code: a", "subscriptions:", "  - {id: one, resource: 301002/000001, endpoint: {http: {url: 'http://x', secret: '${env:TONGQU_NOT_SET}'}}}")), []string{
			`agencies/a0.yaml:5:83: environment variable TONGQU_NOT_SET is not set`,
		}},
		{"resources", fstest.MapFS{"directory/x.yaml": {Data: []byte(strings.NewReplacer(
			"- code: 301002/000001", "- code: 301003/000001", "share: unconditional", "share: some", "[trade.order]", "[trade.order.v1]",
			"- code: 301002/000002", "- code: 301002/2", "method: platform\n    cycle: weekly\n", "cycle: fortnightly\n", "title: {zh: 评级, en: Rating}", "title: {zh: 评级}",
			"[credit.rating]", "[]", "published: 2026-03-01\n    related", "interfaces: [CEB311Message]\n    related",
		).Replace(resources))}}, []string{
			`directory/x.yaml:4:11: code 301003/000001 does not begin with the file's code "301002"`,
			`directory/x.yaml:10:12: share "some" is not known`,
			`directory/x.yaml:4:5: condition needs a text in zh and in en`,
			`directory/x.yaml:6:13: "trade.order.v1" is not a canonical type without version`,
			`directory/x.yaml:14:11: code "301002/2" must have the form 301002/000001`,
			`directory/x.yaml:15:12: title needs a text in zh and in en`,
			`directory/x.yaml:14:5: method is missing; valid are disc, mail`,
			`directory/x.yaml:22:12: cycle "fortnightly" is not known`,
			`directory/x.yaml:25:12: title needs a text in zh and in en`,
			`directory/x.yaml:24:5: method is missing`,
			`directory/x.yaml:32:12: cycle "fortnightly" is not known`,
			`directory/x.yaml:24:5: published is missing`,
			`directory/x.yaml:26:12: a resource needs at least one canonical type`,
			`directory/x.yaml:33:18: "CEB311Message" is not ADAPTER/MESSAGE`,
			`directory/x.yaml:34:15: unknown resource "301002/000001"`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := directory.Load(tt.fsys)
			require.Error(t, err)
			got := strings.Split(err.Error(), "\n")
			require.Len(t, got, len(tt.want), err.Error())
			for i, want := range tt.want {
				require.True(t, strings.HasPrefix(got[i], want), "got  %s\nwant %s", got[i], want)
			}
		})
	}
}

func TestAuthenticate(t *testing.T) {
	token := func(id, text, more string) string {
		return "  - {id: " + id + ", sha256: " + directory.HashToken(text) + more + "}"
	}
	d, err := directory.Load(files(
		agencyFile("code: a", "tokens:", token("old", "past", ", expires: 2020-01-01"), token("new", "secret-a", ", expires: 2120-01-01T00:00:00+08:00")),
		agencyFile("code: b", "tokens:", token("one", "secret-b", "")),
		agencyFile("code: c", "demo: true", "tokens:", token("one", "secret-c", "")),
	))
	require.NoError(t, err)
	for _, tt := range []struct{ bearer, agency string }{
		{"secret-a", "a"}, {"secret-b", "b"}, {"past", ""}, {"secret-c", ""}, {"", ""}, {"Secret-a", ""}, {directory.HashToken("secret-a"), ""},
	} {
		got, ok := d.Authenticate(tt.bearer)
		require.Equal(t, tt.agency != "", ok, tt.bearer)
		if ok {
			require.Equal(t, tt.agency, got.Code)
		}
	}
}

func TestEntitlement(t *testing.T) {
	d, err := directory.Load(files(
		agencyFile("code: customs", "provides: [301002/000002, 301002/000001]"),
		agencyFile("code: commerce", "provides: [301002/000003]",
			"subscriptions: [{id: ratings, resource: 301002/000002, endpoint: {file: {folder: in}}}, {id: orders, resource: 301002/000001, endpoint: {file: {folder: in}}}]"),
	))
	require.NoError(t, err)
	customs, _ := d.Agency("customs")
	commerce, _ := d.Agency("commerce")
	code, ok := d.MayProvide(customs, "credit.rating.v1")
	require.True(t, ok)
	require.Equal(t, "301002/000002", code)
	code, ok = d.MayProvide(commerce, "credit.rating.v2")
	require.True(t, ok)
	require.Equal(t, "301002/000003", code)
	_, ok = d.MayProvide(commerce, "trade.order.v1")
	require.False(t, ok)

	ratings, _ := d.Subscription("ratings")
	orders, _ := d.Subscription("orders")
	require.True(t, d.Due(ratings, "customs", "credit.rating.v1"))
	require.False(t, d.Due(ratings, "commerce", "credit.rating.v1"), "another provider's ratings are another resource")
	require.False(t, d.Due(ratings, "customs", "trade.order.v1"))
	require.True(t, d.Due(orders, "gone", "trade.order.v1"), "what only one resource holds stays due when its provider leaves")
	require.Len(t, d.ResourcesByType("credit.rating.v1"), 2)
}

// The files that come with the hub are right, and nobody gets in by a demo token
// unless the demo is asked for.
func TestOwnFiles(t *testing.T) {
	config := os.DirFS("../../config")
	demo, err := directory.LoadDemo(config)
	require.NoError(t, err)
	platform, ok := demo.Authenticate("tongqu-demo-platform")
	require.True(t, ok)
	code, ok := demo.MayProvide(platform, "trade.order.v1")
	require.True(t, ok)
	require.Equal(t, "301002/000001", code)
	require.NotEmpty(t, demo.Subscriptions())
	for _, code := range []string{"301001/000002", "301002/000001", "301002/000002", "301002/000003", "301002/000004"} {
		_, ok := demo.Resource(code)
		require.True(t, ok, code)
	}

	d, err := directory.Load(config)
	require.NoError(t, err)
	require.Len(t, d.Resources(), len(demo.Resources()))
	for _, a := range demo.Agencies() {
		_, ok := d.Authenticate("tongqu-" + a.Code)
		require.False(t, ok, a.Code)
	}
}

// The example in the guide is right.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../../config/agencies/README.md")
	require.NoError(t, err)
	_, example, _ := strings.Cut(string(guide), "```yaml\n")
	example, _, found := strings.Cut(example, "```")
	require.True(t, found)
	t.Setenv("GZ_TAX_SECRET", "hush")
	fsys := fstest.MapFS{"agencies/gz-tax.yaml": {Data: []byte(example)}}
	for _, name := range []string{"301001.yaml", "301002.yaml"} {
		data, err := os.ReadFile("../../config/directory/" + name)
		require.NoError(t, err)
		fsys["directory/"+name] = &fstest.MapFile{Data: data}
	}
	d, err := directory.Load(fsys)
	require.NoError(t, err)
	s, ok := d.Subscription("gz-tax-inventory")
	require.True(t, ok)
	require.Equal(t, 100, s.Batch)
	require.Len(t, s.Filter, 2)
}
