package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

// ErrImporting is returned by Open for a database into which another store is
// being moved: what is not all there must not be worked with.
var ErrImporting = errors.New("another store is being moved into this database and has not arrived whole")

// ErrNotEmpty is returned by OpenImport for a database that holds something else.
var ErrNotEmpty = errors.New("the database holds documents already")

// Import fills an empty database with what another store holds. Documents are
// written in batches, each in one transaction with its keys; after a crash it goes
// on after the last of them.
type Import struct {
	*Store
	// After is the number of the last document that has arrived, 0 when none has.
	After int64
	// Documents is how many have arrived.
	Documents int64
}

// OpenImport opens a database for moving the store into it that origin names. It
// returns ErrNotEmpty when the database holds documents that did not come from
// there by an Import.
func OpenImport(ctx context.Context, address, origin string, log *zap.Logger) (*Import, error) {
	s, err := open(ctx, address, log)
	if err != nil {
		return nil, err
	}
	i := &Import{Store: s}
	var from *string
	err = s.pool.QueryRow(ctx, `SELECT coalesce(max(no), 0), count(*), (SELECT origin FROM imports) FROM documents`).Scan(&i.After, &i.Documents, &from)
	switch {
	case err != nil:
	case from != nil && *from == origin:
		return i, nil
	case from != nil || i.Documents > 0:
		err = ErrNotEmpty
	default:
		_, err = s.pool.Exec(ctx, "INSERT INTO imports (origin) VALUES ($1)", origin)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("moving into the database: %w", err), s.Close())
	}
	return i, nil
}

// Write writes documents that follow the last one.
func (i *Import) Write(ctx context.Context, batch []pack.Held) error {
	if len(batch) == 0 {
		return nil
	}
	g := i.newGroup()
	g.reset()
	entries := make([]*incoming, len(batch))
	for n := range batch {
		in, err := i.arrived(&batch[n])
		if err != nil {
			return fmt.Errorf("document %s: %w", batch[n].Document.ID, err)
		}
		if err := i.ensureMonth(ctx, in.month); err != nil {
			return err
		}
		entries[n] = in
	}
	last := batch[len(batch)-1].Last()
	err := pgx.BeginFunc(ctx, i.pool, func(tx pgx.Tx) error {
		conn := tx.Conn()
		if err := g.known(ctx, conn, entries); err != nil {
			return err
		}
		rest := &pgx.Batch{}
		rest.Queue("SELECT setval('numbers', $1)", last)
		for _, in := range entries {
			if err := g.arrive(in); err != nil {
				return err
			}
			g.learn(rest, in)
		}
		if err := g.send(ctx, conn); err != nil {
			return err
		}
		queueSpans(rest, g.spans)
		return conn.SendBatch(ctx, rest).Close()
	})
	if err != nil {
		return fmt.Errorf("writing %d documents: %w", len(batch), err)
	}
	i.After, i.Documents = last, i.Documents+int64(len(batch))
	if len(g.learned) > 0 {
		return i.loadDictionaries(ctx)
	}
	return nil
}

// arrived prepares a document of which all is settled.
func (i *Import) arrived(h *pack.Held) (*incoming, error) {
	in, err := i.prepare(&store.Entry{Document: h.Document, Records: h.Records})
	if err != nil {
		return nil, err
	}
	in.no, in.recorded, in.document = h.No, h.RecordedAt, h.Document
	for n := range h.Records {
		r := &h.Records[n]
		in.verdicts[n].Status = r.Status
		if r.Status == record.Duplicate {
			if in.verdicts[n].Of, err = pack.ParseRef(r.DuplicateOf); err != nil {
				return nil, err
			}
		}
	}
	return in, nil
}

// known reads which originals are there already.
func (g *group) known(ctx context.Context, conn *pgx.Conn, entries []*incoming) error {
	var hashes []uuid.UUID
	for _, in := range entries {
		hashes = append(hashes, in.original)
	}
	rows, err := conn.Query(ctx, "SELECT hash, document FROM originals WHERE version = 0 AND hash = ANY($1)", hashes)
	if err != nil {
		return fmt.Errorf("looking for originals: %w", err)
	}
	var hash, document uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&hash, &document}, func() error {
		g.newest[hash] = state{ref: pack.Ref{Document: document}}
		return nil
	})
	return err
}

