package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/simulate"
	"tongqu/internal/wire"
)

// asProgram makes the test binary be tongqu, for scripts that call it.
const asProgram = "TONGQU_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// ran is what one command did.
type ran struct {
	code     int
	out, err string
}

// runCommand runs a command in this process, with nothing on standard input.
func runCommand(t *testing.T, args ...string) ran {
	t.Helper()
	return runWith(t, strings.NewReader(""), args...)
}

func runWith(t *testing.T, in io.Reader, args ...string) ran {
	t.Helper()
	var out, errOut bytes.Buffer
	code := run(t.Context(), args, streams{in, &out, &errOut})
	return ran{code, out.String(), errOut.String()}
}

// json reads the output as JSON into v.
func (r ran) json(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(r.out), v), r.out)
}

// order writes a document of n orders by the numbers PREFIX…, as the platform sends it.
func order(t *testing.T, prefix string, n int) []byte {
	t.Helper()
	r, err := adapter.Load(tongqu.Files, wire.NewDefaultLimits())
	require.NoError(t, err)
	g := simulate.New(1, prefix)
	var records []map[string]any
	for range n {
		records = append(records, g.Purchase(time.Date(2026, 3, 8, 11, 27, 1, 0, time.UTC)).Order)
	}
	doc, err := r.Encode("customs_ceb/CEB311Message", simulate.Together(records...), adapter.Transfer{})
	require.NoError(t, err)
	return doc.Body
}

// spoil replaces the content of the nth element of that name.
func spoil(t *testing.T, doc []byte, name string, nth int, by string) []byte {
	t.Helper()
	parts := strings.SplitAfterN(string(doc), "<ceb:"+name+">", nth+1)
	require.Len(t, parts, nth+1, "no %d. %s", nth, name)
	_, rest, ok := strings.Cut(parts[nth], "<")
	require.True(t, ok)
	parts[nth] = by + "<" + rest
	return []byte(strings.Join(parts, ""))
}

func file(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(t, os.WriteFile(path, data, 0o600)) //nolint:gosec // the test's own folder
	return path
}

// TestHelp asks every command for help: it has an example that names it, and
// fits a terminal.
func TestHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if !c.IsAvailableCommand() && c.HasParent() {
			return
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
		path := strings.Fields(c.CommandPath())[1:]
		t.Run(c.CommandPath(), func(t *testing.T) {
			r := runCommand(t, append(path, "--help")...)
			require.Equal(t, 0, r.code, r.err)
			require.NotEmpty(t, c.Short)
			require.Contains(t, c.Example, c.CommandPath())
			require.Contains(t, r.out, "Examples:")
			for line := range strings.Lines(c.Long + "\n" + c.Example) {
				require.LessOrEqual(t, len([]rune(line)), 92, line)
			}
			require.LessOrEqual(t, len([]rune(c.Short)), 90)
		})
	}
	walk(newRoot())
}

func TestUsage(t *testing.T) {
	good := file(t, t.TempDir(), "good.xml", order(t, "USE", 1))
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"frobnicate"}, `unknown command "frobnicate"`},
		{[]string{"adapter", "frobnicate"}, `unknown command "frobnicate"`},
		{[]string{"config", "frobnicate"}, `unknown command "frobnicate"`},
		{[]string{"check"}, "requires at least 1 arg"},
		{[]string{"check", "--frobnicate", good}, "unknown flag: --frobnicate"},
		{[]string{"check", "--adapter", "customs_cbe", good}, `no adapter "customs_cbe"; did you mean "customs_ceb"?`},
		{[]string{"check", "--output", "xml", good}, `--output is text or json, not "xml"`},
		{[]string{"translate", good, good}, "accepts 1 arg"},
		{[]string{"translate", good, "--to", "customs_ceb/CEB999Message"}, `no message "customs_ceb/CEB999Message"`},
		{[]string{"translate", good, "--to", "nobody"}, `no message "nobody"`},
		{[]string{"adapter", "lint", "nobody"}, `no adapter "nobody"`},
		{[]string{"adapter", "test", "nobody"}, `no adapter "nobody"`},
		{[]string{"adapter", "docs", "nobody"}, `no adapter "nobody"`},
		{[]string{"adapter", "schema"}, "accepts 1 arg"},
		{[]string{"send", good, "--connections", "0"}, "--connections is at least 1"},
		{[]string{"show"}, "accepts 1 arg"},
		{[]string{"deliveries", "resend", "--subscription", "s"}, "records or --all"},
		{[]string{"deliveries", "resend", "--all"}, "give --subscription"},
		{[]string{"serve", "more"}, "unknown command"},
		{[]string{"token", "hash"}, "no token on standard input"},
		{[]string{"records", "--limit", "many"}, "invalid argument"},
	} {
		t.Run(strings.Join(c.args[:min(2, len(c.args))], " "), func(t *testing.T) {
			r := runCommand(t, c.args...)
			require.Equal(t, exitUsage, r.code, r.err)
			require.Contains(t, r.err, c.says)
			require.Contains(t, r.err, "--help'")
			require.Empty(t, r.out)
		})
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.xml")
	nobody := "http://127.0.0.1:1"
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"check", missing}, "missing.xml"},
		{[]string{"translate", missing}, "missing.xml"},
		{[]string{"config", "print", "--config", missing}, "missing.xml"},
		{[]string{"adapter", "schema", missing, "--to", filepath.Join(dir, "new")}, "missing.xml"},
		{[]string{"adapter", "docs", "--check", "--dir", dir}, "README.md"},
		{[]string{"records", "--data", dir}, "no token: give --token"},
		{[]string{"records", "--url", nobody, "--token", "t"}, "asking the hub at " + nobody},
		{[]string{"show", "a.1", "--url", nobody, "--token", "t"}, "connection refused"},
		{[]string{"send", missing, "--url", nobody, "--token", "t"}, "missing.xml"},
		{[]string{"serve", "--listen", "127.0.0.1:1", "--data", filepath.Join(missing, "no")}, "cannot listen on 127.0.0.1:1"},
	} {
		t.Run(c.args[0], func(t *testing.T) {
			if c.args[0] == "serve" && os.Geteuid() == 0 {
				c.args[2] = "192.0.2.1:1" // root may listen on port 1; on TEST-NET nobody can
				c.says = "cannot listen on 192.0.2.1:1"
			}
			r := runCommand(t, c.args...)
			require.Equal(t, exitFailure, r.code, r.err)
			require.Contains(t, r.err, c.says)
		})
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut bytes.Buffer
	f := file(t, t.TempDir(), "a.xml", order(t, "CAN", 1))
	code := run(ctx, []string{"send", f, "--url", "http://127.0.0.1:1", "--token", "t"}, streams{strings.NewReader(""), &out, &errOut})
	require.Equal(t, exitFailure, code)
	require.Contains(t, errOut.String(), "not")
}
