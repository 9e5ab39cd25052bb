// Command tongqu-bench measures a hub, or several, over the whole way: documents
// over HTTP, recorded (fsync), published to Kafka, delivered to a subscriber. It
// starts the hubs as processes of their own and prints tables. It also measures how
// fast each adapter reads and writes.
//
// Without addresses a hub runs on what is inside it; with --postgres and --kafka on
// those servers. What it records there stays.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

func main() {
	var s settings
	s.register(flag.CommandLine)
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: tongqu-bench [flags] [%s]...\n", strings.Join(names(), "|"))
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, &s, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tongqu-bench:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	hub       string
	duration  time.Duration
	runs      int
	only      string
	documents int
	sizes     string
	dir       string
	postgres  string
	kafka     string
	// numbers gives each document of this process another number, and other ones than
	// the processes before it gave.
	numbers atomic.Int64
}

func (s *settings) register(f *flag.FlagSet) {
	s.numbers.Store(1_000_000_000 + time.Now().Unix()%100_000*50_000)
	f.StringVar(&s.hub, "hub", "bin/tongqu", "the hub's binary")
	f.DurationVar(&s.duration, "duration", 10*time.Second, "how long each load lasts; an adapter takes a tenth of it each way")
	f.IntVar(&s.runs, "runs", 3, "how often each is run; medians are printed")
	f.StringVar(&s.only, "only", "", "loads: only those whose names contain this")
	f.IntVar(&s.documents, "documents", 50_000, "drain: how many documents come in during the outage")
	f.StringVar(&s.sizes, "sizes", "0,1,5,10", "growth: millions of records in the store")
	f.StringVar(&s.dir, "dir", "", "the folder for data, emptied at last (default: the system's for temporary files)")
	f.StringVar(&s.postgres, "postgres", "", "address of an empty PostgreSQL database, instead of SQLite; needs --kafka")
	f.StringVar(&s.kafka, "kafka", "", "addresses of Kafka brokers, instead of the embedded one")
}

// measurements are what can be measured, by name.
var measurements = []struct {
	name string
	run  func(context.Context, io.Writer, *settings) error
}{{"loads", loads}, {"scale", scale}, {"drain", drain}, {"growth", growth}, {"codec", codec}}

func names() []string {
	var all []string
	for _, m := range measurements {
		all = append(all, m.name)
	}
	return all
}

// run measures what is named; nothing named is loads.
func run(ctx context.Context, w io.Writer, s *settings, wanted []string) error {
	if len(wanted) == 0 {
		wanted = []string{"loads"}
	}
	for _, name := range wanted {
		if !slices.Contains(names(), name) {
			return fmt.Errorf("there is no measurement %q: %s", name, strings.Join(names(), ", "))
		}
	}
	fmt.Fprintf(w, "%s/%s, %d CPUs (%s), %s; hubs, servers, load generator and subscriber share them.\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpuModel(), runtime.Version())
	fmt.Fprintf(w, "Store: %s. Kafka: %s.\n", s.storeName(), s.kafkaName())
	for _, m := range measurements {
		if slices.Contains(wanted, m.name) {
			fmt.Fprintln(w)
			if err := m.run(ctx, w, s); err != nil {
				return fmt.Errorf("measuring %s: %w", m.name, err)
			}
		}
	}
	return nil
}

func (s *settings) storeName() string {
	if s.postgres != "" {
		return "PostgreSQL, synchronous_commit on"
	}
	return "SQLite, synchronous=FULL"
}

func (s *settings) kafkaName() string {
	if s.kafka != "" {
		return strconv.Itoa(strings.Count(s.kafka, ",")+1) + " brokers, acks=all"
	}
	return "embedded, every write synced"
}

// load is one way of sending.
type load struct {
	name        string
	connections int
	orders      int // in one document
}

var allLoads = []load{
	{"1 order, 64 connections", 64, 1},
	{"1 order, 512 connections", 512, 1},
	{"100 orders, 16 connections", 16, 100},
}

// loads measures one hub under each load, on a fresh data folder each time.
func loads(ctx context.Context, w io.Writer, s *settings) error {
	fmt.Fprintf(w, "One hub; %s a run, median of %d runs.\n\n", s.duration, s.runs)
	fmt.Fprintln(w, "| load | document | documents/s | records/s | p50 | p99 | to the subscriber by | CPU of the hub a document | stored a document | RSS |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	for _, l := range allLoads {
		if !strings.Contains(l.name, s.only) {
			continue
		}
		r, err := median(s.runs, func() (result, error) { return measure(ctx, s, 1, l) })
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		stored := "-"
		if r.stored > 0 {
			stored = fmt.Sprintf("%.2f kB", float64(r.stored)/float64(max(r.documents, 1))/1000)
		}
		fmt.Fprintf(w, "| %s | %.1f kB | %.0f | %.0f | %s | %s | +%s | %s | %s | %d MB |\n",
			l.name, float64(r.bytes)/1000, r.perSecond(), float64(r.records)/r.took.Seconds(), short(r.p50), short(r.p99),
			r.drained.Round(time.Millisecond), r.cpuEach(), stored, r.rss>>20)
	}
	return nil
}

// scale measures the same load on one, two and three hubs.
func scale(ctx context.Context, w io.Writer, s *settings) error {
	if s.postgres == "" || s.kafka == "" {
		return errNeedsServers
	}
	l := allLoads[0]
	fmt.Fprintf(w, "Hubs on one PostgreSQL and one Kafka; %s in all, spread over the hubs; %s a run, median of %d runs.\n\n", l.name, s.duration, s.runs)
	fmt.Fprintln(w, "| hubs | documents/s | p50 | p99 | to the subscriber by | CPU of the hubs a document | RSS of all |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
	for hubs := 1; hubs <= 3; hubs++ {
		r, err := median(s.runs, func() (result, error) { return measure(ctx, s, hubs, l) })
		if err != nil {
			return fmt.Errorf("%d hubs: %w", hubs, err)
		}
		fmt.Fprintf(w, "| %d | %.0f | %s | %s | +%s | %s | %d MB |\n", hubs, r.perSecond(), short(r.p50), short(r.p99), r.drained.Round(time.Millisecond), r.cpuEach(), r.rss>>20)
	}
	return nil
}

// result is one run of one load.
type result struct {
	documents, records int
	bytes              int // of one document
	took               time.Duration
	p50, p99           time.Duration
	drained            time.Duration // from the end of sending to the last delivery
	cpu                time.Duration
	stored             int64 // 0 where it is on servers
	rss                int64
}

func (r result) perSecond() float64 { return float64(r.documents) / r.took.Seconds() }

func (r result) cpuEach() time.Duration {
	return (r.cpu / time.Duration(max(r.documents, 1))).Round(time.Microsecond)
}

// median runs it so often and returns the run with the median speed.
func median[R interface{ perSecond() float64 }](runs int, one func() (R, error)) (R, error) {
	results := make([]R, 0, runs)
	for range runs {
		r, err := one()
		if err != nil {
			return r, err
		}
		results = append(results, r)
	}
	slices.SortFunc(results, func(a, b R) int { return cmp.Compare(a.perSecond(), b.perSecond()) })
	return results[len(results)/2], nil
}

func short(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

func cpuModel() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "unknown"
}

// folderSize is the bytes of all files below dir.
func folderSize(dir string) int64 {
	var size int64
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil
	})
	return size
}
