package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"tongqu/internal/record"
	"tongqu/internal/store/pack"
)

// The key index answers which documents and records have a key, an identity or
// the bytes of a document: it maps 64-bit hashes to numbers. New entries are in a
// memtable; a full memtable is sealed and written as a sorted run, and runs of
// like size are merged, so that an entry is written a few times in its life, in
// blocks, and never costs a random page of its own. What the memtable holds can
// be read again from the documents, so it needs no log.
//
// Numbers only grow, so memtables and runs cover disjoint stretches of them:
// going through these in order gives the numbers of a hash in order.

// recall marks the hashes that recording looks up; it is their lowest bit. Runs
// have a filter of them.
const recall = 1

// sizes are the measures of the key index, in entries.
type sizes struct {
	memtable int // fills a memtable
	block    int // of a run, on average
	part     int // of a block; a larger block is stored in parts
}

func newDefaultSizes() sizes { return sizes{memtable: 128 << 10, block: 1 << 10, part: 4 << 10} }

// maxRun keeps every block of a run within its parts, even if all were in one.
func (z sizes) maxRun() int { return z.part << partBits }

// bits is the number of bits by which so many entries fall into blocks.
func (z sizes) bits(entries int) int { return min(bits.Len(uint(entries/z.block)), blockBits) }

// level is the number of times that a memtable's worth was merged into so many entries.
func (z sizes) level(entries int) int {
	level := 0
	for entries /= z.memtable; entries >= mergeRuns; entries /= mergeRuns {
		level++
	}
	return level
}

// errMoved says that a run was merged away while it was read.
var errMoved = errors.New("the run was merged")

func keyHash(k record.Key) uint64 { return hash("key", k.Name, k.Value) &^ recall }

func identityHash(family string, k record.Key) uint64 {
	return hash("identity", family, k.Name, k.Value) | recall
}

func documentHash(agency string, sum [32]byte) uint64 {
	return hash("document", agency, string(sum[:])) | recall
}

// hash is the beginning of the SHA-256 of the parts, each after its length.
func hash(parts ...string) uint64 {
	var room [256]byte
	b := room[:0]
	for _, p := range parts {
		b = pack.AppendBytes(b, p)
	}
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

// entry says that the document or record ref has a hash.
type entry struct {
	hash uint64
	ref  int64
}

func compareEntries(a, b entry) int {
	switch {
	case a.hash != b.hash && a.hash < b.hash, a.hash == b.hash && a.ref < b.ref:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// memtable holds the newest entries. Those of one hash are chained, newest first.
type memtable struct {
	first, last int64 // the numbers it covers; last is set when it is sealed
	entries     []entry
	before      []int32 // the older entry of the same hash, or -1
	newest      map[uint64]int32
}

func newMemtable(first int64) *memtable {
	return &memtable{first: first, newest: make(map[uint64]int32)}
}

func (m *memtable) add(hash uint64, ref int64) {
	i, ok := m.newest[hash]
	if !ok {
		i = -1
	}
	m.newest[hash] = int32(len(m.entries)) //nolint:gosec // a memtable is sealed long before
	m.entries = append(m.entries, entry{hash, ref})
	m.before = append(m.before, i)
}

// undo removes the entries from mark on.
func (m *memtable) undo(mark int) {
	for i := len(m.entries) - 1; i >= mark; i-- {
		if h := m.entries[i].hash; m.before[i] < 0 {
			delete(m.newest, h)
		} else {
			m.newest[h] = m.before[i]
		}
	}
	m.entries, m.before = m.entries[:mark], m.before[:mark]
}

// refs appends the numbers of hash, ascending.
func (m *memtable) refs(dst []int64, hash uint64) []int64 {
	i, ok := m.newest[hash]
	if !ok {
		return dst
	}
	from := len(dst)
	for ; i >= 0; i = m.before[i] {
		dst = append(dst, m.entries[i].ref)
	}
	slices.Reverse(dst[from:])
	return dst
}

// keyIndex is safe for one writer and many readers.
type keyIndex struct {
	mu     sync.RWMutex
	runs   []*run      // oldest first
	tables []*memtable // oldest first; the last is the one that grows
	// committed is the highest number on disk; the memtable may be ahead of it.
	committed int64
	sizes     sizes
}

// loadIndex reads the runs, and fills the memtable from the documents after them.
func loadIndex(ctx context.Context, db *sql.DB, c *pack.Codec, z sizes) (*keyIndex, error) {
	runs, err := loadRuns(ctx, db)
	if err != nil {
		return nil, err
	}
	var covered int64
	if len(runs) > 0 {
		covered = runs[len(runs)-1].last
	}
	x := &keyIndex{runs: runs, tables: []*memtable{newMemtable(covered + 1)}, committed: covered, sizes: z}
	rows, err := db.QueryContext(ctx, `SELECT `+rowColumns+` FROM documents WHERE no > ? ORDER BY no`, covered)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		d, err := scanRow(rows, c)
		if err != nil {
			return nil, err
		}
		indexDocument(x.active().add, d)
		x.committed = d.no + int64(len(d.records))
	}
	return x, rows.Err()
}

// indexDocument adds all entries of a document: its bytes and the identities of
// its accepted versions, which recording asks for, and every record's keys.
func indexDocument(add func(hash uint64, ref int64), d *row) {
	for i := range d.records {
		r := &d.records[i]
		seq := d.no + int64(i) + 1
		for k := range r.Keys {
			if !slices.Contains(r.Keys[:k], r.Keys[k]) {
				add(keyHash(r.Keys[k]), seq)
			}
		}
		identity, ok := r.Identity()
		if _, versioned := pack.Version(r); ok && versioned && r.Status == record.Accepted {
			add(identityHash(record.Family(r.Type), identity), seq)
		}
	}
	if d.document.Accepted > 0 {
		add(documentHash(d.document.Agency, d.document.SHA256), d.no)
	}
}

func (x *keyIndex) active() *memtable { return x.tables[len(x.tables)-1] }

// mark returns what undo needs to come back to here. Only the writer calls it.
func (x *keyIndex) mark() int { return len(x.active().entries) }

// add adds entries whose numbers count from base. add, undo and seal are the
// writer's alone.
func (x *keyIndex) add(base int64, entries []entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	m := x.active()
	for _, e := range entries {
		m.add(e.hash, base+e.ref)
	}
}

func (x *keyIndex) undo(mark int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.active().undo(mark)
}

// seal says that the numbers up to last are on disk. It begins a new memtable
// when the one that grows is full, and reports whether it did.
func (x *keyIndex) seal(last int64) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.committed = last
	m := x.active()
	if len(m.entries) < x.sizes.memtable {
		return false
	}
	m.last = last
	x.tables = append(x.tables, newMemtable(last+1))
	return true
}

// oldest returns the oldest sealed memtable, or nil.
func (x *keyIndex) oldest() *memtable {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if len(x.tables) < 2 {
		return nil
	}
	return x.tables[0]
}

// sources returns what the index is made of at this moment, and how much of it is
// committed. Runs never change. Memtables do: refsIn guards them.
func (x *keyIndex) sources() ([]*run, []*memtable, int64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.runs, x.tables, x.committed
}

// replace puts r in the place of the runs or the memtable whose numbers it covers.
func (x *keyIndex) replace(r *run) {
	x.mu.Lock()
	defer x.mu.Unlock()
	covered := func(first, last int64) bool { return first >= r.first && last <= r.last }
	runs := make([]*run, 0, len(x.runs)+1)
	for _, o := range x.runs {
		if !covered(o.first, o.last) {
			runs = append(runs, o)
		}
	}
	at, _ := slices.BinarySearchFunc(runs, r, func(a, b *run) int { return int(a.first - b.first) })
	x.runs = slices.Insert(runs, at, r)
	tables := make([]*memtable, 0, len(x.tables))
	for i, m := range x.tables {
		if i == len(x.tables)-1 || !covered(m.first, m.last) {
			tables = append(tables, m)
		}
	}
	x.tables = tables
}

// refsIn returns the numbers of hash in a memtable.
func (x *keyIndex) refsIn(m *memtable, dst []int64, hash uint64) []int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return m.refs(dst, hash)
}

