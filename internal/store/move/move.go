// Package move brings what one store holds into another, and proves that it arrived.
package move

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"iter"
	"time"

	"tongqu/internal/store"
	"tongqu/internal/store/pack"
	"tongqu/internal/store/postgres"
)

// A batch of documents ends at this many or at so many bytes.
const (
	batchDocuments = 2000
	batchBytes     = 16 << 20
)

// ErrDiffers is returned by Copy when the two stores do not hold the same.
var ErrDiffers = errors.New("the copy differs from the original")

// Source is a store that shows all it holds.
type Source interface {
	// Walk visits every document after that number, in the order of recording.
	Walk(ctx context.Context, after int64, visit func(*pack.Held) error) error
	// WalkDeliveries visits every delivery, by subscription, document and index.
	WalkDeliveries(ctx context.Context, visit func(*store.Delivery) error) error
	// WalkInquiries visits every inquiry, the oldest first.
	WalkInquiries(ctx context.Context, visit func(*store.Inquiry) error) error
	// Books returns what was counted and published.
	Books(ctx context.Context) (pack.Books, error)
}

// Account is what a store holds: how much, and a hash over all of it in order,
// documents with their bytes and numbers, records, deliveries, inquiries, sums, batches.
type Account struct {
	Documents, Records, Deliveries int64
	Hash                           [32]byte
}

// Progress is told how many documents are done, of copying or of checking.
type Progress func(stage string, documents int64)

// Copy brings all that from holds into the database, goes on where an earlier Copy
// was interrupted, and compares: it returns ErrDiffers, and the database stays
// closed to hubs, when the two do not hold the same. Records received since
// republish wait to be published again then, because the bus is another one; what
// was delivered is not delivered again. Nothing may write to from meanwhile.
func Copy(ctx context.Context, from Source, to *postgres.Import, republish time.Time, progress Progress) (Account, error) {
	if err := documents(ctx, from, to, progress); err != nil {
		return Account{}, err
	}
	if err := inquiries(ctx, from, to); err != nil {
		return Account{}, err
	}
	books, err := from.Books(ctx)
	if err != nil {
		return Account{}, err
	}
	if err := to.Finish(ctx, deliveries(ctx, from), books); err != nil {
		return Account{}, err
	}
	want, err := Count(ctx, from, func(n int64) { progress("checking the original", n) })
	if err != nil {
		return Account{}, err
	}
	got, err := Count(ctx, to, func(n int64) { progress("checking the copy", n) })
	if err != nil {
		return Account{}, err
	}
	if got != want {
		return got, fmt.Errorf("%w: %d documents, %d records, %d deliveries, %x, instead of %d, %d, %d, %x", ErrDiffers,
			got.Documents, got.Records, got.Deliveries, got.Hash[:8], want.Documents, want.Records, want.Deliveries, want.Hash[:8])
	}
	if _, err := to.Rewind(ctx, republish); err != nil {
		return got, fmt.Errorf("making records wait to be published again: %w", err)
	}
	return got, to.Release(ctx)
}

// documents brings the documents that have not arrived.
func documents(ctx context.Context, from Source, to *postgres.Import, progress Progress) error {
	var batch []pack.Held
	size := 0
	write := func() error {
		if err := to.Write(ctx, batch); err != nil {
			return err
		}
		batch, size = batch[:0], 0
		progress("copying", to.Documents)
		return nil
	}
	err := from.Walk(ctx, to.After, func(h *pack.Held) error {
		batch = append(batch, *h)
		size += h.Document.Size
		if len(batch) < batchDocuments && size < batchBytes {
			return nil
		}
		return write()
	})
	if err != nil {
		return err
	}
	return write()
}

// inquiries brings them all; those that have arrived are written again.
func inquiries(ctx context.Context, from Source, to *postgres.Import) error {
	var batch []store.Inquiry
	err := from.WalkInquiries(ctx, func(q *store.Inquiry) error {
		batch = append(batch, *q)
		if len(batch) < batchDocuments {
			return nil
		}
		err := to.SaveInquiries(ctx, batch)
		batch = batch[:0]
		return err
	})
	if err != nil {
		return err
	}
	return to.SaveInquiries(ctx, batch)
}

