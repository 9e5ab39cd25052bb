package demo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tongqu/internal/adapter"
	"tongqu/internal/answer"
	"tongqu/internal/record"
	"tongqu/internal/table"
	"tongqu/internal/wire"
)

// patience is how long the demo waits for the last answer to a document.
const patience = 15 * time.Second

// printAnswers waits for the simulated agencies to say their last of each document
// that they answer, and prints what they said, in the order they said it.
func (d *Demo) printAnswers(ctx context.Context, rows []row) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tb := table.New("ANSWER TO", "FROM", "AS", "STATE", "IN WORDS")
	answers := 0
	for i := range rows {
		r := &rows[i]
		if len(r.step.last) == 0 || len(r.ids) == 0 {
			continue
		}
		said, err := d.answered(ctx, r)
		if err != nil {
			return err
		}
		for n := range said {
			what := r.step.what
			if n > 0 {
				what = ""
			}
			doc, err := d.hub.Store().Document(context.WithoutCancel(ctx), said[n].DocumentID)
			if err != nil {
				return fmt.Errorf("reading an answer: %w", err)
			}
			root, err := canonical(&said[n])
			if err != nil {
				return err
			}
			tb.Add(what, name(said[n].Agency), doc.Adapter+"/"+doc.Message, adapter.Value(root, "status"), adapter.Value(root, "info"))
			answers++
		}
	}
	if answers == 0 {
		return nil
	}
	if _, err := fmt.Fprint(d.out, "\nSimulated agencies answer what was delivered to them, in their own formats, and the hub delivers the answers:\n\n"); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return tb.Print(d.out)
}

// answered waits for the last answer to the row's first record; when it does not
// come in time, what has come is returned. The earliest stands first.
func (d *Demo) answered(ctx context.Context, r *row) ([]record.Record, error) {
	asking := context.WithoutCancel(ctx) // what is there is printed even when the wait is over
	rec, err := d.hub.Store().RecordByID(asking, r.ids[0])
	if err != nil {
		return nil, fmt.Errorf("reading a record: %w", err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ids, err := answer.Receipts(asking, d.hub.Registry(), d.hub.Store(), &rec)
		if err != nil {
			return nil, fmt.Errorf("looking for answers: %w", err)
		}
		var said []record.Record
		last := false
		for _, id := range slices.Backward(ids) {
			one, err := d.hub.Store().RecordByID(asking, id)
			if err != nil {
				return nil, fmt.Errorf("reading an answer: %w", err)
			}
			root, err := canonical(&one)
			if err != nil {
				return nil, err
			}
			said = append(said, one)
			last = last || slices.Contains(r.step.last, adapter.Value(root, "status"))
		}
		slices.SortFunc(said, func(a, b record.Record) int { return int(a.Seq - b.Seq) })
		if last {
			return said, nil
		}
		select {
		case <-ctx.Done():
			return said, nil
		case <-tick.C:
		}
	}
}

func canonical(r *record.Record) (*wire.Node, error) {
	doc, err := wire.ReadJSON(r.Body, wire.NewDefaultLimits())
	if err != nil {
		return nil, fmt.Errorf("reading record %s: %w", r.ID, err)
	}
	return doc.Root, nil
}
