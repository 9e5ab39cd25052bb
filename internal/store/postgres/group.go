package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

const (
	// The next n numbers; only who has the lock takes any.
	takeNumbersSQL = `SELECT setval('numbers', nextval('numbers') + $1 - 1) - $1 + 1`

	// Of each hash the newest original, and that of the version itself if it is older.
	originalsSQL = `SELECT q.i, n.version, n.document, n.record, s.document, s.record
		FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS q (hash, version, i)
		CROSS JOIN LATERAL (SELECT * FROM originals o WHERE o.hash = q.hash ORDER BY o.version DESC LIMIT 1) AS n
		LEFT JOIN LATERAL (SELECT * FROM originals o WHERE o.hash = q.hash AND o.version = q.version LIMIT 1) AS s ON n.version > q.version`

	documentColumns = `no, received, recorded, size, accepted, rejected, duplicates, status, id, duplicate_of,
		agency, adapter, message, door, name, types, sha256, errors, verdicts, content, body`
	keyColumns      = `hash, seq, month`
	originalColumns = `version, hash, document, record`

	insertDictionarySQL = `INSERT INTO dictionaries (message, content) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id`
	mergeSpansSQL       = `INSERT INTO spans AS s (span, agency, types, documents, records, earliest, latest)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::integer[], $5::integer[], $6::timestamptz[], $7::timestamptz[])
		ON CONFLICT (span, agency, types) DO UPDATE SET documents = s.documents | excluded.documents, records = s.records | excluded.records,
		earliest = least(s.earliest, excluded.earliest), latest = greatest(s.latest, excluded.latest)`
)

// original names one version of a business object, or, with version 0, a document.
type original struct {
	hash    uuid.UUID
	version int64
}

// state is the record of an original.
type state struct {
	version int64
	ref     pack.Ref
}

// group is one group commit of documents: what the store knows of them, and what
// is to be written. Its room is used again by the next one.
type group struct {
	s       *Store
	now     time.Time
	newest  map[uuid.UUID]state
	earlier map[original]pack.Ref
	refused map[pack.Ref]bool // records that were rejected in documents whose bytes came again

	documents, keys, originals copyData
	counters                   counters
	spans                      map[spanKey]span
	learned                    map[string]bool
}

// newGroupWriter returns the recording lane's write.
func (s *Store) newGroupWriter() func(context.Context, *pgx.Conn, []*incoming) (*pgx.Batch, error) {
	g := s.newGroup()
	return func(ctx context.Context, conn *pgx.Conn, all []*incoming) (*pgx.Batch, error) {
		g.reset()
		return g.write(ctx, conn, all)
	}
}

func (s *Store) newGroup() *group {
	return &group{
		s: s, newest: map[uuid.UUID]state{}, earlier: map[original]pack.Ref{}, refused: map[pack.Ref]bool{},
		counters: counters{}, spans: map[spanKey]span{}, learned: map[string]bool{},
	}
}

func (g *group) reset() {
	g.now = time.Now()
	clear(g.newest)
	clear(g.earlier)
	clear(g.refused)
	clear(g.counters)
	clear(g.spans)
	clear(g.learned)
	g.documents.reset()
	g.keys.reset()
	g.originals.reset()
}

// write implements lane.write. A nil entry stands for a caller of Ready.
func (g *group) write(ctx context.Context, conn *pgx.Conn, all []*incoming) (*pgx.Batch, error) {
	entries := make([]*incoming, 0, len(all))
	for _, in := range all {
		if in != nil {
			entries = append(entries, in)
		}
	}
	no, err := g.look(ctx, conn, entries)
	if err != nil {
		return nil, err
	}
	last := &pgx.Batch{}
	if len(entries) < len(all) {
		last.Queue("UPDATE probe SET at = $1", g.now)
	}
	for _, in := range entries {
		in.no, in.recorded = no, g.now
		no += int64(len(in.verdicts)) + 1
		if err := g.record(in); err != nil {
			return nil, err
		}
		g.learn(last, in)
	}
	if err := g.send(ctx, conn); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(entries, func(in *incoming) bool { return in.document.Accepted > 0 }) {
		last.Queue(notifySQL, g.s.channel(), g.s.hub.String())
	}
	g.counters.queue(last)
	queueSpans(last, g.spans)
	return last, nil
}

// send copies the rows that were made.
func (g *group) send(ctx context.Context, conn *pgx.Conn) error {
	for _, t := range []struct {
		rows          *copyData
		name, columns string
	}{{&g.documents, "documents", documentColumns}, {&g.keys, "keys", keyColumns}, {&g.originals, "originals", originalColumns}} {
		if err := t.rows.send(ctx, conn.PgConn(), t.name, t.columns); err != nil {
			return err
		}
	}
	return nil
}

