package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/google/uuid"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/pack"
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

	dictionary *pack.Dictionary // of content and body

	// What the writer decided; no is the document's number.
	no       int64
	document store.Document
	verdicts []pack.Verdict
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
	pack.Fill(e, in.no, &in.document, in.verdicts)
	return nil
}

// prepare checks, hashes and compresses.
func (s *Store) prepare(e *store.Entry) (*incoming, error) {
	id, err := pack.Check(e)
	if err != nil {
		return nil, err
	}
	d := &e.Document
	in := &incoming{
		entry: e, id: id, hash: documentHash(d.Agency, d.SHA256),
		ids: make([]uint64, len(e.Records)), verdicts: make([]pack.Verdict, len(e.Records)),
	}
	size := 0
	for i := range e.Records {
		r := &e.Records[i]
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
		if _, versioned := pack.Version(r); ok && versioned {
			in.ids[i] = identityHash(record.Family(r.Type), identity)
		}
	}
	in.dictionary = s.codec.Dictionary(pack.Kind(d))
	in.content = in.dictionary.Pack(pack.AppendRecords(make([]byte, 0, size), e.Records))
	in.body = in.dictionary.Pack(d.Body)
	return in, nil
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
	var repeats *uuid.UUID
	if first != nil && !slices.ContainsFunc(in.verdicts, func(v pack.Verdict) bool { return v.Status == record.Accepted }) {
		repeats = &first.id
	}
	in.document = pack.Outcome(in.entry.Document.Agency, in.verdicts, repeats)
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
		d.SHA256[:], d.Size, pack.DocumentStatuses.Code(string(o.Status)), duplicateOf, o.Accepted, o.Rejected, o.Duplicates, in.types,
		faults, pack.AppendVerdicts(make([]byte, 0, len(in.verdicts)), in.verdicts), in.content, body)
}

// index adds what indexDocument would.
func (tx *transaction) index(in *incoming) {
	entries := in.keys
	for i, h := range in.ids {
		if h != 0 && in.verdicts[i].Status == record.Accepted {
			entries = append(entries, entry{h, int64(i)})
		}
	}
	if in.document.Accepted > 0 {
		entries = append(entries, entry{in.hash, -1})
	}
	tx.w.index.add(in.no+1, entries)
}

// earlier is a recorded document with the same bytes.
type earlier struct {
	id uuid.UUID
	no int64
}

// firstDocument returns the first document with the same bytes from the same
// agency of which a record was accepted, or nil.
func (tx *transaction) firstDocument(in *incoming) (*earlier, error) {
	refs, err := tx.w.index.recalled(tx.w.ctx, tx.w.keyBlocks, in.hash)
	if err != nil {
		return nil, err
	}
	d := &in.entry.Document
	for _, no := range refs {
		if p := tx.pendingAt(no); p != nil {
			if p.no == no && p.entry.Document.Agency == d.Agency && p.entry.Document.SHA256 == d.SHA256 {
				return &earlier{p.id, no}, nil
			}
			continue
		}
		var id, sum []byte
		var agency string
		if err := tx.w.byNo.QueryRowContext(tx.w.ctx, no).Scan(&id, &agency, &sum); err != nil {
			return nil, fmt.Errorf("reading document %d: %w", no, err)
		}
		if agency == d.Agency && len(id) == 16 && string(sum) == string(d.SHA256[:]) {
			return &earlier{uuid.UUID(id), no}, nil
		}
	}
	return nil, nil
}

// settle decides on the record at place i of a document; first is the document
// that it repeats, if any.
func (tx *transaction) settle(in *incoming, i int, first *earlier) (pack.Verdict, error) {
	r := &in.entry.Records[i]
	if r.Status == record.Rejected {
		return pack.Verdict{Status: record.Rejected}, nil
	}
	if first != nil {
		if again, err := tx.refused(first, r.Index); err != nil || !again {
			return pack.Verdict{Status: record.Duplicate, Of: pack.Ref{Document: first.id, Index: r.Index}}, err
		}
	}
	if in.ids[i] == 0 {
		return pack.Verdict{Status: record.Accepted}, nil
	}
	known, err := tx.versions(in, i)
	if err != nil {
		return pack.Verdict{}, err
	}
	version, _ := pack.Version(r)
	same, newest, err := known.find(version)
	switch {
	case err != nil:
		return pack.Verdict{}, err
	case same != nil:
		return pack.Verdict{Status: record.Duplicate, Of: same.ref}, nil
	case newest != nil && newest.version > version:
		return pack.Stale(r, newest.ref, newest.version)
	}
	return pack.Verdict{Status: record.Accepted}, nil
}

// refused reports whether the record of that index was rejected in the document.
func (tx *transaction) refused(of *earlier, index int) (bool, error) {
	if p := tx.pendingAt(of.no); p != nil {
		i := slices.IndexFunc(p.entry.Records, func(r record.Record) bool { return r.Index == index })
		return i >= 0 && p.verdicts[i].Status == record.Rejected, nil
	}
	d := tx.loaded
	if d == nil || d.no != of.no {
		var err error
		if d, err = oneRow(tx.w.ctx, tx.w.documentAt, tx.w.codec, of.no+1); err != nil {
			return false, err
		}
		tx.loaded = d
	}
	i := slices.IndexFunc(d.records, func(r record.Record) bool { return r.Index == index })
	return i >= 0 && d.records[i].Status == record.Rejected, nil
}

// state is one recorded version of a business object.
type state struct {
	ref     pack.Ref
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
		if h == in.ids[i] && in.verdicts[p].Status == record.Accepted {
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
			version, _ := pack.Version(r)
			return &state{pack.Ref{Document: id, Index: r.Index}, version}, nil
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
