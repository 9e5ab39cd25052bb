package query

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"tongqu/internal/directory"
	"tongqu/internal/fault"
)

const (
	// maxReply is how large an answer may be.
	maxReply = 1 << 20
	// maxAfter bounds what a service may ask to wait.
	maxAfter = 10 * time.Minute
)

// caller makes the HTTP calls of a service.
type caller struct {
	config *directory.Service
	client *http.Client
}

func newCaller(c *directory.Service) (*caller, error) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("reading the certificates: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("there is no certificate in %s", c.CA)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &caller{c, &http.Client{
		Transport: transport,
		// A redirect could take personal data to where nobody approved.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// reply is what a service said.
type reply struct {
	status int
	body   []byte
	after  time.Duration // what it asks to wait
}

func (r *reply) text() string { return strconv.Itoa(r.status) + " " + http.StatusText(r.status) }

// away is an error of a service that gave no answer.
type away struct {
	reason  string
	timeout bool
	after   time.Duration
}

func (a *away) Error() string { return a.reason }

func (a *away) fault(timeout time.Duration) fault.Fault {
	if a.timeout {
		return fault.New(fault.QueryTimeout, fault.Place{}, "", timeout)
	}
	return fault.New(fault.QueryUnavailable, fault.Place{}, "", a.reason)
}

// call sends the question and returns what came back, whatever its status. A call
// that did not reach the service is made once more: nobody has seen the question,
// and nobody charges for it. Any other failure is not repeated. Errors are *away.
func (c *caller) call(ctx context.Context, body []byte) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	r, err := c.try(ctx, body)
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" && ctx.Err() == nil {
		r, err = c.try(ctx, body)
	}
	if err == nil {
		return r, nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, &away{reason: fmt.Sprintf("no answer within %s", c.config.Timeout), timeout: true}
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the address, which may hold credentials
	}
	return nil, &away{reason: err.Error()}
}

func (c *caller) try(ctx context.Context, body []byte) (*reply, error) {
	req, err := c.make(ctx, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, err
	}
	if len(answer) > maxReply {
		return nil, errors.New("the answer is too large")
	}
	after := time.Duration(0)
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		after = min(max(time.Duration(seconds)*time.Second, 0), maxAfter)
	}
	return &reply{resp.StatusCode, answer, after}, nil
}

// make makes the request of a document.
func (c *caller) make(ctx context.Context, body []byte) (*http.Request, error) {
	method, address, contentType := http.MethodPost, string(c.config.URL), "text/xml; charset=utf-8"
	if c.config.Send != directory.SendBody {
		values, err := c.values(body)
		if err != nil {
			return nil, err
		}
		if c.config.Send == directory.SendForm {
			body, contentType = []byte(values.Encode()), "application/x-www-form-urlencoded"
		} else {
			separator := "?"
			if strings.Contains(address, "?") {
				separator = "&"
			}
			method, address, body = http.MethodGet, address+separator+values.Encode(), nil
		}
	} else if json.Valid(body) {
		contentType = "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the request cannot be made") // the reason would repeat the address
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("User-Agent", "tongqu")
	for name, value := range c.config.Headers {
		req.Header[name] = []string{string(value)} // as it is written: SOAPAction
	}
	return req, nil
}

// values are the members of a flat JSON document, and the account's parameters.
func (c *caller) values(body []byte) (url.Values, error) {
	var members map[string]string
	if json.Unmarshal(body, &members) != nil {
		return nil, errors.New("the question is no flat JSON object of texts")
	}
	values := url.Values{}
	for name, value := range members {
		values.Set(name, value)
	}
	for name, value := range c.config.Parameters {
		values.Set(name, string(value))
	}
	return values, nil
}
