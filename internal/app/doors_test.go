package app_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/simplifiedchinese"

	"tongqu/internal/api"
	"tongqu/internal/app"
)

func replace(old, by string) func(int, string) string {
	return func(_ int, order string) string { return strings.Replace(order, old, by, 1) }
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// TestDoorAnswers sends everything that goes wrong through the HTTP door: each
// gets its status, its code and its place, and what was read is kept.
func TestDoorAnswers(t *testing.T) {
	h := startHub(t, t.TempDir(), func(c *app.Config) { c.Intake.MaxBytes, c.Intake.MaxInFlightBytes = 1<<20, 4<<20 })
	good := orderXML("ANS", 1, nil)
	gbk, err := simplifiedchinese.GBK.NewEncoder().Bytes(bytes.Replace(good, []byte("UTF-8"), []byte("GBK"), 1))
	require.NoError(t, err)
	for _, c := range []struct {
		name    string
		token   string
		body    []byte
		headers []string
		status  int
		code    string
		line    int
		path    string
		unkept  bool
	}{
		{name: "good", body: good, status: 202},
		{name: "good in GBK is the same order again", body: gbk, status: 202, code: "DUPLICATE_RECORD"},
		{name: "declares GBK, is UTF-8", body: bytes.Replace(orderXML("ANS2", 1, nil), []byte("UTF-8"), []byte("GBK"), 1), status: 202, code: "CHARSET_MISMATCH"},
		{name: "no token", token: "-", body: good, status: 401, code: "UNAUTHORIZED", unkept: true},
		{name: "wrong token", token: "wrong", body: good, status: 401, code: "UNAUTHORIZED", unkept: true},
		{name: "not entitled", token: carrierToken, body: orderXML("NOT", 1, nil), status: 403, code: "NOT_ENTITLED"},
		{name: "empty", body: nil, status: 400, code: "DOCUMENT_EMPTY"},
		{name: "neither XML nor JSON", body: []byte("hello"), status: 400, code: "DOCUMENT_NOT_READABLE"},
		{name: "not well-formed", body: bytes.Replace(good, []byte("</ceb:orderNo>"), []byte("</ceb:orderNum>"), 1), status: 400, code: "XML_NOT_WELL_FORMED", line: 10},
		{name: "truncated", body: good[:len(good)/2], status: 400, code: "XML_TRUNCATED"},
		{name: "DOCTYPE", body: bytes.Replace(good, []byte("?>"), []byte("?><!DOCTYPE a SYSTEM \"file:///etc/passwd\">"), 1), status: 400, code: "XML_DOCTYPE", line: 1},
		{name: "entity", body: bytes.Replace(good, []byte("示例商品"), []byte("&xxe;"), 1), status: 400, code: "XML_ENTITY", line: 32},
		{name: "wrong charset", body: bytes.Replace(good, []byte("示例商品"), []byte("\xff\xfe\xff"), 1), status: 400, code: "CHARSET_INVALID", line: 32},
		{name: "unknown charset", body: bytes.Replace(good, []byte("UTF-8"), []byte("KLINGON"), 1), status: 400, code: "CHARSET_UNKNOWN"},
		{name: "unknown root", body: []byte(`<a xmlns="urn:b"/>`), status: 415, code: "DOCUMENT_UNKNOWN"},
		{name: "unknown JSON", body: []byte(`{"a":1}`), status: 415, code: "DOCUMENT_UNKNOWN"},
		{name: "JSON cut off", body: []byte(`{"type":"trade.order.v1"`), status: 400, code: "JSON_TRUNCATED"},
		{name: "wrong namespace", body: bytes.Replace(good, []byte("gov.cn/ceb"), []byte("gov.cn/wrong"), 1), status: 422, code: "NAMESPACE_WRONG"},
		{name: "unknown element", body: orderXML("UNK", 1, replace("<ceb:freight>", "<ceb:gift>1</ceb:gift><ceb:freight>")), status: 422, code: "SCHEMA_UNEXPECTED", line: 16, path: "/CEB311Message/Order/OrderHead/gift"},
		{name: "missing value", body: orderXML("MIS", 1, replace("<ceb:buyerName>王测试</ceb:buyerName>\n", "")), status: 422, code: "SCHEMA_REQUIRED", path: "/CEB311Message/Order/OrderHead/buyerName"},
		{name: "overlong value", body: orderXML("LONG", 1, replace("<ceb:buyerRegNo>U1", "<ceb:buyerRegNo>"+strings.Repeat("长", 61))), status: 422, code: "SCHEMA_TOO_LONG", line: 21, path: "/CEB311Message/Order/OrderHead/buyerRegNo"},
		{name: "wrong code is flagged", body: orderXML("CODE", 1, replace("<ceb:country>116", "<ceb:country>999")), status: 202, code: "MAP_CODE", line: 39, path: "/CEB311Message/Order/OrderList/country"},
		{name: "closed code is refused", body: orderXML("APP", 1, replace("<ceb:appType>1", "<ceb:appType>7")), status: 422, code: "SCHEMA_ENUM", line: 6, path: "/CEB311Message/Order/OrderHead/appType"},
		{name: "wrong check digit is flagged", body: orderXML("CHK", 1, replace("11010519491231002X", "110105194912310021")), status: 202, code: "RULE_CHECK_DIGIT", line: 25, path: "/CEB311Message/Order/OrderHead/buyerIdNumber"},
		{name: "wrong arithmetic is flagged", body: orderXML("SUM", 1, replace("119.10", "119.90")), status: 202, code: "RULE_SUM", line: 19, path: "/CEB311Message/Order/OrderHead/acturalPaid"},
		{name: "impossible time", body: orderXML("TIME", 1, replace("20260308112701", "20260230112701")), status: 422, code: "MAP_TIME", line: 7, path: "/CEB311Message/Order/OrderHead/appTime"},
		{name: "10,000 levels deep", body: []byte(strings.Repeat("<a>", 10000)), status: 400, code: "DOCUMENT_TOO_DEEP"},
		{name: "deep JSON", body: []byte(strings.Repeat("[", 10000)), status: 400, code: "DOCUMENT_TOO_DEEP"},
		{name: "many attributes", body: []byte("<a " + manyAttributes(200) + "/>"), status: 400, code: "DOCUMENT_TOO_MANY_ATTRIBUTES"},
		{name: "too large", body: make([]byte, 2<<20), status: 413, code: "DOCUMENT_TOO_LARGE", unkept: true},
		{name: "gzip", body: gzipped(t, orderXML("GZ", 1, nil)), headers: []string{"Content-Encoding", "gzip"}, status: 202},
		{name: "gzip bomb", body: gzipped(t, make([]byte, 64<<20)), headers: []string{"Content-Encoding", "gzip"}, status: 413, code: "DOCUMENT_TOO_LARGE", unkept: true},
		{name: "broken gzip", body: []byte("no gzip"), headers: []string{"Content-Encoding", "gzip"}, status: 400, code: "BAD_REQUEST", unkept: true},
		{name: "unknown encoding", body: good, headers: []string{"Content-Encoding", "br"}, status: 415, code: "BAD_REQUEST", unkept: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := c.token
			switch token {
			case "":
				token = platformToken
			case "-":
				token = ""
			}
			before := documentCount(t, h)
			a := h.send(t, token, c.body, c.headers...)
			require.Equal(t, c.status, a.status, string(a.body))
			if c.code != "" {
				e := find(a, c.code)
				require.NotNil(t, e, "no %s in %s", c.code, a.body)
				require.NotEmpty(t, e.ZH)
				require.NotEmpty(t, e.EN)
				if c.line > 0 {
					require.Equal(t, c.line, e.Line, "%+v", *e)
				}
				if c.path != "" {
					require.Equal(t, c.path, e.Path)
				}
			} else {
				require.Empty(t, a.codes())
			}
			kept := 1
			if c.unkept {
				kept = 0
			}
			require.Equal(t, before+kept, documentCount(t, h))
		})
	}
	var b struct {
		Documents, Records struct{ Received, Accepted, Rejected, Duplicates int }
	}
	require.Equal(t, 200, h.get(t, "/v1/balance", &b))
	require.Equal(t, b.Documents.Received, b.Documents.Accepted+b.Documents.Rejected+b.Documents.Duplicates)
	require.Equal(t, b.Records.Received, b.Records.Accepted+b.Records.Rejected+b.Records.Duplicates)
	require.Equal(t, 200, h.get(t, "/readyz", nil))
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `a%d="1" `, i)
	}
	return b.String()
}

