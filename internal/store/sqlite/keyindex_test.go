package sqlite

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/storetest"
)

const (
	timeout = 20 * time.Second
	tick    = time.Millisecond
)

// TestMemtable compares a memtable with a plain list, through adding and undoing.
func TestMemtable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMemtable(1)
		var list []entry
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				e := entry{rapid.Uint64Range(0, 9).Draw(t, "hash"), int64(len(list) + 1)}
				m.add(e.hash, e.ref)
				list = append(list, e)
			},
			"undo": func(t *rapid.T) {
				list = list[:rapid.IntRange(0, len(list)).Draw(t, "mark")]
				m.undo(len(list))
			},
			"": func(t *rapid.T) {
				for hash := range uint64(10) {
					var want []int64
					for _, e := range list {
						if e.hash == hash {
							want = append(want, e.ref)
						}
					}
					require.Equal(t, want, m.refs(nil, hash))
				}
			},
		})
	})
}

func TestFilter(t *testing.T) {
	const n = 20_000
	rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable
	f := newFilter(n)
	in := make([]uint64, n)
	for i := range in {
		in[i] = rnd.Uint64() | recall
		f.add(in[i])
	}
	f = readFilter(f.bytes())
	for _, h := range in {
		require.True(t, f.mayHold(h))
	}
	wrong := 0
	for range n {
		if f.mayHold(rnd.Uint64() | recall) {
			wrong++
		}
	}
	require.Less(t, wrong, n/80)
}

// waitCompacted waits until the compactor has nothing left to do.
func waitCompacted(t *testing.T, s *Store) []*run {
	t.Helper()
	require.Eventually(t, func() bool {
		runs, tables, _ := s.index.sources()
		return len(tables) == 1 && mergeable(runs, s.index.sizes) == nil && blocksOwned(t, s, runs)
	}, timeout, tick)
	runs, _, _ := s.index.sources()
	return runs
}

// blocksOwned reports whether every stored block belongs to a run.
func blocksOwned(t *testing.T, s *Store, runs []*run) bool {
	t.Helper()
	rows, err := s.read.QueryContext(t.Context(), `SELECT DISTINCT id >> 36 FROM key_blocks`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var id int64
		require.NoError(t, rows.Scan(&id))
		if !slices.ContainsFunc(runs, func(r *run) bool { return r.id == id }) {
			return false
		}
	}
	require.NoError(t, rows.Err())
	return true
}

