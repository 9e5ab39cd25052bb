package delivery

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/circuit"
	"tongqu/internal/relay"
	"tongqu/internal/store"
)

func TestFileDelivery(t *testing.T) {
	h := newHub(t, t.TempDir(), nil,
		"id: orders, personal: clear, endpoint: {file: {folder: tax}}",
		"id: messages, format: customs_ceb/CEB311Message, endpoint: {file: {folder: tax}}")
	batch := h.orders(t, "A1", "A2")
	inBox := filepath.Join(h.settings.Folder, "tax", "InBox")
	for range 2 { // the same record again is the same file
		for _, id := range []string{"orders", "messages"} {
			e := h.workers[id].newErrand(true)
			for i := range batch {
				r, err := relay.FromMessage(&batch[i])
				require.NoError(t, err)
				require.NoError(t, e.run(t.Context(), []item{{record: r, message: &batch[i]}}))
			}
		}
		entries, err := os.ReadDir(inBox)
		require.NoError(t, err)
		require.Len(t, entries, 4, "nothing but the files")
	}
	for _, m := range batch {
		body, err := os.ReadFile(filepath.Join(inBox, "orders_"+m.Header(relay.HeaderID)+".json"))
		require.NoError(t, err)
		require.Equal(t, string(m.Value), string(body))
		require.FileExists(t, filepath.Join(inBox, "messages_"+m.Header(relay.HeaderID)+".xml"))
		got := h.delivery(t, m)
		require.Equal(t, store.DeliveryDelivered, got.Status)
		require.Equal(t, "orders_"+m.Header(relay.HeaderID)+".json", got.Detail)
	}
}

// A reader that looks all the time sees whole files only.
func TestFileReaderNeverSeesPart(t *testing.T) {
	h := newHub(t, t.TempDir(), nil, "id: orders, endpoint: {file: {folder: tax}}")
	w := h.workers["orders"]
	inBox := filepath.Join(h.settings.Folder, "tax", "InBox")
	body := []byte(`{"orderNo":"` + strings.Repeat("1", 1<<20) + `"}`)
	stop, done := make(chan struct{}), make(chan struct{})
	var whole, part atomic.Int64
	go func() {
		defer close(done)
		for {
			names, _ := filepath.Glob(filepath.Join(inBox, "orders_*.json"))
			for _, name := range names {
				if got, err := os.ReadFile(name); err == nil && json.Valid(got) && len(got) == len(body) {
					whole.Add(1)
				} else if err == nil {
					part.Add(1)
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for range 20 {
		m := h.order(t, "A1")
		r, err := relay.FromMessage(&m)
		require.NoError(t, err)
		r.Body = body
		require.NoError(t, w.newErrand(true).run(t.Context(), []item{{record: r, message: &m}}))
	}
	close(stop)
	<-done
	require.Positive(t, whole.Load())
	require.Zero(t, part.Load())
}

// A disk that is away is an outage: the record waits, and goes once it is back.
func TestFolderAway(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "tax")
	require.NoError(t, os.WriteFile(folder, nil, 0o600)) // a file where the folder should be
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, dir, nil, "id: orders, endpoint: {file: {folder: "+folder+"}}")
		batch := h.orders(t, "A1")
		done := make(chan error, 1)
		go func() { done <- h.workers["orders"].handle(t.Context(), batch) }()
		time.Sleep(time.Minute) //nolint:forbidigo // virtual time
		synctest.Wait()
		state, _ := h.State("orders")
		require.Equal(t, circuit.Open, state.Circuit)
		require.Contains(t, state.LastError, "making mailbox")
		require.Equal(t, store.DeliveryWaiting, h.delivery(t, batch[0]).Status)
		require.NoError(t, os.Remove(folder))
		require.NoError(t, <-done)
		require.Equal(t, store.DeliveryDelivered, h.delivery(t, batch[0]).Status)
	})
}