// look begins the transaction, takes the numbers and reads what the store knows.
func (g *group) look(ctx context.Context, conn *pgx.Conn, entries []*incoming) (no int64, err error) {
	b := g.s.begin(lockRecording)
	if len(entries) > 0 {
		var numbers int64
		var hashes []uuid.UUID
		var versions []int64
		for _, in := range entries {
			numbers += int64(len(in.verdicts)) + 1
			hashes, versions = append(hashes, in.original), append(versions, 0)
			for i, h := range in.identities {
				if h != (uuid.UUID{}) {
					version, _ := pack.Version(&in.entry.Records[i])
					hashes, versions = append(hashes, h), append(versions, version)
				}
			}
		}
		b.Queue(takeNumbersSQL, numbers).QueryRow(row1(&no))
		b.Queue(originalsSQL, hashes, versions).Query(func(rows pgx.Rows) error {
			var i int
			var newest, same state
			var document *uuid.UUID
			var index *int
			_, err := pgx.ForEachRow(rows, []any{&i, &newest.version, &newest.ref.Document, &newest.ref.Index, &document, &index}, func() error {
				g.newest[hashes[i-1]] = newest
				if document != nil {
					same.ref = pack.Ref{Document: *document, Index: *index}
					g.earlier[original{hashes[i-1], versions[i-1]}] = same.ref
				}
				return nil
			})
			return err
		})
	}
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return 0, fmt.Errorf("beginning a transaction: %w", err)
	}
	return no, g.lookAgain(ctx, conn, entries)
}

