package app

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"golang.org/x/sync/errgroup"

	"tongqu/internal/directory"
	"tongqu/internal/intake"
	"tongqu/internal/store"
)

// fileDoors are the mailboxes of the agencies that have one.
type fileDoors struct {
	mu    sync.Mutex
	doors map[string]*fileDoor // by agency
	start func(*fileDoor)      // nil while run does not run
}

type fileDoor struct {
	*intake.Files
	agency *directory.Agency
	stop   context.CancelFunc
	done   chan struct{}
}

// open opens the mailboxes of a directory, those of unchanged agencies excepted.
func (f *fileDoors) open(a *App, d *directory.Directory) (map[string]*fileDoor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	opened := map[string]*fileDoor{}
	for _, ag := range d.Agencies() {
		if ag.Files == nil {
			continue
		}
		if door := f.doors[ag.Code]; door != nil && reflect.DeepEqual(door.agency, ag) {
			opened[ag.Code] = door
			continue
		}
		files, err := intake.NewFiles(a.intake, ag, a.config.Path(ag.Files.Folder), a.config.Intake.FilePoll, a.config.Intake.MaxBytes)
		if err != nil {
			return nil, fmt.Errorf("opening the file door of %s: %w", ag.Code, err)
		}
		opened[ag.Code] = &fileDoor{Files: files, agency: ag}
	}
	return opened, nil
}

// use closes the doors that are not among the opened ones, and lets the new ones work.
func (f *fileDoors) use(opened map[string]*fileDoor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for code, door := range f.doors {
		if opened[code] != door && door.stop != nil {
			door.stop()
			<-door.done // two doors on one mailbox would take each file twice
		}
	}
	before := f.doors
	f.doors = opened
	for code, door := range opened {
		if before[code] != door && f.start != nil {
			f.start(door)
		}
	}
}

// run lets the doors work until ctx ends. Of several hubs on one store, the one
// that has the lease looks into a mailbox.
func (f *fileDoors) run(ctx context.Context, leases store.Leases) error {
	running, runningCtx := errgroup.WithContext(ctx)
	f.mu.Lock()
	f.start = func(door *fileDoor) {
		own, stop := context.WithCancel(runningCtx)
		done := make(chan struct{})
		door.stop, door.done = stop, done
		running.Go(func() error {
			defer close(done)
			defer stop()
			return leases.Lease(own, "mailbox "+door.Agency(), door.Run)
		})
	}
	for _, door := range f.doors {
		f.start(door)
	}
	f.mu.Unlock()
	<-runningCtx.Done()
	f.mu.Lock()
	f.start = nil
	f.mu.Unlock()
	return running.Wait()
}
