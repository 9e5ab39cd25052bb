package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGuide runs the commands of docs/adapters.md as they stand there, in an empty
// folder, against a hub that they start themselves.
func TestGuide(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	page, err := os.ReadFile("../../docs/adapters.md")
	require.NoError(t, err)
	_, rest, begun := strings.Cut(string(page), "<!-- guide:begin -->\n```sh\n")
	script, _, ended := strings.Cut(rest, "```\n<!-- guide:end -->")
	require.True(t, begun && ended, "the guide has lost its markers")
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	script = strings.ReplaceAll(script, "127.0.0.1:18080", free.Addr().String())
	require.NoError(t, free.Close())

	dir := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	file(t, dir, "bin/tongqu", fmt.Appendf(nil, "#!/bin/sh\n%s=1 exec %q \"$@\"\n", asProgram, self))
	require.NoError(t, os.Chmod(filepath.Join(dir, "bin", "tongqu"), 0o700)) //nolint:gosec // a program
	// What the reader sees by looking, the test sees by asking; and the hub stops at last.
	script = "set -eu\ntrap 'kill $(jobs -p) && wait' EXIT\n" + script + `
for n in $(seq 150); do
	curl -s -H "Authorization: Bearer $(cat data/operator.token)" http://` + free.Addr().String() + `/metrics | grep -q 'tongqu_reloads_total{result="ok"} [1-9]' && break
	test $n -lt 150 && sleep 0.2
done
`
	cmd := exec.CommandContext(t.Context(), bash, "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	said := string(out)
	require.NoError(t, err, said)
	for _, want := range []string{
		"carrier/StatusReport ⇄ trade.waybill-status.v1",
		"waybillNo is neither mapped, fixed nor ignored", // step 2
		"0 problems", // step 3
		"ok   carrier/two-parcels\n1 cases, 0 failed", // step 4
		"1 personal values replaced",
		"2 accepted", // step 5
		"1 documents: 0 equal, 1 different in 2 values\nsee above",
	} {
		require.Contains(t, said, want)
	}
	require.NotContains(t, said, "panic")
}