func find(a answer, code string) *problemError {
	for i := range a.Errors {
		if a.Errors[i].Code == code {
			return &a.Errors[i]
		}
	}
	for _, r := range a.Records {
		for i := range r.Errors {
			if r.Errors[i].Code == code {
				return &r.Errors[i]
			}
		}
		if r.Status == "duplicate" && code == "DUPLICATE_RECORD" {
			return &problemError{Code: code, ZH: r.DuplicateOf, EN: r.DuplicateOf}
		}
	}
	return nil
}

func documentCount(t *testing.T, h *hub) int {
	t.Helper()
	var b struct{ Documents struct{ Received int } }
	require.Equal(t, 200, h.get(t, "/v1/balance", &b))
	return b.Documents.Received
}

// TestHundredOrders takes 97 good ones and refuses 3 bad ones of one document,
// and says which, in JSON and in customs' own receipt.
func TestHundredOrders(t *testing.T) {
	h := startHub(t, t.TempDir(), nil)
	bad := map[int]bool{3: true, 50: true, 100: true}
	doc := orderXML("HUNDRED", 100, func(i int, order string) string {
		if bad[i] {
			return strings.Replace(order, "<ceb:currency>142</ceb:currency>", "<ceb:currency>1</ceb:currency>", 1)
		}
		return order
	})
	a := h.send(t, platformToken, doc, "Accept", "application/xml")
	require.Equal(t, 202, a.status)
	receipt := string(a.body)
	require.Contains(t, receipt, `<CEB312Message xmlns="http://www.chinaport.gov.cn/ceb"`)
	require.Equal(t, 97, strings.Count(receipt, "<returnStatus>2</returnStatus>"))
	require.Equal(t, 3, strings.Count(receipt, "<returnStatus>-301008</returnStatus>"))

	again := h.send(t, platformToken, doc)
	require.Equal(t, 202, again.status)
	require.Equal(t, [3]int{0, 3, 97}, [3]int{again.Accepted, again.Rejected, again.Duplicates})
	for _, r := range again.Records {
		if bad[r.Index] {
			require.Equal(t, "rejected", r.Status)
			require.Equal(t, fmt.Sprintf("/CEB311Message/Order[%d]/OrderHead/currency", r.Index), r.Errors[0].Path)
			require.Equal(t, "1", r.Errors[0].Value)
		} else {
			require.Equal(t, fmt.Sprintf("%s.%d", again.DuplicateOf, r.Index), r.DuplicateOf)
		}
	}
}

