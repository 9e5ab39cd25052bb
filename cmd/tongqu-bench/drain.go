package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// outage is something that can be away, and comes back.
type outage struct {
	name       string
	down, back func()
}

// drain measures how fast a backlog is delivered once the subscriber is back.
func drain(ctx context.Context, w io.Writer, s *settings) error {
	return drainAfter(ctx, w, s, nil)
}

// drainAfter measures the drain after the subscriber was away, and after the others.
func drainAfter(ctx context.Context, w io.Writer, s *settings, others []outage) error {
	fmt.Fprintf(w, "One hub; something is away while %d documents of 1 order come in over 64 connections; from its return: to the first delivery, and from there to the last. Median of %d runs.\n\n", s.documents, s.runs)
	fmt.Fprintln(w, "| away | documents/s meanwhile | p99 meanwhile | first delivery after | all delivered in | records/s | CPU of the hub a record |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
	for i := range len(others) + 1 {
		name := "the subscriber"
		if i > 0 {
			name = others[i-1].name
		}
		var noticed time.Duration
		r, err := median(s.runs, func() (result, error) {
			st, err := newSite(ctx, s)
			if err != nil {
				return result{}, err
			}
			o := outage{down: func() { st.away.Store(true) }, back: func() { st.away.Store(false) }}
			if i > 0 {
				o = others[i-1]
			}
			r, first, err := st.outlast(ctx, o)
			noticed = first
			return r, errors.Join(err, st.close())
		})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(w, "| %s | %.0f | %s | %s | %s | %.0f | %s |\n", name, r.perSecond(), short(r.p99), noticed.Round(10*time.Millisecond),
			r.drained.Round(10*time.Millisecond), float64(r.records)/r.drained.Seconds(), r.cpuEach())
	}
	return nil
}

// outlast sends documents during the outage. The result's cpu is that of the drain.
func (st *site) outlast(ctx context.Context, o outage) (r result, noticed time.Duration, err error) {
	l := allLoads[0]
	t, err := newTemplate(l.orders)
	if err != nil {
		return r, 0, err
	}
	if err := st.start(ctx, 1); err != nil {
		return r, 0, err
	}
	if err := st.warm(ctx); err != nil {
		return r, 0, err
	}
	o.down()
	if r, err = st.send(ctx, l, t, until{documents: int64(st.settings.documents)}); err != nil {
		o.back()
		return r, 0, err
	}
	begun := st.cpu()
	st.firstAt.Store(0)
	o.back()
	back := time.Now()
	if err := st.awaitDelivered(ctx, int64(r.records)); err != nil {
		return r, 0, err
	}
	first := time.Unix(0, st.firstAt.Load())
	r.drained, r.cpu = time.Since(first), st.cpu()-begun
	return r, max(first.Sub(back), 0), nil
}
