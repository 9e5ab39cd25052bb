package app_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tongqu/internal/app"
	"tongqu/internal/bus/kafkatest"
	"tongqu/internal/conf"
	"tongqu/internal/faults"
	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/postgres/pgtest"
)

// restorePatience bounds what is waited for: brokers and databases are started meanwhile.
const restorePatience = 2 * time.Minute

// receiver is a subscriber that can be away.
type receiver struct {
	ledger *faults.Ledger
	id     string // of the subscription
	away   atomic.Bool
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.away.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.ledger.ServeHTTP(w, req)
}

// times is how often the record was delivered.
func (r *receiver) times(id string) int { return r.ledger.Times(r.id, id) }

// subscribe adds an agency with one subscription to orders, and returns who takes them.
func subscribe(t *testing.T, data, id string) *receiver {
	t.Helper()
	r := &receiver{ledger: faults.NewLedger(), id: id}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	folder := filepath.Join(data, "override", "config", "agencies")
	require.NoError(t, os.MkdirAll(folder, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(folder, id+".yaml"), fmt.Appendf(nil, `code: %[1]s
title: {zh: 测试订阅方, en: Test subscriber}
kind: tax
subscriptions:
  - {id: %[1]s, resource: 301002/000001, batch: 20, endpoint: {http: {url: %[2]q, secret: test}}}
`, id, server.URL+"/"+id), 0o600))
	return r
}

// orders sends orders PREFIX-1 … one by one and returns their record ids by number.
func (h *hub) orders(t *testing.T, prefix string, n int) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for i := range n {
		name := fmt.Sprintf("%s%d", prefix, i)
		a := h.send(t, platformToken, orderXML(name, 1, nil))
		require.Equal(t, 202, a.status, "%s", a.body)
		require.Equal(t, 1, a.Accepted, "%s", a.body)
		ids[name+"-1"] = a.Records[0].RecordID
	}
	return ids
}

// recorded are the accepted orders of a store: number → record id.
func recorded(t *testing.T, s store.Store) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for q := (store.Query{Limit: 1000, Status: record.Accepted}); ; {
		page, err := s.Records(t.Context(), q)
		require.NoError(t, err)
		for _, r := range page.Items {
			for _, k := range r.Keys {
				if k.Name == "orderNo" {
					require.Empty(t, ids[k.Value], "%s is recorded twice", k.Value)
					ids[k.Value] = r.ID
				}
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return ids
		}
	}
}