// arrive makes the rows of a document of which all is settled.
func (g *group) arrive(in *incoming) error {
	if _, again := g.newest[in.original]; !again && in.document.Accepted > 0 {
		g.rememberDocument(in)
	}
	for n := range in.verdicts {
		r := &in.entry.Records[n]
		version, _ := pack.Version(r)
		if r.Status == record.Accepted && in.identities[n] != (uuid.UUID{}) {
			g.remember(original{in.identities[n], version}, pack.Ref{Document: in.id, Index: r.Index})
		}
	}
	var repeats *uuid.UUID
	if of := in.document.DuplicateOf; of != "" {
		first, err := uuid.Parse(of)
		if err != nil {
			return fmt.Errorf("document id %q: %w", of, err)
		}
		repeats = &first
	}
	g.rows(in, repeats)
	return nil
}

// Finish writes the deliveries and the books, in one transaction. It may be
// called again.
func (i *Import) Finish(ctx context.Context, deliveries iter.Seq2[*store.Delivery, error], b pack.Books) error {
	names := map[string]int32{}
	err := pgx.BeginFunc(ctx, i.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "TRUNCATE deliveries, counters, published"); err != nil {
			return err
		}
		next, stop := iter.Pull2(deliveries)
		defer stop()
		source := func() ([]any, error) {
			d, err, ok := next()
			if err != nil || !ok {
				return nil, err
			}
			return i.delivery(ctx, names, d)
		}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"deliveries"},
			[]string{"at", "subscription", "record", "attempts", "status", "document", "detail"}, pgx.CopyFromFunc(source))
		if err != nil {
			return fmt.Errorf("writing the deliveries: %w", err)
		}
		rows := func(n int, row func(int) []any) pgx.CopyFromSource {
			return pgx.CopyFromSlice(n, func(k int) ([]any, error) { return row(k), nil })
		}
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"counters"}, []string{"hour", "kind", "name", "status", "n"},
			rows(len(b.Sums), func(k int) []any {
				c := &b.Sums[k]
				return []any{c.Hour, c.Kind, pack.ValidText(c.Name), c.Status, c.N}
			}))
		if err != nil {
			return fmt.Errorf("writing the sums: %w", err)
		}
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"published"}, []string{"first", "last", "at"},
			rows(len(b.Published), func(k int) []any {
				p := &b.Published[k]
				return []any{p.First, p.Last, p.At}
			}))
		if err != nil {
			return fmt.Errorf("writing what was published: %w", err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("finishing the move: %w", err)
	}
	return nil
}

// Release makes the database a store like any other.
func (i *Import) Release(ctx context.Context) error {
	if _, err := i.pool.Exec(ctx, "DELETE FROM imports"); err != nil {
		return fmt.Errorf("ending the move: %w", err)
	}
	return nil
}

// delivery is the row of a delivery.
func (i *Import) delivery(ctx context.Context, names map[string]int32, d *store.Delivery) ([]any, error) {
	id, ok := names[d.Subscription]
	if !ok {
		var err error
		if id, err = i.subscription(ctx, d.Subscription); err != nil {
			return nil, err
		}
		names[d.Subscription] = id
	}
	ref, err := pack.ParseRef(d.RecordID)
	if err != nil {
		return nil, err
	}
	return []any{
		d.At, id, int32(ref.Index), int32(d.Attempts), int16(pack.DeliveryStatuses.Code(string(d.Status))), ref.Document, pack.ValidText(d.Detail), //nolint:gosec // small numbers
	}, nil
}

// importing reports whether a move into the database is under way.
func (s *Store) importing(ctx context.Context) error {
	var since *time.Time
	err := s.pool.QueryRow(ctx, "SELECT max(since) FROM imports").Scan(&since)
	if err == nil && since != nil {
		err = ErrImporting
	}
	return err
}
