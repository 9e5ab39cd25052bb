//go:build !linux

package pgtest

import (
	"os/exec"
	"testing"
	"time"
)

// giveAway and asServer are for Linux only; elsewhere the tests are not to run as
// root, and a killed test leaves its server.
func giveAway(string) error { return nil }

func asServer(*exec.Cmd) {}

// killAll leaves the children to end when they notice.
func killAll(p *process) { p.kill() }

// Freeze is for Linux only.
func (*Server) Freeze() {}

// Thaw is for Linux only.
func (*Server) Thaw() {}

// ProcessorTime is for Linux only.
func (*Server) ProcessorTime(testing.TB) time.Duration { return 0 }