// TestRestoreToAMoment loses a PostgreSQL under load and restores it to a moment, from a
// base backup and the archived log, while Kafka goes on from where it was. Every document
// is accounted for by its id: those acknowledged before the moment are there, none that was
// sent after it is. Then the hub goes on.
func TestRestoreToAMoment(t *testing.T) {
	server := pgtest.Start(t)
	kafka := kafkatest.Start(t, 1)
	server.Archive(t)
	address := server.NewDatabase(t)
	data := t.TempDir()
	hubData := filepath.Join(data, "hub") // nobody has made it
	quick, late := subscribe(t, data, "quick"), subscribe(t, data, "late")
	start := func() *hub {
		return startHub(t, data, func(c *app.Config) {
			c.Kafka = kafka.Config(kafkatest.Plain)
			c.Store.URL = conf.Secret(address)
			c.Data = hubData
		})
	}
	balance := func(s store.Store) store.Balance {
		b, err := s.Balance(t.Context(), time.Time{})
		require.NoError(t, err)
		return b
	}
	waiting := func(h *hub, subscription string) int64 { return balance(h.Store()).Subscriptions[subscription].Waiting }

	// Before the moment: some delivered to one and waiting for the other, some waiting for
	// both, some recorded while Kafka was away, and some on their way while the moment passes.
	late.away.Store(true)
	h := start()
	before := map[string]string{}
	note := func(ids map[string]string) { maps.Copy(before, ids) }
	note(h.orders(t, "DELIVERED", 30))
	server.BaseBackup(t)
	require.Eventually(t, func() bool { return waiting(h, "late") > 0 }, restorePatience, 20*time.Millisecond)
	require.Eventually(t, func() bool { return quick.times(before["DELIVERED29-1"]) == 1 }, restorePatience, 20*time.Millisecond)
	quick.away.Store(true)
	note(h.orders(t, "WAITING", 30))
	require.Eventually(t, func() bool { return waiting(h, "quick") > 0 && balance(h.Store()).Unpublished == 0 }, restorePatience, 20*time.Millisecond)
	kafka.Kill(0)
	note(h.orders(t, "UNPUBLISHED", 30))
	var (
		senders sync.WaitGroup
		during  = make([]map[string]string, 4)
		ended   atomic.Bool
	)
	for i := range during {
		during[i] = map[string]string{}
		senders.Go(func() {
			for n := 0; !ended.Load(); n++ {
				maps.Copy(during[i], h.orders(t, fmt.Sprintf("DURING%d.%d.", i, n), 1))
			}
		})
	}
	<-time.After(200 * time.Millisecond)
	moment := server.Now(t)
	<-time.After(200 * time.Millisecond)
	ended.Store(true)
	senders.Wait()

	// After the moment: all is published and delivered to one subscriber.
	kafka.Repair(t)
	after := h.orders(t, "AFTER", 30)
	quick.away.Store(false)
	require.Eventually(t, func() bool { return quick.times(after["AFTER29-1"]) > 0 && waiting(h, "quick") == 0 }, restorePatience, 20*time.Millisecond)
	h.stop()
	server.ArchiveAll(t)
	server.Kill()

	restored := server.RestoreTo(t, moment)
	address = restored.URL("test1")
	c := h.config
	c.Store.URL = conf.Secret(address)
	s, err := app.OpenStore(t.Context(), &c, zap.NewNop())
	require.NoError(t, err)
	held := recorded(t, s)
	require.NoError(t, s.Close())
	known := len(before) + len(after)
	for no, id := range before {
		require.Equal(t, id, held[no], "%s was acknowledged before the moment", no)
	}
	for no := range after {
		require.NotContains(t, held, no, "it was sent after the moment")
	}
	lost := len(after)
	for i := range during {
		known += len(during[i])
		for no, id := range during[i] {
			if held[no] != id {
				require.NotContains(t, held, no)
				lost++
			}
		}
	}
	require.Greater(t, len(held), len(before), "the moment was under load")
	require.Greater(t, lost, len(after), "the moment was under load")
	require.Equal(t, known, len(held)+lost, "nothing is there that was not sent")
	t.Logf("acknowledged %d = restored %d + after the moment %d", known, len(held), lost)

	// The store believes that deliveries wait which Kafka knows to be done: they would wait
	// for ever, unless their records are published again.
	h = start()
	require.Eventually(t, func() bool { return quick.times(before["UNPUBLISHED29-1"]) == 2 }, restorePatience, 20*time.Millisecond, "what waited to be published is published again")
	require.Positive(t, waiting(h, "quick"))
	h.stop()
	_, err = app.Republish(t.Context(), &c, moment.Add(-time.Hour))
	require.NoError(t, err)
	s, err = app.OpenStore(t.Context(), &c, zap.NewNop())
	require.NoError(t, err)
	require.EqualValues(t, len(held), balance(s).Unpublished, "all of it is in the outbox")
	require.NoError(t, s.Close())
	deliveredBefore := quick.times(before["DELIVERED0-1"])
	h = start()
	late.away.Store(false)
	require.Eventually(t, func() bool { return h.Settled(t.Context()) && waiting(h, "quick")+waiting(h, "late") == 0 }, restorePatience, 50*time.Millisecond)
	for no, id := range held {
		require.Positive(t, quick.times(id), no)
		require.Positive(t, late.times(id), no)
	}
	require.Equal(t, deliveredBefore, quick.times(before["DELIVERED0-1"]), "what the restored store knows to be delivered is not delivered again")
	for no, id := range after {
		require.Positive(t, late.times(id), "Kafka still had %s, which the store has lost", no)
	}
	b := balance(h.Store())
	require.Zero(t, b.Unpublished)
	require.EqualValues(t, len(held), b.Records.Accepted)
	settled, err := h.Store().Settled(t.Context(), "quick", slices.Collect(maps.Values(held)))
	require.NoError(t, err)
	require.Len(t, settled, len(held), "every record of the store has its delivery in the book")
	require.EqualValues(t, len(held)+lost, b.Subscriptions["late"].Delivered, "it took the lost ones from Kafka")

	// Senders send again: what is held is known, what was lost is taken anew.
	again := h.send(t, platformToken, orderXML("DELIVERED0", 1, nil))
	require.Equal(t, before["DELIVERED0-1"], again.Records[0].DuplicateOf)
	anew := h.orders(t, "AFTER", 30)
	for no, id := range anew {
		require.NotEqual(t, after[no], id)
		require.Eventually(t, func() bool { return quick.times(id) == 1 }, restorePatience, 20*time.Millisecond)
	}
}
