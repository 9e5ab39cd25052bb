// Package answer finds what a receipt answers, and the receipts that answer a
// record. Receipts come before, after or without what they answer: nothing is
// stored of the match, it is found when somebody asks.
package answer

import (
	"context"
	"slices"

	"tongqu/internal/adapter"
	"tongqu/internal/record"
	"tongqu/internal/schema"
	"tongqu/internal/store"
	"tongqu/internal/wire"
)

// most is how many ids one question is answered with, newest first.
const most = 100

// IsReceipt reports whether records of the canonical type answer others: whether
// the type has x-answers.
func IsReceipt(g *adapter.Registry, canonicalType string) bool {
	c, ok := g.Canonical(canonicalType)
	return ok && c.Shape().Answers != ""
}

// Answered returns the ids of the accepted records that the receipt answers,
// newest first: records of the type it names that have its most telling key, of
// which it may have several values. It is empty when nothing such was received.
// names is false for what is no receipt, and for one that names no record: feedback
// on a file without errors only counts.
func Answered(ctx context.Context, g *adapter.Registry, s store.Reader, receipt *record.Record) (ids []string, names bool, err error) {
	c, ok := g.Canonical(receipt.Type)
	if !ok {
		return nil, false, nil
	}
	family := answers(c, receipt.Body)
	if family == "" {
		return nil, false, nil
	}
	for _, t := range g.Types() {
		if record.Family(t) != family {
			continue
		}
		answered, _ := g.Canonical(t)
		for _, key := range shared(c, answered, receipt.Keys) {
			names = true
			found, err := find(ctx, s, t, key, func(*record.Record) bool { return true })
			if err != nil {
				return nil, names, err
			}
			ids = append(ids, found...)
		}
	}
	return ids, names, nil
}

// Receipts returns the ids of the accepted receipts that answer the record,
// newest first.
func Receipts(ctx context.Context, g *adapter.Registry, s store.Reader, r *record.Record) ([]string, error) {
	answered, ok := g.Canonical(r.Type)
	if !ok {
		return nil, nil
	}
	var ids []string
	for _, t := range g.Types() {
		c, ok := g.Canonical(t)
		if !ok || c.Shape().Answers == "" {
			continue
		}
		// A receipt may know the record by any of its numbers, so each is asked for.
		for _, key := range r.Keys {
			if !hasKey(c, key.Name) {
				continue
			}
			found, err := find(ctx, s, t, key, func(receipt *record.Record) bool {
				return slices.Contains(shared(c, answered, receipt.Keys), key) && answers(c, receipt.Body) == record.Family(r.Type)
			})
			if err != nil {
				return nil, err
			}
			for _, id := range found {
				if !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
		}
	}
	return ids, nil
}

// answers is the family of the type that a receipt says it answers, or "".
func answers(c *schema.Schema, body []byte) string {
	path := c.Shape().Answers
	if path == "" {
		return ""
	}
	doc, err := wire.ReadJSON(body, wire.NewDefaultLimits())
	if err != nil {
		return ""
	}
	return adapter.Value(doc.Root, path)
}

// shared is the first of the receipt's keys that the answered type has too, but
// not the receipt's own identity, with all its values. The keys of a type stand in
// the order of how much they tell: platform and order number before the order number
// alone.
func shared(receipt, answered *schema.Schema, keys []record.Key) []record.Key {
	identity := receipt.Shape().Keys[0].Name
	var told []record.Key
	for _, k := range keys {
		switch {
		case len(told) > 0 && k.Name == told[0].Name, len(told) == 0 && k.Name != identity && hasKey(answered, k.Name):
			told = append(told, k)
		}
	}
	return told
}

func hasKey(c *schema.Schema, name string) bool {
	return slices.ContainsFunc(c.Shape().Keys, func(k schema.Key) bool { return k.Name == name })
}

func find(ctx context.Context, s store.Reader, canonicalType string, key record.Key, wanted func(*record.Record) bool) ([]string, error) {
	page, err := s.Records(ctx, store.Query{Type: canonicalType, Key: key, Status: record.Accepted, Newest: true, Limit: most})
	if err != nil {
		return nil, err
	}
	var ids []string
	for i := range page.Items {
		if wanted(&page.Items[i]) {
			ids = append(ids, page.Items[i].ID)
		}
	}
	return ids, nil
}
