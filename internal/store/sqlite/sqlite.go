// Package sqlite keeps the hub's memory in one SQLite file.
//
// One goroutine writes: it takes what waits, writes it in one transaction and
// answers all of it after one fsync (group commit). Readers have connections of
// their own and never wait for it. A document and its records are one row, its
// row number the order of recording; what is looked up by value (business keys,
// identities, document hashes) is kept in sorted runs beside it, so that the cost
// of recording does not grow with what is stored.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	"go.uber.org/zap"
	_ "modernc.org/sqlite" // the driver

	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrLocked is returned by Open when another hub has the file open.
var ErrLocked = errors.New("another hub has the store open")

const (
	readers      = 4
	pageSize     = 8192
	writerCache  = 64 << 20
	readerCache  = 16 << 20
	walPages     = 4096     // pages in the log that start a checkpoint
	walSizeLimit = 64 << 20 // the log is cut back to this after a checkpoint
)

// Store is a store.Store in one SQLite file.
type Store struct {
	file *os.File // holds the lock
	path string
	log  *zap.Logger

	write *sql.DB
	read  *sql.DB
	codec *pack.Codec

	queries       *queries
	writer        *writer
	index         *keyIndex
	compactor     *compactor
	outbox        *outbox
	subscriptions *names
	recorded      chan struct{}

	closing sync.Once
	closed  error
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the file at path; the folder and the file are created
// when they are missing, and the schema is brought up to date. It returns
// ErrLocked when another hub has the file open. The context bounds Open alone.
func Open(ctx context.Context, path string, log *zap.Logger) (*Store, error) {
	return open(ctx, path, log, newDefaultSizes())
}

func open(ctx context.Context, path string, log *zap.Logger, z sizes) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	s := &Store{path: path, log: log, recorded: make(chan struct{}, 1)}
	if err := s.start(ctx, z); err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", path, errors.Join(err, s.release()))
	}
	return s, nil
}

// start takes the file and makes everything that works on it.
func (s *Store) start(ctx context.Context, z sizes) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o750); err != nil {
		return err
	}
	file, err := os.OpenFile(s.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	s.file = file
	if err := lock(file); err != nil {
		return fmt.Errorf("%w: locking %s: %w", ErrLocked, file.Name(), err)
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	if s.codec, err = loadCodec(ctx, s.read); err != nil {
		return fmt.Errorf("reading the dictionaries: %w", err)
	}
	if s.subscriptions, err = loadNames(ctx, s.read); err != nil {
		return fmt.Errorf("reading the subscriptions: %w", err)
	}
	if s.outbox, err = loadOutbox(ctx, s.read); err != nil {
		return fmt.Errorf("reading the outbox: %w", err)
	}
	if s.index, err = loadIndex(ctx, s.read, s.codec, z); err != nil {
		return fmt.Errorf("reading the key index: %w", err)
	}
	if s.queries, err = newQueries(ctx, s.read); err != nil {
		return err
	}
	if s.writer, err = newWriter(ctx, s); err != nil {
		return fmt.Errorf("starting the writer: %w", err)
	}
	if s.compactor, err = startCompactor(ctx, s); err != nil {
		return errors.Join(fmt.Errorf("starting the compactor: %w", err), s.writer.stop())
	}
	return nil
}

// connect opens both pools and brings the schema up to date.
func (s *Store) connect(ctx context.Context) error {
	var err error
	s.write, err = sql.Open("sqlite", dsn(s.path, []string{
		"busy_timeout(10000)", "page_size(" + strconv.Itoa(pageSize) + ")", "synchronous(FULL)",
		"foreign_keys(1)", "temp_store(MEMORY)", "cache_size(-" + strconv.Itoa(writerCache>>10) + ")",
		"wal_autocheckpoint(" + strconv.Itoa(walPages) + ")", "journal_size_limit(" + strconv.Itoa(walSizeLimit) + ")",
	}))
	if err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if err := migrate(ctx, s.write); err != nil {
		return err
	}
	s.read, err = sql.Open("sqlite", dsn(s.path, []string{
		"busy_timeout(10000)", "query_only(1)", "temp_store(MEMORY)", "cache_size(-" + strconv.Itoa(readerCache>>10) + ")",
	}))
	if err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	return nil
}

func dsn(path string, pragmas []string) string {
	// The journal mode is set after the pragmas: then the page size is settled.
	q := url.Values{"_pragma": pragmas, "_journal_mode": {"WAL"}, "_txlock": {"immediate"}}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

func migrate(ctx context.Context, db *sql.DB) error {
	fsys, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, fsys)
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
}

// Ready returns nil when the store can write: it writes one row, together with
// whatever else is being written.
func (s *Store) Ready(ctx context.Context) error {
	now := time.Now().UnixMicro()
	return s.writer.do(ctx, 0, func(tx *transaction) error {
		return tx.exec(tx.w.probe, now)
	})
}

// Attend implements store.Leases. A file is reached or the hub does not run.
func (*Store) Attend(ctx context.Context, work func(ctx context.Context) error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end of ctx is no failure
	}
	return work(ctx)
}

// Lease implements store.Leases. Only one hub has the file open, so it holds them all.
func (*Store) Lease(ctx context.Context, _ string, work func(ctx context.Context) error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // a lease that is no longer wanted is none
	}
	return work(ctx)
}

// Stats says how large the store is.
type Stats struct {
	FileBytes int64 // the database
	LogBytes  int64 // its write-ahead log
	Queue     int   // calls that wait for the writer
}

// Stats returns the sizes of the moment.
func (s *Store) Stats() Stats {
	size := func(path string) int64 {
		if i, err := os.Stat(path); err == nil {
			return i.Size()
		}
		return 0
	}
	return Stats{FileBytes: size(s.path), LogBytes: size(s.path + "-wal"), Queue: s.writer.waiting()}
}

// Close finishes what was begun, empties the log into the database and closes
// the file. Calls that come later get ErrUnavailable; a second Close returns what the first did.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.compactor.stop()
		stopped := s.writer.stop()
		_, err := s.write.ExecContext(s.writer.ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
		s.closed = errors.Join(stopped, err, s.release())
	})
	return s.closed
}

// release gives back what open took, as far as it came.
func (s *Store) release() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}
