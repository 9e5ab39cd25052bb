package app_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"tongqu/internal/fault"
	"tongqu/internal/simulate"
	"tongqu/internal/store"
)

const identity = "305001-000001"

// citizen makes a number whose 17th digit tells the simulated police what to say.
func citizen(serial int, digit byte) string {
	n := fmt.Sprintf("11010119900307%02d%c", serial, digit)
	sum := 0
	for i := range 17 {
		sum = (sum + int(n[i]-'0')) * 2 % 11
	}
	return n + string("0123456789X"[(12-sum)%11])
}

func person(name, number string) string {
	return fmt.Sprintf(`{"name":%q,"idNumber":%q,"place":"440106"}`, name, number)
}

// policed is a hub that asks the handler for identities as the settings say.
func policed(t *testing.T, h http.Handler, settings string, logger *zap.Logger) *hub {
	t.Helper()
	door := httptest.NewServer(h)
	t.Cleanup(door.Close)
	return policedAt(t, door.URL, settings, logger)
}

// policedAt is one whose police are at an address.
func policedAt(t *testing.T, address, settings string, logger *zap.Logger) *hub {
	t.Helper()
	data := t.TempDir()
	override(t, data, "config/agencies/shop.yaml", "code: shop\ntitle: {zh: 测试商城, en: Test shop}\nkind: platform\ntokens: [{id: t, sha256: "+hash(taxToken)+"}]\nqueries: [305001/000001]\n")
	override(t, data, "config/agencies/police.yaml", "code: police\ntitle: {zh: 测试公安, en: Test police}\nkind: police\nservices:\n  - {resource: 305001/000001, url: \""+address+"/nciic\", "+settings+"}\n")
	return startLogged(t, data, logger, nil)
}

const nciic = "request: police_id/NciicCheck+police_id/CheckConditions, sender: " + simulate.PoliceLicence

func TestPoliceAreAsked(t *testing.T) {
	var calls, persons atomic.Int64
	police := &simulate.Police{Calls: func(n int) { calls.Add(1); persons.Add(int64(n)) }}
	h := policed(t, police, nciic+`, batch: 10, headers: {SOAPAction: '""'}, namespaces: {"https://api.nciic.org.cn/NciicServices": "https://ws.nciic.org.cn/nciic_ws/services/NciicServices"}`, zap.NewNop())
	ok, other, gone, broken := citizen(1, '1'), citizen(2, '6'), citizen(3, '8'), citizen(4, '9')
	out, a := h.ask(t, taxToken, identity, "订购人核验", person("张示例", ok), person("李示例", other), person("王示例", gone), person("赵示例", broken),
		person("钱示例", ok[:17]+string("0123456789"[(ok[17]-'0'+1)%10])), person("孙示例", "110101901307001"), person("孙示例", "440106851112001"))
	require.Equal(t, 200, a.status, string(a.body))
	for i, want := range []string{"match", "mismatch", "no-record", "error", "", "", "match"} {
		require.Equal(t, want, out.Answers[i].Outcome, "%d: %v", i, out.Answers[i])
	}
	require.Equal(t, store.InquiryRefused, out.Answers[4].Status)
	require.Equal(t, fault.RuleCheckDigit, out.Answers[4].Errors[0].Code, "refused before it costs anything")
	require.Equal(t, store.InquiryRefused, out.Answers[5].Status, "month 13")
	require.EqualValues(t, 1, calls.Load(), "one call")
	require.EqualValues(t, 5, persons.Load())
	require.Contains(t, string(out.Answers[0].Records[0].Record), `"name":"张*"`)

	// What the rule lets be given again is, the rest is asked anew.
	again, _ := h.ask(t, taxToken, identity, "订购人核验", person("张示例", ok), person("王示例", gone), person("李示例", other))
	require.Equal(t, store.FromCache, again.Answers[0].Source)
	require.Equal(t, out.Answers[0].QueryID, again.Answers[0].CachedFrom)
	require.Equal(t, out.Answers[0].AsOf, again.Answers[0].AsOf)
	require.Equal(t, out.Answers[0].Records, again.Answers[0].Records)
	require.Equal(t, store.FromAgency, again.Answers[1].Source, "that a number is not there is not kept")
	require.Equal(t, "mismatch", again.Answers[2].Outcome)
	require.EqualValues(t, 2, calls.Load())
	require.EqualValues(t, 6, persons.Load())
	renamed, _ := h.ask(t, taxToken, identity, "订购人核验", person("张示", ok))
	require.Equal(t, store.FromAgency, renamed.Answers[0].Source, "another name is another question")

	_, denied := h.ask(t, customsToken, identity, "x", person("张示例", ok))
	require.Equal(t, 403, denied.status)
	_, long := h.ask(t, taxToken, identity, strings.Repeat("长", 21), person("张示例", citizen(9, '1')))
	require.Equal(t, 422, long.status, "the purpose is the business type, of 20 characters")

	all := h.asked(t, h.operator(t), "limit=1000")
	require.Len(t, all, 7+3+1+1+1)
	for _, q := range all {
		text := fmt.Sprintf("%s%s%s", q.Request, q.Answer, q.Errors)
		for _, p := range []string{"示例", "19900307", ok, other} {
			require.NotContains(t, text, p)
		}
	}
	require.JSONEq(t, `{"name":"张*","idNumber":"`+ok[:6]+`********`+ok[14:]+`","place":"440106","requester":"测试商城","businessType":"订购人核验"}`, string(all[12].Request))
	require.Equal(t, "match", all[12].Outcome)
	requireNotStored(t, h, "张示例", ok)
}

