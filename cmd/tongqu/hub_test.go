package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/api"
	"tongqu/internal/client"
	"tongqu/internal/delivery"
	"tongqu/internal/directory"
)

// output is what a running command has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// served is a `tongqu serve` that runs in this process.
type served struct {
	data, config, url string
	err               *output
	stop              func() int
}

const token = "platform-test-token"

// serve starts a hub on the data folder, with a platform that provides orders, a
// customs that gets them as files, and a tax office that gets them over HTTP.
func serve(t *testing.T, data, taxURL string) *served {
	t.Helper()
	override := filepath.Join(data, "override")
	file(t, override, "config/agencies/platform.yaml", []byte("code: platform\ntitle: {zh: 测试平台, en: Test platform}\nkind: platform\ntokens: [{id: t, sha256: "+directory.HashToken(token)+"}]\nprovides: [301002/000001]\n"))
	file(t, override, "config/agencies/customs.yaml", []byte("code: customs\ntitle: {zh: 测试海关, en: Test customs}\nkind: customs\nsubscriptions:\n  - {id: orders, resource: 301002/000001, format: customs_ceb/CEB311Message, personal: clear, endpoint: {file: {folder: agencies/customs}}}\n"))
	file(t, override, "config/agencies/tax.yaml", []byte("code: tax\ntitle: {zh: 测试税务, en: Test tax}\nkind: tax\nsubscriptions:\n  - {id: tax-orders, resource: 301002/000001, endpoint: {http: {url: \""+taxURL+"\", secret: s}}}\n"))
	s := &served{data: data, err: &output{}}
	s.config = file(t, data, "tongqu.yaml", []byte("data: "+data+"\nlisten: 127.0.0.1:0\nfolders: {override: "+override+"}\ndelivery: {backoffBase: 10ms, backoffMax: 50ms}\n"))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--config", s.config}, streams{strings.NewReader(""), s.err, s.err})
	}()
	s.stop = sync.OnceValue(func() int { cancel(); return <-ended })
	t.Cleanup(func() { s.stop() })
	address := regexp.MustCompile(`tongqu listens on (http://\S+), data in `)
	require.Eventually(t, func() bool {
		if len(ended) > 0 {
			return true
		}
		m := address.FindStringSubmatch(s.err.String())
		if m != nil {
			s.url = m[1]
		}
		return m != nil
	}, 30*time.Second, 10*time.Millisecond)
	require.NotEmpty(t, s.url, s.err)
	return s
}

// run executes a command as the operator of the hub.
func (s *served) run(t *testing.T, args ...string) ran {
	t.Helper()
	return runCommand(t, append(args, "--config", s.config, "--url", s.url)...)
}

