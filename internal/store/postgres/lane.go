package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tongqu/internal/store"
)

// A group commit ends at this many jobs or bytes, whichever comes first.
const (
	groupJobs  = 1024
	groupBytes = 8 << 20
)

// commitTimeout bounds one transaction, waiting for other hubs' included.
const commitTimeout = 30 * time.Second

var errClosed = errors.New("the store is closed")

// job is what one caller wants written.
type job[T any] struct {
	value T
	size  int
	// taken is set by whoever comes first: the lane, or the caller that gives up.
	taken atomic.Bool
	done  chan error
}

// lane is a goroutine that writes: what waits goes into one transaction, and all
// of it is answered after one commit.
type lane[T any] struct {
	pool *pgxpool.Pool
	// write writes a group in tx, but for the last statements, which it leaves in
	// the batch that it returns; the COMMIT is sent with them.
	write func(ctx context.Context, tx *pgx.Conn, group []T) (*pgx.Batch, error)
	// settled makes what was written true in memory.
	settled func(ctx context.Context, group []T)
	// kept reports whether a group whose commit was not answered is in the store.
	// Nil when writing again does no harm: then callers do not wait for the end either
	// once their context has ended.
	kept func(ctx context.Context, group []T) (bool, error)
	// evict lets others go first who hold up the lane's turn and hang.
	evict func(ctx context.Context) error

	ctx     context.Context // never ends: a group is not cut short by a caller
	closing context.Context // ends when the store closes
	cancel  context.CancelFunc
	jobs    chan *job[T]
	mu      sync.RWMutex // guards the closing of jobs
	stopped bool
	working sync.WaitGroup
}

func (l *lane[T]) start(ctx context.Context) {
	l.ctx = context.WithoutCancel(ctx)
	l.closing, l.cancel = context.WithCancel(l.ctx) //nolint:gosec // stop calls it
	l.jobs = make(chan *job[T], groupJobs)
	l.working.Go(l.run)
}

// do has value written and returns when that is on disk. Once the lane has begun,
// do waits for the end whatever becomes of ctx, unless writing again does no harm.
// Its errors wrap store.ErrUnavailable.
func (l *lane[T]) do(ctx context.Context, value T, size int) error {
	j := &job[T]{value: value, size: size, done: make(chan error, 1)}
	if err := l.submit(ctx, j); err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	var err error
	select {
	case err = <-j.done:
	case <-ctx.Done():
		if !j.taken.Swap(true) || l.kept == nil {
			return fmt.Errorf("%w: waiting for the writer: %w", store.ErrUnavailable, context.Cause(ctx))
		}
		err = <-j.done
	}
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return nil
}

func (l *lane[T]) submit(ctx context.Context, j *job[T]) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.stopped {
		return errClosed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case l.jobs <- j:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stop takes no more jobs and finishes those that wait.
func (l *lane[T]) stop() {
	l.mu.Lock()
	if !l.stopped {
		l.stopped = true
		close(l.jobs)
	}
	l.mu.Unlock()
	l.cancel()
	l.working.Wait()
}

func (l *lane[T]) run() {
	group := make([]*job[T], 0, groupJobs)
	for j := range l.jobs {
		if group = l.collect(group[:0], j); len(group) > 0 {
			l.commit(group)
		}
	}
}

// collect adds to the first job those that wait already.
func (l *lane[T]) collect(group []*job[T], j *job[T]) []*job[T] {
	size := 0
	for {
		if !j.taken.Swap(true) {
			group = append(group, j)
			size += j.size
		}
		if len(group) == groupJobs || size >= groupBytes {
			return group
		}
		select {
		case next, ok := <-l.jobs:
			if !ok {
				return group
			}
			j = next
		default:
			return group
		}
	}
}

// commit writes a group in one transaction. When one of its jobs is to blame for a
// failure, each is written by itself, so that the others do not suffer.
func (l *lane[T]) commit(group []*job[T]) {
	values := make([]T, len(group))
	for i, j := range group {
		values[i] = j.value
	}
	err := l.try(values)
	switch {
	case err == nil, len(group) == 1, storeIsToBlame(err):
		l.answer(append([]*job[T]{}, group...), values, err)
	default:
		for i := range group {
			l.answer([]*job[T]{group[i]}, values[i:i+1], l.try(values[i:i+1]))
		}
	}
}

// answer tells the callers. When the commit was not answered, they wait until it
// is known what became of it; the lane goes on meanwhile.
func (l *lane[T]) answer(group []*job[T], values []T, err error) {
	if !errors.Is(err, errDoubt) || l.kept == nil {
		for _, j := range group {
			j.done <- err
		}
		return
	}
	l.working.Go(func() {
		err := l.resolve(values, err)
		for _, j := range group {
			j.done <- err
		}
	})
}

// errDoubt is wrapped by the error of a commit that was not answered.
var errDoubt = errors.New("the commit was not answered")

// try writes a group in one transaction, all of it or nothing. What failed because
// of the connection, before the commit, is tried once more on another one.
func (l *lane[T]) try(group []T) error {
	err := l.once(group)
	var noServer *pgconn.ConnectError
	if err == nil || errors.Is(err, errDoubt) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &noServer) || !storeIsToBlame(err) {
		return err
	}
	return l.once(group)
}

