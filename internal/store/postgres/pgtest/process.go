package pgtest

import (
	"os/exec"
	"runtime"
)

// process is a running command that ends with this process, however that ends.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// start runs the command. The kernel kills it when the thread that started it
// ends (Pdeathsig), so one thread is kept for it as long as it runs.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return p, <-started
}

// kill ends the process at once and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// done reports whether the process ended.
func (p *process) done() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}
