package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/google/uuid"

	"tongqu/internal/fault"
	"tongqu/internal/record"
	"tongqu/internal/store"
)

// incoming is an entry made ready for the writer: everything that does not
// depend on what is stored is done in the caller's goroutine.
type incoming struct {
	entry   *store.Entry // not changed before the writer is done
	id      uuid.UUID
	hash    uint64 // of the document
	types   string
	keys    []entry  // the records' keys; ref is the record's place in the document
	ids     []uint64 // the records' identity hashes; 0 without identity or version
	content []byte
	body    []byte

	dictionary *dictionary // of content and body

	// What the writer decided; no is the document's number.
	no       int64
	document store.Document
	verdicts []verdict
}

// Record implements store.Recorder. Once the writer has begun with e, Record waits
// for the end even if ctx ends, so that an error always means that nothing was kept.
// The agency and time of a record are those of its document.
func (s *Store) Record(ctx context.Context, e *store.Entry) error {
	in, err := s.prepare(e)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if err := s.writer.do(ctx, len(in.body)+len(in.content)+256, func(tx *transaction) error { return tx.record(in) }); err != nil {
		return err
	}
	in.fill(e)
	return nil
}

// prepare checks, hashes and compresses.
func (s *Store) prepare(e *store.Entry) (*incoming, error) {
	d := &e.Document
	id, err := uuid.Parse(d.ID)
	if err != nil || id.String() != d.ID {
		return nil, fmt.Errorf("document id %q is not a UUID in its usual form", d.ID)
	}
	in := &incoming{
		entry: e, id: id, hash: documentHash(d.Agency, d.SHA256),
		ids: make([]uint64, len(e.Records)), verdicts: make([]verdict, len(e.Records)),
	}
	size, last := 0, 0
	for i := range e.Records {
		r := &e.Records[i]
		if r.DocumentID != d.ID || r.Index <= last || r.ID != record.ID(d.ID, r.Index) {
			return nil, fmt.Errorf("record %q does not belong in document %s after index %d", r.ID, d.ID, last)
		}
		last = r.Index
		size += len(r.Body) + len(r.Errors) + 256
		if t := " " + r.Type + " "; !strings.Contains(in.types, t) {
			in.types += t
		}
		for k := range r.Keys {
			if !slices.Contains(r.Keys[:k], r.Keys[k]) {
				in.keys = append(in.keys, entry{keyHash(r.Keys[k]), int64(i)})
			}
		}
		identity, ok := r.Identity()
		if _, versioned := versionOf(r); ok && versioned {
			in.ids[i] = identityHash(record.Family(r.Type), identity)
		}
	}
	in.dictionary = s.codec.dictionary(message(d))
	in.content = in.dictionary.pack(appendRecords(make([]byte, 0, size), e.Records))
	in.body = in.dictionary.pack(d.Body)
	return in, nil
}

// fill tells the caller what the writer decided.
func (in *incoming) fill(e *store.Entry) {
	d := &e.Document
	d.Status, d.DuplicateOf = in.document.Status, in.document.DuplicateOf
	d.Accepted, d.Rejected, d.Duplicates = in.document.Accepted, in.document.Rejected, in.document.Duplicates
	for i := range e.Records {
		r, v := &e.Records[i], &in.verdicts[i]
		r.Seq = in.no + int64(i) + 1
		r.Status, r.DuplicateOf = v.status, ""
		if v.status == record.Duplicate {
			r.DuplicateOf = v.of.String()
		}
		if v.errors != nil {
			r.Errors = v.errors
		}
	}
}

// record settles a document and writes it.
func (tx *transaction) record(in *incoming) error {
	in.no = tx.next
	tx.pending = append(tx.pending, in)
	first, err := tx.firstDocument(in)
	if err != nil {
		return err
	}
	for i := range in.verdicts {
		if in.verdicts[i], err = tx.settle(in, i, first); err != nil {
			return err
		}
	}
	in.document = in.outcome(first)
	if err := tx.insert(in); err != nil {
		return fmt.Errorf("writing document %s: %w", in.entry.Document.ID, err)
	}
	if err := tx.learn(in); err != nil {
		return err
	}
	tx.index(in)
	tx.next += int64(len(in.verdicts)) + 1
	tx.accepted = tx.accepted || in.document.Accepted > 0
	tx.countDocument(in.no, &in.document, in.types, in.entry.Document.ReceivedAt.UnixMicro())
	return nil
}

