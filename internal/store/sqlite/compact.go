package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"

	"go.uber.org/zap"
)

const (
	// mergeRuns is how many runs of like size are merged into one.
	mergeRuns = 8
	// stepEntries bounds how much a compaction writes in one transaction.
	stepEntries = 32 << 10
	// stepBlocks bounds how many blocks are deleted in one transaction.
	stepBlocks = 64
)

// compactor writes sealed memtables as runs and merges runs, beside the writer
// and through it, in small steps.
type compactor struct {
	index  *keyIndex
	writer *writer
	blocks *sql.Stmt
	// firstBlock finds the first stored block from an id on.
	firstBlock *sql.Stmt
	log        *zap.Logger
	nextID     int64
	cancel     context.CancelFunc
	ended      chan struct{}
}

func startCompactor(ctx context.Context, s *Store) (*compactor, error) {
	c := &compactor{index: s.index, writer: s.writer, blocks: s.queries.keyBlocks, log: s.log, ended: make(chan struct{})}
	var err error
	if c.firstBlock, err = s.read.PrepareContext(ctx, `SELECT min(id) FROM key_blocks WHERE id >= ?`); err != nil {
		return nil, err
	}
	for _, r := range s.index.runs {
		c.nextID = max(c.nextID, r.id)
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	go c.run(running)
	return c, nil
}

// stop ends the compactor; what it was at is begun again after the next start.
func (c *compactor) stop() {
	c.cancel()
	<-c.ended
}

func (c *compactor) run(ctx context.Context) {
	defer close(c.ended)
	swept := false
	for {
		var err error
		if !swept {
			err = c.sweep(ctx)
		}
		if err == nil {
			err = c.compact(ctx)
		}
		swept = err == nil
		if err != nil && ctx.Err() == nil {
			c.log.Warn("compacting the key index; it is tried again", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-c.writer.compact:
		}
	}
}

// compact works until nothing is left to do.
func (c *compactor) compact(ctx context.Context) error {
	for {
		if m := c.index.oldest(); m != nil {
			if err := c.flush(ctx, m); err != nil {
				return fmt.Errorf("writing a memtable: %w", err)
			}
			continue
		}
		runs, _, _ := c.index.sources()
		group := mergeable(runs, c.index.sizes)
		if group == nil {
			return nil
		}
		if err := c.merge(ctx, group); err != nil {
			return fmt.Errorf("merging runs: %w", err)
		}
	}
}

// mergeable returns the runs to merge, if any: when the newest mergeRuns or more
// are none of them of a higher level than the others, those, as far as the
// bounds of a run allow.
func mergeable(runs []*run, z sizes) []*run {
	for highest := range z.level(z.maxRun()) {
		group := runs
		for i, r := range runs {
			if z.level(r.entries) > highest {
				group = runs[i+1:]
			}
		}
		for len(group) >= mergeRuns {
			n, entries := 0, 0
			for _, r := range group {
				if entries += r.entries; entries > z.maxRun() || r.last-group[0].first > math.MaxUint32 {
					break
				}
				n++
			}
			if n > 1 {
				return group[:n]
			}
			group = group[1:]
		}
	}
	return nil
}

// flush writes a sealed memtable, which no longer changes, as a run.
func (c *compactor) flush(ctx context.Context, m *memtable) error {
	entries := slices.Clone(m.entries)
	slices.SortFunc(entries, compareEntries)
	recalls := 0
	for _, e := range entries {
		recalls += int(e.hash & recall)
	}
	b := c.builder(m.first, m.last, len(entries), recalls)
	for block := range int64(1) << b.run.bits {
		n := 0
		for n < len(entries) && b.run.block(entries[n].hash) == block {
			n++
		}
		if err := b.add(ctx, block, entries[:n]); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return b.finish(ctx)
}

// merge makes one run of several that follow one another.
func (c *compactor) merge(ctx context.Context, runs []*run) error {
	entries, recalls, bits := 0, 0, 0
	for _, r := range runs {
		entries += r.entries
		recalls += r.recalls
		bits = max(bits, r.bits)
	}
	b := c.builder(runs[0].first, runs[len(runs)-1].last, entries, recalls)
	b.run.bits = max(bits, b.run.bits) // so that its blocks divide those of the others
	heads := make([]head, len(runs))
	for i, r := range runs {
		heads[i] = head{run: r, block: -1}
	}
	var merged []entry
	for block := range int64(1) << b.run.bits {
		merged = merged[:0]
		for i := range heads {
			if err := heads[i].load(ctx, c.blocks, block, b.run.bits); err != nil {
				return err
			}
			merged = heads[i].take(merged, func(e entry) bool { return b.run.block(e.hash) == block })
		}
		slices.SortFunc(merged, compareEntries)
		if err := b.add(ctx, block, merged); err != nil {
			return err
		}
	}
	return b.finish(ctx, runs...)
}

// head is where a merge stands in one of its runs.
type head struct {
	run   *run
	block int64
	rest  []entry
}

// load reads the run's block that the merged run's block falls into.
func (h *head) load(ctx context.Context, blocks *sql.Stmt, merged int64, mergedBits int) error {
	block := merged >> (mergedBits - h.run.bits)
	if block == h.block {
		return nil
	}
	rest, err := h.run.read(ctx, blocks, block)
	h.block, h.rest = block, rest
	return err
}

func (h *head) take(dst []entry, belongs func(entry) bool) []entry {
	n := 0
	for n < len(h.rest) && belongs(h.rest[n]) {
		n++
	}
	dst = append(dst, h.rest[:n]...)
	h.rest = h.rest[n:]
	return dst
}

// builder writes a new run, a few blocks at a time. Until finish it is not seen.
type builder struct {
	c       *compactor
	run     *run
	ids     []int64
	blobs   [][]byte
	waiting int // entries in blobs
}

func (c *compactor) builder(first, last int64, entries, recalls int) *builder {
	c.nextID++
	return &builder{c: c, run: &run{
		id: c.nextID, first: first, last: last, entries: entries, recalls: recalls, bits: c.index.sizes.bits(entries), filter: newFilter(recalls),
	}}
}

func (b *builder) add(ctx context.Context, block int64, entries []entry) error {
	for _, e := range entries {
		if e.hash&recall != 0 {
			b.run.filter.add(e.hash)
		}
	}
	for part, blob := range b.run.parts(entries, b.c.index.sizes.part) {
		b.ids = append(b.ids, rowID(b.run.id, block)+part)
		b.blobs = append(b.blobs, blob)
	}
	if b.waiting += len(entries); b.waiting < stepEntries {
		return nil
	}
	return b.write(ctx, nil)
}

// write writes the blocks that wait, and then what else is to be in the transaction.
func (b *builder) write(ctx context.Context, also func(tx *transaction) error) error {
	err := b.c.writer.do(ctx, b.waiting*entryBytes, func(tx *transaction) error {
		for i, id := range b.ids {
			if err := tx.exec(tx.w.insertBlock, id, b.blobs[i]); err != nil {
				return fmt.Errorf("writing a key block: %w", err)
			}
		}
		if also == nil {
			return nil
		}
		return also(tx)
	})
	b.ids, b.blobs, b.waiting = b.ids[:0], b.blobs[:0], 0
	return err
}

// finish puts the new run in the place of what it was made of.
func (b *builder) finish(ctx context.Context, merged ...*run) error {
	r := b.run
	err := b.write(ctx, func(tx *transaction) error {
		for _, m := range merged {
			if err := tx.exec(tx.w.deleteRun, m.id); err != nil {
				return fmt.Errorf("deleting a run: %w", err)
			}
		}
		if err := tx.exec(tx.w.insertRun, r.id, r.first, r.last, r.entries, r.recalls, r.bits, r.filter.bytes()); err != nil {
			return fmt.Errorf("writing a run: %w", err)
		}
		tx.after = append(tx.after, func() { tx.w.index.replace(r) })
		return nil
	})
	if err != nil {
		return err
	}
	if len(merged) == 0 {
		return nil
	}
	return b.c.sweep(ctx)
}

// sweep deletes the blocks of runs that are no more, or never came to be because
// the hub was stopped.
func (c *compactor) sweep(ctx context.Context) error {
	runs, _, _ := c.index.sources()
	for from := int64(0); ; {
		var id sql.NullInt64
		if err := c.firstBlock.QueryRowContext(ctx, from).Scan(&id); err != nil {
			return fmt.Errorf("looking for old key blocks: %w", err)
		}
		if !id.Valid {
			return nil
		}
		owner := id.Int64 >> (blockBits + partBits)
		if slices.ContainsFunc(runs, func(r *run) bool { return r.id == owner }) {
			from = rowID(owner+1, 0)
			continue
		}
		from = min(id.Int64+stepBlocks<<partBits, rowID(owner+1, 0))
		err := c.writer.do(ctx, 0, func(tx *transaction) error { return tx.exec(tx.w.deleteBlocks, id.Int64, from) })
		if err != nil {
			return fmt.Errorf("deleting old key blocks: %w", err)
		}
	}
}
