package api_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"tongqu/internal/api"
	"tongqu/internal/app"
)

// description is openapi.json, as far as the tests read it.
type description struct {
	compiler *jsonschema.Compiler
	paths    map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Summary     string `json:"summary"`
		Responses   map[string]struct {
			Description string                     `json:"description"`
			Content     map[string]json.RawMessage `json:"content"`
		} `json:"responses"`
		Parameters []struct{ Name, In string } `json:"parameters"`
	}
	seen map[string]bool // "GET /path 200"
}

// load reads the description and makes its schemas strict: what is not described
// is an error.
func load(t *testing.T) *description {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.OpenAPI))
	require.NoError(t, err)
	root, ok := doc.(map[string]any)
	require.True(t, ok)
	components, ok := root["components"].(map[string]any)
	require.True(t, ok)
	strict(components["schemas"])
	d := &description{compiler: jsonschema.NewCompiler(), seen: map[string]bool{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	require.NoError(t, d.compiler.AddResource("openapi.json", doc))
	var whole struct{ Paths json.RawMessage }
	require.NoError(t, json.Unmarshal(api.OpenAPI, &whole))
	require.NoError(t, json.Unmarshal(whole.Paths, &d.paths))
	return d
}

func strict(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["properties"].(map[string]any); ok && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for _, child := range v {
			strict(child)
		}
	case []any:
		for _, child := range v {
			strict(child)
		}
	}
}

// require checks that the answer is one that the description of the path has.
func (d *description) require(t *testing.T, method, path string, a answer) {
	t.Helper()
	op, ok := d.paths[path][strings.ToLower(method)]
	require.True(t, ok, "%s %s is not described", method, path)
	status := strconv.Itoa(a.status)
	response, ok := op.Responses[status]
	require.True(t, ok, "%s %s does not describe %s: %s", method, path, status, a.body)
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	require.NoError(t, err)
	require.Contains(t, response.Content, media)
	d.seen[method+" "+path+" "+status] = true
	if !strings.HasSuffix(media, "json") {
		return
	}
	pointer := "openapi.json#/paths/" + escape(path) + "/" + strings.ToLower(method) + "/responses/" + status + "/content/" + escape(media) + "/schema"
	s, err := d.compiler.Compile(pointer)
	require.NoError(t, err)
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
	require.NoError(t, err)
	require.NoError(t, s.Validate(body), "%s", a.body)
}

func escape(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(s)
}

// TestDescribesEveryRoute compares the routes with the description, both ways.
func TestDescribesEveryRoute(t *testing.T) {
	d := load(t)
	var described []string
	operations := map[string]bool{}
	for path, methods := range d.paths {
		for method, op := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
			require.NotEmpty(t, op.Summary)
			require.False(t, operations[op.OperationID], "operation %s stands twice", op.OperationID)
			operations[op.OperationID] = true
			for _, name := range []string{"id", "code"} {
				inPath := slices.ContainsFunc(op.Parameters, func(p struct{ Name, In string }) bool { return p.In == "path" && p.Name == name })
				require.Equal(t, strings.Contains(path, "{"+name+"}"), inPath, path)
			}
			for status, r := range op.Responses {
				require.NotEmpty(t, r.Description, "%s %s", path, status)
			}
		}
	}
	slices.Sort(described)
	require.Equal(t, api.Routes(), described)
}

