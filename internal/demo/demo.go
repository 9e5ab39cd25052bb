package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"tongqu/internal/app"
	"tongqu/internal/directory"
	"tongqu/internal/mailbox"
	"tongqu/internal/simulate"
)

// Demo is the small day, the subscriber that takes deliveries over HTTP, and the
// simulated agencies that answer what is delivered to them.
type Demo struct {
	hub        *app.App
	config     app.Config
	out        io.Writer
	transport  *http.Transport
	subscriber *http.Server
	agencies   []*simulate.Standin
	answering  sync.WaitGroup
	taken      atomic.Int64
}

// pace is the time between two answers of a simulated agency: quick enough to
// wait for, slow enough to watch.
const pace = 150 * time.Millisecond

// New starts the demo's subscriber at the addresses that the demo agencies'
// subscriptions name; a *net.OpError tells of one that is taken.
func New(ctx context.Context, hub *app.App, c app.Config, out io.Writer) (*Demo, error) {
	d := &Demo{hub: hub, config: c, out: out, transport: &http.Transport{}}
	mux := http.NewServeMux()
	for _, a := range simulate.Agencies() {
		one := simulate.NewStandin(a, hub.Registry(), simulate.Settings{
			Seed: 1, Mood: simulate.Mood{Pace: pace}, HubURL: "http://" + hub.Addr(), Token: "tongqu-demo-" + a.Name,
		}, zap.NewNop())
		mux.Handle("POST /"+a.Name, one)
		d.agencies = append(d.agencies, one)
	}
	mux.Handle("POST /police", &simulate.Police{})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	})
	d.subscriber = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.taken.Add(1)
		mux.ServeHTTP(w, r)
	})}
	addresses, err := subscriberAddresses(hub.Directory())
	if err != nil {
		return nil, err
	}
	for _, address := range addresses {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			d.Close()
			return nil, fmt.Errorf("starting the demo's subscriber: %w", err)
		}
		go func() { _ = d.subscriber.Serve(ln) }()
	}
	return d, nil
}

// subscriberAddresses are the hosts to which the demo agencies want deliveries.
func subscriberAddresses(d *directory.Directory) ([]string, error) {
	var addresses []string
	for _, s := range d.Subscriptions() {
		a, ok := d.Agency(s.Agency)
		if !ok || !a.Demo || s.Endpoint.HTTP == nil {
			continue
		}
		u, err := url.Parse(s.Endpoint.HTTP.URL)
		if err != nil {
			return nil, fmt.Errorf("reading the endpoint of %s: %w", s.ID, err)
		}
		if !slices.Contains(addresses, u.Host) {
			addresses = append(addresses, u.Host)
		}
	}
	return addresses, nil
}

// Close stops the subscriber; the context of Run has ended before.
func (d *Demo) Close() {
	_ = d.subscriber.Close()
	d.answering.Wait()
	d.transport.CloseIdleConnections()
}

// row is what became of one document.
type row struct {
	step     step
	document string
	status   string
	adapter  string
	records  string
	receipt  string
	ids      []string // of accepted records
	why      []string
}

// Run pushes the day through the doors, prints what became of each document and
// what the simulated agencies answered; they go on answering until ctx ends.
func (d *Demo) Run(ctx context.Context) error {
	for _, a := range d.agencies {
		d.answering.Go(func() { a.Run(ctx) })
	}
	now := time.Now()
	steps, err := day(d.hub.Registry(), now, strings.Replace(now.Format("150405.000"), ".", "", 1))
	if err != nil {
		return err
	}
	held, err := d.hub.Store().Balance(ctx, time.Time{})
	if err != nil {
		return fmt.Errorf("counting: %w", err)
	}
	fmt.Fprintf(d.out, "Tongqu 通衢 listens on http://%s, data in %s.\n", d.hub.Addr(), d.config.Data)
	if n := held.Records.Received; n > 0 {
		fmt.Fprintf(d.out, "It holds %d records of earlier days; this day has new numbers.\n", n)
	}
	fmt.Fprintf(d.out, "A small day of %d documents:\n\n", len(steps))
	rows := make([]row, len(steps))
	for i, s := range steps {
		rows[i].step = s
		if s.file == "" {
			err = d.post(ctx, &rows[i])
		} else {
			err = d.drop(ctx, &rows[i])
		}
		if err != nil {
			return err
		}
	}
	if err := d.settle(ctx); err != nil {
		return err
	}
	if err := d.print(ctx, rows); err != nil {
		return err
	}
	if err := d.printAnswers(ctx, rows); err != nil {
		return err
	}
	if err := d.printQuestions(ctx); err != nil {
		return err
	}
	return d.advise(rows)
}

func (d *Demo) post(ctx context.Context, r *row) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.hub.Addr()+"/v1/documents", bytes.NewReader(r.step.body))
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	req.Header.Set("Authorization", "Bearer tongqu-"+r.step.agency)
	if r.step.accept != "" {
		req.Header.Set("Accept", r.step.accept)
	}
	resp, err := d.transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	r.status, r.receipt = strconv.Itoa(resp.StatusCode), "JSON"
	if id := resp.Header.Get("X-Document-Id"); id != "" {
		r.receipt = root(body)
		return d.recorded(ctx, r, id)
	}
	var answer struct {
		DocumentID string `json:"documentId"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return d.recorded(ctx, r, answer.DocumentID)
}

// root is the name of an XML document's root element.
func root(body []byte) string {
	for part := range strings.SplitSeq(string(body), "<") {
		if part != "" && part[0] != '?' && part[0] != '!' && part[0] != '\n' {
			return strings.FieldsFunc(part, func(c rune) bool { return c == ' ' || c == '>' || c == '/' })[0]
		}
	}
	return "XML"
}

// drop puts the document into the agency's OutBox and waits until the hub took it.
func (d *Demo) drop(ctx context.Context, r *row) error {
	a, ok := d.hub.Directory().Agency(r.step.agency)
	if !ok || a.Files == nil {
		return fmt.Errorf("agency %s has no file door", r.step.agency)
	}
	folder := d.config.Path(a.Files.Folder)
	box, err := mailbox.Open(folder)
	if err != nil {
		return err
	}
	if err := box.Write(mailbox.OutBox, r.step.file, r.step.body); err != nil {
		return err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	base := strings.TrimSuffix(r.step.file, filepath.Ext(r.step.file))
	for {
		for _, to := range []string{mailbox.SentBox, mailbox.FailBox} {
			if _, err := os.Stat(box.Path(to, r.step.file)); err != nil {
				continue
			}
			found, err := filepath.Glob(box.Path(mailbox.InBox, "*_"+base+"_*"))
			if err != nil || len(found) == 0 {
				return errors.Join(fmt.Errorf("no receipt for %s", r.step.file), err)
			}
			name := strings.TrimSuffix(filepath.Base(found[0]), filepath.Ext(found[0]))
			r.status, r.receipt = to, "JSON file"
			if filepath.Ext(found[0]) == ".xml" {
				body, err := os.ReadFile(found[0])
				if err != nil {
					return fmt.Errorf("reading receipt: %w", err)
				}
				r.receipt = root(body)
			}
			return d.recorded(ctx, r, name[strings.LastIndexByte(name, '_')+1:])
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// settle waits until every accepted record has arrived wherever it is due.
func (d *Demo) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !d.hub.Settled(ctx) {
		select {
		case <-ctx.Done():
			_, err := fmt.Fprintln(d.out, "some deliveries are still on their way")
			return err
		case <-tick.C:
		}
	}
	return nil
}
