package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/author"
)

func TestAdapterCase(t *testing.T) {
	dir := t.TempDir()
	from := file(t, dir, "captured.xml", order(t, "CASE", 1))
	original, err := os.ReadFile(from)
	require.NoError(t, err)
	r := runCommand(t, "adapter", "case", "customs_ceb", from, "--mask", "--name", "captured", "--dir", dir)
	require.Equal(t, 0, r.code, r.err)
	require.Equal(t, filepath.Join(dir, "adapters", "customs_ceb", "cases", "captured")+"\n", r.out)
	require.Contains(t, r.err, "personal values replaced")
	masked, err := os.ReadFile(filepath.Join(dir, "adapters", "customs_ceb", "cases", "captured", "input.xml"))
	require.NoError(t, err)
	require.NotEqual(t, string(original), string(masked))
	require.Len(t, []rune(string(masked)), len([]rune(string(original))))
	r = runCommand(t, "adapter", "test", "customs_ceb", "--dir", filepath.Join(dir, "adapters"))
	require.Equal(t, ran{out: "ok   customs_ceb/captured\n1 cases, 0 failed\n"}, r)

	require.Equal(t, exitUsage, runCommand(t, "adapter", "case", "customs_ceb", from, "--name", "captured", "--dir", dir).code)
	require.Equal(t, exitUsage, runCommand(t, "adapter", "case", "customs_ceb", "--dir", dir).code)
	require.Equal(t, exitUsage, runCommand(t, "adapter", "case", "nobody", from).code)
}

// TestAdapterCaseOfHub makes a case of a document that a hub has received.
func TestAdapterCaseOfHub(t *testing.T) {
	url, _ := taxOffice(t)
	s := serve(t, t.TempDir(), url)
	doc := file(t, t.TempDir(), "order.xml", order(t, "HUB", 1))
	require.Equal(t, 0, s.run(t, "send", doc, "--token", token).code)
	var documents struct{ Documents []struct{ DocumentID string } }
	hub, err := (&options{config: s.config, url: s.url}).client()
	require.NoError(t, err)
	defer hub.Close()
	require.NoError(t, hub.Get(t.Context(), "/v1/documents", &documents))
	dir := t.TempDir()
	r := s.run(t, "adapter", "case", "customs_ceb", "--document", documents.Documents[0].DocumentID, "--name", "of-hub", "--dir", dir, "--token", token)
	require.Equal(t, 0, r.code, r.err)
	want, err := os.ReadFile(doc)
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(dir, "adapters", "customs_ceb", "cases", "of-hub", "input.xml"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestAdapterCompare(t *testing.T) {
	dir := t.TempDir()
	doc := file(t, dir, "in/order.xml", order(t, "CMP", 2))
	with := filepath.Join(dir, "next")
	table, err := os.ReadFile("../../mappings/customs_ceb/CEB311Message.yaml")
	require.NoError(t, err)
	file(t, with, "mappings/customs_ceb/CEB311Message.yaml", table)
	r := runCommand(t, "adapter", "compare", "customs_ceb", "--with", with, filepath.Dir(doc))
	require.Equal(t, ran{out: "1 documents: 1 equal, 0 different in 0 values\n"}, r)

	file(t, with, "mappings/customs_ceb/CEB311Message.yaml", []byte(strings.Replace(string(table), "platform.name: OrderHead/ebpName", "platform.name: OrderHead/ebcName", 1)))
	r = runCommand(t, "adapter", "compare", "customs_ceb", "--with", with, doc, "-o", "json")
	require.Equal(t, exitFindings, r.code, r.err)
	var all []struct {
		File        string
		Differences []author.Difference
	}
	r.json(t, &all)
	require.Len(t, all, 1)
	require.Len(t, all[0].Differences, 2, "one value of each order")
	require.Equal(t, "platform.name", all[0].Differences[0].Path)
	require.NotEqual(t, all[0].Differences[0].Old, all[0].Differences[0].New)
	r = runCommand(t, "adapter", "compare", "customs_ceb", "--with", with, doc)
	require.Equal(t, exitFindings, r.code)
	require.Contains(t, r.out, "1 documents: 0 equal, 1 different in 2 values")
	require.Equal(t, exitUsage, runCommand(t, "adapter", "compare", "customs_ceb", "--with", "nowhere", doc).code)
}
