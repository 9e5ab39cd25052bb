package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/app"
	"tongqu/internal/directory"
	"tongqu/internal/intake"
	"tongqu/internal/store"
	"tongqu/internal/wire"
)

const (
	filledOrders = 10  // in one document of the filling
	lookUps      = 200 // of business keys at each size
)

// growth measures the same load as the store grows. The filling goes through the pipeline
// behind the doors and the store's own writing, with the outbox and the book of deliveries.
func growth(ctx context.Context, w io.Writer, s *settings) (err error) {
	st, err := newSite(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	l := allLoads[0]
	fmt.Fprintf(w, "One hub, %s; %s at each size, median of %d runs; then %d records looked up by order number. The store is filled with documents of %d orders, published and delivered.\n\n",
		l.name, s.duration, s.runs, lookUps, filledOrders)
	fmt.Fprintln(w, "| records in the store | size | starts in | documents/s | p50 | p99 | to the subscriber by | CPU of the hub a document | RSS | by key p50 | p99 |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|")
	f, err := newFiller(st)
	if err != nil {
		return err
	}
	for size := range strings.SplitSeq(s.sizes, ",") {
		millions, err := strconv.ParseFloat(size, 64)
		if err != nil {
			return fmt.Errorf("reading --sizes: %w", err)
		}
		if err := f.fill(ctx, int64(millions*1e6)); err != nil {
			return fmt.Errorf("filling the store: %w", err)
		}
		row, err := st.atSize(ctx, l, f)
		if err != nil {
			return fmt.Errorf("at %s million records: %w", size, err)
		}
		fmt.Fprintln(w, row)
	}
	return nil
}

// atSize starts a hub on the store, measures it, and stops it.
func (st *site) atSize(ctx context.Context, l load, f *filler) (string, error) {
	t, err := newTemplate(l.orders)
	if err != nil {
		return "", err
	}
	begun := time.Now()
	if err := st.start(ctx, 1); err != nil {
		return "", err
	}
	starts := time.Since(begun)
	if err := st.warm(ctx); err != nil {
		return "", err
	}
	if err := st.calm(ctx); err != nil {
		return "", err
	}
	r, err := median(st.settings.runs, func() (result, error) {
		st.delivered.Store(0)
		r, err := st.send(ctx, l, t, until{deadline: time.Now().Add(st.settings.duration)})
		if err != nil {
			return r, err
		}
		before := time.Now()
		err = st.awaitDelivered(ctx, int64(r.records))
		r.drained, r.cpu, r.rss = time.Since(before), st.cpu()-r.cpu, st.rss()
		f.records += int64(r.records)
		return r, err
	})
	if err != nil {
		return "", err
	}
	p50, p99, err := st.lookUp(ctx, f.numbers)
	if err != nil {
		return "", err
	}
	size, err := st.storeBytes(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("| %.2f million | %.1f GB | %s | %.0f | %s | %s | +%s | %s | %d MB | %s | %s |", float64(f.records)/1e6, size/1e9, starts.Round(10*time.Millisecond),
		r.perSecond(), short(r.p50), short(r.p99), r.drained.Round(time.Millisecond), r.cpuEach(), r.rss>>20, short(p50), short(p99)), st.stop()
}

// calm waits until the hub has nothing left to do in the background, as far as its
// processor time tells.
func (st *site) calm(ctx context.Context) error {
	for last := st.cpu(); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		now := st.cpu()
		if now-last < 100*time.Millisecond {
			return nil
		}
		last = now
	}
}

// lookUp asks for records by their order number, as an operator would.
func (st *site) lookUp(ctx context.Context, numbers []int64) (p50, p99 time.Duration, err error) {
	token, err := os.ReadFile(st.data(0) + "/" + app.OperatorTokenFile)
	if err != nil {
		return 0, 0, err
	}
	var took []time.Duration
	for range lookUps {
		no := fmt.Sprintf("%0*d", digits, numbers[rand.IntN(len(numbers))]) //nolint:gosec // a sample
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+st.hubs[0].addr+"/v1/records?key=orderNo="+no, nil)
		if err != nil {
			return 0, 0, err
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		begun := time.Now()
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, 0, err
		}
		var page struct {
			Records []json.RawMessage `json:"records"`
		}
		err = json.NewDecoder(resp.Body).Decode(&page)
		_ = resp.Body.Close()
		if err != nil {
			return 0, 0, err
		}
		if len(page.Records) != 1 {
			return 0, 0, fmt.Errorf("order %s: %d records", no, len(page.Records))
		}
		took = append(took, time.Since(begun))
	}
	p50, p99 = percentiles(took)
	return p50, p99, nil
}

