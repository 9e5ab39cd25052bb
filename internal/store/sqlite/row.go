package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

// rowColumns are the columns that scanRow reads, all but the body.
const rowColumns = `no, id, agency, adapter, message, door, name, received, recorded, sha256, size, status, duplicate_of,
	accepted, rejected, duplicates, errors, verdicts, content`

const (
	// documentAtSQL finds the document that a seq belongs to.
	documentAtSQL   = `SELECT ` + rowColumns + ` FROM documents WHERE no < ? ORDER BY no DESC LIMIT 1`
	documentHashSQL = `SELECT id, agency, sha256 FROM documents WHERE no = ?`

	insertDocumentSQL = `INSERT INTO documents (no, id, agency, adapter, message, door, name, received, recorded, sha256, size, status,
		duplicate_of, accepted, rejected, duplicates, types, errors, verdicts, content, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// row is a document without its body, and its records.
type row struct {
	no       int64
	recorded int64 // microseconds
	document store.Document
	records  []record.Record
}

// scanDocument reads a row but leaves the records packed. The bytes are valid
// until the next step of the rows; more are columns after those of rowColumns.
func scanDocument(from *sql.Rows, more ...any) (d *row, verdicts, content sql.RawBytes, err error) {
	d = &row{}
	o := &d.document
	var id, sum, of sql.RawBytes
	var received int64
	var status int
	err = from.Scan(append([]any{
		&d.no, &id, &o.Agency, &o.Adapter, &o.Message, &o.Door, &o.Name, &received, &d.recorded, &sum, &o.Size, &status, &of,
		&o.Accepted, &o.Rejected, &o.Duplicates, &o.Errors, &verdicts, &content,
	}, more...)...)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("reading a document: %w", err)
	}
	if len(id) != 16 || len(sum) != 32 || (len(of) != 0 && len(of) != 16) {
		return nil, nil, nil, fmt.Errorf("document %d is damaged", d.no)
	}
	o.ID = uuid.UUID(id).String()
	if of != nil {
		o.DuplicateOf = uuid.UUID(of).String()
	}
	o.SHA256 = [32]byte(sum)
	o.ReceivedAt = time.UnixMicro(received).UTC()
	o.Status = store.DocumentStatus(pack.DocumentStatuses.Name(status))
	return d, verdicts, content, nil
}

// scanRow reads a row with its records.
func scanRow(from *sql.Rows, c *pack.Codec) (*row, error) {
	d, verdicts, content, err := scanDocument(from)
	if err != nil {
		return nil, err
	}
	if err := d.unpack(c, verdicts, content); err != nil {
		return nil, fmt.Errorf("reading the records of document %s: %w", d.document.ID, err)
	}
	return d, nil
}

// oneRow returns the row that a query finds; store.ErrNotFound when none.
func oneRow(ctx context.Context, query *sql.Stmt, c *pack.Codec, args ...any) (*row, error) {
	rows, err := query.QueryContext(ctx, args...)
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
	return scanRow(rows, c)
}

func (d *row) unpack(c *pack.Codec, verdicts, content []byte) error {
	o := &d.document
	plain, err := c.Unpack(content)
	if err != nil {
		return err
	}
	if d.records, err = pack.ReadRecords(plain, o.Accepted+o.Rejected+o.Duplicates); err != nil {
		return err
	}
	if err := pack.ReadVerdicts(verdicts, d.records); err != nil {
		return err
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
