package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/adapter"
	"tongqu/internal/conf"
)

func TestAdapterList(t *testing.T) {
	r := runCommand(t, "adapter", "list")
	require.Equal(t, 0, r.code, r.err)
	require.Regexp(t, `(?m)^customs_ceb +CEB311Message +trade\.order\.v1 `, r.out)
	require.Regexp(t, `(?m)^hub_json +record +trade\.order\.v1 `, r.out)

	r = runCommand(t, "adapter", "list", "-o", "json")
	require.Equal(t, 0, r.code, r.err)
	var all []struct{ Name string }
	r.json(t, &all)
	require.GreaterOrEqual(t, len(all), 3)
}

func TestAdapterLint(t *testing.T) {
	r := runCommand(t, "adapter", "lint")
	require.Equal(t, 0, r.code, r.out)
	require.Empty(t, r.out)
	require.Equal(t, "[]\n", runCommand(t, "adapter", "lint", "customs_ceb", "-o", "json").out)

	// A table of one's own that forgets a field, and one that cannot be read.
	override := t.TempDir()
	table, err := os.ReadFile("../../mappings/customs_ceb/CEB311Message.yaml")
	require.NoError(t, err)
	lines := strings.SplitAfter(string(table), "\n")
	for i, l := range lines {
		if strings.Contains(l, "OrderHead/note") {
			lines[i] = "\n"
		}
	}
	f := file(t, override, "mappings/customs_ceb/CEB311Message.yaml", []byte(strings.Join(lines, "")))
	r = runCommand(t, "adapter", "lint", "--override", override)
	require.Equal(t, exitFindings, r.code, r.out)
	require.Regexp(t, `^mappings/customs_ceb/CEB311Message\.yaml:\d+:\d+: .*note`, r.out)

	r = runCommand(t, "adapter", "lint", "--override", override, "-o", "json")
	require.Equal(t, exitFindings, r.code)
	var ps conf.Problems
	r.json(t, &ps)
	require.NotEmpty(t, ps)
	require.Positive(t, ps[0].Line)

	require.NoError(t, os.WriteFile(f, []byte("mesage: CEB311Message\n"), 0o600))
	r = runCommand(t, "adapter", "lint", "--override", override)
	require.Equal(t, exitFindings, r.code)
	require.Contains(t, r.out, `CEB311Message.yaml:1:1: unknown key "mesage"; did you mean "message"?`)
	require.Equal(t, exitFailure, runCommand(t, "check", f, "--override", override).code, "with a broken table nothing else works")
}

func TestAdapterTest(t *testing.T) {
	r := runCommand(t, "adapter", "test", "hub_json", "--dir", "none") // the cases in the binary
	require.Equal(t, 0, r.code, r.out)
	require.Regexp(t, `\d cases, 0 failed\n$`, r.out)

	dir := filepath.Join(t.TempDir(), "adapters")
	input := file(t, dir, "customs_ceb/cases/one/input.xml", order(t, "ATE", 1))
	r = runCommand(t, "adapter", "test", "customs_ceb", "--dir", dir)
	require.Equal(t, exitFindings, r.code)
	require.Contains(t, r.out, "FAIL customs_ceb/one\n       expected.json is missing")

	r = runCommand(t, "adapter", "test", "customs_ceb", "--dir", dir, "--update")
	require.Equal(t, 0, r.code, r.out+r.err)
	require.Equal(t, "ok   customs_ceb/one\n1 cases, 0 failed\n", r.out)

	doc, err := os.ReadFile(input)
	require.NoError(t, err)
	file(t, dir, "customs_ceb/cases/one/input.xml", spoil(t, doc, "buyerRegNo", 1, "U9"))
	r = runCommand(t, "adapter", "test", "--dir", dir, "-o", "json")
	require.Equal(t, exitFindings, r.code)
	var results []adapter.CaseResult
	r.json(t, &results)
	require.Len(t, results, 1)
	require.Len(t, results[0].Diff, 1)
	require.Contains(t, results[0].Diff[0], "buyer/account")
}

func TestAdapterDocs(t *testing.T) {
	r := runCommand(t, "adapter", "docs", "customs_ceb")
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.out, "CEB311Message")

	dir := t.TempDir()
	readmes, err := filepath.Glob("../../adapters/*/README.md")
	require.NoError(t, err)
	for _, name := range readmes {
		readme, err := os.ReadFile(name)
		require.NoError(t, err)
		file(t, dir, filepath.Base(filepath.Dir(name))+"/README.md", readme)
	}
	require.Equal(t, ran{}, runCommand(t, "adapter", "docs", "--check", "--dir", dir), "what is in the repository is current")
	name := filepath.Join(dir, "customs_ceb", "README.md")
	fresh, err := os.ReadFile(name)
	require.NoError(t, err)
	file(t, dir, "customs_ceb/README.md", []byte(strings.Replace(string(fresh), "### CEB411Message", "### CEB999Message", 1)))
	r = runCommand(t, "adapter", "docs", "--check", "--dir", dir)
	require.Equal(t, ran{code: exitFindings, out: name + " is stale: run 'make docs'\n"}, r)
	require.Equal(t, ran{}, runCommand(t, "adapter", "docs", "--write", "--dir", dir))
	again, err := os.ReadFile(name)
	require.NoError(t, err)
	require.True(t, bytes.Equal(fresh, again), "written again as it was")
}

const xsd = `<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:example:note" elementFormDefault="qualified">
  <xs:element name="Note">
    <xs:complexType><xs:sequence><xs:element name="text" type="xs:string"/></xs:sequence></xs:complexType>
  </xs:element>
</xs:schema>
`

func TestAdapterSchema(t *testing.T) {
	dir := t.TempDir()
	from := file(t, dir, "note.xsd", []byte(xsd))
	to := filepath.Join(dir, "schemas", "notes")
	r := runCommand(t, "adapter", "schema", from, "--to", to)
	require.Equal(t, ran{out: filepath.Join(to, "Note.json") + "\n"}, r)
	made, err := os.ReadFile(filepath.Join(to, "Note.json"))
	require.NoError(t, err)
	require.Contains(t, string(made), `"x-namespace": "urn:example:note"`)

	var names []string
	runCommand(t, "adapter", "schema", from, "--to", to, "-o", "json").json(t, &names)
	require.Equal(t, []string{filepath.Join(to, "Note.json")}, names)
	require.Equal(t, exitFailure, runCommand(t, "adapter", "schema", file(t, dir, "no.xsd", []byte("<a>")), "--to", to).code)
}