// storeBytes is what the hub says of its store's size.
func (st *site) storeBytes(ctx context.Context) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+st.hubs[0].addr+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, `tongqu_store_bytes{file="database"} `); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, errors.New("the hub does not tell the size of its store")
}

// filler puts records into the site's store while no hub runs.
type filler struct {
	site     *site
	registry *adapter.Registry
	folder   *directory.Directory
	template *template
	records  int64   // in the store
	numbers  []int64 // a sample of the orders' numbers
}

func newFiller(st *site) (*filler, error) {
	f := &filler{site: st}
	files := app.Overlay(tongqu.Files, st.override())
	var err error
	if f.registry, err = adapter.Load(files, wire.NewDefaultLimits()); err != nil {
		return nil, err
	}
	config, err := fs.Sub(files, "config")
	if err != nil {
		return nil, err
	}
	if f.folder, err = directory.Load(config); err != nil {
		return nil, err
	}
	if f.template, err = newTemplate(filledOrders); err != nil {
		return nil, err
	}
	return f, st.configure(0, "127.0.0.1:0")
}

// fill brings the store to so many records. They are dated before what Kafka keeps, so
// that a hub does not publish them again.
func (f *filler) fill(ctx context.Context, records int64) error {
	documents := max((records-f.records)/filledOrders, 20) // some, to be looked up
	c, err := app.LoadConfig(f.site.config(0))
	if err != nil {
		return err
	}
	s, err := app.OpenStore(ctx, &c, zap.NewNop())
	if err != nil {
		return err
	}
	sender, ok := f.folder.Agency("bench")
	if !ok {
		return errors.Join(errors.New("the directory has no agency bench"), s.Close())
	}
	then := time.Now().Add(-8 * 24 * time.Hour)
	in := intake.New(f.registry, f.folder, s, zap.NewNop(), intake.NewMetrics(), func() time.Time { return then })
	var (
		left   atomic.Int64
		mu     sync.Mutex
		errs   []error
		wg     sync.WaitGroup
		filled = make(chan struct{})
	)
	left.Store(documents)
	for range 64 {
		wg.Go(func() {
			var body []byte
			for left.Add(-1) >= 0 && ctx.Err() == nil {
				n := f.site.settings.numbers.Add(1)
				body = f.template.fill(body, n)
				out, err := in.Receive(ctx, intake.Inbound{Agency: sender, Door: "http", Body: append([]byte(nil), body...)})
				if err == nil && out.Accepted != filledOrders {
					err = fmt.Errorf("%d of %d orders were accepted", out.Accepted, filledOrders)
				}
				mu.Lock()
				if err != nil {
					errs = append(errs, err)
				} else if n%max(documents/1000, 1) == 0 {
					f.numbers = append(f.numbers, n*filledOrders)
				}
				stop := len(errs) > 0
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	go func() { wg.Wait(); close(filled) }()
	err = settle(ctx, s, filled)
	<-filled
	f.records += documents * filledOrders
	return errors.Join(append(errs, err, s.Close())...)
}

// settle marks what is recorded as published and delivered, until all is and filled is closed.
func settle(ctx context.Context, s store.Store, filled <-chan struct{}) error {
	last := false
	for ctx.Err() == nil {
		select {
		case <-filled:
			last = true
		default:
		}
		batch, err := s.Unpublished(ctx, 1000)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			if last {
				return nil
			}
			select {
			case <-s.Recorded():
			case <-filled:
			case <-time.After(time.Second):
			}
			continue
		}
		if err := s.MarkPublished(ctx, batch, time.Now()); err != nil {
			return err
		}
		deliveries := make([]store.Delivery, len(batch))
		for i := range batch {
			deliveries[i] = store.Delivery{Subscription: "bench-sink", RecordID: batch[i].ID, Status: store.DeliveryDelivered, Attempts: 1, At: batch[i].ReceivedAt, Detail: "204 No Content"}
		}
		if err := s.SaveDeliveries(ctx, deliveries); err != nil {
			return err
		}
	}
	return ctx.Err()
}
