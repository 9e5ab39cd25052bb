//go:build !linux

package kafkatest

import "os/exec"

// dieWithParent is for Linux only; elsewhere a killed test leaves its brokers.
func dieWithParent(*exec.Cmd) {}
