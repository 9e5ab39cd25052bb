package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serverUser is who the server runs as when the tests run as root, as which it
// refuses to run. Debian's package makes that user.
const serverUser = "postgres"

// giveAway makes the server's user the owner of a folder.
func giveAway(dir string) error {
	c, err := credential()
	if err != nil || c == nil {
		return err
	}
	return os.Chown(dir, int(c.Uid), int(c.Gid))
}

// asServer has the command run as the server's user and end with this process.
func asServer(cmd *exec.Cmd) {
	c, _ := credential() // giveAway met the error
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: c}
}

// credential is nil when the tests do not run as root.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(serverUser)
	if err != nil {
		return nil, fmt.Errorf("looking for the server's user: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading the server's user: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading the server's group: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// killAll ends a process and its children at once.
func killAll(p *process) {
	_ = p.cmd.Process.Signal(syscall.SIGSTOP) // so that it makes no more children
	for pid := range family(p.cmd.Process.Pid) {
		if pid != p.cmd.Process.Pid {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	p.kill()
}

// Freeze stops the server without ending it: it holds its connections and answers
// nothing. Thaw lets it go on.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	_ = s.run.cmd.Process.Signal(sig) // first, so that it makes no more children
	for pid := range family(s.run.cmd.Process.Pid) {
		_ = syscall.Kill(pid, sig)
	}
}

// ProcessorTime is what the server's running processes used so far.
func (s *Server) ProcessorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var ticks int
	for _, fields := range family(s.run.cmd.Process.Pid) {
		for _, f := range fields[11:13] {
			n, err := strconv.Atoi(f)
			require.NoError(tb, err)
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}

// family returns what the system says (proc(5), stat, from the third field on) of a
// process and its children.
func family(parent int) map[int][]string {
	found := map[int][]string{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // an error is one of the pattern
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		rest := text[bytes.LastIndexByte(text, ')')+1:] // the name before may hold anything
		fields := strings.Fields(string(rest))
		if len(fields) > 13 && (pid == parent || fields[1] == strconv.Itoa(parent)) {
			found[pid] = fields
		}
	}
	return found
}