func (l *lane[T]) once(group []T) error {
	ctx, cancel := context.WithTimeout(l.ctx, commitTimeout)
	defer cancel()
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer conn.Release() // closes it when a transaction is open
	over := make(chan struct{})
	defer close(over)
	go l.watch(ctx, over)
	last, err := l.write(ctx, conn.Conn(), group)
	if err == nil {
		err = commit(ctx, conn.Conn(), last)
	}
	if err != nil {
		return err
	}
	if l.settled != nil {
		l.settled(ctx, group)
	}
	return nil
}

// turnTime is how long a lane waits before it looks whether its turn is held by a
// hub that hangs.
const turnTime = 5 * time.Second

// watch evicts again and again who hangs, until the transaction is over.
func (l *lane[T]) watch(ctx context.Context, over <-chan struct{}) {
	tick := time.NewTicker(turnTime)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = l.evict(ctx) // it is tried again
		}
	}
}

// errRolledBack is the server's answer to the commit of a transaction that failed.
var errRolledBack = errors.New("the server rolled back")

// commit sends the last statements of a transaction and its end.
func commit(ctx context.Context, conn *pgx.Conn, last *pgx.Batch) error {
	last.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return errRolledBack
		}
		return nil
	})
	err := conn.SendBatch(ctx, last).Close()
	var e *pgconn.PgError
	if err == nil || errors.Is(err, errRolledBack) || (errors.As(err, &e) && e.SeverityUnlocalized == "ERROR") {
		return err
	}
	return fmt.Errorf("%w: %w", errDoubt, err)
}

const (
	// resolveTimeout bounds how long callers wait for the server to come back and
	// say what became of a commit.
	resolveTimeout = 30 * time.Second
	resolvePause   = 200 * time.Millisecond
)

// resolve finds out what became of a group whose commit was not answered; cause is
// how that ended.
func (l *lane[T]) resolve(group []T, cause error) error {
	ctx, cancel := context.WithTimeout(l.closing, resolveTimeout)
	defer cancel()
	for {
		kept, err := l.kept(ctx, group)
		switch {
		case err == nil && kept:
			if l.settled != nil {
				l.settled(ctx, group)
			}
			return nil
		case err == nil:
			return fmt.Errorf("nothing was kept: %w", cause)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it is not known whether it was kept, sending it again does no harm: %w", cause)
		case <-time.After(resolvePause):
		}
	}
}

// storeIsToBlame reports whether err would meet any other job just the same.
func storeIsToBlame(err error) bool {
	if errors.Is(err, errRefused) {
		return false
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) || len(e.Code) != 5 {
		return true
	}
	switch e.Code[:2] {
	case "22", "23", "54": // data exception, integrity constraint violation, program limit exceeded
		return false
	}
	return true
}

// errRefused is wrapped by errors of a job that is wrong in itself.
var errRefused = errors.New("refused")
