package intake

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"tongqu/internal/problem"
	"tongqu/internal/store"
)

func newHTTP(r *rig) *HTTP {
	return NewHTTP(r.Intake, HTTPSettings{MaxBytes: 1 << 20, MaxInFlightBytes: 1 << 20})
}

func post(t *testing.T, h http.Handler, body []byte, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/documents", bytes.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// requireProblem checks the shape of RFC 9457 in both languages and returns the problem.
func requireProblem(t *testing.T, w *httptest.ResponseRecorder, status int, code string) problem.Problem {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body.String())
	require.Equal(t, problem.ContentType, w.Header().Get("Content-Type"))
	var p problem.Problem
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.Equal(t, status, p.Status)
	require.Equal(t, http.StatusText(status), p.Title)
	require.Equal(t, "/problems/"+code, p.Type)
	require.Contains(t, p.Detail, " / ")
	return p
}

// TestStoreClosed answers 503, asks to wait, keeps nothing and tells the log.
func TestStoreClosed(t *testing.T) {
	r := newRig(t)
	h := newHTTP(r)
	doc := r.order(t, "CLO", 1)
	require.Equal(t, http.StatusAccepted, post(t, h, doc).Code)
	kept := r.balance(t)
	back := r.store
	closed := newRig(t)
	require.NoError(t, closed.store.Close())
	r.store = closed.store
	w := post(t, h, r.order(t, "CLP", 1))
	requireProblem(t, w, http.StatusServiceUnavailable, "NOT_RECORDED")
	require.Equal(t, "5", w.Header().Get("Retry-After"))
	requireProblem(t, post(t, h, zipped(t, "a.xml", doc), "Content-Type", "application/zip"), http.StatusServiceUnavailable, "NOT_RECORDED")
	require.Equal(t, 2, r.logs.FilterMessage("document not recorded").Len())
	r.store = back
	require.Equal(t, kept, r.balance(t))
}

func zipped(t *testing.T, namesAndData ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i+1 < len(namesAndData); i += 2 {
		f, err := w.Create(namesAndData[i].(string)) //nolint:forcetypeassert // the test says so
		require.NoError(t, err)
		_, err = f.Write(namesAndData[i+1].([]byte)) //nolint:forcetypeassert // the test says so
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestZip(t *testing.T) {
	r := newRig(t)
	h := newHTTP(r)
	archive := zipped(t, "folder/", []byte{}, "folder/订单 一.xml", r.order(t, "ZIA", 2), "b.xml", r.order(t, "ZIB", 1), "c.xml", []byte("<no"))
	w := post(t, h, archive, "Content-Type", "application/zip; charset=binary")
	require.Equal(t, http.StatusAccepted, w.Code, w.Body.String())
	var batch struct {
		Documents []struct {
			Name       string
			Status     int
			DocumentID string
		}
		Accepted, Rejected, Duplicates int
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &batch))
	require.Equal(t, [3]int{3, 0, 0}, [3]int{batch.Accepted, batch.Rejected, batch.Duplicates})
	require.Len(t, batch.Documents, 3, "a folder is no document")
	require.Equal(t, "folder/订单 一.xml", batch.Documents[0].Name)
	require.Equal(t, []int{202, 202, 400}, []int{batch.Documents[0].Status, batch.Documents[1].Status, batch.Documents[2].Status})
	doc, err := r.store.Document(t.Context(), batch.Documents[0].DocumentID)
	require.NoError(t, err)
	require.Equal(t, "folder/订单 一.xml", doc.Name)
	require.EqualValues(t, 3, r.balance(t).Documents.Received)
}

// patch changes the uncompressed size that the directory of a zip declares for its
// only entry.
func patch(t *testing.T, archive []byte, size uint32) []byte {
	t.Helper()
	at := bytes.Index(archive, []byte("PK\x01\x02"))
	require.Positive(t, at)
	out := bytes.Clone(archive)
	binary.LittleEndian.PutUint32(out[at+24:], size)
	return out
}

func TestZipRefused(t *testing.T) {
	r := newRig(t)
	h := newHTTP(r)
	many := make([]any, 0, 2002)
	for i := range 1001 {
		many = append(many, fmt.Sprintf("%d.xml", i), []byte("<a/>"))
	}
	good := r.order(t, "ZIR", 1)
	zeros := zipped(t, "bomb.xml", make([]byte, 8<<20))
	require.Less(t, len(zeros), 1<<20, "it gets through the door")
	for _, c := range []struct {
		name   string
		body   []byte
		status int
		code   string
		says   string
	}{
		{"a bomb", zeros, 413, "DOCUMENT_TOO_LARGE", "1048576"},
		{"a bomb that says it is small", patch(t, zeros, 100), 422, "BAD_REQUEST", "zip"},
		{"many that are a bomb together", zipped(t, "good.xml", good, "a", make([]byte, 700<<10), "b", make([]byte, 700<<10)), 413, "DOCUMENT_TOO_LARGE", ""},
		{"too many", zipped(t, many...), 413, "BAD_REQUEST", "1000"},
		{"empty", zipped(t), 400, "DOCUMENT_EMPTY", ""},
		{"only folders", zipped(t, "a/", []byte{}), 400, "DOCUMENT_EMPTY", ""},
		{"no zip", []byte("PK nonsense"), 400, "BAD_REQUEST", ""},
		{"cut off", zipped(t, "a.xml", good)[:300], 400, "BAD_REQUEST", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := requireProblem(t, post(t, h, c.body, "Content-Type", "application/zip"), c.status, c.code)
			require.Contains(t, p.Detail, c.says)
			require.Zero(t, r.balance(t).Documents.Received, "nothing is kept")
		})
	}
}

