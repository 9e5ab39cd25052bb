package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/adapter"
	"tongqu/internal/mapping"
)

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	good := order(t, "CHK", 2)
	goodFile := file(t, dir, "good.xml", good)
	bad := spoil(t, spoil(t, good, "currency", 1, "1"), "buyerName", 2, "")
	badFile := file(t, dir, "bad.xml", bad)
	flagged := file(t, dir, "flagged.xml", spoil(t, good, "acturalPaid", 1, "1.00"))
	unknown := file(t, dir, "unknown.xml", []byte(`<Invoice xmlns="urn:x"/>`))
	cut := file(t, dir, "cut.xml", good[:len(good)/2])
	missing := filepath.Join(dir, "missing.xml")

	r := runCommand(t, "check", goodFile)
	require.Equal(t, ran{0, "", goodFile + ": customs_ceb/CEB311Message; records: 2, refused: 0, findings: 0\n"}, r)

	r = runCommand(t, "check", flagged)
	require.Equal(t, 0, r.code, "a flag refuses nothing")
	require.Regexp(t, `^\S+flagged\.xml:\d+:\d+ /CEB311Message/Order\[1\]/OrderHead/acturalPaid "1.00" sum \S+ \(flag\) .*金额不符.* \| .*does not add up.*\n$`, r.out)

	r = runCommand(t, "check", badFile)
	require.Equal(t, exitFindings, r.code)
	lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
	require.GreaterOrEqual(t, len(lines), 2, r.out)
	form := regexp.MustCompile(`^` + regexp.QuoteMeta(badFile) + `:(\d+):(\d+) (/\S*) ("(?:[^"\\]|\\.)*") (.+) \| (.+)$`)
	var paths []string
	for _, l := range lines {
		m := form.FindStringSubmatch(l)
		require.NotNil(t, m, l)
		require.NotEqual(t, "0", m[1])
		paths = append(paths, m[3])
	}
	require.Contains(t, paths, "/CEB311Message/Order[1]/OrderHead/currency")
	require.Contains(t, paths, "/CEB311Message/Order[2]/OrderHead/buyerName")
	require.Contains(t, r.err, "records: 2, refused: 2")

	for _, f := range []string{unknown, cut} {
		require.Equal(t, exitFindings, runCommand(t, "check", f).code, f)
	}

	r = runCommand(t, "check", goodFile, missing, unknown)
	require.Equal(t, exitFailure, r.code, "a file that cannot be read outweighs findings")
	require.Contains(t, r.out, "DOCUMENT_UNKNOWN", "the other files are checked all the same")
	require.Contains(t, r.err, "missing.xml")

	r = runCommand(t, "check", "--adapter", "hub_json", goodFile)
	require.Equal(t, exitFindings, r.code, "another adapter does not know it")

	r = runWith(t, bytes.NewReader(bad), "check", "-")
	require.Equal(t, exitFindings, r.code)
	require.True(t, strings.HasPrefix(r.out, "-:"), r.out)

	r = runCommand(t, "check", "-o", "json", goodFile, badFile, cut)
	require.Equal(t, exitFindings, r.code)
	require.Empty(t, r.err)
	var all []checked
	r.json(t, &all)
	require.Len(t, all, 3)
	require.Equal(t, checked{File: goodFile, Adapter: "customs_ceb", Message: "CEB311Message", Records: 2, Faults: all[0].Faults}, all[0])
	require.Contains(t, r.out, `"faults": []`, "no findings are an empty list")
	require.Equal(t, 2, all[1].Rejected)
	require.Len(t, all[1].Faults, len(lines))
	require.Empty(t, all[2].Adapter)
}

// TestCheckValue keeps a finding on one line, whatever the value is.
func TestCheckValue(t *testing.T) {
	f := file(t, t.TempDir(), "a.xml", spoil(t, order(t, "VAL", 1), "currency", 1, "1\n\t2 \"3\"\u2028"))
	r := runCommand(t, "check", f)
	require.Equal(t, exitFindings, r.code)
	for line := range strings.Lines(r.out) {
		require.True(t, strings.HasPrefix(line, f+":"), line)
	}
	require.Contains(t, r.out, `"1\n\t2 \"3\"\u2028"`)
}

func TestTranslate(t *testing.T) {
	dir := t.TempDir()
	good := order(t, "TRA", 2)
	goodFile := file(t, dir, "good.xml", good)
	bad := file(t, dir, "bad.xml", spoil(t, good, "currency", 1, "1"))

	r := runCommand(t, "translate", goodFile)
	require.Equal(t, 0, r.code, r.err)
	require.Empty(t, r.err)
	require.Equal(t, 2, strings.Count(r.out, `"orderNo": "20260308TRA00000`), r.out)

	r = runCommand(t, "translate", "--to", "canonical", goodFile)
	require.Equal(t, 0, r.code, r.err)

	r = runCommand(t, "translate", goodFile, "--output", "json")
	require.Equal(t, 0, r.code, r.err)
	var s adapter.Summary
	r.json(t, &s)
	require.Equal(t, "CEB311Message", s.Message)
	require.Len(t, s.Records, 2)

	r = runCommand(t, "translate", goodFile, "--to", "customs_ceb/CEB311Message")
	require.Equal(t, 0, r.code, r.err)
	require.Equal(t, string(good), r.out, "what was made from records comes back from records")

	records := file(t, dir, "records.json", []byte(`{"type":"trade.order.v1","record":`+string(s.Records[0].Record)+`}`))
	r = runCommand(t, "translate", records, "--to", "customs_ceb/CEB311Message")
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.out, "<ceb:CEB311Message")

	r = runCommand(t, "translate", goodFile, "--to", "customs_ceb/CEB411Message")
	require.Equal(t, exitFindings, r.code, "an order is no payment")
	require.NotEmpty(t, r.err)
	require.Empty(t, r.out)

	r = runCommand(t, "translate", bad, "--to", "customs_ceb/CEB311Message")
	require.Equal(t, exitFindings, r.code)
	require.Contains(t, r.err, bad+":")
	require.Equal(t, 1, strings.Count(r.out, "<ceb:Order>"), "the good one of two is translated")

	r = runCommand(t, "translate", file(t, dir, "no.txt", []byte("hello")))
	require.Equal(t, exitFindings, r.code)
	require.Contains(t, r.err, "DOCUMENT_NOT_READABLE")
	require.Empty(t, r.out)

	r = runWith(t, bytes.NewReader(good), "translate", "-")
	require.Equal(t, 0, r.code, r.err)
}

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	f := file(t, dir, "good.xml", spoil(t, order(t, "EXP", 1), "goodsValue", 1, "  12345.00 "))
	r := runCommand(t, "translate", f, "--explain")
	require.Equal(t, 0, r.code, r.err)
	var row string
	for line := range strings.Lines(r.out) {
		if strings.Contains(line, "amounts.goods") {
			row = line
		}
	}
	require.Regexp(t, `^1 +amounts\.goods +12345\.00 +/CEB311Message/Order/OrderHead/goodsValue +\d+:\d+ +12345\.00 +decimal +\S*CEB311Message\.yaml:\d+\n$`, row)

	r = runCommand(t, "translate", f, "--explain", "-o", "json")
	require.Equal(t, 0, r.code, r.err)
	var rows []mapping.Row
	r.json(t, &rows)
	require.NotEmpty(t, rows)

	r = runCommand(t, "translate", file(t, dir, "no.txt", []byte("hello")), "--explain", "-o", "json")
	require.Equal(t, exitFindings, r.code)
	require.Equal(t, "[]\n", r.out)
}
