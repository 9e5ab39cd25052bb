package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/table"
)

// recorded fills the row from what the hub recorded of the document.
func (d *Demo) recorded(ctx context.Context, r *row, documentID string) error {
	doc, err := d.hub.Store().Document(ctx, documentID)
	if err != nil {
		return fmt.Errorf("reading document: %w", err)
	}
	r.document = documentID
	r.adapter = "-"
	if doc.Adapter != "" {
		r.adapter = doc.Adapter + "/" + doc.Message
	}
	r.records = counts(&doc)
	r.why = reasons(doc.Errors)
	records, err := d.hub.Store().DocumentRecords(ctx, documentID)
	if err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	for i := range records {
		if records[i].Status == record.Accepted {
			r.ids = append(r.ids, records[i].ID)
		}
		if why := reasons(records[i].Errors); len(why) > 0 {
			r.why = append(r.why, why[0]) // one a record is enough to see what it is about
		}
	}
	return nil
}

func counts(doc *store.Document) string {
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

// reasons are the faults of a JSON array as lines, without values.
func reasons(faults []byte) []string {
	var list fault.List
	if len(faults) == 0 || json.Unmarshal(faults, &list) != nil {
		return nil
	}
	lines := make([]string, len(list))
	for i, f := range list {
		where := ""
		if f.Line > 0 {
			where = fmt.Sprintf("line %d", f.Line)
		}
		if f.Path != "" {
			where = strings.TrimSpace(where + " " + f.Path)
		}
		if where != "" {
			where += ": "
		}
		lines[i] = where + f.ZH + " | " + f.EN
	}
	return lines
}

// maxReasons is how many reasons stand below one row.
const maxReasons = 3

func (d *Demo) print(ctx context.Context, rows []row) error {
	tb := table.New("DOCUMENT", "FROM", "ADAPTER", "RECORDS", "STATUS", "RECEIPT", "DELIVERED TO")
	for i := range rows {
		r := &rows[i]
		to, err := d.deliveredTo(ctx, r.ids)
		if err != nil {
			return err
		}
		tb.Add(r.step.what, name(r.step.agency), r.adapter, r.records, r.status, r.receipt, to)
		for n, why := range r.why {
			if n == maxReasons {
				tb.Note(fmt.Sprintf("and %d more", len(r.why)-n))
				break
			}
			tb.Note(why)
		}
	}
	return tb.Print(d.out)
}

// name is what the table calls a demo agency.
func name(agency string) string { return strings.TrimPrefix(agency, "demo-") }

// deliveredTo names the agencies that have the records.
func (d *Demo) deliveredTo(ctx context.Context, ids []string) (string, error) {
	times := map[string]int{}
	var order []string
	for _, id := range ids {
		page, err := d.hub.Store().Deliveries(ctx, store.DeliveryQuery{RecordID: id})
		if err != nil {
			return "", fmt.Errorf("reading deliveries: %w", err)
		}
		for _, del := range page.Items {
			if del.Status == store.DeliverySkipped {
				continue
			}
			who := del.Subscription
			if s, ok := d.hub.Directory().Subscription(del.Subscription); ok {
				who = name(s.Agency)
			}
			if del.Status != store.DeliveryDelivered {
				who += " (" + string(del.Status) + ")"
			}
			if times[who]++; times[who] == 1 {
				order = append(order, who)
			}
		}
	}
	for i, who := range order {
		if times[who] > 1 {
			order[i] = fmt.Sprintf("%s ×%d", who, times[who])
		}
	}
	if len(order) == 0 {
		return "-", nil
	}
	return strings.Join(order, ", "), nil
}

// advise says what one may try next, with an id that is really there.
func (d *Demo) advise(rows []row) error {
	data := d.config.Data
	_, err := fmt.Fprintf(d.out, `
Deliveries lie in %[1]s/agencies/*/InBox; %[2]d requests came to the HTTP subscriber. Try:
  bin/tongqu records --data %[1]s
  bin/tongqu show %[3]s --data %[1]s
  bin/tongqu show %[4]s --data %[1]s
  curl -H "Authorization: Bearer tongqu-demo-platform" --data-binary @order.xml http://%[5]s/v1/documents
Ctrl-C ends it; started again it goes on where it was.
`, data, d.taken.Load(), rows[0].document+".1", rows[0].document, d.hub.Addr())
	if err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
