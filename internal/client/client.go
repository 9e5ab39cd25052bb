// Package client speaks the hub's HTTP API, for the commands.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tongqu/internal/problem"
)

// Client is a connection to one hub as one agency.
type Client struct {
	url   string
	token string
	http  *http.Client
}

// New makes a client of the hub at the URL, e.g. http://127.0.0.1:8080.
func New(hubURL, token string) *Client {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}
	return &Client{strings.TrimRight(hubURL, "/"), token, &http.Client{Transport: t, Timeout: 2 * time.Minute}}
}

// Close ends the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is an answer of 400 and above.
type Error struct {
	problem.Problem
	// Body is the whole answer.
	Body []byte
}

// Error tells the status and the detail.
func (e *Error) Error() string {
	return fmt.Sprintf("%d %s: %s", e.Status, e.Title, e.Detail)
}

// Answer is what the hub said to a document.
type Answer struct {
	Status int
	Body   []byte
	// RetryAfter is how long the hub asks to wait; negative when it does not say.
	RetryAfter time.Duration
}

// Send posts one document; the answer is returned whatever its status.
func (c *Client) Send(ctx context.Context, adapter string, body []byte) (Answer, error) {
	path := "/v1/documents"
	if adapter != "" {
		path += "?adapter=" + url.QueryEscape(adapter)
	}
	resp, err := c.do(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	a := Answer{Status: resp.StatusCode, Body: answer, RetryAfter: -1}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		a.RetryAfter = time.Duration(seconds) * time.Second
	}
	return a, nil
}

// Get reads path into out, a pointer, or a *[]byte for the bytes as they are.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, nil, out)
}

// Post sends in as JSON and reads the answer into out.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("writing the request: %w", err)
	}
	return c.call(ctx, http.MethodPost, path, bytes.NewReader(body), out)
}

func (c *Client) call(ctx context.Context, method, path string, body io.Reader, out any) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		e := &Error{Body: answer}
		if json.Unmarshal(answer, &e.Problem) != nil || e.Status == 0 {
			e.Status, e.Title, e.Detail = resp.StatusCode, http.StatusText(resp.StatusCode), string(answer)
		}
		return e
	}
	if raw, ok := out.(*[]byte); ok {
		*raw = answer
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return nil, fmt.Errorf("asking the hub: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, fmt.Errorf("asking the hub at %s: %w", c.url, err)
	}
	return resp, nil
}
