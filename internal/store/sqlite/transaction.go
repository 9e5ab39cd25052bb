package sqlite

import (
	"database/sql"
	"fmt"
	"time"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

const (
	countSQL = `INSERT INTO counters (hour, kind, name, status, n) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET n = n + excluded.n`
	mergeSpanSQL = `INSERT INTO spans (span, agency, types, documents, records, earliest, latest) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET documents = documents | excluded.documents, records = records | excluded.records,
		earliest = min(earliest, excluded.earliest), latest = max(latest, excluded.latest)`
)

// counter names one sum of the balance; hour 0 is the sum of all hours.
type counter struct {
	hour         int64
	kind         string
	name, status string
}

const (
	countDocuments  = "document"
	countRecords    = "record"
	countPublished  = "published"
	countDeliveries = "delivery"
)

// spanBits is the number of bits of a document number within one span.
const spanBits = 12

type spanKey struct {
	span          int64
	agency, types string
}

type span struct {
	documents, records int64
	earliest, latest   int64
}

// transaction is one group commit: what it has written, and what follows from it
// in memory, which undo takes back.
type transaction struct {
	w          *writer
	now        int64 // microseconds
	first      int64 // the first number given out
	next       int64
	mark       int         // of the index
	pending    []*incoming // its documents, by number
	loaded     *row        // the stored document last looked at
	counters   map[counter]int64
	spans      map[spanKey]span
	subscribed map[string]int64 // subscriptions new in it
	learned    map[string]bool  // messages that got their dictionary in it
	accepted   bool
	after      []func() // run once the transaction is on disk
}

func newTransaction(w *writer) *transaction {
	return &transaction{
		w: w, now: time.Now().UnixMicro(), first: w.next, next: w.next, mark: w.index.mark(),
		counters: map[counter]int64{}, spans: map[spanKey]span{},
	}
}

// exec runs a statement.
func (tx *transaction) exec(stmt *sql.Stmt, args ...any) error {
	_, err := stmt.ExecContext(tx.w.ctx, args...)
	return err
}

// count adds n to a sum under the hour of at, and to the sum of all hours.
func (tx *transaction) count(at int64, kind, name, status string, n int) {
	if n == 0 {
		return
	}
	tx.counters[counter{hour(at), kind, name, status}] += int64(n)
	tx.counters[counter{0, kind, name, status}] += int64(n)
}

func hour(micros int64) int64 { return micros / time.Hour.Microseconds() }

// countDocument adds a settled document to the sums and to its span.
func (tx *transaction) countDocument(no int64, d *store.Document, types string, at int64) {
	status := d.Status
	if status == store.DocumentPartial {
		status = store.DocumentAccepted
	}
	tx.count(at, countDocuments, d.Agency, string(status), 1)
	tx.count(at, countRecords, d.Agency, string(record.Accepted), d.Accepted)
	tx.count(at, countRecords, d.Agency, string(record.Rejected), d.Rejected)
	tx.count(at, countRecords, d.Agency, string(record.Duplicate), d.Duplicates)

	k := spanKey{no >> spanBits, d.Agency, types}
	s, ok := tx.spans[k]
	if !ok {
		s.earliest, s.latest = at, at
	}
	s.documents |= 1 << pack.DocumentStatuses.Code(string(d.Status))
	for i, n := range [...]int{d.Accepted, d.Rejected, d.Duplicates} { // in the order of pack.RecordStatuses
		if n > 0 {
			s.records |= 1 << (i + 1)
		}
	}
	s.earliest, s.latest = min(s.earliest, at), max(s.latest, at)
	tx.spans[k] = s
}

// finish writes the sums and commits.
func (tx *transaction) finish() error {
	for c, n := range tx.counters {
		if n == 0 {
			continue
		}
		if err := tx.exec(tx.w.count, c.hour, c.kind, c.name, c.status, n); err != nil {
			return fmt.Errorf("counting: %w", err)
		}
	}
	for k, s := range tx.spans {
		if err := tx.exec(tx.w.mergeSpan, k.span, k.agency, k.types, s.documents, s.records, s.earliest, s.latest); err != nil {
			return fmt.Errorf("writing a span: %w", err)
		}
	}
	if err := tx.exec(tx.w.commit); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// undo takes everything back. SQLite may have rolled back by itself; then there
// is nothing left to roll back and that is well.
func (tx *transaction) undo() {
	_ = tx.exec(tx.w.rollback)
	tx.w.index.undo(tx.mark)
}

// settled makes what is now on disk true in memory.
func (tx *transaction) settled() {
	tx.w.next = tx.next
	for _, f := range tx.after {
		f()
	}
	if tx.w.index.seal(tx.next - 1) {
		signal(tx.w.compact)
	}
	if tx.accepted {
		signal(tx.w.recorded)
	}
}

// signal leaves a value in c unless one waits there already.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