// TestVersions follows one order: sent, sent again in another form, corrected,
// corrected too late, deleted.
func TestVersions(t *testing.T) {
	h := startHub(t, t.TempDir(), nil)
	version := func(appType, appTime, note string) []byte {
		return orderXML("VER", 1, func(_ int, o string) string {
			o = strings.Replace(o, "<ceb:appType>1", "<ceb:appType>"+appType, 1)
			o = strings.Replace(o, "20260308112701", appTime, 1)
			return strings.Replace(o, "</ceb:OrderHead>", "<ceb:note>"+note+"</ceb:note>\n</ceb:OrderHead>", 1)
		})
	}
	first := h.send(t, platformToken, version("1", "20260308112701", "a"))
	require.Equal(t, 1, first.Accepted)
	same := h.send(t, platformToken, version("1", "20260308112701", "a, sent again with other words"))
	require.Equal(t, 1, same.Duplicates)
	require.Equal(t, first.Records[0].RecordID, same.Records[0].DuplicateOf)
	corrected := h.send(t, platformToken, version("2", "20260308120000", "b"))
	require.Equal(t, 1, corrected.Accepted)
	late := h.send(t, platformToken, version("2", "20260308115959", "too late"))
	require.Equal(t, 422, late.status)
	require.Contains(t, late.codes(), "DUPLICATE_STALE")
	deleted := h.send(t, platformToken, version("3", "20260308130000", "c"))
	require.Equal(t, 1, deleted.Accepted)

	var page api.RecordPage
	require.Equal(t, 200, h.get(t, "/v1/records?key=orderNo=VER-1&status=accepted", &page))
	actions := make([]string, len(page.Records))
	for i, r := range page.Records {
		actions[i] = string(r.Action)
	}
	require.Equal(t, []string{"create", "update", "delete"}, actions)
	require.Equal(t, corrected.Records[0].RecordID, page.Records[1].ID)
}

