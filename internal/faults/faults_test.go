package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/store/postgres/pgtest"
)

// scenario is one thing that goes wrong, under load, and must not be noticed but
// by the time it takes.
type scenario struct {
	name  string
	what  string // in a few words
	short bool   // it is of the set that the landing gate runs
	// crashes is how often a hub may have sent what it could not note, besides the start,
	// when hubs join one after the other: so many times maxAgain may come again to a
	// subscription.
	crashes int
	run     func(s *Site)
	// prepare does something before the hubs start; nil for nothing.
	prepare func(s *Site)
	// server starts a PostgreSQL of the scenario's own; nil for the common one.
	server func(t *testing.T) *pgtest.Server
}

// maxAgain bounds what one crash has one subscription get a second time: the hub
// notes every 500 deliveries or 200 ms, and a request may be under way for each of
// six partitions.
const maxAgain = 500

// TestFaults runs the scenarios that TONGQU_FAULTS names: short (so too when it is
// empty), all, or names with commas between. TONGQU_FAULTS_SEED repeats a run.
func TestFaults(t *testing.T) {
	chosen := choose(t, os.Getenv("TONGQU_FAULTS"))
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TONGQU_FAULTS_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	dir, err := filepath.Abs("../../build/faults")
	require.NoError(t, err)
	e := NewEnvironment(t, dir)
	rows := []string{header}
	for _, sc := range chosen {
		t.Run(sc.name, func(t *testing.T) {
			rows = append(rows, sc.play(t, e, seed))
		})
	}
	table := strings.Join(rows, "\n") + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "table.md"), []byte(table), 0o600))
	t.Logf("seed %d\n%s", seed, table)
}

func choose(t *testing.T, names string) []scenario {
	t.Helper()
	switch names {
	case "all":
		return scenarios
	case "", "short":
		return slices.DeleteFunc(slices.Clone(scenarios), func(s scenario) bool { return !s.short })
	}
	var chosen []scenario
	for n := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == n })
		require.GreaterOrEqual(t, i, 0, "no scenario %s", n)
		chosen = append(chosen, scenarios[i])
	}
	return chosen
}

// play runs one scenario and returns its row of the table.
func (sc *scenario) play(t *testing.T, e *Environment, seed uint64) string {
	t.Helper()
	server := e.Postgres
	if sc.server != nil {
		server = sc.server(t)
	}
	s := e.Open(t, sc.name, seed, server)
	if sc.prepare != nil {
		sc.prepare(s)
	}
	s.StartHubs()
	s.Load()
	s.Progress(200)
	sc.run(s)
	for _, h := range e.Hubs {
		h.Start(t)
	}
	s.Progress(200)
	a, b := s.Settle()
	published := readTopic(t, e)
	keep(t, s, a, published)
	require.Empty(t, a.Faults())
	require.Empty(t, published.disorder, "published after a later one of the same key")
	require.Len(t, published.times, a.Recorded, "published")
	require.Equal(t, b.Documents.Received, b.Documents.Accepted+b.Documents.Rejected+b.Documents.Duplicates)
	require.Equal(t, b.Records.Received, b.Records.Accepted+b.Records.Rejected+b.Records.Duplicates)
	require.Equal(t, int64(a.Recorded), b.Records.Accepted)
	require.Equal(t, int64(s.rejected), b.Documents.Rejected)
	var delivered, again []string
	for _, sub := range Subscriptions {
		r, book := a.Subscriptions[sub], b.Subscriptions[sub]
		require.Equal(t, b.Records.Accepted, book.Delivered+book.Parked+book.Waiting, "the balance of %s", sub)
		require.LessOrEqual(t, r.Again, (1+sc.crashes)*maxAgain, "came again to %s", sub)
		delivered, again = append(delivered, strconv.Itoa(r.Delivered)), append(again, strconv.Itoa(r.Again))
	}
	row := fmt.Sprintf("| %s | %s | %d | %d | %d | %d+%d | %s | %s | %d | %s | %s | %s |", sc.title(), sc.what, a.Sent, a.Acked, a.Recorded,
		len(published.times), published.again, strings.Join(delivered, " "), strings.Join(again, " "), len(a.Lost), seconds(a.PauseIn), seconds(a.PauseOut), seconds(s.Recover))
	t.Logf("%s\n%s", header, row)
	return row
}

const header = `| scenario | what happens | sent | acknowledged | recorded | published + again | delivered (one, many, xml) | again | lost | pause in | pause out | recovered in |
|---|---|---|---|---|---|---|---|---|---|---|---|`

// title is the name, marked in the short set.
func (sc *scenario) title() string {
	if sc.short {
		return sc.name + " *"
	}
	return sc.name
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// published is what a topic holds.
type published struct {
	times    map[string]int // record id → times
	again    int
	disorder []string // ids that first came after a later record of their key
}

func readTopic(t *testing.T, e *Environment) published {
	t.Helper()
	p := published{times: map[string]int{}}
	newest := map[string]int64{}
	for _, m := range e.Kafka.Messages(t, "tongqu.trade.order") {
		id := m.Header("ce_id")
		p.times[id]++
		if p.times[id] > 1 {
			p.again++
			continue
		}
		seq, err := strconv.ParseInt(m.Header("ce_seq"), 10, 64)
		require.NoError(t, err)
		if seq < newest[m.Key] {
			p.disorder = append(p.disorder, id)
		}
		newest[m.Key] = max(newest[m.Key], seq)
	}
	return p
}

// keep writes the raw account beside the hubs' logs: one line a document.
func keep(t *testing.T, s *Site, a *Account, p published) {
	t.Helper()
	f, err := os.Create(filepath.Join(s.dir, "account.jsonl"))
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	enc := json.NewEncoder(f)
	require.NoError(t, enc.Encode(a))
	s.Ledger.mu.Lock()
	defer s.Ledger.mu.Unlock()
	for doc := range s.Ledger.sent {
		id := s.Ledger.acked[doc]
		delivered := map[string]int{}
		for _, sub := range Subscriptions {
			delivered[sub] = s.Ledger.of(sub).times[id]
		}
		require.NoError(t, enc.Encode(map[string]any{"document": doc, "record": id, "published": p.times[id], "delivered": delivered}))
	}
}