// outcome is the document with its status and counts.
func (in *incoming) outcome(first *uuid.UUID) store.Document {
	d := store.Document{Agency: in.entry.Document.Agency}
	for i := range in.verdicts {
		switch in.verdicts[i].status {
		case record.Accepted:
			d.Accepted++
		case record.Rejected:
			d.Rejected++
		case record.Duplicate:
			d.Duplicates++
		}
	}
	switch {
	case first != nil:
		d.Status, d.DuplicateOf = store.DocumentDuplicate, first.String()
	case d.Rejected > 0 && d.Accepted > 0:
		d.Status = store.DocumentPartial
	case d.Rejected > 0 || len(in.verdicts) == 0:
		d.Status = store.DocumentRejected
	case d.Accepted > 0:
		d.Status = store.DocumentAccepted
	default:
		d.Status = store.DocumentDuplicate
	}
	return d
}

func (tx *transaction) insert(in *incoming) error {
	d, o := &in.entry.Document, &in.document
	var duplicateOf, faults any
	body := any(in.body)
	if d.Errors != nil {
		faults = d.Errors
	}
	if o.DuplicateOf != "" {
		of, err := uuid.Parse(o.DuplicateOf)
		if err != nil {
			return err
		}
		duplicateOf, body = of[:], nil
	}
	return tx.exec(tx.w.insertDocument, in.no, in.id[:], d.Agency, d.Adapter, d.Message, d.Door, d.Name, d.ReceivedAt.UnixMicro(), tx.now,
		d.SHA256[:], d.Size, documentStatuses.code(string(o.Status)), duplicateOf, o.Accepted, o.Rejected, o.Duplicates, in.types,
		faults, appendVerdicts(make([]byte, 0, len(in.verdicts)), in.verdicts), in.content, body)
}

// index adds what indexDocument would.
func (tx *transaction) index(in *incoming) {
	entries := in.keys
	for i, h := range in.ids {
		if h != 0 && in.verdicts[i].status == record.Accepted {
			entries = append(entries, entry{h, int64(i)})
		}
	}
	if in.document.Accepted > 0 {
		entries = append(entries, entry{in.hash, -1})
	}
	tx.w.index.add(in.no+1, entries)
}

// firstDocument returns the id of the first document with the same bytes from the
// same agency of which a record was accepted, or nil.
func (tx *transaction) firstDocument(in *incoming) (*uuid.UUID, error) {
	refs, err := tx.w.index.recalled(tx.w.ctx, tx.w.keyBlocks, in.hash)
	if err != nil {
		return nil, err
	}
	d := &in.entry.Document
	for _, no := range refs {
		if p := tx.pendingAt(no); p != nil {
			if p.no == no && p.entry.Document.Agency == d.Agency && p.entry.Document.SHA256 == d.SHA256 {
				return &p.id, nil
			}
			continue
		}
		var id, sum []byte
		var agency string
		if err := tx.w.byNo.QueryRowContext(tx.w.ctx, no).Scan(&id, &agency, &sum); err != nil {
			return nil, fmt.Errorf("reading document %d: %w", no, err)
		}
		if agency == d.Agency && len(id) == 16 && string(sum) == string(d.SHA256[:]) {
			first := uuid.UUID(id)
			return &first, nil
		}
	}
	return nil, nil
}

// settle decides on the record at place i of a document; first is the document
// that it repeats, if any.
func (tx *transaction) settle(in *incoming, i int, first *uuid.UUID) (verdict, error) {
	r := &in.entry.Records[i]
	switch {
	case r.Status == record.Rejected:
		return verdict{status: record.Rejected}, nil
	case first != nil:
		return verdict{status: record.Duplicate, of: recordRef{*first, r.Index}}, nil
	case in.ids[i] == 0:
		return verdict{status: record.Accepted}, nil
	}
	known, err := tx.versions(in, i)
	if err != nil {
		return verdict{}, err
	}
	version, _ := versionOf(r)
	same, newest, err := known.find(version)
	switch {
	case err != nil:
		return verdict{}, err
	case same != nil:
		return verdict{status: record.Duplicate, of: same.ref}, nil
	case newest != nil && newest.version > version:
		faults, err := stale(r, newest)
		return verdict{status: record.Rejected, errors: faults}, err
	}
	return verdict{status: record.Accepted}, nil
}

