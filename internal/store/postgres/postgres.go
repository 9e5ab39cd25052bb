// Package postgres keeps the memory of one or many hubs in a PostgreSQL database,
// version 14 or newer.
//
// Each hub collects what waits to be recorded and writes it in one transaction
// (group commit). An advisory lock lets the hubs take turns with these, until the
// commit: numbers are given out under it, so that the order of the numbers is the
// order of the commits, no reader can see a number before a smaller one, and what
// one hub recorded the next one recognises. Documents, keys and deliveries are
// partitioned by the month of the document's id, which begins with the time.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

// maxConns is how many connections a hub has unless pool_max_conns of the address
// says otherwise: one for each lane, one for leases, the rest for readers. One more
// listens to the other hubs.
const maxConns = 12

const connectTimeout = 5 * time.Second

// session are the settings of a hub's connections; those in the address win. What a
// commit promises does not depend on the server's defaults, and a hub that is gone
// or hangs does not hold up the others.
var session = map[string]string{
	"application_name":                    "tongqu",
	"synchronous_commit":                  "on",
	"client_connection_check_interval":    "2s",
	"idle_in_transaction_session_timeout": "15s",
	"tcp_keepalives_idle":                 "10",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "3",
}

// Store is a store.Store in a PostgreSQL database.
type Store struct {
	pool  *pgxpool.Pool
	log   *zap.Logger
	hub   uuid.UUID // this Store, among those that hold leases
	locks int32     // the first key of the advisory locks

	codec         *pack.Codec
	subscriptions *names
	outbox        *outbox
	recording     *lane[*incoming]
	progress      *lane[*change]
	recorded      chan struct{}

	upkeep  sync.WaitGroup
	closing context.Context
	cancel  context.CancelFunc
	once    sync.Once
}

var _ store.Store = (*Store)(nil)

// The second keys of the advisory locks; the first is the table documents' own
// number, so that hubs in other schemas do not meet.
const (
	lockRecording = 1
	lockProgress  = 2
	lockUpkeep    = 3
)

// Open opens the store at a PostgreSQL address (postgres://user:password@host:port/database,
// with pgx's parameters, among them search_path for a schema of its own) and
// brings the schema up to date. Several hubs may do so at once. The context bounds
// Open alone. It returns ErrImporting while an Import is under way.
func Open(ctx context.Context, address string, log *zap.Logger) (*Store, error) {
	s, err := open(ctx, address, log)
	if err != nil {
		return nil, err
	}
	if err := s.importing(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store: %w", err), s.Close())
	}
	return s, nil
}

func open(ctx context.Context, address string, log *zap.Logger) (*Store, error) {
	config, err := parse(address)
	if err != nil {
		return nil, err
	}
	place := fmt.Sprintf("%s:%d/%s", config.ConnConfig.Host, config.ConnConfig.Port, config.ConnConfig.Database)
	if err := migrate(ctx, config.ConnConfig); err != nil {
		return nil, fmt.Errorf("opening the store at %s: %w", place, err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening the store at %s: %w", place, err)
	}
	s := &Store{
		pool: pool, log: log, codec: pack.NewCodec(), subscriptions: newNames(), outbox: &outbox{},
		recorded: make(chan struct{}, 1),
	}
	if err := s.start(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("opening the store at %s: %w", place, err)
	}
	return s, nil
}

// parse reads an address. Its errors do not show the password.
func parse(address string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("reading the store's address: %w", err)
	}
	if !strings.Contains(address, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	if config.ConnConfig.ConnectTimeout == 0 || config.ConnConfig.ConnectTimeout > 2*time.Minute {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	params := config.ConnConfig.RuntimeParams
	for name, value := range session {
		if _, ok := params[name]; !ok {
			params[name] = value
		}
	}
	return config, nil
}

func (s *Store) start(ctx context.Context) error {
	var err error
	if s.hub, err = uuid.NewRandom(); err != nil {
		return err
	}
	var fsync string
	err = s.pool.QueryRow(ctx, `SELECT 'documents'::regclass::oid::integer, current_setting('fsync')`).Scan(&s.locks, &fsync)
	if err != nil {
		return err
	}
	if fsync != "on" {
		s.log.Warn("the server runs with fsync off: what is acknowledged may be lost when it stops")
	}
	if err := s.ensureMonths(ctx, time.Now()); err != nil {
		return err
	}
	if err := s.loadDictionaries(ctx); err != nil {
		return fmt.Errorf("reading the dictionaries: %w", err)
	}
	s.closing, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.recording = &lane[*incoming]{pool: s.pool, write: s.newGroupWriter(), settled: s.groupSettled, kept: s.groupKept, evict: s.evicting(lockRecording)}
	s.recording.start(ctx)
	s.progress = &lane[*change]{pool: s.pool, write: s.writeChanges, evict: s.evicting(lockProgress)}
	s.progress.start(ctx)
	s.upkeep.Go(s.keepUp)
	s.upkeep.Go(s.listen)
	return nil
}

// begin are the first statements of a transaction of a lane: they wait for their turn.
func (s *Store) begin(lock int32) *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	b.Queue("SELECT pg_advisory_xact_lock($1, $2)", s.locks, lock)
	return b
}

// evictSQL ends the session that holds a lane's lock while its hub, which stopped or
// is cut off in the middle of a transaction, sends nothing. The time in which a
// session may idle does not end one in the middle of a COPY.
const evictSQL = `SELECT count(*) FILTER (WHERE pg_terminate_backend(l.pid)) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
	WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = $1::bigint & 4294967295 AND l.objid::bigint = $2 AND l.objsubid = 2
	AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
	AND a.wait_event_type = 'Client' AND a.xact_start < clock_timestamp() - $3::interval AND l.pid <> pg_backend_pid()`

// evicting returns what evicts who holds that lock and hangs.
func (s *Store) evicting(lock int32) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, turnTime)
		defer cancel()
		var n int
		err := s.pool.QueryRow(ctx, evictSQL, s.locks, lock, turnTime).Scan(&n)
		if n > 0 {
			s.log.Warn("ended the session of a hub that hangs in the middle of a transaction")
		}
		return err
	}
}

// Ready returns nil when the store can write: it writes one row, together with
// whatever else is being written.
func (s *Store) Ready(ctx context.Context) error {
	return s.recording.do(ctx, nil, 0)
}

// Stats says how busy the store is, and how large.
type Stats struct {
	Queue       int   // calls of this hub that wait to be recorded
	Connections int   // open ones of this hub
	Bytes       int64 // all months of documents, keys and deliveries, with their indexes
	Months      int   // that have partitions
}

const sizeSQL = `SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint, count(*) FILTER (WHERE root = 'documents' AND isleaf) - 1
	FROM (VALUES ('documents'), ('keys'), ('deliveries')) AS t (root), pg_partition_tree(root::regclass)`

// Stats returns the numbers of the moment.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st := Stats{Queue: len(s.recording.jobs), Connections: int(s.pool.Stat().TotalConns())}
	if err := s.pool.QueryRow(ctx, sizeSQL).Scan(&st.Bytes, &st.Months); err != nil {
		return st, fmt.Errorf("measuring the store: %w", err)
	}
	return st, nil
}

// Close finishes what was begun and closes the connections. Calls that come later
// get ErrUnavailable.
func (s *Store) Close() error {
	s.once.Do(func() {
		s.cancel()
		s.recording.stop()
		s.progress.stop()
		s.upkeep.Wait()
		s.pool.Close()
	})
	return nil
}

// signal leaves a value in c unless one waits there already.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

var errDamaged = errors.New("damaged row")
