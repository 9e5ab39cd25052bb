package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"tongqu/internal/store/pack"
)

// copyHeader begins the data of COPY … WITH BINARY: the signature, no flags, no
// extension (PostgreSQL documentation, COPY, "Binary Format").
const copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// pgEpoch is microseconds from 1970 to PostgreSQL's 2000-01-01.
const pgEpoch = 946684800000000

// copyData collects rows for COPY … WITH BINARY. The zero value has none.
type copyData struct {
	buf  []byte
	rows int
}

func (c *copyData) reset() { c.buf, c.rows = c.buf[:0], 0 }

// row begins a row of n columns.
func (c *copyData) row(n int) {
	if c.rows == 0 {
		c.buf = append(c.buf, copyHeader...)
	}
	c.rows++
	c.buf = binary.BigEndian.AppendUint16(c.buf, uint16(n)) //nolint:gosec // a few columns
}

func (c *copyData) head(n int) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(n)) //nolint:gosec // a value is smaller than 2^31
}

func (c *copyData) null() { c.buf = append(c.buf, 0xff, 0xff, 0xff, 0xff) }

func (c *copyData) smallint(v int) {
	c.head(2)
	c.buf = binary.BigEndian.AppendUint16(c.buf, uint16(v)) //nolint:gosec // a status
}

func (c *copyData) integer(v int) {
	c.head(4)
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(v)) //nolint:gosec // a count or a size
}

func (c *copyData) bigint(v int64) {
	c.head(8)
	c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(v)) //nolint:gosec // two's complement
}

func (c *copyData) uuid(v uuid.UUID) {
	c.head(len(v))
	c.buf = append(c.buf, v[:]...)
}

func (c *copyData) time(t time.Time) { c.bigint(t.UnixMicro() - pgEpoch) }

// bytes writes nil as null.
func (c *copyData) bytes(v []byte) {
	if v == nil {
		c.null()
		return
	}
	c.head(len(v))
	c.buf = append(c.buf, v...)
}

func (c *copyData) text(v string) {
	v = pack.ValidText(v)
	c.head(len(v))
	c.buf = append(c.buf, v...)
}

// send copies the rows into a table.
func (c *copyData) send(ctx context.Context, conn *pgconn.PgConn, table, columns string) error {
	if c.rows == 0 {
		return nil
	}
	c.buf = append(c.buf, 0xff, 0xff) // the trailer
	_, err := conn.CopyFrom(ctx, bytes.NewReader(c.buf), "COPY "+table+" ("+columns+") FROM STDIN WITH (FORMAT binary)")
	if err != nil {
		return fmt.Errorf("copying into %s: %w", table, err)
	}
	return nil
}