// TestZipDamagedEntry takes the others.
func TestZipDamagedEntry(t *testing.T) {
	r := newRig(t)
	good := r.order(t, "ZID", 1)
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	raw, err := w.CreateRaw(&zip.FileHeader{Name: "bad.xml", Method: zip.Store, CRC32: crc32.ChecksumIEEE(good) + 1, CompressedSize64: uint64(len(good)), UncompressedSize64: uint64(len(good))})
	require.NoError(t, err)
	_, err = raw.Write(good)
	require.NoError(t, err)
	f, err := w.Create("good.xml")
	require.NoError(t, err)
	_, err = f.Write(good)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	answer := post(t, newHTTP(r), b.Bytes(), "Content-Type", "application/zip")
	require.Equal(t, http.StatusAccepted, answer.Code, answer.Body.String())
	var batch Batch
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &batch))
	require.Equal(t, http.StatusBadRequest, batch.Documents[0].Status)
	require.NotNil(t, batch.Documents[0].Refused)
	require.Equal(t, http.StatusAccepted, batch.Documents[1].Status)
	require.Equal(t, store.Counts{Received: 1, Accepted: 1}, r.balance(t).Documents)
}

// TestZipAllRejected is a problem that still tells of every document.
func TestZipAllRejected(t *testing.T) {
	r := newRig(t)
	w := post(t, newHTTP(r), zipped(t, "a.xml", []byte("<a/>"), "b.xml", []byte("<b>")), "Content-Type", "application/zip")
	requireProblem(t, w, http.StatusUnprocessableEntity, "DOCUMENT_UNKNOWN")
	var batch Batch
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &batch))
	require.Len(t, batch.Documents, 2)
	require.EqualValues(t, 2, r.balance(t).Documents.Rejected, "both are kept")
}

// TestMemoryBound lets a second document wait while the first takes all the
// memory there is; one whose client goes away takes none.
func TestMemoryBound(t *testing.T) {
	r := newRig(t)
	h := newHTTP(r)
	doc := r.order(t, "MEM", 1)
	body, feed := io.Pipe()
	first := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/documents", body)
	first.Header.Set("Authorization", "Bearer "+token)
	first.ContentLength = -1 // unknown: as large as is allowed
	answered := make(chan int, 1)
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, first)
		answered <- w.Code
	}()
	_, err := feed.Write(doc[:10]) // it is being read: the memory is its
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	gone := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/documents", bytes.NewReader(doc))
	gone.Header.Set("Authorization", "Bearer "+token)
	left := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, gone)
		left <- w
	}()
	cancel()
	require.Empty(t, (<-left).Body.String(), "nobody is there to be answered")
	require.Zero(t, r.balance(t).Documents.Received)

	_, err = feed.Write(doc[10:])
	require.NoError(t, err)
	require.NoError(t, feed.Close())
	require.Equal(t, http.StatusAccepted, <-answered)
	require.Equal(t, http.StatusAccepted, post(t, h, doc).Code, "the memory is free again")
}

// TestBodyCut keeps nothing of a request that breaks off.
func TestBodyCut(t *testing.T) {
	r := newRig(t)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/documents",
		io.MultiReader(strings.NewReader("<a>"), iotest.ErrReader(errors.New("connection reset"))))
	req.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	newHTTP(r).ServeHTTP(w, req)
	requireProblem(t, w, http.StatusBadRequest, "BAD_REQUEST")
	require.Zero(t, r.balance(t).Documents.Received)
}

// TestReceiptOnRequest: the agency's own receipt comes when it is asked for.
func TestReceiptOnRequest(t *testing.T) {
	r := newRig(t)
	h := newHTTP(r)
	doc := r.order(t, "ASKED", 1)
	ask := func(query, accept string) string {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/documents"+query, bytes.NewReader(doc))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		require.Equal(t, http.StatusAccepted, w.Code)
		kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
		return kind
	}
	require.Equal(t, "application/json", ask("", "*/*"))
	require.Equal(t, "application/xml", ask("", "text/html, application/xml"))
	require.Equal(t, "application/json", ask("", "application/json, application/xml"))
	require.Equal(t, "application/xml", ask("?receipt=agency", "application/json"), "asked for in whatever format it is")
}