// TestAnswersAsDescribed gets every described answer from a running hub and
// checks it against its schema.
func TestAnswersAsDescribed(t *testing.T) {
	d := load(t)
	h := startHub(t, nil)
	ask := func(method, path, query, token string, body []byte, status int, headers ...string) answer {
		t.Helper()
		where := path
		if id, rest, ok := strings.Cut(query, " "); ok {
			where, query = strings.NewReplacer("{id}", id, "{code}", id).Replace(path), rest
		}
		a := h.do(t, method, where+query, token, body, headers...)
		require.Equal(t, status, a.status, "%s %s: %s", method, where, a.body)
		d.require(t, method, path, a)
		return a
	}
	const documents = "/v1/documents"
	good := h.order(t, "API", 3)
	var sent struct {
		DocumentID string
		Records    []struct{ RecordID string }
	}
	require.NoError(t, json.Unmarshal(ask("POST", documents, "", platformToken, good, 202).body, &sent))
	half := bytes.Replace(h.order(t, "APJ", 2), []byte("<ceb:currency>142"), []byte("<ceb:currency>1"), 1)
	ask("POST", documents, "", platformToken, half, 202)
	ask("POST", documents, "", platformToken, good, 202)
	ask("POST", documents, "", platformToken, h.order(t, "APK", 1), 202, "Accept", "application/xml")
	ask("POST", documents, "", platformToken, zipped(t, good, []byte("<a>")), 202, "Content-Type", "application/zip")
	ask("POST", documents, "", platformToken, zipped(t, []byte("<a>")), 422, "Content-Type", "application/zip")
	ask("POST", documents, "", platformToken, []byte("PK"), 400, "Content-Type", "application/zip")
	ask("POST", documents, "", platformToken, good[:500], 400)
	ask("POST", documents, "", "", good, 401)
	ask("POST", documents, "", carrierToken, good, 403)
	ask("POST", documents, "", platformToken, make([]byte, 2<<20), 413)
	ask("POST", documents, "", platformToken, []byte(`{"a":1}`), 415)
	ask("POST", documents, "", platformToken, good, 415, "Content-Encoding", "br")
	bad := bytes.ReplaceAll(good, []byte("<ceb:currency>142"), []byte("<ceb:currency>1"))
	ask("POST", documents, "", platformToken, bad, 422)
	ask("POST", documents, "", platformToken, bad, 422, "Accept", "text/xml")
	settle(t, h)

	ask("GET", documents, "?status=partial&limit=1", h.operator, nil, 200)
	ask("GET", documents, "?agency=platform", platformToken, nil, 200)
	ask("GET", documents, "?status=good", platformToken, nil, 400)
	ask("GET", documents, "?cursor=good", platformToken, nil, 400)
	ask("GET", documents, "", "wrong", nil, 401)
	record := sent.Records[0].RecordID
	ofOne := map[string]string{
		"/v1/documents/{id}": sent.DocumentID, "/v1/documents/{id}/body": sent.DocumentID, "/v1/records/{id}": record,
		"/v1/records/{id}/timeline": record, "/v1/records/{id}/document": record,
	}
	for path, id := range ofOne {
		ask("GET", path, id+" ", platformToken, nil, 200)
		ask("GET", path, id+" ", carrierToken, nil, 404)
		ask("GET", path, "no-such-thing ", platformToken, nil, 404)
		ask("GET", path, id+" ", "", nil, 401)
	}
	ask("GET", "/v1/records/{id}", record+" ", h.operator, nil, 200)
	ask("GET", "/v1/records", "?type=trade.order&key=orderNo=20260308API000001&from=2026-01-01&order=newest", platformToken, nil, 200)
	ask("GET", "/v1/records", "?status=rejected", h.operator, nil, 200)
	ask("GET", "/v1/records", "?limit=1", h.operator, nil, 200)
	for _, wrong := range []string{"key=orderNo", "key==x", "from=yesterday", "to=1", "limit=0", "limit=1001", "limit=x", "status=good", "order=best", "cursor=%00"} {
		a := ask("GET", "/v1/records", "?"+wrong, platformToken, nil, 400)
		name, _, _ := strings.Cut(wrong, "=")
		require.Contains(t, string(a.body), `"path":"`+name+`"`)
	}
	ask("GET", "/v1/records", "", "wrong", nil, 401)

	const queries, askOne = "/v1/queries", "/v1/queries/{code}"
	question := []byte(`{"purpose":"test","requests":[{"orderNo":"20260308API000001"},{"orderNo":"none"}]}`)
	ask("POST", askOne, "301001-000002 ", customsToken, question, 200)
	ask("POST", askOne, "301001-000002 ", customsToken, []byte(`{"requests":[{"orderNo":"1"}]}`), 400)
	ask("POST", askOne, "301001-000002 ", customsToken, []byte(`{"purpose":`), 400)
	ask("POST", askOne, "301001-000002 ", "wrong", question, 401)
	ask("POST", askOne, "301001-000002 ", carrierToken, question, 403)
	ask("POST", askOne, "301002-000001 ", customsToken, question, 404)
	ask("POST", askOne, "999999-000001 ", customsToken, question, 404)
	ask("POST", askOne, "301001-000002 ", customsToken, []byte(`{"purpose":"test","requests":[{"buyer":"1"}]}`), 422)
	person := func(number string) []byte {
		return []byte(`{"purpose":"test","requests":[{"name":"张示例","idNumber":"` + number + `","place":"440106"}]}`)
	}
	ask("POST", askOne, "305001-000001 ", customsToken, person("11010519491231002X"), 200)
	require.NotEmpty(t, ask("POST", askOne, "305001-000001 ", customsToken, person("44052418800101001X"), 422))
	require.NotEmpty(t, ask("POST", askOne, "305001-000001 ", customsToken, person("440106851112001"), 429).header.Get("Retry-After"))
	ask("GET", queries, "?resource=305001-000001", h.operator, nil, 200)
	ask("GET", queries, "?resource=301001-000002&limit=2", h.operator, nil, 200)
	ask("GET", queries, "?status=refused", carrierToken, nil, 200)
	for _, wrong := range []string{"limit=x", "status=good", "cursor=zz", "from=yesterday"} {
		ask("GET", queries, "?"+wrong, h.operator, nil, 400)
	}
	ask("GET", queries, "", "wrong", nil, 401)

	const deliveries, resend = "/v1/deliveries", "/v1/deliveries/resend"
	ask("GET", deliveries, "?status=parked&limit=2", h.operator, nil, 200)
	ask("GET", deliveries, "?record="+record, h.operator, nil, 200)
	for _, wrong := range []string{"limit=x", "status=good", "cursor=zz"} {
		ask("GET", deliveries, "?"+wrong, h.operator, nil, 400)
	}
	ask("GET", deliveries, "", "wrong", nil, 401)
	ask("GET", deliveries, "", platformToken, nil, 403)
	ask("POST", resend, "", h.operator, []byte(`{"subscription":"tax-orders","recordIds":["`+record+`"]}`), 200)
	ask("POST", resend, "", h.operator, []byte(`{"subscription":"tax-orders"}`), 400)
	ask("POST", resend, "", h.operator, []byte(`{"subscription":"tax-orders","everything":true}`), 400)
	ask("POST", resend, "", "wrong", nil, 401)
	ask("POST", resend, "", platformToken, nil, 403)
	ask("POST", resend, "", h.operator, []byte(`{"subscription":"nobody","all":true}`), 404)
	ask("GET", "/v1/subscriptions", "", h.operator, nil, 200)
	ask("GET", "/v1/subscriptions", "", "wrong", nil, 401)
	ask("GET", "/v1/subscriptions", "", platformToken, nil, 403)
	ask("GET", "/v1/balance", "", h.operator, nil, 200)
	ask("GET", "/v1/balance", "?day=2026-03-08", h.operator, nil, 200)
	ask("GET", "/v1/balance", "?day=today", h.operator, nil, 400)
	ask("GET", "/v1/balance", "", "", nil, 401)
	ask("GET", "/v1/balance", "", platformToken, nil, 403)
	for _, open := range []string{"/healthz", "/readyz", "/metrics", "/openapi.json"} {
		ask("GET", open, "", "", nil, 200)
	}
	h.tax.Close()
	ask("POST", resend, "", h.operator, []byte(`{"subscription":"tax-orders","all":true}`), 502)

	// The store is gone.
	require.NoError(t, h.Store().Close())
	require.NotEmpty(t, ask("POST", documents, "", platformToken, h.order(t, "APZ", 1), 503).header.Get("Retry-After"))
	ask("GET", "/readyz", "", "", nil, 503)
	ask("POST", askOne, "301001-000002 ", customsToken, question, 503)
	for _, path := range []string{documents, "/v1/records", queries, deliveries, "/v1/subscriptions", "/v1/balance"} {
		ask("GET", path, "", h.operator, nil, 500)
	}
	for path, id := range ofOne {
		ask("GET", path, id+" ", platformToken, nil, 500)
	}
	ask("POST", resend, "", h.operator, []byte(`{"subscription":"tax-orders","all":true}`), 500)

	// An agency that sends too fast.
	h = startHub(t, func(c *app.Config) { c.Intake.Rate, c.Intake.Burst = 0.01, 1 })
	ask("POST", documents, "", platformToken, good, 202)
	require.NotEmpty(t, ask("POST", documents, "", platformToken, good, 429).header.Get("Retry-After"))

	var unseen []string
	for path, methods := range d.paths {
		for method, op := range methods {
			for status := range maps.Keys(op.Responses) {
				if what := strings.ToUpper(method) + " " + path + " " + status; !d.seen[what] {
					unseen = append(unseen, what)
				}
			}
		}
	}
	require.Empty(t, unseen, "described, but never answered")
}

// TestNoRoute answers what there is no route for.
func TestNoRoute(t *testing.T) {
	h := startHub(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/v2/records", 404, ""},
		{"POST", "/v1/records", 405, "GET"},
		{"DELETE", "/v1/records/1", 405, "GET"},
		{"PUT", "/v1/documents", 405, "GET, POST"},
		{"GET", "/v1/deliveries/resend", 405, "POST"},
	} {
		a := h.do(t, c.method, c.path, h.operator, nil)
		require.Equal(t, c.status, a.status, c.path)
		require.Equal(t, c.allow, a.header.Get("Allow"))
		require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
		require.Contains(t, string(a.body), fmt.Sprintf(`"status":%d`, c.status))
	}
	require.Equal(t, http.StatusOK, h.do(t, http.MethodHead, "/healthz", "", nil).status)
}

func settle(t *testing.T, h *hub) {
	t.Helper()
	require.Eventually(t, func() bool { return h.Settled(t.Context()) }, 30*time.Second, 10*time.Millisecond)
}

func zipped(t *testing.T, docs ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, doc := range docs {
		f, err := w.Create(fmt.Sprintf("%d.xml", i))
		require.NoError(t, err)
		_, err = f.Write(doc)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}
