package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

// rowColumns are the columns that scanDocument reads, all but the body.
const rowColumns = `no, received, recorded, size, accepted, rejected, duplicates, status, id, duplicate_of,
	agency, adapter, message, door, name, sha256, errors, verdicts, content`

// row is a document without its body, and its records.
type row struct {
	no       int64
	recorded time.Time
	document store.Document
	records  []record.Record

	// The records packed; valid until the next row.
	verdicts, content pgtype.DriverBytes
}

// scanDocument reads a row but leaves the records packed; more are columns after
// those of rowColumns.
func scanDocument(rows pgx.Rows, more ...any) (*row, error) {
	d := &row{}
	o := &d.document
	var id uuid.UUID
	var of *uuid.UUID
	var status int
	var sum pgtype.DriverBytes
	err := rows.Scan(append([]any{
		&d.no, &o.ReceivedAt, &d.recorded, &o.Size, &o.Accepted, &o.Rejected, &o.Duplicates, &status, &id, &of,
		&o.Agency, &o.Adapter, &o.Message, &o.Door, &o.Name, &sum, &o.Errors, &d.verdicts, &d.content,
	}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("reading a document: %w", err)
	}
	if len(sum) != len(o.SHA256) {
		return nil, fmt.Errorf("reading document %s: %w", id, errDamaged)
	}
	o.ID, o.SHA256 = id.String(), [32]byte(sum)
	if of != nil {
		o.DuplicateOf = of.String()
	}
	o.ReceivedAt, d.recorded = o.ReceivedAt.UTC(), d.recorded.UTC()
	o.Status = store.DocumentStatus(pack.DocumentStatuses.Name(status))
	return d, nil
}

// oneRow returns the row that a query finds, with its records; store.ErrNotFound
// when none.
func (s *Store) oneRow(ctx context.Context, query string, args []any, more ...any) (*row, error) {
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("looking for a document: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("looking for a document: %w", err)
		}
		return nil, store.ErrNotFound
	}
	d, err := scanDocument(rows, more...)
	if err != nil {
		return nil, err
	}
	if err := s.expand(ctx, d); err != nil {
		return nil, err
	}
	rows.Close()
	return d, rows.Err()
}

// expand unpacks the records of a row.
func (s *Store) expand(ctx context.Context, d *row) error {
	o := &d.document
	plain, err := s.unpack(ctx, d.content)
	if err == nil {
		d.records, err = pack.ReadRecords(plain, o.Accepted+o.Rejected+o.Duplicates)
	}
	if err == nil {
		err = pack.ReadVerdicts(d.verdicts, d.records)
	}
	if err != nil {
		return fmt.Errorf("reading the records of document %s: %w", o.ID, err)
	}
	for i := range d.records {
		r := &d.records[i]
		r.ID = record.ID(o.ID, r.Index)
		r.Seq = d.no + int64(i) + 1
		r.DocumentID, r.Agency, r.ReceivedAt = o.ID, o.Agency, o.ReceivedAt
	}
	return nil
}

// record returns the record of that seq.
func (d *row) record(seq int64) (*record.Record, bool) {
	i := seq - d.no - 1
	if i < 0 || i >= int64(len(d.records)) {
		return nil, false
	}
	return &d.records[i], true
}

// unpack expands a value; another hub may have made its dictionary.
func (s *Store) unpack(ctx context.Context, b []byte) ([]byte, error) {
	plain, err := s.codec.Unpack(b)
	if !errors.Is(err, pack.ErrNoDictionary) {
		return plain, err
	}
	if err := s.loadDictionaries(ctx); err != nil {
		return nil, fmt.Errorf("reading the dictionaries: %w", err)
	}
	return s.codec.Unpack(b)
}

// loadDictionaries reads the dictionaries. It uses a connection of its own: its
// caller may hold the last one of the pool.
func (s *Store) loadDictionaries(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, "SELECT id, message, content FROM dictionaries")
	if err != nil {
		return err
	}
	var id uint64
	var kind string
	var content []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &kind, &content}, func() error {
		d, err := pack.OpenDictionary(id, content)
		if err == nil {
			s.codec.Put(kind, d)
		}
		return err
	})
	return err
}

// row1 reads the only column of the only row of a query in a batch.
func row1(dst any) func(pgx.Row) error {
	return func(r pgx.Row) error { return r.Scan(dst) }
}
