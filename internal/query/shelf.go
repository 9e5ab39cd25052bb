package query

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tongqu/internal/conf"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/schema"
	"tongqu/internal/store"
	"tongqu/internal/wire"
)

const (
	// maxRecords is how many records one answer tells.
	maxRecords = 100
	// maxScanned is how many versions are looked at for them.
	maxScanned = 5000
)

// shelf answers with the records of a resource.
type shelf struct {
	rules    *Rules
	resource *directory.Resource
	keys     []string // by which it may be asked
	types    []keyed
}

// keyed is a canonical type, without version, and its business keys, the identity first.
type keyed struct {
	family string
	keys   []string
}

func newShelf(u *Rules, r *directory.Resource) (*shelf, error) {
	s := &shelf{rules: u, resource: r, keys: r.Query.Keys}
	var all []string
	for _, canonicalType := range u.registry.Types() {
		if !r.Holds(canonicalType) {
			continue
		}
		c, ok := u.registry.Canonical(canonicalType)
		if !ok {
			return nil, fmt.Errorf("there is no canonical type %s", canonicalType)
		}
		names := keyNames(c.Shape())
		s.types = append(s.types, keyed{record.Family(canonicalType), names})
		all = append(all, names...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, name := range s.keys {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("query: no record of %s has the key %q%s", r.Code, name, conf.DidYouMean(name, all))
		}
	}
	if len(s.keys) == 0 {
		s.keys = all
	}
	return s, nil
}

func keyNames(s *schema.Shape) []string {
	names := make([]string, len(s.Keys))
	for i, k := range s.Keys {
		names[i] = k.Name
	}
	return names
}

// read implements counter: a question is one key and its value. Keys are never
// personal, so it is kept as it is.
func (s *shelf) read(q *question) ([]byte, fault.List) {
	root := q.root
	key, f := s.key(root)
	if f != nil {
		return nil, fault.List{*f}
	}
	kept, err := json.Marshal(map[string]string{key.Name: key.Value})
	if err != nil {
		return nil, fault.List{fault.New(fault.QueryKey, root.Place(), "", s.resource.Code, strings.Join(s.keys, ", "))}
	}
	return kept, nil
}

func (s *shelf) key(root *wire.Node) (record.Key, *fault.Fault) {
	var key record.Key
	n := 0
	for member := range root.Children() {
		n++
		key = record.Key{Name: member.Name, Value: strings.TrimSpace(member.Text)}
		if !member.IsLeaf() || member.Kind == wire.Null {
			key.Value = ""
		}
	}
	if n == 1 && slices.Contains(s.keys, key.Name) && key.Value != "" {
		return key, nil
	}
	f := fault.New(fault.QueryKey, root.Place(), "", s.resource.Code, strings.Join(s.keys, ", "))
	return key, &f
}

// answer implements counter.
func (s *shelf) answer(ctx context.Context, d *Desk, questions []*question) error {
	for _, q := range questions {
		key, _ := s.key(q.root)
		if err := s.find(ctx, d.Store, q, key); err != nil {
			return err
		}
		q.Source, q.Status = store.FromRecords, store.InquiryNotFound
		if len(q.Records) > 0 {
			q.Status = store.InquiryAnswered
		}
		q.inquiry.Answer = s.kept(q.Records)
	}
	return nil
}

// kept is what is recorded of an answer: which records it told, in which version.
// They are in the store, and what the asker saw of them follows from its right.
func (s *shelf) kept(records []Record) []byte {
	ids := make([]string, len(records))
	for i := range records {
		ids[i] = records[i].ID
	}
	b, err := json.Marshal(map[string][]string{"recordIds": ids})
	if err != nil {
		return nil
	}
	return b
}

// find adds to the answer the newest version of each record that has the key and
// is not deleted.
func (s *shelf) find(ctx context.Context, records store.Reader, q *question, key record.Key) error {
	scanned := 0
	for _, t := range s.types {
		if !slices.Contains(t.keys, key.Name) {
			continue
		}
		seen := map[string]bool{}
		search := store.Query{Type: t.family, Key: key, Status: record.Accepted, Newest: true, Limit: maxRecords}
		if key.Name == t.keys[0] {
			search.Limit = 1 // all of them are versions of one record
		}
		for {
			page, err := records.Records(ctx, search)
			if err != nil {
				return fmt.Errorf("looking for records: %w", err)
			}
			for i := range page.Items {
				r := &page.Items[i]
				identity, _ := r.Identity()
				if !s.rules.directory.Provides(s.resource, r.Agency, r.Type) || seen[identity.Value] {
					continue
				}
				seen[identity.Value] = true
				if err := s.tell(q, r); err != nil {
					return err
				}
			}
			scanned += len(page.Items)
			if page.Next == "" || key.Name == t.keys[0] && len(seen) > 0 {
				break
			}
			if len(q.Records) >= maxRecords || scanned >= maxScanned {
				q.More = true
				return nil
			}
			search.Cursor, search.Limit = page.Next, maxRecords
		}
	}
	return nil
}

// tell adds a record to the answer as the asker may see it, unless it is deleted or
// the asker's filter leaves it out.
func (s *shelf) tell(q *question, r *record.Record) error {
	if r.Action == record.Delete {
		return nil
	}
	doc, err := wire.ReadJSON(r.Body, wire.NewDefaultLimits())
	if err != nil {
		return fmt.Errorf("reading record %s: %w", r.ID, err)
	}
	if !q.right.Filter.Matches(doc.Root) {
		return nil
	}
	if !s.rules.mask(q.right, r.Type, doc.Root) {
		return fmt.Errorf("record %s: nothing says which data of %s are personal", r.ID, r.Type)
	}
	q.Records = append(q.Records, Record{
		ID: r.ID, Type: r.Type, Agency: r.Agency, Version: r.Version, ReceivedAt: r.ReceivedAt, Record: wire.AppendJSON(nil, doc.Root),
	})
	return nil
}