// requireNotStored looks for the words in all files of the data folder.
func requireNotStored(t *testing.T, h *hub, words ...string) {
	t.Helper()
	h.stop()
	require.NoError(t, filepath.WalkDir(h.data, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path) //nolint:gosec // the test's own folder
		for _, w := range words {
			require.False(t, bytes.Contains(content, []byte(w)), "%s holds %s", path, w)
		}
		return err
	}))
}

func TestPoliceFail(t *testing.T) {
	mood := &atomic.Value{}
	mood.Store("")
	police := &simulate.Police{}
	var calls atomic.Int64
	var log bytes.Buffer
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(&log)), zap.DebugLevel)
	h := policed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		switch mood.Load() {
		case "down":
			w.Header().Set("Retry-After", "30")
			http.Error(w, string(body), http.StatusServiceUnavailable)
		case "echo":
			_, _ = w.Write(body)
		case "nonsense":
			_, _ = w.Write(append([]byte("<张示例>"), body...))
		case "fault":
			http.Error(w, `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><soap:Fault><faultcode>soap:Server</faultcode><faultstring>down</faultstring></soap:Fault></soap:Body></soap:Envelope>`, http.StatusInternalServerError)
		case "swapped":
			r.Body = io.NopCloser(bytes.NewReader(bytes.Replace(body, []byte("张示例"), []byte("李四"), 1)))
			police.ServeHTTP(w, r)
		case "slow":
			<-r.Context().Done()
		default:
			police.ServeHTTP(w, r)
		}
	}), nciic+", timeout: 300ms", zap.New(core))
	ask := func(m string, serial int) (answer, fault.Code) {
		mood.Store(m)
		_, a := h.ask(t, taxToken, identity, "核验", person("张示例", citizen(serial, '1')))
		if a.status == 200 {
			return a, ""
		}
		require.Len(t, a.Errors, 1, string(a.body))
		return a, fault.Code(a.Errors[0].Code)
	}
	await := func(serial int) { // until the circuit lets somebody try again; each time a question that is new
		require.Eventually(t, func() bool { a, _ := ask("", serial); return a.status == 200 }, time.Minute, 50*time.Millisecond)
	}
	for i, m := range []string{"echo", "nonsense", "swapped"} {
		a, code := ask(m, 10+i)
		require.Equal(t, 503, a.status, m)
		require.Equal(t, fault.QueryAnswer, code, m)
	}
	_, code := ask("slow", 20)
	require.Equal(t, fault.QueryTimeout, code)
	await(50)
	mood.Store("fault")
	out, a := h.ask(t, taxToken, identity, "核验", person("张示例", citizen(21, '1')))
	require.Equal(t, 200, a.status, string(a.body))
	require.Equal(t, "error", out.Answers[0].Outcome)
	require.Contains(t, string(out.Answers[0].Records[0].Record), "soap:Server")
	await(51)
	a, code = ask("down", 22)
	require.Equal(t, fault.QueryUnavailable, code)
	require.Equal(t, "30", a.header.Get("Retry-After"))
	before := calls.Load()
	a, code = ask("", 23)
	require.Equal(t, fault.QueryUnavailable, code, "the circuit is open")
	require.Equal(t, before, calls.Load(), "nobody was asked")
	require.NotEmpty(t, a.header.Get("Retry-After"))

	for _, q := range h.asked(t, h.operator(t), "status=failed") {
		require.NotContains(t, fmt.Sprintf("%s%s%s", q.Request, q.Answer, q.Errors), "示例")
	}
	metrics := string(h.do(t, http.MethodGet, "/metrics", "", nil).body)
	require.Contains(t, metrics, `tongqu_queries_total{resource="305001/000001",source="agency",status="failed"}`)
	h.stop()
	require.Contains(t, log.String(), "a service gives no answer")
	for _, where := range []string{log.String(), metrics} {
		require.NotContains(t, where, "张示例")
		require.NotContains(t, where, "19900307")
		require.NotContains(t, where, simulate.PoliceLicence)
	}
}

