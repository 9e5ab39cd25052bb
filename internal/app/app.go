// Package app wires the rooms together: the whole hub in one process, for main
// and for tests. It alone chooses implementations.
package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"tongqu/internal/adapter"
	"tongqu/internal/api"
	"tongqu/internal/backoff"
	"tongqu/internal/bus"
	"tongqu/internal/bus/embedded"
	"tongqu/internal/delivery"
	"tongqu/internal/directory"
	"tongqu/internal/intake"
	"tongqu/internal/query"
	"tongqu/internal/record"
	"tongqu/internal/relay"
	"tongqu/internal/store"
)

// App is a hub.
type App struct {
	config   Config
	log      *zap.Logger
	files    fs.FS
	rules    atomic.Pointer[rules]
	metrics  *prometheus.Registry
	listener net.Listener
	reloads  *reloads
	// loadedPrint is what the override folder looked like just before it was loaded.
	loadedPrint uint64

	// What Run opens, in this order, and closes in the opposite one.
	store    store.Store
	broker   *embedded.Broker // nil with brokers configured
	bus      bus.Bus
	relay    *relay.Relay
	delivery *delivery.Delivery
	intake   *intake.Intake
	queries  *query.Desk
	doors    fileDoors

	documents http.Handler // the HTTP door
	handler   atomic.Pointer[api.API]
	// topicsWanted has a value when topics are missing that Kafka could not make yet.
	topicsWanted chan struct{}
	leads        atomic.Bool // this hub's relay works
}

// New loads adapters and directory and checks them; it opens nothing yet but
// the address, so that Addr is known. files has adapters, schemas, mappings and config.
func New(ctx context.Context, c Config, files fs.FS, log *zap.Logger) (*App, error) {
	a := &App{config: c, log: log, files: files, metrics: prometheus.NewRegistry(), reloads: newReloads(), topicsWanted: make(chan struct{}, 1)}
	if c.Folders.Override != "" {
		a.loadedPrint = fingerprint(os.DirFS(c.Folders.Override))
	}
	loaded, err := loadRules(&c, files)
	if err != nil {
		return nil, err
	}
	a.rules.Store(loaded)
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen); err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return a, nil
}

// Addr is where the hub listens, with the port that was chosen.
func (a *App) Addr() string { return a.listener.Addr().String() }

// Registry returns the adapters in force.
func (a *App) Registry() *adapter.Registry { return a.rules.Load().registry }

// Directory returns the directory in force.
func (a *App) Directory() *directory.Directory { return a.rules.Load().directory }

// Store returns the store, which is open from Run's started until Run ends.
func (a *App) Store() store.Store { return a.store }

// Run opens everything, calls started (which may be nil) once the hub answers,
// and works until ctx ends or a part fails; then it stops in order within the
// stop timeout: doors first, so that nothing new comes in, the store last.
func (a *App) Run(ctx context.Context, started func(context.Context) error) (err error) {
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.open(ctx); err != nil {
		return errors.Join(err, a.listener.Close())
	}
	doors, err := a.doors.open(a, a.Directory())
	if err != nil {
		return errors.Join(err, a.listener.Close())
	}
	a.doors.use(doors)
	server := a.server()
	// Inner parts outlive the doors, so that what came in is still published and delivered.
	inner, stopInner := context.WithCancel(context.WithoutCancel(ctx))
	defer stopInner()
	work, workCtx := errgroup.WithContext(inner)
	work.Go(func() error {
		a.awaitTopics(workCtx)
		both, bothCtx := errgroup.WithContext(workCtx)
		both.Go(func() error { return a.lead(bothCtx) })
		both.Go(func() error { return a.store.Attend(bothCtx, a.delivery.Run) })
		both.Go(func() error { return a.retain(bothCtx) })
		both.Go(func() error { return a.lateTopics(bothCtx) })
		return both.Wait()
	})
	outer, outerCtx := errgroup.WithContext(ctx)
	outer.Go(func() error { return a.doors.run(outerCtx, a.store) })
	outer.Go(func() error { return a.watch(outerCtx) })
	outer.Go(func() error {
		if err := server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving HTTP: %w", err)
		}
		return nil
	})
	outer.Go(func() error {
		select {
		case <-outerCtx.Done():
		case <-workCtx.Done(): // an inner part failed
		}
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.config.StopTimeout)
		defer cancel()
		if err := server.Shutdown(stop); err != nil {
			return errors.Join(fmt.Errorf("stopping HTTP: %w", err), server.Close())
		}
		return nil
	})
	if started != nil {
		outer.Go(func() error { return started(outerCtx) })
	}
	a.log.Info("started", zap.String("address", a.Addr()), zap.String("data", a.config.Data))
	err = outer.Wait()
	stopInner()
	err = errors.Join(err, work.Wait())
	a.log.Info("stopped")
	return err
}

