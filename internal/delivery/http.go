package delivery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tongqu/internal/bus"
	"tongqu/internal/directory"
	"tongqu/internal/problem"
	"tongqu/internal/relay"
	"tongqu/internal/wire"
)

// The headers of a push besides CloudEvents' own and SignatureHeader.
const (
	// IdempotencyHeader names a request: the record id, or of a batch the SHA-256 of
	// its ids, so that the same batch sent again has the same name.
	IdempotencyHeader = "Idempotency-Key"
	// AttemptHeader counts the attempts to send this request, from 1.
	AttemptHeader = "Tongqu-Attempt"
	// BatchContentType is CloudEvents' batched content mode.
	BatchContentType = "application/cloudevents-batch+json"
)

const (
	jsonContentType = "application/json"
	// maxAnswer is how much of an answer is read.
	maxAnswer = 16 << 10
	// maxRetryAfter bounds what a subscriber may ask to wait.
	maxRetryAfter = time.Hour
	// cePrefix is what Kafka puts before the names of CloudEvents attributes.
	cePrefix = "ce_"
)

// httpSender posts records: one a request in CloudEvents' binary content mode, or
// several in its batched mode.
type httpSender struct {
	url     string
	secret  string
	timeout time.Duration
	batched bool
	client  *http.Client
}

func newHTTPSender(s *directory.Subscription, client *http.Client, timeout time.Duration) *httpSender {
	e := s.Endpoint.HTTP
	if e.Timeout > 0 {
		timeout = e.Timeout
	}
	return &httpSender{url: e.URL, secret: string(e.Secret), timeout: timeout, batched: s.Batch > 1, client: client}
}

func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			MaxIdleConnsPerHost: 16,
			IdleConnTimeout:     90 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second,
			ForceAttemptHTTP2:   true,
			DisableCompression:  true,
		},
		// A redirect could take personal data to where nobody approved.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send makes one request of the parcels.
func (s *httpSender) send(ctx context.Context, parcels []parcel, attempt int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	body, key := parcels[0].Body, parcels[0].id
	if s.batched {
		body, key = batchBody(parcels), batchKey(parcels)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return "", &outage{reason: "making the request: " + cause(err)}
	}
	if s.batched {
		req.Header["Content-Type"] = []string{BatchContentType}
	} else {
		setAttributes(req.Header, &parcels[0])
	}
	req.Header[IdempotencyHeader] = []string{key}
	req.Header[AttemptHeader] = []string{strconv.Itoa(attempt)}
	req.Header[SignatureHeader] = []string{Sign(s.secret, time.Now(), body)}
	req.Header["User-Agent"] = []string{"tongqu"}
	resp, err := s.client.Do(req) //nolint:bodyclose // judge closes it
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return "", &outage{reason: fmt.Sprintf("no answer within %s", s.timeout)}
		}
		return "", &outage{reason: cause(err)}
	}
	return judge(resp, len(parcels) > 1)
}

// cause is an error of the HTTP client without the address, which may hold credentials.
func cause(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// judge closes the answer and says what it means. A duplicate among several
// records is a refusal of them together: alone, each will be told apart.
func judge(resp *http.Response, several bool) (string, error) {
	defer func() { _ = resp.Body.Close() }()
	// Read to the end, within reason, so that the connection can be used again. The
	// status alone decides when the rest does not come.
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	text := strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode)
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return text, nil
	case code == http.StatusConflict && !several && isDuplicate(answer):
		return text + ": duplicate", nil
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return "", &outage{reason: text, after: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	case code < 400:
		return "", &outage{reason: text + ": redirects are not followed"}
	}
	return "", &refusal{reason: text + title(resp.Header.Get("Content-Type"), answer)}
}

// isDuplicate reports whether a 409 says that the subscriber has the record already.
func isDuplicate(answer []byte) bool {
	return bytes.Contains(bytes.ToLower(answer), []byte("duplicate")) || bytes.Contains(answer, []byte("重复"))
}

// title is the title of an RFC 9457 problem, which names the kind of problem and
// is the same for all records. Nothing else of an answer is kept: it may repeat
// personal data.
func title(contentType string, answer []byte) string {
	var p problem.Problem
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || media != problem.ContentType || json.Unmarshal(answer, &p) != nil || p.Title == "" {
		return ""
	}
	return ": " + cut(p.Title, 200)
}

// cut shortens s to n characters.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

// retryAfter reads seconds or an HTTP date; 0 when there is neither.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(header, 10, 32); err == nil {
		return min(max(time.Duration(seconds)*time.Second, 0), maxRetryAfter)
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// setAttributes writes the CloudEvents attributes as headers (HTTP protocol
// binding 1.0, section 3.1).
func setAttributes(h http.Header, p *parcel) {
	h["Content-Type"] = []string{p.ContentType}
	for name, value := range attributes(p.message) {
		h[http.CanonicalHeaderKey("ce-"+name)] = []string{percentEncode(value)}
	}
	if parent := p.message.Header("traceparent"); parent != "" {
		h["Traceparent"] = []string{parent}
	}
}

// attributes walks the CloudEvents attributes of a message, without prefix.
func attributes(m *bus.Message) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for i := range m.Headers {
			name, ok := strings.CutPrefix(m.Headers[i].Key, cePrefix)
			if m.Headers[i].Key == relay.HeaderDataRef {
				continue // the data are here
			}
			if ok && !yield(name, m.Headers[i].Value) {
				return
			}
		}
	}
}

// percentEncode encodes what the binding does not allow in a header's value:
// blanks, the double quote, the percent sign, and all that is not ASCII.
func percentEncode(s string) string {
	plain := func(c byte) bool { return c > ' ' && c < 0x7f && c != '"' && c != '%' }
	i := 0
	for i < len(s) && plain(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	const digits = "0123456789ABCDEF"
	b := append(make([]byte, 0, 3*len(s)), s[:i]...)
	for ; i < len(s); i++ {
		if plain(s[i]) {
			b = append(b, s[i])
		} else {
			b = append(b, '%', digits[s[i]>>4], digits[s[i]&15])
		}
	}
	return string(b)
}

// batchBody writes the parcels as a JSON array of CloudEvents with their data.
func batchBody(parcels []parcel) []byte {
	size := 2
	for i := range parcels {
		size += len(parcels[i].Body) + 512
	}
	b := append(make([]byte, 0, size), '[')
	for i := range parcels {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		for name, value := range attributes(parcels[i].message) {
			b = appendText(b, name)
			b = append(b, ':')
			b = appendText(b, value)
			b = append(b, ',')
		}
		b = append(b, `"datacontenttype":"`+jsonContentType+`","data":`...)
		b = append(b, parcels[i].Body...)
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendText(b []byte, s string) []byte {
	return wire.AppendJSON(b, &wire.Node{Kind: wire.Text, Text: s})
}

func batchKey(parcels []parcel) string {
	h := sha256.New()
	for i := range parcels {
		h.Write([]byte(parcels[i].id))
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))
}
