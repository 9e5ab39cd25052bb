// Command tongqu-bench measures a hub over the whole way: documents over HTTP,
// recorded (fsync), published to Kafka, delivered to a subscriber. It starts the
// hub as a process of its own and prints a table.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	hub := flag.String("hub", "bin/tongqu", "the hub's binary")
	duration := flag.Duration("duration", 10*time.Second, "how long each load lasts")
	runs := flag.Int("runs", 3, "how often each load is run; medians are printed")
	only := flag.String("only", "", "run only the load whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, *hub, *duration, *runs, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tongqu-bench:", err)
		os.Exit(1)
	}
}

// load is one way of sending.
type load struct {
	name        string
	connections int
	orders      int // in one document
}

var loads = []load{
	{"1 order, 64 connections", 64, 1},
	{"1 order, 512 connections", 512, 1},
	{"100 orders, 16 connections", 16, 100},
}

func run(ctx context.Context, w io.Writer, hub string, duration time.Duration, runs int, only string) error {
	fmt.Fprintf(w, "%s/%s, %d CPUs (%s), %s; hub, load generator and subscriber share them.\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpuModel(), runtime.Version())
	fmt.Fprintf(w, "SQLite synchronous=FULL and embedded Kafka with SyncWrites; %s a run, median of %d runs, a fresh data folder each.\n\n", duration, runs)
	fmt.Fprintln(w, "| load | document | documents/s | records/s | p50 | p99 | to the subscriber by | CPU of the hub a document | stored a document | RSS |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	for _, l := range loads {
		if !strings.Contains(l.name, only) {
			continue
		}
		results := make([]result, 0, runs)
		for range runs {
			r, err := measure(ctx, hub, l, duration)
			if err != nil {
				return fmt.Errorf("measuring %s: %w", l.name, err)
			}
			results = append(results, r)
		}
		slices.SortFunc(results, func(a, b result) int { return int(a.perSecond() - b.perSecond()) })
		fmt.Fprintln(w, results[len(results)/2].row(l))
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
	stored             int64
	rss                int64
}

func (r result) perSecond() float64 { return float64(r.documents) / r.took.Seconds() }

func (r result) row(l load) string {
	return fmt.Sprintf("| %s | %.1f kB | %.0f | %.0f | %s | %s | +%s | %s | %.2f kB | %d MB |",
		l.name, float64(r.bytes)/1000, r.perSecond(), float64(r.records)/r.took.Seconds(),
		r.p50.Round(100*time.Microsecond), r.p99.Round(100*time.Microsecond), r.drained.Round(time.Millisecond),
		(r.cpu / time.Duration(max(r.documents, 1))).Round(time.Microsecond), float64(r.stored)/float64(max(r.documents, 1))/1000, r.rss>>20)
}

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
