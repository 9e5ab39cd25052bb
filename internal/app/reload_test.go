package app_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu"
	"tongqu/internal/app"
	"tongqu/internal/conf"
)

// change writes a file of the override folder, or removes it when text is empty.
func (h *hub) change(t *testing.T, name, text string) {
	t.Helper()
	target := filepath.Join(h.data, "override", name)
	if text == "" {
		require.NoError(t, os.Remove(target))
		return
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(target), 0o750))
	require.NoError(t, os.WriteFile(target, []byte(text), 0o600))
}

func (h *hub) reloadCheck(t *testing.T) (status int, said string) {
	t.Helper()
	var ready struct {
		Checks map[string]string
	}
	status = h.get(t, "/readyz", &ready)
	return status, ready.Checks["reload"]
}

func polling(c *app.Config) { c.Folders.Poll = 20 * time.Millisecond }

const (
	reloadWait = 2 * time.Minute
	reloadTick = 20 * time.Millisecond
)

const lateAgency = `code: late
title: {zh: 后来者, en: Late}
kind: tax
tokens: [{id: t, sha256: %s}]
provides: ["301002/000001"]
files: {folder: agencies/late}
subscriptions:
  - {id: late-orders, resource: 301002/000001, endpoint: {file: {folder: agencies/late}}}
`

// TestReload changes the override folder under a running hub: agencies, tokens,
// subscriptions and file doors come and go without a restart.
func TestReload(t *testing.T) {
	h := startHub(t, t.TempDir(), polling)
	require.Equal(t, http.StatusAccepted, h.send(t, platformToken, orderXML("BEFORE", 1, nil)).status)
	require.Equal(t, http.StatusUnauthorized, h.send(t, "late-token", orderXML("LATE", 1, nil)).status)

	h.change(t, "config/agencies/late.yaml", fmt.Sprintf(lateAgency, hash("late-token")))
	require.Eventually(t, func() bool { return h.send(t, "late-token", orderXML("LATE", 1, nil)).status == http.StatusAccepted }, reloadWait, reloadTick)
	inbox := func(part string) int {
		files, err := filepath.Glob(filepath.Join(h.data, "agencies", "late", "InBox", part))
		require.NoError(t, err)
		return len(files)
	}
	require.Eventually(t, func() bool { return inbox("late-orders_*.json") == 2 }, reloadWait, reloadTick, "what Kafka holds and what is new, its own too")
	require.NoError(t, os.WriteFile(filepath.Join(h.data, "agencies", "late", "OutBox", "o.xml"), orderXML("DOOR", 1, nil), 0o600))
	require.Eventually(t, func() bool { return inbox("Successed_o_*") == 1 }, reloadWait, reloadTick, "the new file door works")
	before, _ := h.Directory().Subscription("orders")

	// The subscription changes its place, the door closes, a token is withdrawn.
	moved := strings.NewReplacer("files: {folder: agencies/late}\n", "", "endpoint: {file: {folder: agencies/late}}", "endpoint: {file: {folder: agencies/moved}}").Replace(fmt.Sprintf(lateAgency, hash("other-token")))
	h.change(t, "config/agencies/late.yaml", moved)
	require.Eventually(t, func() bool {
		return h.do(t, http.MethodGet, "/v1/records", "late-token", nil).status == http.StatusUnauthorized
	}, reloadWait, reloadTick)
	require.Equal(t, http.StatusAccepted, h.send(t, platformToken, orderXML("AFTER", 1, nil)).status)
	require.Eventually(t, func() bool {
		files, err := filepath.Glob(filepath.Join(h.data, "agencies", "moved", "InBox", "late-orders_*.json"))
		require.NoError(t, err)
		return len(files) == 1
	}, reloadWait, reloadTick, "goes on where it was: what was delivered does not come again")
	h.settle(t)
	require.Equal(t, 3, inbox("late-orders_*.json"))
	after, _ := h.Directory().Subscription("orders")
	require.Equal(t, before, after)

	h.change(t, "config/agencies/late.yaml", "")
	require.Eventually(t, func() bool { _, there := h.Directory().Subscription("late-orders"); return !there }, reloadWait, reloadTick)
	require.Equal(t, http.StatusAccepted, h.send(t, platformToken, orderXML("LAST", 1, nil)).status)
	h.settle(t)
}

