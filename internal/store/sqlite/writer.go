package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

// A group commit ends at this many jobs or bytes, whichever comes first.
const (
	groupJobs  = 1024
	groupBytes = 8 << 20
)

var errClosed = errors.New("the store is closed")

// job is what one caller wants written.
type job struct {
	// apply writes; it may be called again in another transaction when a
	// neighbour's failure undid the first.
	apply func(tx *transaction) error
	size  int
	// taken is set by whoever comes first: the writer, or the caller that gives up.
	taken atomic.Bool
	done  chan error
}

// writer is the one goroutine that writes.
type writer struct {
	ctx           context.Context // never ends: a group is never cut short
	conn          *sql.Conn
	statements    []*sql.Stmt
	codec         *pack.Codec
	index         *keyIndex
	subscriptions *names
	outbox        *outbox
	recorded      chan<- struct{}
	compact       chan struct{}
	next          int64  // the next number of a document or record
	dictionaries  uint64 // the last number of a dictionary

	jobs    chan *job
	mu      sync.RWMutex // guards the closing of jobs
	stopped bool
	ended   chan struct{}

	begin, commit, rollback          *sql.Stmt
	insertDocument, documentAt, byNo *sql.Stmt
	count, mergeSpan                 *sql.Stmt
	insertPublished                  *sql.Stmt
	insertSubscription               *sql.Stmt
	insertDelivery, delivery         *sql.Stmt
	updateDelivery, deleteDelivery   *sql.Stmt
	keyBlocks                        *sql.Stmt
	insertRun, deleteRun             *sql.Stmt
	insertBlock, deleteBlocks        *sql.Stmt
	insertDictionary, probe          *sql.Stmt
	saveInquiry                      *sql.Stmt
}

func newWriter(ctx context.Context, s *Store) (*writer, error) {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{
		ctx: context.WithoutCancel(ctx), conn: conn, codec: s.codec, index: s.index, subscriptions: s.subscriptions, outbox: s.outbox, recorded: s.recorded,
		compact: make(chan struct{}, 1), next: s.index.committed + 1,
		jobs: make(chan *job, groupJobs), ended: make(chan struct{}),
	}
	for _, p := range []struct {
		stmt  **sql.Stmt
		query string
	}{
		{&w.begin, `BEGIN IMMEDIATE`},
		{&w.commit, `COMMIT`},
		{&w.rollback, `ROLLBACK`},
		{&w.insertDocument, insertDocumentSQL},
		{&w.documentAt, documentAtSQL},
		{&w.byNo, documentHashSQL},
		{&w.count, countSQL},
		{&w.mergeSpan, mergeSpanSQL},
		{&w.insertPublished, insertPublishedSQL},
		{&w.insertSubscription, insertSubscriptionSQL},
		{&w.insertDelivery, insertDeliverySQL},
		{&w.delivery, deliverySQL},
		{&w.updateDelivery, updateDeliverySQL},
		{&w.deleteDelivery, deleteDeliverySQL},
		{&w.keyBlocks, keyBlocksSQL},
		{&w.insertRun, insertRunSQL},
		{&w.deleteRun, deleteRunSQL},
		{&w.insertBlock, insertBlockSQL},
		{&w.deleteBlocks, deleteBlocksSQL},
		{&w.insertDictionary, insertDictionarySQL},
		{&w.probe, `UPDATE probe SET at = ?`},
		{&w.saveInquiry, saveInquirySQL},
	} {
		if *p.stmt, err = conn.PrepareContext(ctx, p.query); err != nil { //nolint:sqlclosecheck // close closes them all
			return nil, errors.Join(fmt.Errorf("preparing %q: %w", p.query, err), w.close())
		}
		w.statements = append(w.statements, *p.stmt)
	}
	w.dictionaries = uint64(s.codec.Len()) //nolint:gosec // a number of dictionaries
	go w.run()
	return w, nil
}

// do has apply called in a transaction and returns when that is on disk. Once
// the writer has begun, do waits for the end whatever becomes of ctx, so that an
// error always means that nothing was kept; it wraps store.ErrUnavailable.
func (w *writer) do(ctx context.Context, size int, apply func(tx *transaction) error) error {
	j := &job{apply: apply, size: size, done: make(chan error, 1)}
	if err := w.submit(ctx, j); err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	var err error
	select {
	case err = <-j.done:
	case <-ctx.Done():
		if !j.taken.Swap(true) {
			return fmt.Errorf("%w: waiting for the writer: %w", store.ErrUnavailable, context.Cause(ctx))
		}
		err = <-j.done
	}
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return nil
}

func (w *writer) submit(ctx context.Context, j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.stopped {
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	select {
	case w.jobs <- j:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close gives the connection back. Its statements are not closed with it.
func (w *writer) close() error {
	errs := make([]error, 0, len(w.statements)+1)
	for _, stmt := range w.statements {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

func (w *writer) waiting() int { return len(w.jobs) }

// stop takes no more jobs, finishes those that wait and ends the goroutine.
func (w *writer) stop() error {
	w.mu.Lock()
	w.stopped = true
	close(w.jobs)
	w.mu.Unlock()
	<-w.ended
	return w.close()
}

func (w *writer) run() {
	defer close(w.ended)
	group := make([]*job, 0, groupJobs)
	for j := range w.jobs {
		group = w.collect(group[:0], j)
		w.write(group)
	}
}

// collect adds to the first job those that wait already.
func (w *writer) collect(group []*job, j *job) []*job {
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
		case next, ok := <-w.jobs:
			if !ok {
				return group
			}
			j = next
		default:
			return group
		}
	}
}

// write writes a group in one transaction. When one of its jobs is to blame for
// a failure, each is written by itself, so that the others do not suffer.
func (w *writer) write(group []*job) {
	if len(group) == 0 {
		return
	}
	err := w.try(group)
	if err == nil || len(group) == 1 || storeIsToBlame(err) {
		for _, j := range group {
			j.done <- err
		}
		return
	}
	for i := range group {
		group[i].done <- w.try(group[i : i+1])
	}
}

// storeIsToBlame reports whether err would meet any other job just the same.
func storeIsToBlame(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
		return false
	}
	return true
}

// try writes a group in one transaction, all of it or nothing.
func (w *writer) try(group []*job) error {
	tx := newTransaction(w)
	err := tx.exec(w.begin)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	for _, j := range group {
		if err = j.apply(tx); err != nil {
			break
		}
	}
	if err == nil {
		err = tx.finish()
	}
	if err != nil {
		tx.undo()
		return err
	}
	tx.settled()
	return nil
}