// lookAgain reads which records were rejected in the documents that come again.
func (g *group) lookAgain(ctx context.Context, conn *pgx.Conn, entries []*incoming) error {
	var partial []uuid.UUID
	for _, in := range entries {
		if s, ok := g.newest[in.original]; ok && s.ref.Index > 0 {
			partial = append(partial, s.ref.Document)
		}
	}
	if len(partial) == 0 {
		return nil
	}
	rows, err := conn.Query(ctx, "SELECT "+rowColumns+" FROM documents WHERE id = ANY($1)", partial)
	if err != nil {
		return fmt.Errorf("looking for documents that come again: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		d, err := scanDocument(rows)
		if err != nil {
			return err
		}
		if err := g.s.expand(ctx, d); err != nil {
			return err
		}
		id, err := uuid.Parse(d.document.ID)
		if err != nil {
			return err
		}
		for i := range d.records {
			if r := &d.records[i]; r.Status == record.Rejected {
				g.refused[pack.Ref{Document: id, Index: r.Index}] = true
			}
		}
	}
	return rows.Err()
}

// record settles a document and makes its rows.
func (g *group) record(in *incoming) error {
	first, again := g.newest[in.original]
	for i := range in.verdicts {
		var err error
		if in.verdicts[i], err = g.settle(in, i, first.ref.Document, again); err != nil {
			return err
		}
	}
	var repeats *uuid.UUID
	if again && !slices.ContainsFunc(in.verdicts, func(v pack.Verdict) bool { return v.Status == record.Accepted }) {
		repeats = &first.ref.Document
	}
	in.document = pack.Outcome(in.entry.Document.Agency, in.verdicts, repeats)
	if in.document.Accepted > 0 && !again {
		g.rememberDocument(in)
	}
	g.rows(in, repeats)
	return nil
}

// rows makes the rows of a document that is settled.
func (g *group) rows(in *incoming, repeats *uuid.UUID) {
	for _, k := range in.keys {
		g.keys.row(3)
		g.keys.bigint(k.hash)
		g.keys.bigint(in.no + int64(k.place) + 1)
		g.keys.integer(int(in.month))
	}
	g.document(in, repeats)
	g.count(in)
}

// settle decides on the record at place i of a document, which comes again if its
// bytes are those of the document first.
func (g *group) settle(in *incoming, i int, first uuid.UUID, again bool) (pack.Verdict, error) {
	r := &in.entry.Records[i]
	of := pack.Ref{Document: first, Index: r.Index}
	switch {
	case r.Status == record.Rejected:
		return pack.Verdict{Status: record.Rejected}, nil
	case again && !g.refused[of]:
		return pack.Verdict{Status: record.Duplicate, Of: of}, nil
	case in.identities[i] == uuid.UUID{}:
		return pack.Verdict{Status: record.Accepted}, nil
	}
	version, _ := pack.Version(r)
	o := original{in.identities[i], version}
	newest, known := g.newest[o.hash]
	if known && newest.version == version {
		return pack.Verdict{Status: record.Duplicate, Of: newest.ref}, nil
	}
	if known && newest.version > version {
		if same, ok := g.earlier[o]; ok {
			return pack.Verdict{Status: record.Duplicate, Of: same}, nil
		}
		return pack.Stale(r, newest.ref, newest.version)
	}
	if known { // a later one of this group may be of the version that is now the newest
		g.earlier[original{o.hash, newest.version}] = newest.ref
	}
	g.remember(o, pack.Ref{Document: in.id, Index: r.Index})
	return pack.Verdict{Status: record.Accepted}, nil
}

// rememberDocument makes a document an original; its row has the number of its
// rejected records in the place of an index.
func (g *group) rememberDocument(in *incoming) {
	g.remember(original{in.original, 0}, pack.Ref{Document: in.id, Index: in.document.Rejected})
	for i := range in.verdicts {
		if in.verdicts[i].Status == record.Rejected {
			g.refused[pack.Ref{Document: in.id, Index: in.entry.Records[i].Index}] = true
		}
	}
}

// remember makes the row of a new original.
func (g *group) remember(o original, ref pack.Ref) {
	g.newest[o.hash] = state{o.version, ref}
	g.originals.row(4)
	g.originals.bigint(o.version)
	g.originals.uuid(o.hash)
	g.originals.uuid(ref.Document)
	g.originals.integer(ref.Index)
}

func (g *group) document(in *incoming, repeats *uuid.UUID) {
	d, o, c := &in.entry.Document, &in.document, &g.documents
	c.row(21)
	c.bigint(in.no)
	c.time(d.ReceivedAt)
	c.time(in.recorded)
	c.integer(d.Size)
	c.integer(o.Accepted)
	c.integer(o.Rejected)
	c.integer(o.Duplicates)
	c.smallint(pack.DocumentStatuses.Code(string(o.Status)))
	c.uuid(in.id)
	if repeats != nil {
		c.uuid(*repeats)
	} else {
		c.null()
	}
	for _, text := range [...]string{d.Agency, d.Adapter, d.Message, d.Door, d.Name, in.types} {
		c.text(text)
	}
	c.bytes(d.SHA256[:])
	c.bytes(d.Errors)
	c.bytes(pack.AppendVerdicts(make([]byte, 0, len(in.verdicts)), in.verdicts))
	c.bytes(in.content)
	if repeats != nil {
		c.null()
	} else {
		c.bytes(in.body)
	}
}

// learn makes a dictionary of an accepted document whose kind has none.
func (g *group) learn(last *pgx.Batch, in *incoming) {
	kind := pack.Kind(&in.entry.Document)
	if kind == "" || in.document.Accepted == 0 || in.dictionary != nil || g.learned[kind] || g.s.codec.Dictionary(kind) != nil {
		return
	}
	content := pack.NewDictionary(in.entry)
	if content == nil {
		return
	}
	g.learned[kind] = true
	last.Queue(insertDictionarySQL, pack.ValidText(kind), content)
}

// spanBits is the number of bits of a document number within one span.
const spanBits = 12

type spanKey struct {
	span          int64
	agency, types string
}

type span struct {
	documents, records int32
	earliest, latest   time.Time
}

// count adds a settled document to the sums and to its span.
func (g *group) count(in *incoming) {
	d, at := &in.document, in.entry.Document.ReceivedAt
	status := d.Status
	if status == store.DocumentPartial {
		status = store.DocumentAccepted
	}
	g.counters.add(at, countDocuments, d.Agency, string(status), 1)
	g.counters.add(at, countRecords, d.Agency, string(record.Accepted), d.Accepted)
	g.counters.add(at, countRecords, d.Agency, string(record.Rejected), d.Rejected)
	g.counters.add(at, countRecords, d.Agency, string(record.Duplicate), d.Duplicates)

	k := spanKey{in.no >> spanBits, pack.ValidText(d.Agency), pack.ValidText(in.types)}
	s, ok := g.spans[k]
	if !ok {
		s.earliest, s.latest = at, at
	}
	s.documents |= 1 << pack.DocumentStatuses.Code(string(d.Status))
	for i, n := range [...]int{d.Accepted, d.Rejected, d.Duplicates} { // in the order of pack.RecordStatuses
		if n > 0 {
			s.records |= 1 << (i + 1)
		}
	}
	if at.Before(s.earliest) {
		s.earliest = at
	}
	if at.After(s.latest) {
		s.latest = at
	}
	g.spans[k] = s
}

func queueSpans(b *pgx.Batch, spans map[spanKey]span) {
	if len(spans) == 0 {
		return
	}
	var numbers []int64
	var agencies, types []string
	var documents, records []int32
	var earliest, latest []time.Time
	for k, s := range spans {
		numbers, agencies, types = append(numbers, k.span), append(agencies, k.agency), append(types, k.types)
		documents, records = append(documents, s.documents), append(records, s.records)
		earliest, latest = append(earliest, s.earliest), append(latest, s.latest)
	}
	b.Queue(mergeSpansSQL, numbers, agencies, types, documents, records, earliest, latest)
}
