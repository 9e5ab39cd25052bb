package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tongqu/internal/client"
	"tongqu/internal/fault"
	"tongqu/internal/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hub answers each document by its content, and keeps what came.
type hub struct {
	mu     sync.Mutex
	bodies []string
	paths  []string
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	h.bodies = append(h.bodies, string(body))
	h.paths = append(h.paths, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization"))
	h.mu.Unlock()
	word, _, _ := strings.Cut(string(body), " ")
	switch word {
	case "good":
		w.WriteHeader(http.StatusAccepted)
		_, _ = fmt.Fprint(w, `{"documentId":"d","status":"accepted","accepted":2,"rejected":1}`)
	case "known":
		w.WriteHeader(http.StatusAccepted)
		_, _ = fmt.Fprint(w, `{"documentId":"d","status":"duplicate","duplicates":3}`)
	case "proxy":
		w.WriteHeader(http.StatusBadGateway)
		_, _ = fmt.Fprint(w, `<html>no</html>`)
	case "broken":
		problem.Write(w, http.StatusInternalServerError, fault.New(fault.Internal, fault.Place{}, "", "ref"))
	case "busy":
		w.Header().Set("Retry-After", "0")
		problem.Write(w, http.StatusTooManyRequests, fault.New(fault.RateLimited, fault.Place{}, "", 0))
	default:
		problem.Write(w, http.StatusUnprocessableEntity, fault.New(fault.DocumentEmpty, fault.Place{}, ""))
	}
}

func start(t *testing.T) (*hub, *client.Client) {
	t.Helper()
	h := &hub{}
	s := httptest.NewServer(h)
	c := client.New(s.URL+"/", "the-token")
	t.Cleanup(func() { c.Close(); s.Close() })
	return h, c
}

func write(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(strings.TrimSuffix(filepath.Base(name), ".xml")), 0o600))
	}
	return dir
}

func TestFiles(t *testing.T) {
	dir := write(t, "b.xml", "a/c.xml", "a/.hidden.xml", ".git/d.xml", "a/订单.xml")
	got, err := client.Files([]string{dir, filepath.Join(dir, "a", ".hidden.xml")})
	require.NoError(t, err)
	for i := range got {
		got[i], err = filepath.Rel(dir, got[i])
		require.NoError(t, err)
	}
	require.Equal(t, []string{"a/c.xml", "a/订单.xml", "b.xml"}, got, "hidden files are left out")
	_, err = client.Files([]string{filepath.Join(dir, "none")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestSendFiles balances, whatever becomes of the files.
func TestSendFiles(t *testing.T) {
	h, c := start(t)
	dir := write(t, "good 1.xml", "good 2.xml", "known.xml", "bad.xml", "proxy.xml", "broken.xml", "busy.xml")
	files, err := client.Files([]string{dir})
	require.NoError(t, err)
	files = append(files, filepath.Join(dir, "gone.xml"))
	failed := map[string]string{}
	summary := c.SendFiles(t.Context(), files, "customs_ceb", 3, func(s client.Sent) {
		if s.Err != nil {
			require.Equal(t, s.Err.Error(), s.Detail)
			failed[filepath.Base(s.File)] = s.Detail
		}
	})
	require.Equal(t, client.Summary{
		Files: 8, Accepted: 2, Rejected: 1, Duplicates: 1, Failed: 4,
		Records: client.Counts{Accepted: 4, Rejected: 2, Duplicates: 3},
	}, summary)
	require.Equal(t, summary.Files, summary.Accepted+summary.Rejected+summary.Duplicates+summary.Failed)
	require.Contains(t, failed["proxy.xml"], "answer 502")
	require.Contains(t, failed["broken.xml"], "internal error")
	require.Contains(t, failed["busy.xml"], "too many requests")
	require.Contains(t, failed["gone.xml"], "no such file")
	tries := 0
	for _, b := range h.bodies {
		if b == "busy" {
			tries++
		}
	}
	require.Equal(t, 5, tries)
	require.Equal(t, "POST /v1/documents?adapter=customs_ceb Bearer the-token", h.paths[0])
}

// TestOrder sends in the order of names over one connection.
func TestOrder(t *testing.T) {
	h, c := start(t)
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("good %02d.xml", i))
	}
	files, err := client.Files([]string{write(t, names...)})
	require.NoError(t, err)
	c.SendFiles(t.Context(), files, "", 1, func(client.Sent) {})
	require.True(t, slices.IsSorted(h.bodies))
	require.Len(t, h.bodies, 30)
}

// TestStopped sends nothing more once its context has ended.
func TestStopped(t *testing.T) {
	_, c := start(t)
	files, err := client.Files([]string{write(t, "good 1.xml", "good 2.xml", "good 3.xml")})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	summary := c.SendFiles(ctx, files, "", 1, func(client.Sent) { cancel() })
	require.GreaterOrEqual(t, summary.Accepted, 1)
	require.Less(t, summary.Accepted, 3)
}

func TestErrors(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/problem":
			problem.Write(w, http.StatusNotFound, fault.New(fault.NotFound, fault.Place{}, "", "x"))
		case "/html":
			w.WriteHeader(http.StatusBadGateway)
			_, _ = fmt.Fprint(w, "<html>")
		case "/bytes":
			_, _ = w.Write([]byte{0xff})
		}
	}))
	defer s.Close()
	c := client.New(s.URL, "t")
	defer c.Close()
	var answer *client.Error
	require.ErrorAs(t, c.Get(t.Context(), "/problem", nil), &answer)
	require.Equal(t, http.StatusNotFound, answer.Status)
	require.Equal(t, "404 Not Found: 未找到 x / x is not found", answer.Error())
	require.ErrorAs(t, c.Get(t.Context(), "/html", nil), &answer)
	require.Equal(t, "502 Bad Gateway: <html>", answer.Error())
	var v any
	require.ErrorContains(t, c.Get(t.Context(), "/bytes", &v), "reading the answer of /bytes")
	var raw []byte
	require.NoError(t, c.Get(t.Context(), "/bytes", &raw))
	require.Equal(t, []byte{0xff}, raw)
	require.ErrorContains(t, c.Post(t.Context(), "/", func() {}, nil), "writing the request")

	s.Close()
	err := c.Get(t.Context(), "/problem", nil)
	require.ErrorContains(t, err, "asking the hub at "+s.URL)
	require.NotContains(t, err.Error(), "Get \"", "the address stands there once")
}