// deliveries are those of a store, one by one.
func deliveries(ctx context.Context, from Source) iter.Seq2[*store.Delivery, error] {
	return func(yield func(*store.Delivery, error) bool) {
		enough := errors.New("enough")
		err := from.WalkDeliveries(ctx, func(d *store.Delivery) error {
			if !yield(d, nil) {
				return enough
			}
			return nil
		})
		if err != nil && !errors.Is(err, enough) {
			yield(nil, err)
		}
	}
}

// Count walks over all that a store holds; progress is told the number of
// documents every now and then.
func Count(ctx context.Context, s Source, progress func(documents int64)) (Account, error) {
	var a Account
	sum := digest{Hash: sha256.New()}
	err := s.Walk(ctx, 0, func(h *pack.Held) error {
		a.Documents++
		a.Records += int64(len(h.Records))
		sum.held(h)
		if a.Documents%batchDocuments == 0 {
			progress(a.Documents)
		}
		return nil
	})
	if err != nil {
		return a, err
	}
	err = s.WalkDeliveries(ctx, func(d *store.Delivery) error {
		a.Deliveries++
		sum.text(d.Subscription, d.RecordID, string(d.Status), pack.ValidText(d.Detail))
		sum.number(int64(d.Attempts), d.At.UnixMicro())
		return nil
	})
	if err != nil {
		return a, err
	}
	err = s.WalkInquiries(ctx, func(q *store.Inquiry) error {
		sum.text(q.ID, q.Agency, q.Resource, pack.ValidText(q.Purpose), string(q.Status), string(q.Source), pack.ValidText(q.Outcome), q.CachedFrom)
		sum.text(string(q.Fingerprint), string(q.Request), string(q.Answer), string(q.Errors))
		sum.number(q.At.UnixMicro(), q.Took.Microseconds())
		return nil
	})
	if err != nil {
		return a, err
	}
	books, err := s.Books(ctx)
	if err != nil {
		return a, err
	}
	for _, c := range books.Sums {
		sum.text(c.Kind, pack.ValidText(c.Name), c.Status)
		sum.number(c.Hour, c.N)
	}
	for _, p := range books.Published {
		sum.number(p.First, p.Last, p.At.UnixMicro())
	}
	progress(a.Documents)
	sum.Sum(a.Hash[:0])
	return a, nil
}

// digest hashes values, each after its length.
type digest struct {
	hash.Hash
	buf []byte
}

func (d *digest) text(values ...string) {
	for _, v := range values {
		d.buf = pack.AppendBytes(d.buf[:0], v)
		_, _ = d.Write(d.buf)
	}
}

func (d *digest) number(values ...int64) {
	for _, v := range values {
		d.buf = binary.BigEndian.AppendUint64(d.buf[:0], uint64(v)) //nolint:gosec // two's complement
		_, _ = d.Write(d.buf)
	}
}

func (d *digest) held(h *pack.Held) {
	o := &h.Document
	d.number(h.No, h.RecordedAt.UnixMicro(), o.ReceivedAt.UnixMicro(), int64(o.Size), int64(o.Accepted), int64(o.Rejected), int64(o.Duplicates))
	d.text(o.ID, o.DuplicateOf, string(o.Status), string(o.SHA256[:]), string(o.Errors), string(o.Body))
	d.text(pack.ValidText(o.Agency), pack.ValidText(o.Adapter), pack.ValidText(o.Message), pack.ValidText(o.Door), pack.ValidText(o.Name))
	for i := range h.Records {
		r := &h.Records[i]
		d.number(r.Seq, r.Version.UnixMicro())
		d.text(r.ID, string(r.Status), r.DuplicateOf)
	}
	d.buf = pack.AppendRecords(d.buf[:0], h.Records)
	_, _ = d.Write(d.buf)
}