// TestFileDoor takes files as an agency's client drops them.
func TestFileDoor(t *testing.T) {
	h := startHub(t, t.TempDir(), nil)
	box := filepath.Join(h.data, "agencies", "platform")
	write := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(box, "OutBox", name), data, 0o600))
	}
	arrives := func(pattern string) string {
		var found []string
		require.Eventually(t, func() bool {
			found, _ = filepath.Glob(filepath.Join(box, pattern))
			return len(found) > 0
		}, 20*time.Second, 10*time.Millisecond, "%s did not arrive", pattern)
		return found[0]
	}
	write("good.xml", orderXML("FILE", 2, nil))
	write("unfinished.xml.tmp", []byte("<half"))
	write("bad.xml", []byte("<a>"))
	arrives("SentBox/good.xml")
	receipt, err := os.ReadFile(arrives("InBox/Successed_good_*.xml"))
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(receipt), "<returnStatus>2</returnStatus>"))
	arrives("FailBox/bad.xml")
	reasons, err := os.ReadFile(arrives("FailBox/bad.xml.errors.json"))
	require.NoError(t, err)
	require.Contains(t, string(reasons), "XML_TRUNCATED")
	require.FileExists(t, filepath.Join(box, "OutBox", "unfinished.xml.tmp"))
	write("good.xml", orderXML("FILE", 2, nil)) // the same once more: recognised, and the name is taken
	arrives("SentBox/good.*.xml")
	h.settle(t)
	delivered, err := filepath.Glob(filepath.Join(h.data, "agencies", "customs", "InBox", "orders_*.xml"))
	require.NoError(t, err)
	require.Len(t, delivered, 2)
}

// TestDelivered follows an order from the door to two subscribers: customs gets
// it as CEB311 again, the other one as JSON with personal data masked.
func TestDelivered(t *testing.T) {
	h := startHub(t, t.TempDir(), nil)
	sent := orderXML("DEL", 1, nil)
	a := h.send(t, platformToken, sent)
	require.Equal(t, 202, a.status, string(a.body))
	h.settle(t)
	id := a.Records[0].RecordID
	back, err := os.ReadFile(filepath.Join(h.data, "agencies", "customs", "InBox", "orders_"+id+".xml"))
	require.NoError(t, err)
	resent := h.send(t, platformToken, back)
	require.Equal(t, 1, resent.Duplicates, "what is delivered is the same order: %s", resent.body)
	masked, err := os.ReadFile(filepath.Join(h.data, "agencies", "masked", "InBox", "orders-masked_"+id+".json"))
	require.NoError(t, err)
	for _, personal := range []string{"王测试", "11010519491231002X", "10000000001", "示例路1号"} {
		require.NotContains(t, string(masked), personal)
	}
	var line api.Timeline
	require.Equal(t, 200, h.get(t, "/v1/records/"+id+"/timeline", &line))
	var what []string
	for _, e := range line.Events {
		what = append(what, e.What)
	}
	require.Equal(t, []string{"received", "recorded", "published", "delivered", "delivered"}, what)
	var shown api.Record
	require.Equal(t, 200, h.get(t, "/v1/records/"+id, &shown))
	require.NotContains(t, string(shown.Record), "11010519491231002X", "the operator sees personal data masked")
}