// RelayLease is the lease of the hub whose relay works.
const RelayLease = "relay"

// stepBack is how long a hub whose relay is stuck leaves the lease to the others. It
// is longer than they take to ask for it.
const stepBack = 4 * time.Second

// lead relays when this hub is the one that does.
func (a *App) lead(ctx context.Context) error {
	for ctx.Err() == nil {
		err := a.store.Lease(ctx, RelayLease, func(ctx context.Context) error {
			a.leads.Store(true)
			defer a.leads.Store(false)
			return a.relay.Run(ctx)
		})
		if err != nil && !errors.Is(err, relay.ErrStuck) {
			return err
		}
		_ = backoff.Wait(ctx, stepBack) // ends early with ctx
	}
	return nil
}

// open opens store and bus and makes the parts that work on them.
func (a *App) open(ctx context.Context) error {
	c := &a.config
	err := os.MkdirAll(c.Data, 0o750)
	if err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	if a.store, err = OpenStore(ctx, c, a.log.Named("store")); err != nil {
		return fmt.Errorf("opening store: %w", err)
	}
	kafka := c.Kafka
	if len(kafka.Brokers) == 0 {
		_, err = os.Stat(c.Path("kafka"))
		lost := errors.Is(err, fs.ErrNotExist)
		if a.broker, err = embedded.Start(embedded.Config{Dir: c.Path("kafka")}, a.log.Named("kafka")); err != nil { //nolint:contextcheck // the broker lives as long as the hub, not as the call
			return fmt.Errorf("starting embedded Kafka: %w", err)
		}
		kafka = a.broker.BusConfig()
		if lost {
			if err := a.publishAgain(ctx, kafka.Topic.Retention); err != nil {
				return err
			}
		}
	}
	k, err := bus.New(kafka, a.log.Named("bus"))
	if err != nil {
		return fmt.Errorf("connecting to Kafka: %w", err)
	}
	a.bus = k
	now := a.rules.Load()
	intakeMetrics, deliveryMetrics, queryMetrics := intake.NewMetrics(), delivery.NewMetrics(), query.NewMetrics()
	relaying := relay.NewDefaultSettings()
	if c.Store.URL == "" {
		relaying.Patience = 0 // no other hub can
	}
	a.relay = relay.New(a.store, a.bus, relaying, a.log.Named("relay"))
	a.delivery = delivery.New(delivery.Rooms{
		Rules: delivery.Rules{Directory: now.directory, Masks: now.maskers, Encode: now.registry.Encode},
		Store: a.store, Bus: a.bus, Log: a.log.Named("delivery"), Metrics: deliveryMetrics,
	}, a.deliverySettings())
	a.intake = intake.New(now.registry, now.directory, a.store, a.log.Named("intake"), intakeMetrics, time.Now)
	key, err := readOrMakeToken(c.Path(QueryKeyFile))
	if err != nil {
		return err
	}
	a.queries = query.New(query.Rooms{Store: a.store, Key: []byte(key), Metrics: queryMetrics, Log: a.log.Named("query")}, now.queries)
	a.metrics.MustRegister(intakeMetrics, deliveryMetrics, queryMetrics, newGauges(a), a.reloads.count, a.reloads.inUse)
	return a.admitOperator(now.directory)
}