// taxOffice is a subscriber that refuses everything until told otherwise.
func taxOffice(t *testing.T) (url string, accept func()) {
	t.Helper()
	var accepts atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !accepts.Load() {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, func() { accepts.Store(true) }
}

// settled waits until so many deliveries of the status are there.
func (s *served) settled(t *testing.T, status string, n int) []api.Delivery {
	t.Helper()
	var page api.DeliveryPage
	require.Eventually(t, func() bool {
		page = api.DeliveryPage{}
		s.run(t, "deliveries", "--status", status, "-o", "json").json(t, &page)
		return len(page.Deliveries) == n
	}, 30*time.Second, 20*time.Millisecond, "%d %s", n, status)
	return page.Deliveries
}

func TestHub(t *testing.T) {
	tax, accept := taxOffice(t)
	s := serve(t, t.TempDir(), tax)

	// A folder with good ones, a bad one, one that nobody knows, and the first once more.
	box := t.TempDir()
	first := order(t, "HUB", 3)
	file(t, box, "1.xml", first)
	file(t, box, "sub/2.xml", spoil(t, order(t, "HUC", 2), "currency", 1, "1"))
	file(t, box, "sub/3.xml", []byte("<Invoice/>"))
	file(t, box, ".hidden", []byte("not sent"))
	file(t, box, "zz.xml", first)
	send := []string{"send", box, "--token", token, "--connections", "1"}
	r := s.run(t, send...)
	require.Equal(t, exitFindings, r.code, r.err)
	require.Contains(t, r.out, "4 files = 2 accepted + 1 rejected + 1 duplicates + 0 failed; records: 4 accepted, 1 rejected, 3 duplicates\n")
	require.Contains(t, r.out, filepath.Join(box, "sub", "2.xml")+": 202, 1 accepted, 1 rejected, 0 duplicates")
	require.Regexp(t, regexp.QuoteMeta(filepath.Join(box, "sub", "3.xml"))+": 415, .*no adapter knows this document", r.out)

	r = s.run(t, append(send, "-o", "json")...)
	require.Equal(t, exitFindings, r.code)
	var sent struct {
		Files   []client.Sent
		Summary client.Summary
	}
	r.json(t, &sent)
	require.Equal(t, client.Summary{Files: 4, Rejected: 1, Duplicates: 3, Records: client.Counts{Rejected: 1, Duplicates: 7}}, sent.Summary, "all that was accepted is known")
	require.Len(t, sent.Files, 4)

	r = s.run(t, "send", filepath.Join(box, "1.xml"), "--token", "wrong")
	require.Equal(t, exitFailure, r.code)
	require.Contains(t, r.out, "1 files = 0 accepted + 0 rejected + 0 duplicates + 1 failed")
	require.Contains(t, r.out, "the token is missing or wrong")

	// Records by key, by status, and what a page does not hold.
	r = s.run(t, "records", "--key", "orderNo=20260308HUB000002")
	require.Equal(t, 0, r.code, r.err)
	require.Regexp(t, `(?m)^\S+ \S+ +trade\.order\.v1 +platform +accepted +create +order=4401T0P001/20260308HUB000002 +\S+\.2$`, r.out)
	var page api.RecordPage
	s.run(t, "records", "--status", "accepted", "-o", "json").json(t, &page)
	require.Len(t, page.Records, 4)
	r = s.run(t, "records", "--limit", "2")
	require.Equal(t, 3, strings.Count(r.out, "\n"))
	require.Contains(t, r.err, "there are more")
	for _, wrong := range [][]string{{"--key", "orderNo"}, {"--from", "yesterday"}, {"--limit", "0"}, {"--status", "good"}} {
		r = s.run(t, append([]string{"records"}, wrong...)...)
		require.Equal(t, exitUsage, r.code, "%v: %s", wrong, r.err)
	}

	// The tax office refuses all four; customs has them.
	parked := s.settled(t, "parked", 4)
	s.settled(t, "delivered", 4)
	r = s.run(t, "deliveries", "--status", "parked", "--subscription", "tax-orders")
	require.Equal(t, 0, r.code, r.err)
	require.Equal(t, 5, strings.Count(r.out, "\n"), r.out)
	require.Contains(t, r.out, "422")

	id := page.Records[0].ID
	r = s.run(t, "show", id)
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.out, `"recordId": "`+id+`"`)
	for _, event := range []string{"received +platform", "recorded", "published", "delivered +orders", "parked +tax-orders"} {
		require.Regexp(t, `(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  `+event, r.out)
	}
	var shown struct {
		Record   api.Record
		Timeline api.Timeline
	}
	s.run(t, "show", id, "-o", "json").json(t, &shown)
	require.Equal(t, id, shown.Record.ID)
	require.Len(t, shown.Timeline.Events, 5)

	document, _, _ := strings.Cut(id, ".")
	r = s.run(t, "show", document)
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.out, "document  "+document)
	require.Contains(t, r.out, "content   customs_ceb/CEB311Message, ")
	require.Contains(t, r.out, id)
	r = s.run(t, "show", sent.Files[2].DocumentID)
	require.Contains(t, r.out, "no adapter knows this document")
	require.Equal(t, exitFailure, s.run(t, "show", "no-such-document").code)
	require.Equal(t, exitFailure, s.run(t, "show", "no-such.record").code)

	// The tax office comes to its senses: one is sent again, then the others.
	r = s.run(t, "deliveries", "resend", "--subscription", "tax-orders", parked[0].RecordID)
	require.Equal(t, exitFindings, r.code, "still refused")
	require.Contains(t, r.out, "0 delivered, 1 parked again")
	accept()
	r = s.run(t, "deliveries", "resend", "--subscription", "tax-orders", parked[0].RecordID)
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.out, "1 delivered, 0 parked again")
	var resent delivery.Resent
	s.run(t, "deliveries", "resend", "--subscription", "tax-orders", "--all", "-o", "json").json(t, &resent)
	require.Equal(t, delivery.Resent{Delivered: 3}, resent)
	s.settled(t, "delivered", 8)
	require.Equal(t, exitFailure, s.run(t, "deliveries", "resend", "--subscription", "nobody", "--all").code)

	r = s.run(t, "doctor")
	require.Equal(t, 0, r.code, r.out)
	require.Contains(t, r.out, "running and ready at "+s.url)
	require.Equal(t, 0, s.stop(), s.err)
}

// TestServeAgain stops a hub and starts it on the same folder: what it held it holds.
func TestServeAgain(t *testing.T) {
	tax, accept := taxOffice(t)
	accept()
	data := t.TempDir()
	s := serve(t, data, tax)
	f := file(t, t.TempDir(), "1.xml", order(t, "AGA", 1))
	require.Equal(t, 0, s.run(t, "send", f, "--token", token).code)

	// The address is taken: a second hub says which, and what to do.
	taken := strings.TrimPrefix(s.url, "http://")
	r := runCommand(t, "serve", "--listen", taken, "--data", t.TempDir())
	require.Equal(t, exitFailure, r.code)
	require.Contains(t, r.err, "cannot listen on "+taken)
	require.Contains(t, r.err, "--listen")
	require.Equal(t, 0, s.stop(), s.err)

	s = serve(t, data, tax)
	r = s.run(t, "send", f, "--token", token)
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.out, "1 duplicates")
	s.settled(t, "delivered", 2)
	r = runCommand(t, "serve", "--config", s.config)
	require.Equal(t, exitFailure, r.code, "the data folder is in use")
	require.Contains(t, r.err, "tongqu: ")
	require.Equal(t, 0, s.stop(), s.err)
}

// TestSendBusy waits as long as the hub asks, and gives up in the end.
func TestSendBusy(t *testing.T) {
	var asked atomic.Int32
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "0")
		if n := asked.Add(1); n == 3 {
			w.WriteHeader(http.StatusAccepted)
			_, _ = fmt.Fprint(w, `{"documentId":"d","accepted":1}`)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprint(w, `{"detail":"nothing was kept"}`)
	}))
	defer busy.Close()
	f := file(t, t.TempDir(), "1.xml", order(t, "BUS", 1))
	r := runCommand(t, "send", f, "--url", busy.URL, "--token", "t")
	require.Equal(t, 0, r.code, r.out)
	require.EqualValues(t, 3, asked.Load())
	r = runCommand(t, "send", f, "--url", busy.URL, "--token", "t")
	require.Equal(t, exitFailure, r.code)
	require.Contains(t, r.out, "nothing was kept")
	require.EqualValues(t, 8, asked.Load())
}