// stale adds to the record's faults that a newer version is there already.
func stale(r *record.Record, newest *state) ([]byte, error) {
	var faults fault.List
	if r.Errors != nil {
		if err := json.Unmarshal(r.Errors, &faults); err != nil {
			return nil, fmt.Errorf("reading the faults of record %s: %w", r.ID, err)
		}
	}
	faults = append(faults, fault.New(fault.DuplicateStale, fault.Place{}, "",
		r.Version.Format(time.RFC3339), newest.ref.String(), time.UnixMicro(newest.version).In(r.Version.Location()).Format(time.RFC3339)))
	return json.Marshal(faults)
}

// state is one recorded version of a business object.
type state struct {
	ref     recordRef
	version int64
}

// versions are the accepted records of one hash, in the order of recording, which
// is the order of their versions. A few may be of other objects with the same hash.
type versions struct {
	tx       *transaction
	family   string
	identity record.Key
	refs     []int64
}

func (tx *transaction) versions(in *incoming, i int) (*versions, error) {
	refs, err := tx.w.index.recalled(tx.w.ctx, tx.w.keyBlocks, in.ids[i])
	if err != nil {
		return nil, err
	}
	// The records before it in its own document are not in the index yet.
	for p, h := range in.ids[:i] {
		if h == in.ids[i] && in.verdicts[p].status == record.Accepted {
			refs = append(refs, in.no+int64(p)+1)
		}
	}
	r := &in.entry.Records[i]
	return &versions{tx: tx, family: record.Family(r.Type), identity: r.Keys[0], refs: refs}, nil
}

// find returns the recorded state of that version, if any, and the newest one.
func (v *versions) find(version int64) (same, newest *state, err error) {
	n := len(v.refs)
	if newest, err = v.upTo(n - 1); newest == nil || err != nil || newest.version < version {
		return nil, newest, err
	}
	i := sort.Search(n, func(i int) bool {
		s, e := v.upTo(i)
		err = errors.Join(err, e)
		return s != nil && s.version >= version
	})
	if err != nil {
		return nil, nil, err
	}
	if same, err = v.upTo(i); err != nil || same == nil || same.version != version {
		return nil, newest, err
	}
	return same, newest, nil
}

// upTo returns the newest state at or before place i, or nil.
func (v *versions) upTo(i int) (*state, error) {
	for ; i >= 0; i-- {
		id, r, err := v.tx.recordAt(v.refs[i])
		if err != nil {
			return nil, err
		}
		if identity, ok := r.Identity(); ok && identity == v.identity && record.Family(r.Type) == v.family {
			version, _ := versionOf(r)
			return &state{recordRef{id, r.Index}, version}, nil
		}
	}
	return nil, nil
}

// recordAt returns the record of that seq and its document's id.
func (tx *transaction) recordAt(seq int64) (uuid.UUID, *record.Record, error) {
	if p := tx.pendingAt(seq); p != nil {
		return p.id, &p.entry.Records[seq-p.no-1], nil
	}
	// A document with many records is asked for many times in a row.
	d := tx.loaded
	if d == nil || seq <= d.no || seq > d.no+int64(len(d.records)) {
		var err error
		if d, err = oneRow(tx.w.ctx, tx.w.documentAt, tx.w.codec, seq); err != nil {
			return uuid.UUID{}, nil, err
		}
		tx.loaded = d
	}
	r, ok := d.record(seq)
	if !ok {
		return uuid.UUID{}, nil, fmt.Errorf("record %d is missing", seq)
	}
	id, err := uuid.Parse(d.document.ID)
	return id, r, err
}

// pendingAt returns the document of this transaction that a number belongs to.
func (tx *transaction) pendingAt(no int64) *incoming {
	if no < tx.first {
		return nil
	}
	i := sort.Search(len(tx.pending), func(i int) bool { return tx.pending[i].no > no })
	if i == 0 {
		return nil
	}
	return tx.pending[i-1]
}