// deliverySettings are the defaults with what the configuration says.
func (a *App) deliverySettings() delivery.Settings {
	s := delivery.NewDefaultSettings()
	s.Folder = a.config.Data
	s.RetryBase, s.RetryLimit = a.config.Deliver.BackoffBase, a.config.Deliver.BackoffMax
	return s
}

// awaitTopics creates the topics as soon as Kafka answers: a Kafka that is away
// does not keep the doors shut. It gives up when ctx ends.
func (a *App) awaitTopics(ctx context.Context) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		err := a.bus.EnsureTopics(ctx, a.topics())
		if err == nil {
			return
		}
		a.log.Warn("creating topics", zap.Error(err))
		_ = backoff.Wait(ctx, backoff.Delay(attempt, time.Second, 30*time.Second, rand.Float64)) // ends early with ctx
	}
}

// Settled reports whether everything recorded so far is published, and every
// subscription has seen all of it.
func (a *App) Settled(ctx context.Context) bool {
	left, err := a.store.Unpublished(ctx, 1)
	if err != nil || len(left) > 0 {
		return false
	}
	for _, s := range a.Directory().Subscriptions() {
		lag, err := a.bus.Lag(ctx, delivery.Group(s.ID), s.Topics())
		if err != nil {
			return false
		}
		for _, n := range lag {
			if n > 0 {
				return false
			}
		}
	}
	return true
}

// topics are those of all canonical types that an adapter makes or a subscription wants.
func (a *App) topics() []string {
	seen := map[string]bool{}
	var topics []string
	add := func(topic string) {
		if !seen[topic] {
			seen[topic] = true
			topics = append(topics, topic)
		}
	}
	for _, t := range a.Registry().Types() {
		add(record.Topic(t))
	}
	for _, s := range a.Directory().Subscriptions() {
		for _, t := range s.Topics() {
			add(t)
		}
	}
	return topics
}

// server makes the HTTP server of door and API.
func (a *App) server() *http.Server {
	c := a.config.Intake
	a.documents = intake.NewHTTP(a.intake, intake.HTTPSettings{
		MaxBytes: c.MaxBytes, MaxInFlightBytes: c.MaxInFlightBytes, ReadTimeout: c.ReadTimeout, Rate: c.Rate, Burst: c.Burst,
	})
	a.handler.Store(a.newAPI())
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.handler.Load().ServeHTTP(w, r) })
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: zap.NewStdLog(a.log.Named("http").WithOptions(zap.IncreaseLevel(zap.WarnLevel))),
	}
}

// newAPI makes the API of the rules in force.
func (a *App) newAPI() *api.API {
	now := a.rules.Load()
	checks := []api.Check{
		{Name: "store", Run: a.store.Ready},
		{Name: "kafka", Run: a.bus.Ready},
		{Name: "relay", Run: func(context.Context) error { s := a.relay.State(); return s.LastError }},
		{Name: "reload", Run: func(context.Context) error { return a.reloads.state() }, Advisory: true},
	}
	return api.New(api.Rooms{
		Store: a.store, Registry: now.registry, Directory: now.directory, Delivery: a.delivery, Bus: a.bus, Queries: a.queries, Maskers: now.maskers,
		Documents: a.documents, Metrics: a.metrics, Checks: checks, Log: a.log.Named("api"),
	})
}

// close closes what is open, the newest first.
func (a *App) close() error {
	var errs []error
	if a.delivery != nil {
		a.delivery.Close()
	}
	if a.queries != nil {
		a.queries.Close()
	}
	if a.bus != nil {
		errs = append(errs, a.bus.Close())
	}
	if a.broker != nil {
		errs = append(errs, a.broker.Close())
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}

// QueryKeyFile is the file in the data folder that holds the key of the fingerprints
// by which earlier answers are found. Hubs that have the same one share answers.
const QueryKeyFile = "query.key"

// OperatorTokenFile is the file in the data folder that holds the operator's
// token, made at the first start; the commands on the same machine use it.
const OperatorTokenFile = "operator.token"

func (a *App) admitOperator(d *directory.Directory) error {
	token, err := readOrMakeToken(filepath.Join(a.config.Data, OperatorTokenFile))
	if err != nil {
		return err
	}
	d.AdmitOperator(token)
	return nil
}