// recalled returns all numbers of a recall hash, ascending. The writer calls it.
func (x *keyIndex) recalled(ctx context.Context, blocks *sql.Stmt, hash uint64) ([]int64, error) {
	runs, tables, _ := x.sources()
	var refs []int64
	for _, r := range runs {
		if !r.mayHold(hash) {
			continue
		}
		var err error
		if refs, err = r.refs(ctx, blocks, refs, hash); err != nil {
			return nil, fmt.Errorf("looking up a hash: %w", err)
		}
	}
	for _, m := range tables {
		refs = x.refsIn(m, refs, hash)
	}
	return refs, nil
}

// page returns the committed numbers of hash beyond after, in ascending order or, when newest,
// in descending: at least limit of them unless there are no more.
func (x *keyIndex) page(ctx context.Context, blocks *sql.Stmt, hash uint64, after int64, limit int, newest bool) ([]int64, error) {
	for {
		refs, err := x.tryPage(ctx, blocks, hash, after, limit, newest)
		if !errors.Is(err, errMoved) {
			return refs, err
		}
	}
}

func (x *keyIndex) tryPage(ctx context.Context, blocks *sql.Stmt, hash uint64, after int64, limit int, newest bool) ([]int64, error) {
	runs, tables, committed := x.sources()
	var found []int64
	take := func(refs []int64) {
		if newest {
			slices.Reverse(refs)
		}
		for _, ref := range refs {
			if ref <= committed && ((newest && ref < after) || (!newest && ref > after)) {
				found = append(found, ref)
			}
		}
	}
	n := len(runs) + len(tables)
	for i := range n {
		if newest {
			i = n - 1 - i
		}
		if i >= len(runs) {
			take(x.refsIn(tables[i-len(runs)], nil, hash))
		} else if r := runs[i]; (newest && r.first < after) || (!newest && r.last > after) {
			refs, err := r.refs(ctx, blocks, nil, hash)
			if err != nil {
				return nil, err
			}
			take(refs)
		}
		if len(found) >= limit {
			break
		}
	}
	return found, nil
}