// TestCompaction records enough for several levels of runs, with one key that
// every record has, and finds all of it.
func TestCompaction(t *testing.T) {
	s := openTest(t, sizes{memtable: 64, block: 16, part: 8})
	const n = 1500
	shared := record.Key{Name: "platform", Value: "4403160Z3Y"}
	for i := 0; i < n; i += 10 {
		e := storetest.NewEntry("customs", i, i+1, i+2, i+3, i+4, i+5, i+6, i+7, i+8, i+9)
		for r := range e.Records {
			e.Records[r].Keys = append(e.Records[r].Keys, shared)
		}
		require.NoError(t, s.Record(t.Context(), e))
	}
	runs := waitCompacted(t, s)
	require.Less(t, len(runs), 3*mergeRuns)
	require.GreaterOrEqual(t, s.index.sizes.level(runs[0].entries), 1)
	for i := range runs[1:] {
		require.Equal(t, runs[i].last+1, runs[i+1].first)
	}
	requireWhole(t, s)

	var seqs []int64
	q := store.Query{Key: shared, Limit: 100}
	for {
		page, err := s.Records(t.Context(), q)
		require.NoError(t, err)
		for _, r := range page.Items {
			seqs = append(seqs, r.Seq)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	require.Len(t, seqs, n)
	require.True(t, slices.IsSorted(seqs))
	for i := range 50 {
		e := storetest.NewEntry("platform", i*29)
		require.NoError(t, s.Record(t.Context(), e))
		require.Equal(t, record.Duplicate, e.Records[0].Status)
	}
}

// TestSweep leaves blocks as a stop in the middle of a compaction would.
func TestSweep(t *testing.T) {
	s := openTest(t, newSmallSizes())
	for n := range 40 {
		require.NoError(t, s.Record(t.Context(), storetest.NewEntry("customs", n)))
	}
	runs := waitCompacted(t, s)
	ids := []int64{rowID(0, 5), rowID(runs[0].id+900, 3), rowID(runs[0].id+900, 3) + 7, rowID(runs[0].id+901, 1<<20)}
	require.NoError(t, s.writer.do(t.Context(), 0, func(tx *transaction) error {
		for _, id := range ids {
			if err := tx.exec(tx.w.insertBlock, id, []byte("left")); err != nil {
				return err
			}
		}
		return nil
	}))
	require.False(t, blocksOwned(t, s, runs))
	require.NoError(t, s.compactor.sweep(t.Context()))
	require.True(t, blocksOwned(t, s, runs))
	requireWhole(t, s)
}

// TestReadsWhileMerging looks records up while the runs they are in are merged away.
func TestReadsWhileMerging(t *testing.T) {
	s := openTest(t, newSmallSizes())
	first := storetest.NewEntry("customs", 0)
	require.NoError(t, s.Record(t.Context(), first))
	ended := make(chan error, 1)
	go func() {
		for n := 1; n < 300; n++ {
			e := storetest.NewEntry("customs", n)
			if err := s.Record(context.Background(), e); err != nil {
				ended <- err
				return
			}
			page, err := s.Records(context.Background(), store.Query{Key: e.Records[0].Keys[1]})
			if err != nil || len(page.Items) != 1 {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	for running := true; running; {
		select {
		case err := <-ended:
			require.NoError(t, err)
			running = false
		default:
		}
		page, err := s.Records(t.Context(), store.Query{Key: first.Records[0].Keys[1]})
		require.NoError(t, err)
		require.Equal(t, first.Records, page.Items)
	}
	waitCompacted(t, s)
}

// TestCollision has every hash of the index lead to records and documents that
// are others: the values decide.
func TestCollision(t *testing.T) {
	s := openTest(t, newDefaultSizes())
	a := storetest.NewEntry("customs", 2)
	require.NoError(t, s.Record(t.Context(), a))
	b := storetest.NewEntry("customs", 1) // older than a
	in, err := s.prepare(b)
	require.NoError(t, err)
	// As if b's identity, bytes and keys had the hashes of a's.
	refs := []entry{{in.hash, -1}, {in.ids[0], 0}}
	for _, k := range in.keys {
		refs = append(refs, entry{k.hash, 0})
	}
	s.index.add(a.Records[0].Seq, refs)
	require.NoError(t, s.Record(t.Context(), b))
	require.Equal(t, store.DocumentAccepted, b.Document.Status)
	page, err := s.Records(t.Context(), store.Query{Key: b.Records[0].Keys[0]})
	require.NoError(t, err)
	require.Equal(t, b.Records, page.Items)
}

func TestMergeable(t *testing.T) {
	z := newDefaultSizes()
	make1 := func(entries ...int) []*run {
		var runs []*run
		next := int64(1)
		for i, n := range entries {
			runs = append(runs, &run{id: int64(i), first: next, last: next + int64(n), entries: n})
			next += int64(n) + 1
		}
		return runs
	}
	m := z.memtable
	for name, c := range map[string]struct {
		runs []*run
		want int
	}{
		"too few":             {make1(m, m, m), 0},
		"enough":              {make1(m, m, m, m, m, m, m, m), 8},
		"a large one before":  {make1(9*m, m, m, m, m, m, m, m, m), 8},
		"larger ones":         {make1(9*m, 9*m, 9*m, 9*m, 9*m, 9*m, 9*m, m), 8},
		"as much as fits":     {make1(60*m, 60*m, 60*m, 9*m, 9*m, 9*m, 9*m, m), 2},
		"none fits":           {make1(z.maxRun(), z.maxRun(), z.maxRun()), 0},
		"beyond what one can": {append(make1(m), &run{first: math.MaxUint32 * 2, last: math.MaxUint32*2 + 1, entries: m}), 0},
	} {
		require.Len(t, mergeable(c.runs, z), c.want, name)
	}
}

func TestRowIDsDoNotMeet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) (int64, int64, int64) {
			return rapid.Int64Range(0, 1<<27-1).Draw(t, name), rapid.Int64Range(0, 1<<blockBits-1).Draw(t, name), rapid.Int64Range(0, 1<<partBits-1).Draw(t, name)
		}
		r1, b1, p1 := draw("one")
		r2, b2, p2 := draw("two")
		same := r1 == r2 && b1 == b2 && p1 == p2
		require.Equal(t, same, rowID(r1, b1)+p1 == rowID(r2, b2)+p2)
	})
}