// The police have a certificate of their own authority. A hub that was not told of it
// asks nobody.
func TestPoliceByHTTPS(t *testing.T) {
	var calls atomic.Int64
	door := httptest.NewUnstartedServer(&simulate.Police{Calls: func(int) { calls.Add(1) }})
	door.Config.ErrorLog = zap.NewStdLog(zap.NewNop()) // it complains of whoever does not trust it
	door.StartTLS()
	t.Cleanup(door.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: door.Certificate().Raw})
	require.NoError(t, os.WriteFile(authority, certificate, 0o600))

	stranger := policedAt(t, door.URL, nciic, zap.NewNop())
	_, a := stranger.ask(t, taxToken, identity, "核验", person("张示例", citizen(1, '1')))
	require.Equal(t, 503, a.status, string(a.body))
	require.Equal(t, []string{string(fault.QueryUnavailable)}, a.codes())
	require.Contains(t, string(a.body), "certificate")
	require.Zero(t, calls.Load())

	h := policedAt(t, door.URL, nciic+", ca: "+authority, zap.NewNop())
	out, _ := h.ask(t, taxToken, identity, "核验", person("张示例", citizen(1, '1')))
	require.Equal(t, "match", out.Answers[0].Outcome, "%v", out.Answers[0].Errors)
	require.EqualValues(t, 1, calls.Load())
}

func TestPoliceAreNotAskedTooOften(t *testing.T) {
	h := policed(t, &simulate.Police{}, nciic+", rate: 0.01, burst: 1", zap.NewNop())
	_, a := h.ask(t, taxToken, identity, "核验", person("张示例", citizen(1, '1')))
	require.Equal(t, 200, a.status, string(a.body))
	_, a = h.ask(t, taxToken, identity, "核验", person("张示例", citizen(2, '1')))
	require.Equal(t, 429, a.status, string(a.body))
	require.NotEmpty(t, a.header.Get("Retry-After"))
	out, _ := h.ask(t, taxToken, identity, "核验", person("张示例", citizen(1, '1')))
	require.Equal(t, store.FromCache, out.Answers[0].Source, "an earlier answer costs no call")
}

// The same question by another interface: parameters in the address, JSON back.
func TestPoliceByJSON(t *testing.T) {
	h := policed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("key") != "K" || r.Method != http.MethodGet {
			_, _ = io.WriteString(w, `{"reason":"KEY ERROR!","error_code":10001}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"reason": "成功", "error_code": 0, "result": map[string]any{"realname": q.Get("realname"), "idcard": q.Get("idcard"), "res": 2}})
	}), "request: police_id_json/JuheCheck, send: query, parameters: {key: K}", zap.NewNop())
	out, a := h.ask(t, taxToken, identity, "核验", `{"name":"张示例","idNumber":"`+citizen(1, '1')+`"}`)
	require.Equal(t, 200, a.status, string(a.body))
	require.Equal(t, "mismatch", out.Answers[0].Outcome)
}
