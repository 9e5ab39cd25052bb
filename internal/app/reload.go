package app

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"tongqu/internal/conf"
	"tongqu/internal/delivery"
)

// reloadFolders are the parts of the override folder that a running hub reads again.
var reloadFolders = []string{"adapters", "schemas", "mappings", "config/agencies", "config/directory"}

// reloads is what is known of reading the data folders again.
type reloads struct {
	one   sync.Mutex // one reload at a time
	mu    sync.Mutex
	last  error // why the data on disk are not in force
	count *prometheus.CounterVec
	inUse prometheus.Gauge
}

func newReloads() *reloads {
	r := &reloads{
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongqu_reloads_total", Help: "Times the override folder was read again: ok, or refused because something in it is wrong.",
		}, []string{"result"}),
		inUse: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tongqu_reload_current", Help: "1 while the adapters, directory and agencies on disk are those in force; 0 when they were refused and the earlier ones go on.",
		}),
	}
	for _, result := range []string{"ok", "refused"} { // shown from the start, so that the first one is an increase
		r.count.WithLabelValues(result)
	}
	r.inUse.Set(1)
	return r
}

func (r *reloads) settle(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = err
	if err != nil {
		r.count.WithLabelValues("refused").Inc()
		r.inUse.Set(0)
		return
	}
	r.count.WithLabelValues("ok").Inc()
	r.inUse.Set(1)
}

// state returns why the data on disk are not in force, nil when they are.
func (r *reloads) state() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Reload reads adapters, schemas, mappings, directory and agencies again, checks
// and lints them aside, and puts them in force together. When anything is wrong
// the hub goes on with what it has, and the error says where: conf.Problems.
// Documents and deliveries that have begun end by what they began with.
func (a *App) Reload(ctx context.Context) error {
	a.reloads.one.Lock()
	defer a.reloads.one.Unlock()
	err := a.reload(ctx)
	a.reloads.settle(err)
	return err
}

// TryReload reloads and tells the log when it cannot: nobody waits for the outcome.
func (a *App) TryReload(ctx context.Context) {
	err := a.Reload(ctx)
	if problems, ok := errors.AsType[conf.Problems](err); ok {
		for _, p := range problems {
			a.log.Error("not reloaded: the earlier data stay in force", zap.Stringer("problem", p))
		}
	} else if err != nil {
		a.log.Error("not reloaded: the earlier data stay in force", zap.Error(err))
	}
}

func (a *App) reload(ctx context.Context) error {
	if a.intake == nil {
		return errors.New("the hub does not run")
	}
	next, err := a.loadUnchanged()
	if err != nil {
		return err
	}
	if err := next.registry.Lint("").Or(); err != nil {
		return fmt.Errorf("linting adapters: %w", err)
	}
	doors, err := a.doors.open(a, next.directory)
	if err != nil {
		return err
	}
	if err := a.admitOperator(next.directory); err != nil {
		return err
	}
	a.rules.Store(next)
	a.ensureTopics(ctx)
	a.intake.Use(next.registry, next.directory)
	a.delivery.Use(delivery.Rules{Directory: next.directory, Masks: next.maskers, Encode: next.registry.Encode})
	a.queries.Use(next.queries)
	a.handler.Store(a.newAPI())
	a.doors.use(doors)
	a.log.Info("reloaded", zap.Int("adapters", len(next.registry.Adapters())), zap.Int("agencies", len(next.directory.Agencies())),
		zap.Int("subscriptions", len(next.directory.Subscriptions())))
	return nil
}

// loadUnchanged loads the rules, unless the override folder is away or changes
// meanwhile: half of it may be there, or none, and nobody has told to forget
// all agencies.
func (a *App) loadUnchanged() (*rules, error) {
	override := a.config.Folders.Override
	if override == "" {
		return loadRules(&a.config, a.files)
	}
	before := fingerprint(os.DirFS(override))
	next, err := loadRules(&a.config, a.files)
	if _, statErr := os.Stat(override); statErr != nil {
		return nil, fmt.Errorf("reading the override folder: %w", statErr)
	}
	if err == nil && fingerprint(os.DirFS(override)) != before {
		return nil, fmt.Errorf("reading the override folder: %s changed meanwhile", override)
	}
	return next, err
}

// topicsAtOnce is how long a reload waits for new topics; after that they are
// made when Kafka answers.
const topicsAtOnce = 5 * time.Second

func (a *App) ensureTopics(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, topicsAtOnce)
	defer cancel()
	if err := a.bus.EnsureTopics(ctx, a.topics()); err != nil {
		select {
		case a.topicsWanted <- struct{}{}:
		default: // somebody waits for them already
		}
	}
}

// lateTopics makes topics that a reload could not.
func (a *App) lateTopics(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.topicsWanted:
			a.awaitTopics(ctx)
		}
	}
}

// watch reloads when the override folder has changed and then stayed the same for
// one look, so that a half-copied folder is not read.
func (a *App) watch(ctx context.Context) error {
	if a.config.Folders.Override == "" || a.config.Folders.Poll == 0 {
		<-ctx.Done()
		return nil
	}
	dir := os.DirFS(a.config.Folders.Override)
	tick := time.NewTicker(a.config.Folders.Poll)
	defer tick.Stop()
	previous := a.loadedPrint
	applied := previous
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := fingerprint(dir)
		if now != applied && now == previous {
			applied = now
			a.TryReload(ctx)
		}
		previous = now
	}
}

// fingerprint changes when a file of the folders does: its name, size or time.
func fingerprint(dir fs.FS) uint64 {
	h := fnv.New64a()
	for _, folder := range reloadFolders {
		_ = fs.WalkDir(dir, folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // what cannot be read is not there; loading tells
			}
			base := d.Name()
			if strings.HasPrefix(base, ".") || strings.HasSuffix(base, "~") {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if info, err := fs.Stat(dir, name); err == nil && !info.IsDir() { // Stat follows links, as mounted ConfigMaps have them
				fmt.Fprintf(h, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return h.Sum64()
}
