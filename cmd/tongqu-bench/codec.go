package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"time"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/wire"
)

// codecShare is the part of a load's duration that one direction of one adapter gets.
const codecShare = 10

// codec measures each adapter on the documents of its golden cases that have no faults:
// reading, with all checks, into canonical records, and writing these back. No hub, no
// store, one processor.
func codec(ctx context.Context, w io.Writer, s *settings) error {
	registry, err := adapter.Load(tongqu.Files, wire.NewDefaultLimits())
	if err != nil {
		return err
	}
	each := max(s.duration/codecShare, 10*time.Millisecond)
	fmt.Fprintf(w, "Each adapter on its golden cases without faults, one after the other on one processor; %s each way, median of %d runs. Decoding is reading, recognising, the wire schema, the table and all rules; encoding is back from canonical JSON.\n\n", each, s.runs)
	fmt.Fprintln(w, "| adapter | cases | mean size | decode MB/s | documents/s | p50 | p99 | allocations | allocated | encode MB/s | documents/s | p50 | p99 | allocations | allocated |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, a := range registry.Adapters() {
		decode, encode, size, err := codecWork(registry, a.Name)
		if err != nil {
			return fmt.Errorf("adapter %s: %w", a.Name, err)
		}
		if len(decode) == 0 {
			continue
		}
		in, err := median(s.runs, func() (spun, error) { return spin(ctx, each, decode) })
		if err != nil {
			return fmt.Errorf("adapter %s: %w", a.Name, err)
		}
		row := fmt.Sprintf("| %s | %d | %.1f kB | %s |", a.Name, len(decode), float64(size)/float64(len(decode))/1e3, in)
		if len(encode) == 0 {
			fmt.Fprintln(w, row+" - | - | - | - | - | - |")
			continue
		}
		out, err := median(s.runs, func() (spun, error) { return spin(ctx, each, encode) })
		if err != nil {
			return fmt.Errorf("adapter %s: %w", a.Name, err)
		}
		fmt.Fprintf(w, "%s %s |\n", row, out)
	}
	return nil
}

// work does one document and returns how many bytes it has on the wire.
type work func() (int, error)

// codecWork makes work of an adapter's cases: reading each document, and writing those
// that the adapter can write.
func codecWork(registry *adapter.Registry, name string) (decode, encode []work, size int, err error) {
	inputs, err := fs.Glob(tongqu.Files, path.Join("adapters", name, "cases", "*", "input.*"))
	if err != nil {
		return nil, nil, 0, err
	}
	for _, input := range inputs {
		data, err := fs.ReadFile(tongqu.Files, input)
		if err != nil {
			return nil, nil, 0, err
		}
		t := registry.Translate(data, name)
		if t.Adapter != name || len(t.Records) == 0 || len(t.Faults) > 0 || slices.ContainsFunc(t.Records, func(r adapter.Record) bool { return len(r.Faults) > 0 }) {
			continue
		}
		size += len(data)
		decode = append(decode, func() (int, error) {
			if got := registry.Translate(data, name); len(got.Records) != len(t.Records) {
				return 0, fmt.Errorf("%s: %d records", input, len(got.Records))
			}
			return len(data), nil
		})
		bodies := make([][]byte, len(t.Records))
		for i := range t.Records {
			bodies[i] = wire.AppendJSON(nil, t.Records[i].Root)
		}
		write := func() (int, error) {
			doc, err := registry.Encode(name+"/"+t.Message, bodies, adapter.Transfer{})
			return len(doc.Body), err
		}
		if _, err := write(); err == nil {
			encode = append(encode, write)
		}
	}
	return decode, encode, size, nil
}

// spun is what doing work over and over showed.
type spun struct {
	documents, bytes   int
	took               time.Duration
	p50, p99           time.Duration
	allocations, allot uint64 // of all documents
}

func (s spun) perSecond() float64 { return float64(s.documents) / s.took.Seconds() }

// String is the cells of a row.
func (s spun) String() string {
	n := uint64(s.documents) //nolint:gosec // a count
	return fmt.Sprintf("%.1f | %.0f | %s | %s | %d | %.1f kB", float64(s.bytes)/1e6/s.took.Seconds(), s.perSecond(),
		s.p50.Round(time.Microsecond), s.p99.Round(time.Microsecond), s.allocations/n, float64(s.allot)/float64(n)/1e3)
}

// spin does all the work in turns, each at least once, until the time is over.
func spin(ctx context.Context, each time.Duration, all []work) (spun, error) {
	var r spun
	var times []time.Duration
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begun := time.Now()
	for time.Since(begun) < each || r.documents == 0 {
		for _, do := range all {
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			start := time.Now()
			n, err := do()
			if err != nil {
				return r, err
			}
			times = append(times, time.Since(start))
			r.documents, r.bytes = r.documents+1, r.bytes+n
		}
	}
	r.took = time.Since(begun)
	runtime.ReadMemStats(&after)
	r.allocations, r.allot = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	r.p50, r.p99 = percentiles(times)
	return r, nil
}
