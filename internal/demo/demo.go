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
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"tongqu/internal/app"
	"tongqu/internal/mailbox"
	"tongqu/internal/store"
)

// SubscriberAddr is where the demo's own HTTP subscriber listens; config/agencies
// name it.
const SubscriberAddr = "127.0.0.1:8081"

// Demo is the small day and the subscriber that takes deliveries over HTTP.
type Demo struct {
	hub        *app.App
	config     app.Config
	out        io.Writer
	subscriber *http.Server
	taken      atomic.Int64
}

// New starts the demo's subscriber.
func New(hub *app.App, c app.Config, out io.Writer) (*Demo, error) {
	d := &Demo{hub: hub, config: c, out: out}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", SubscriberAddr)
	if err != nil {
		return nil, fmt.Errorf("starting the demo's subscriber: %w", err)
	}
	d.subscriber = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		d.taken.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})}
	go func() { _ = d.subscriber.Serve(ln) }()
	return d, nil
}

// Close stops the subscriber.
func (d *Demo) Close() { _ = d.subscriber.Close() }

// row is what became of one document.
type row struct {
	step    step
	status  string
	adapter string
	records string
	receipt string
	ids     []string // of accepted records
	why     string
}

// Run pushes the day through the doors and prints the table.
func (d *Demo) Run(ctx context.Context) error {
	now := time.Now()
	steps, err := day(d.hub.Registry(), now, now.Format("150405"))
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "Tongqu 通衢 listens on http://%s, data in %s. A small day of %d documents:\n\n", d.hub.Addr(), d.config.Data, len(steps))
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
	if err := d.settle(ctx, rows); err != nil {
		return err
	}
	if err := d.print(ctx, rows); err != nil {
		return err
	}
	fmt.Fprintf(d.out, `
Deliveries lie in %s/agencies/*/InBox; %d requests came to the HTTP subscriber. Try:
  bin/tongqu records --data %s
  bin/tongqu show RECORD --data %s
  curl -H "Authorization: Bearer tongqu-demo-platform" --data-binary @order.xml http://%s/v1/documents
Ctrl-C ends it; started again it goes on where it was.
`, d.config.Data, d.taken.Load(), d.config.Data, d.config.Data, d.hub.Addr())
	return nil
}

// outcome is the answer of the HTTP door, as far as the table shows it.
type outcome struct {
	Adapter, Message               string
	Accepted, Rejected, Duplicates int
	Detail                         string
	DocumentID                     string
	Records                        []struct {
		RecordID, Status string
		Errors           []struct{ Severity, EN string }
	}
	Errors []struct{ Severity, EN string }
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
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	r.status, r.receipt = fmt.Sprint(resp.StatusCode), "JSON"
	if id := resp.Header.Get("X-Document-Id"); id != "" {
		r.receipt = root(body)
		return d.recorded(ctx, r, id)
	}
	var o outcome
	if err := json.Unmarshal(body, &o); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return d.recorded(ctx, r, o.DocumentID)
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

// recorded fills the row from what the hub recorded of the document.
func (d *Demo) recorded(ctx context.Context, r *row, documentID string) error {
	doc, err := d.hub.Store().Document(ctx, documentID)
	if err != nil {
		return fmt.Errorf("reading document: %w", err)
	}
	r.adapter = "-"
	if doc.Adapter != "" {
		r.adapter = doc.Adapter + "/" + doc.Message
	}
	r.records = counts(doc)
	r.why = firstReason(doc.Errors)
	records, err := d.hub.Store().DocumentRecords(ctx, documentID)
	if err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	for _, rec := range records {
		if rec.Status == "accepted" {
			r.ids = append(r.ids, rec.ID)
		}
		if reason := firstReason(rec.Errors); r.why == "" && reason != "" {
			r.why = reason
		}
	}
	return nil
}

func counts(doc store.Document) string {
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{{doc.Accepted, "accepted"}, {doc.Rejected, "rejected"}, {doc.Duplicates, "duplicate"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func firstReason(faults []byte) string {
	var list []struct {
		Path string `json:"path"`
		Line int    `json:"line"`
		EN   string `json:"en"`
	}
	if len(faults) == 0 || json.Unmarshal(faults, &list) != nil || len(list) == 0 {
		return ""
	}
	f := list[0]
	if f.Line > 0 {
		return fmt.Sprintf("line %d %s: %s", f.Line, f.Path[strings.LastIndexByte(f.Path, '/')+1:], f.EN)
	}
	return f.EN
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
func (d *Demo) settle(ctx context.Context, rows []row) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !d.hub.Settled(ctx) {
		select {
		case <-ctx.Done():
			fmt.Fprintln(d.out, "some deliveries are still on their way")
			return nil
		case <-tick.C:
		}
	}
	return nil
}

func (d *Demo) print(ctx context.Context, rows []row) error {
	tw := tabwriter.NewWriter(d.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "DOCUMENT\tFROM\tADAPTER\tRECORDS\tSTATUS\tRECEIPT\tDELIVERED TO")
	for _, r := range rows {
		to, err := d.deliveredTo(ctx, r.ids)
		if err != nil {
			return err
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.step.what, strings.TrimPrefix(r.step.agency, "demo-"), r.adapter, r.records, r.status, r.receipt, to)
		if r.why != "" {
			fmt.Fprintf(tw, "  └ %s\t\t\t\t\t\t\n", r.why)
		}
	}
	return tw.Flush()
}

// deliveredTo names the subscriptions that have the records.
func (d *Demo) deliveredTo(ctx context.Context, ids []string) (string, error) {
	times := map[string]int{}
	var order []string
	for _, id := range ids {
		page, err := d.hub.Store().Deliveries(ctx, store.DeliveryQuery{RecordID: id})
		if err != nil {
			return "", fmt.Errorf("reading deliveries: %w", err)
		}
		for _, del := range page.Items {
			name := del.Subscription
			if del.Status != store.DeliveryDelivered {
				name += " (" + string(del.Status) + ")"
			}
			if times[name]++; times[name] == 1 {
				order = append(order, name)
			}
		}
	}
	for i, name := range order {
		if times[name] > 1 {
			order[i] = fmt.Sprintf("%s ×%d", name, times[name])
		}
	}
	if len(order) == 0 {
		return "-", nil
	}
	return strings.Join(order, ", "), nil
}
