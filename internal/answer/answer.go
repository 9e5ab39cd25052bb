// Package answer finds what a receipt answers, and the receipts that answer a
// record. Receipts come before, after or without what they answer: nothing is
// stored of the match, it is found when somebody asks.
package answer

import (
	"cmp"
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
// which it may have several values. It may name a record by a number that this got
// only later; then another receipt that has that number and one of the record's own
// leads to it. It is empty when nothing such was received.
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
			found, err := find(ctx, s, t, key, anyRecord)
			if err == nil && len(found) == 0 {
				found, err = throughOthers(ctx, s, receipt, key, link{c, answered, t})
			}
			if err != nil {
				return nil, names, err
			}
			ids = append(ids, idsOf(found)...)
		}
	}
	return ids, names, nil
}

// link is a type of receipts and a type that they answer.
type link struct {
	receipt, answered *schema.Schema
	answeredType      string
}

// throughOthers finds what a receipt answers by the other receipts that have its key:
// a declaration that was sent before it had the number customs answers by is found
// through the receipt that gave it the number.
func throughOthers(ctx context.Context, s store.Reader, receipt *record.Record, key record.Key, l link) ([]record.Record, error) {
	others, err := find(ctx, s, receipt.Type, key, func(r *record.Record) bool {
		return answers(l.receipt, r.Body) == record.Family(l.answeredType)
	})
	if err != nil {
		return nil, err
	}
	var all []record.Record
	var tried []record.Key
	for i := range others {
		told := shared(l.receipt, l.answered, others[i].Keys)
		if len(told) != 1 || told[0].Name == key.Name || slices.Contains(tried, told[0]) {
			continue
		}
		tried = append(tried, told[0])
		found, err := find(ctx, s, l.answeredType, told[0], anyRecord)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// Receipts returns the ids of the accepted receipts that answer the record, newest
// first: those that name it by a number of its own, and those that name it by one
// that such a receipt gave it.
func Receipts(ctx context.Context, g *adapter.Registry, s store.Reader, r *record.Record) ([]string, error) {
	answered, ok := g.Canonical(r.Type)
	if !ok {
		return nil, nil
	}
	var all []record.Record
	for _, t := range g.Types() {
		c, ok := g.Canonical(t)
		if !ok || c.Shape().Answers == "" {
			continue
		}
		l := link{c, answered, r.Type}
		direct, err := naming(ctx, s, t, r.Keys, l)
		if err != nil {
			return nil, err
		}
		all = append(all, direct...)
		given := gained(direct, r.Keys)
		more, err := naming(ctx, s, t, given, l)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	slices.SortStableFunc(all, func(a, b record.Record) int { return cmp.Compare(b.Seq, a.Seq) })
	return idsOf(all), nil
}

// naming finds the receipts of a type that name a record by one of the keys. A receipt
// may know the record by any of its numbers, so each is asked for.
func naming(ctx context.Context, s store.Reader, receiptType string, keys []record.Key, l link) ([]record.Record, error) {
	var all []record.Record
	for _, key := range keys {
		if !hasKey(l.receipt, key.Name) || !hasKey(l.answered, key.Name) {
			continue
		}
		found, err := find(ctx, s, receiptType, key, func(receipt *record.Record) bool {
			return slices.Contains(shared(l.receipt, l.answered, receipt.Keys), key) && answers(l.receipt, receipt.Body) == record.Family(l.answeredType)
		})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// gained are the keys that receipts give a record which has none of that name so far.
func gained(receipts []record.Record, own []record.Key) []record.Key {
	var keys []record.Key
	for i := range receipts {
		for _, k := range receipts[i].Keys {
			known := slices.ContainsFunc(own, func(o record.Key) bool { return o.Name == k.Name })
			if !known && !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys
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

func anyRecord(*record.Record) bool { return true }

// idsOf are the ids of the records, each once.
func idsOf(records []record.Record) []string {
	var ids []string
	for i := range records {
		if !slices.Contains(ids, records[i].ID) {
			ids = append(ids, records[i].ID)
		}
	}
	return ids
}

func find(ctx context.Context, s store.Reader, canonicalType string, key record.Key, wanted func(*record.Record) bool) ([]record.Record, error) {
	page, err := s.Records(ctx, store.Query{Type: canonicalType, Key: key, Status: record.Accepted, Newest: true, Limit: most})
	if err != nil {
		return nil, err
	}
	var records []record.Record
	for i := range page.Items {
		if wanted(&page.Items[i]) {
			records = append(records, page.Items[i])
		}
	}
	return records, nil
}