// TestReceiptFromCustoms ties what customs answers to the order by its keys.
func TestReceiptFromCustoms(t *testing.T) {
	testAgencies := testAgencies
	require.NotEmpty(t, testAgencies)
	h := startHub(t, t.TempDir(), nil)
	receipt := []byte(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<CEB312Message xmlns="http://www.chinaport.gov.cn/ceb" guid="33333333-3333-4333-8333-333333333333" version="1.0">
<OrderReturn><guid>33333333-3333-4333-8333-333333333333</guid><ebpCode>4401T0P001</ebpCode><ebcCode>4401T0S002</ebcCode><orderNo>TIED-1</orderNo>
<returnStatus>120</returnStatus><returnTime>20260308112801123</returnTime><returnInfo>[Code:1800;Desc:逻辑校验通过]</returnInfo></OrderReturn>
</CEB312Message>`)
	require.Equal(t, 403, h.send(t, platformToken, receipt).status, "a platform may not speak for customs")
}

// TestEnvelopeAndJSON takes an order out of a base64 envelope, and orders as the
// hub's own JSON: one, an array, and NDJSON.
func TestEnvelopeAndJSON(t *testing.T) {
	h := startHub(t, t.TempDir(), nil)
	envelope := func(inner []byte) []byte {
		return fmt.Appendf(nil, `<DxpMsg xmlns="http://www.chinaport.gov.cn/dxp" ver="1.0"><TransInfo><CopMsgId>1</CopMsgId><SenderId>DXPENT0000000001</SenderId><ReceiverIds><ReceiverId>DXPEDCCEB0000002</ReceiverId></ReceiverIds><CreatTime>2026-03-08T11:27:01</CreatTime><MsgType>CEB311Message</MsgType></TransInfo><Data>%s</Data></DxpMsg>`,
			base64.StdEncoding.EncodeToString(inner))
	}
	a := h.send(t, platformToken, envelope(orderXML("ENV", 1, nil)))
	require.Equal(t, 1, a.Accepted, string(a.body))
	require.Equal(t, "CEB311Message", a.Message)
	bad := h.send(t, platformToken, envelope(orderXML("ENVBAD", 1, replace("<ceb:currency>142", "<ceb:currency>1"))))
	require.Equal(t, 422, bad.status)
	require.Equal(t, "/DxpMsg/Data/CEB311Message/Order/OrderHead/currency", bad.Records[0].Errors[0].Path)
	require.Equal(t, 400, h.send(t, platformToken, bytes.Replace(envelope([]byte("x")), []byte("<Data>"), []byte("<Data>%%"), 1)).status)

	rec, err := h.Store().RecordByID(t.Context(), a.Records[0].RecordID)
	require.NoError(t, err)
	one := func(no string) string {
		return `{"type":"trade.order.v1","record":` + strings.ReplaceAll(string(rec.Body), "ENV-1", no) + `}`
	}
	require.Equal(t, 1, h.send(t, platformToken, []byte(one("J-1"))).Accepted)
	require.Equal(t, 2, h.send(t, platformToken, []byte("["+one("J-2")+",\n"+one("J-3")+"]")).Accepted)
	mixed := h.send(t, platformToken, []byte(one("J-4")+"\n"+strings.Replace(one("J-5"), `"CNY"`, `7`, 1)+"\n"+one("J-6")+"\n"))
	require.Equal(t, [2]int{2, 1}, [2]int{mixed.Accepted, mixed.Rejected}, string(mixed.body))
	require.Equal(t, 2, mixed.Records[1].Errors[0].Line)
}

// TestZip takes many documents in one request.
func TestZip(t *testing.T) {
	h := startHub(t, t.TempDir(), nil)
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, data := range map[string][]byte{"a.xml": orderXML("ZIPA", 2, nil), "b.xml": orderXML("ZIPB", 1, nil), "c.xml": []byte("<no")} {
		f, err := w.Create(name)
		require.NoError(t, err)
		_, err = f.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	a := h.send(t, platformToken, b.Bytes(), "Content-Type", "application/zip")
	require.Equal(t, 202, a.status, string(a.body))
	var batch struct {
		Documents []struct {
			Name   string
			Status int
		}
	}
	require.NoError(t, json.Unmarshal(a.body, &batch))
	require.Equal(t, 3, a.Accepted)
	require.Len(t, batch.Documents, 3)
}

// TestSlowClient gets no more time than configured, and takes nothing from others.
func TestSlowClient(t *testing.T) {
	h := startHub(t, t.TempDir(), func(c *app.Config) { c.Intake.ReadTimeout = 200 * time.Millisecond })
	conn, err := net.Dial("tcp", h.Addr()) //nolint:noctx // a client that hangs on purpose
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "POST /v1/documents HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n<a>", platformToken)
	require.NoError(t, err)
	require.Equal(t, 202, h.send(t, platformToken, orderXML("SLOW", 1, nil)).status)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	require.NoError(t, err)
	require.Contains(t, string(answer[:n]), "400 Bad Request")
}

// TestRateLimit asks an agency to wait.
func TestRateLimit(t *testing.T) {
	h := startHub(t, t.TempDir(), func(c *app.Config) { c.Intake.Rate, c.Intake.Burst = 0.01, 1 })
	require.Equal(t, 202, h.send(t, platformToken, orderXML("RATE", 1, nil)).status)
	a := h.send(t, platformToken, orderXML("RATE2", 1, nil))
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.NotEmpty(t, a.header.Get("Retry-After"))
}

// TestKafkaAway records all the same, says that it is not ready, and goes on when started with a Kafka.
func TestKafkaAway(t *testing.T) {
	data := t.TempDir()
	h := startHub(t, data, func(c *app.Config) { c.Kafka.Brokers = []string{"127.0.0.1:1"} })
	a := h.send(t, platformToken, orderXML("AWAY", 1, nil))
	require.Equal(t, 202, a.status)
	require.Equal(t, 503, h.get(t, "/readyz", nil))
	h.stop()
	h = startHub(t, data, nil)
	h.settle(t)
	require.FileExists(t, filepath.Join(data, "agencies", "customs", "InBox", "orders_"+a.Records[0].RecordID+".xml"))
}

// TestKafkaLost delivers what was on its way when the embedded Kafka's folder was
// lost, and nothing of what had arrived before.
func TestKafkaLost(t *testing.T) {
	data := t.TempDir()
	var up atomic.Bool
	var mu sync.Mutex
	var got []string
	subscriber := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header.Get("Ce-Id"))
	}))
	defer subscriber.Close()
	withSubscriber := func(c *app.Config) {
		text := fmt.Sprintf("code: tax\ntitle: {zh: 税务, en: Tax}\nkind: tax\nsubscriptions:\n  - {id: tax, resource: 301002/000001, endpoint: {http: {url: %q, secret: s}}}\n", subscriber.URL)
		require.NoError(t, os.WriteFile(filepath.Join(c.Folders.Override, "config", "agencies", "tax.yaml"), []byte(text), 0o600))
	}
	up.Store(true)
	h := startHub(t, data, withSubscriber)
	arrived := h.send(t, platformToken, orderXML("ARRIVED", 1, nil)).Records[0].RecordID
	h.settle(t)
	up.Store(false)
	waits := h.send(t, platformToken, orderXML("WAITS", 1, nil)).Records[0].RecordID
	require.Eventually(t, func() bool {
		left, err := h.Store().Unpublished(t.Context(), 1)
		return err == nil && len(left) == 0
	}, 20*time.Second, 10*time.Millisecond)
	h.stop()
	require.NoError(t, os.RemoveAll(filepath.Join(data, "kafka")))
	up.Store(true)
	h = startHub(t, data, withSubscriber)
	h.settle(t)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{arrived, waits}, got)
}

// TestAgenciesSeeTheirOwn keeps agencies from each other's records.
func TestAgenciesSeeTheirOwn(t *testing.T) {
	h := startHub(t, t.TempDir(), nil)
	a := h.send(t, platformToken, orderXML("OWN", 1, nil))
	id := a.Records[0].RecordID
	require.Equal(t, 200, h.do(t, http.MethodGet, "/v1/records/"+id, platformToken, nil).status)
	require.Contains(t, string(h.do(t, http.MethodGet, "/v1/records/"+id, platformToken, nil).body), "11010519491231002X")
	for _, path := range []string{"/v1/records/" + id, "/v1/records/" + id + "/timeline", "/v1/records/" + id + "/document", "/v1/documents/" + a.DocumentID} {
		require.Equal(t, 404, h.do(t, http.MethodGet, path, carrierToken, nil).status, path)
	}
	require.Equal(t, 403, h.do(t, http.MethodGet, "/v1/balance", carrierToken, nil).status)
	require.Equal(t, 401, h.do(t, http.MethodGet, "/v1/records", "", nil).status)
	original := h.do(t, http.MethodGet, "/v1/records/"+id+"/document", platformToken, nil)
	require.Equal(t, orderXML("OWN", 1, nil), original.body)
}
