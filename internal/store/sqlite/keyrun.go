package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"sort"
)

const (
	entryBytes = 12 // a hash and a number, less the run's first

	// The bits that a row id has for a part of a block, and for a block.
	partBits  = 12
	blockBits = 24
)

const (
	keyBlocksSQL = `SELECT entries FROM key_blocks WHERE id >= ? AND id < ? ORDER BY id`
	insertRunSQL = `INSERT INTO key_runs (id, first, last, entries, recalls, bits, filter) VALUES (?, ?, ?, ?, ?, ?, ?)`
	deleteRunSQL = `DELETE FROM key_runs WHERE id = ?`

	insertBlockSQL  = `INSERT INTO key_blocks (id, entries) VALUES (?, ?)`
	deleteBlocksSQL = `DELETE FROM key_blocks WHERE id >= ? AND id < ?`
)

// run is a sorted stretch of the key index on disk: 2^bits blocks, each with the
// entries whose hash begins with its number.
type run struct {
	id          int64
	first, last int64
	entries     int
	recalls     int // entries of recall hashes
	bits        int
	filter      filter
}

func loadRuns(ctx context.Context, db *sql.DB) ([]*run, error) {
	rows, err := db.QueryContext(ctx, `SELECT id, first, last, entries, recalls, bits, filter FROM key_runs ORDER BY first`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var runs []*run
	for rows.Next() {
		r := &run{}
		var filter []byte
		if err := rows.Scan(&r.id, &r.first, &r.last, &r.entries, &r.recalls, &r.bits, &filter); err != nil {
			return nil, err
		}
		r.filter = readFilter(filter)
		runs = append(runs, r)
	}
	return runs, rows.Err()
}

// block is the number of the block that holds hash.
func (r *run) block(hash uint64) int64 { return int64(hash >> 1 >> (63 - r.bits)) } //nolint:gosec // blockBits at most

// rowID is the row of the first part of a block.
func rowID(run, block int64) int64 { return run<<(blockBits+partBits) | block<<partBits }

// mayHold is false only when the run has no entry of that recall hash.
func (r *run) mayHold(hash uint64) bool { return r.filter.mayHold(hash) }

// refs appends the run's numbers of hash, ascending; errMoved when the run is gone.
func (r *run) refs(ctx context.Context, blocks *sql.Stmt, dst []int64, hash uint64) ([]int64, error) {
	entries, err := r.read(ctx, blocks, r.block(hash))
	if err != nil {
		return nil, err
	}
	i := sort.Search(len(entries), func(i int) bool { return entries[i].hash >= hash })
	for ; i < len(entries) && entries[i].hash == hash; i++ {
		dst = append(dst, entries[i].ref)
	}
	return dst, nil
}

// read returns the entries of a block, sorted.
func (r *run) read(ctx context.Context, blocks *sql.Stmt, block int64) ([]entry, error) {
	rows, err := blocks.QueryContext(ctx, rowID(r.id, block), rowID(r.id, block+1))
	if err != nil {
		return nil, fmt.Errorf("reading a key block: %w", err)
	}
	defer rows.Close()
	var entries []entry
	moved := true
	for rows.Next() {
		moved = false
		var b sql.RawBytes
		if err := rows.Scan(&b); err != nil {
			return nil, fmt.Errorf("reading a key block: %w", err)
		}
		entries = slices.Grow(entries, len(b)/entryBytes)
		for ; len(b) >= entryBytes; b = b[entryBytes:] {
			entries = append(entries, entry{binary.BigEndian.Uint64(b), r.first + int64(binary.BigEndian.Uint32(b[8:]))})
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading a key block: %w", err)
	}
	if moved {
		return nil, errMoved
	}
	return entries, nil
}

// parts cuts a block's entries into the blobs that are stored, of size entries each; an empty block is
// one empty blob, so that a block that is missing is known to be gone.
func (r *run) parts(entries []entry, size int) iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		for part := int64(0); part == 0 || len(entries) > 0; part++ {
			n := min(len(entries), size)
			b := make([]byte, 0, n*entryBytes)
			for _, e := range entries[:n] {
				b = binary.BigEndian.AppendUint64(b, e.hash)
				b = binary.BigEndian.AppendUint32(b, uint32(e.ref-r.first)) //nolint:gosec // mergeable sees to that
			}
			entries = entries[n:]
			if !yield(part, b) {
				return
			}
		}
	}
}

// filter is a blocked Bloom filter of recall hashes: each sets some bits of one
// 512-bit line. At 12 bits an entry about one absent hash in 150 passes.
type filter []uint64

const (
	filterBits   = 12 // per entry
	filterProbes = 6
	lineWords    = 8
)

func newFilter(entries int) filter {
	lines := max(1, (entries*filterBits+511)/512)
	return make(filter, lines*lineWords)
}

// line returns the words that hash falls to.
func (f filter) line(hash uint64) []uint64 {
	i, _ := bits.Mul64(hash, uint64(len(f)/lineWords))
	return f[i*lineWords : (i+1)*lineWords]
}

// probes spreads a hash anew: its first bits have chosen the line already.
func probes(hash uint64) uint64 {
	hash ^= hash >> 32
	hash *= 0x9e3779b97f4a7c15
	return hash ^ hash>>29
}

func (f filter) add(hash uint64) {
	line := f.line(hash)
	for i, p := 0, probes(hash); i < filterProbes; i, p = i+1, p>>9 {
		line[p>>6&7] |= 1 << (p & 63)
	}
}

func (f filter) mayHold(hash uint64) bool {
	line := f.line(hash)
	for i, p := 0, probes(hash); i < filterProbes; i, p = i+1, p>>9 {
		if line[p>>6&7]&(1<<(p&63)) == 0 {
			return false
		}
	}
	return true
}

func (f filter) bytes() []byte {
	b := make([]byte, 0, 8*len(f))
	for _, w := range f {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

func readFilter(b []byte) filter {
	f := make(filter, len(b)/8)
	for i := range f {
		f[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return f
}
