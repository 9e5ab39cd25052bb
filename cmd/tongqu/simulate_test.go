package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSimulateUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"simulate", "navy"}, `no simulated agency "navy"`},
		{[]string{"simulate", "--wrong", "2"}, "a share from 0 to 1"},
		{[]string{"simulate", "--slow", "-1s"}, "not negative"},
	} {
		r := runCommand(t, c.args...)
		require.Equal(t, exitUsage, r.code, c.args)
		require.Contains(t, r.err, c.says)
	}
}

// TestSimulate opens the doors of the agencies and closes them again.
func TestSimulate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	said, says := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"simulate", "customs", "--listen", "127.0.0.1:0", "--down"}, streams{strings.NewReader(""), io.Discard, says})
		_ = says.Close()
	}()
	line := make([]byte, 200)
	n, err := said.Read(line)
	require.NoError(t, err)
	_, address, ok := strings.Cut(strings.TrimSpace(string(line[:n])), "listen on ")
	require.True(t, ok, string(line[:n]))
	go func() { _, _ = io.Copy(io.Discard, said) }()
	for path, status := range map[string]int{"/customs": http.StatusServiceUnavailable, "/navy": http.StatusNotFound} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address+path, strings.NewReader("<a/>"))
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode, path)
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	require.Zero(t, <-ended)
}