// TestReloadRefused spoils the override folder: the hub goes on with what it has
// and tells where the mistake is, until it is mended.
func TestReloadRefused(t *testing.T) {
	h := startHub(t, t.TempDir(), polling)
	table, err := tongqu.Files.ReadFile("mappings/customs_ceb/CEB311Message.yaml")
	require.NoError(t, err)
	metric := func(name string) bool {
		return strings.Contains(string(h.do(t, http.MethodGet, "/metrics", "", nil).body), name+"\n")
	}
	require.True(t, metric("tongqu_reload_current 1"))
	for _, spoilt := range []struct{ name, text, want string }{
		{"mappings/customs_ceb/CEB311Message.yaml", "mesage: x\n", `mappings/customs_ceb/CEB311Message.yaml:1:1: unknown key "mesage"`},
		{"mappings/customs_ceb/CEB311Message.yaml", strings.Replace(string(table), "  remark: OrderHead/note\n", "", 1), "OrderHead/note"}, // loads; lint finds it
		{"config/agencies/late.yaml", "code: late\n", "config/agencies/late.yaml"[len("config/"):] + ":1:1"},
		{"schemas/customs_ceb/CEB311Message.json", "{", "customs_ceb/CEB311Message.json:1:"},
	} {
		h.change(t, spoilt.name, spoilt.text)
		require.Eventually(t, func() bool { _, said := h.reloadCheck(t); return strings.Contains(said, spoilt.want) }, reloadWait, reloadTick, spoilt.want)
		status, _ := h.reloadCheck(t)
		require.Equal(t, http.StatusOK, status, "the hub works, so it is ready")
		require.True(t, metric("tongqu_reload_current 0"))
		require.Equal(t, http.StatusAccepted, h.send(t, platformToken, orderXML("STILL-"+hash(spoilt.text)[:6], 1, nil)).status)
		h.change(t, spoilt.name, "")
		require.Eventually(t, func() bool { _, said := h.reloadCheck(t); return said == "ok" }, reloadWait, reloadTick)
		require.True(t, metric("tongqu_reload_current 1"))
	}
	var problems conf.Problems
	h.change(t, "mappings/customs_ceb/CEB311Message.yaml", "mesage: x\n")
	require.ErrorAs(t, h.Reload(t.Context()), &problems)
	require.Equal(t, 1, problems[0].Line)

	// A folder that is away is no order to forget everybody.
	require.NoError(t, os.Rename(filepath.Join(h.data, "override"), filepath.Join(h.data, "away")))
	require.ErrorContains(t, h.Reload(t.Context()), "reading the override folder")
	require.Equal(t, http.StatusAccepted, h.send(t, platformToken, orderXML("AWAY", 1, nil)).status)
}

// TestReloadUnderLoad reloads again and again while documents come in and are
// delivered: none is lost, refused or delivered twice.
func TestReloadUnderLoad(t *testing.T) {
	h := startHub(t, t.TempDir(), func(c *app.Config) { c.Folders.Poll = 0 })
	const senders, each = 4, 15
	var sent sync.WaitGroup
	var refused atomic.Int32
	stop := make(chan struct{})
	for s := range senders {
		sent.Go(func() {
			for i := range each {
				if h.send(t, platformToken, orderXML(fmt.Sprintf("LOAD-%d-%d", s, i), 1, nil)).status != http.StatusAccepted {
					refused.Add(1)
				}
			}
		})
	}
	go func() { sent.Wait(); close(stop) }()
	folders := []string{"agencies/masked", "agencies/elsewhere"}
	for n := 1; ; n++ {
		text := strings.Replace(testAgencies["customs.yaml"], folders[0], folders[n%2], 1)
		h.change(t, "config/agencies/customs.yaml", text)
		require.NoError(t, h.Reload(t.Context()))
		select {
		case <-stop:
		default:
			continue
		}
		break
	}
	require.Zero(t, refused.Load())
	h.settle(t)
	delivered := 0
	for _, f := range folders {
		files, err := filepath.Glob(filepath.Join(h.data, f, "InBox", "orders-masked_*.json"))
		require.NoError(t, err)
		delivered += len(files)
	}
	require.Equal(t, senders*each, delivered)
}
