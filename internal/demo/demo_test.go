package demo_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"tongqu"
	"tongqu/internal/app"
	"tongqu/internal/demo"
	"tongqu/internal/table"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hub makes a demo hub whose simulated agencies listen at the address.
func hub(t *testing.T, data, agenciesAt string) (*app.App, app.Config) {
	t.Helper()
	override := filepath.Join(data, "override")
	agencies := filepath.Join(override, "config", "agencies")
	require.NoError(t, os.MkdirAll(agencies, 0o750))
	files, err := filepath.Glob("../../config/agencies/demo-*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		moved := bytes.ReplaceAll(text, []byte("127.0.0.1:8081"), []byte(agenciesAt))
		require.NoError(t, os.WriteFile(filepath.Join(agencies, filepath.Base(file)), moved, 0o600)) //nolint:gosec // the test's own folder
	}
	c := app.NewDefaultConfig()
	c.Listen, c.Data, c.Demo = "127.0.0.1:0", data, true
	c.Intake.FilePoll = 20 * time.Millisecond
	a, err := app.New(t.Context(), c, app.Overlay(tongqu.Files, override), zap.NewNop())
	require.NoError(t, err)
	return a, c
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // an address, at once
	require.NoError(t, err)
	defer func() { require.NoError(t, ln.Close()) }()
	return ln.Addr().String()
}

// runDay runs a hub for one day and returns what the day printed.
func runDay(t *testing.T, data, tax string) string {
	t.Helper()
	a, c := hub(t, data, tax)
	var out bytes.Buffer
	day, err := demo.New(t.Context(), a, c, &out)
	require.NoError(t, err)
	defer day.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, a.Run(ctx, func(ctx context.Context) error {
		defer cancel()
		return day.Run(ctx)
	}))
	return out.String()
}

// the day, row by row: document, from, adapter, records, status, receipt, delivered to.
var want = [][]string{
	{"three orders in one document", "platform", "customs_ceb/CEB311Message", "3 accepted", "202", "JSON", "customs ×3"},
	{"a payment; receipt wanted as XML", "payment", "customs_ceb/CEB411Message", "1 accepted", "202", "CEB412Message", "customs, fx"},
	{"a payment in GBK", "payment", "customs_ceb/CEB411Message", "1 accepted", "202", "JSON", "customs, fx"},
	{"a payment: says GBK, is UTF-8", "payment", "customs_ceb/CEB411Message", "1 accepted", "202", "JSON", "customs, fx"},
	{"a waybill as a file, with BOM", "logistics", "customs_ceb/CEB511Message", "1 accepted", "SentBox", "CEB512Message", "customs"},
	{"a signed inventory as a file", "broker", "customs_ceb/CEB621Message", "1 accepted", "SentBox", "CEB622Message", "customs, inspection, tax"},
	{"an order in a base64 envelope", "platform", "customs_ceb/CEB311Message", "1 accepted", "202", "JSON", "customs"},
	{"two orders as NDJSON", "platform", "hub_json/record", "2 accepted", "202", "JSON", "customs ×2"},
	{"customs answers the inventory", "customs", "customs_ceb/CEB622Message", "1 accepted", "202", "JSON", "broker, tax"},
	{"sums do not agree: flagged only", "platform", "customs_ceb/CEB311Message", "1 accepted", "202", "JSON", "customs"},
	{"10 orders, 3 of them bad", "platform", "customs_ceb/CEB311Message", "7 accepted, 3 rejected", "202", "CEB312Message", "customs ×7"},
	{"the first document once more", "platform", "customs_ceb/CEB311Message", "3 duplicate", "202", "JSON", "-"},
	{"a correction of its first order", "platform", "customs_ceb/CEB311Message", "1 accepted", "202", "JSON", "customs"},
	{"cut off in the middle", "platform", "-", "none", "400", "JSON", "-"},
	{"with a DOCTYPE", "platform", "-", "none", "400", "JSON", "-"},
	{"a format nobody knows", "platform", "-", "none", "FailBox", "JSON file", "-"},
	{"an order from one with no right", "payment", "customs_ceb/CEB311Message", "1 rejected", "403", "JSON", "-"},
	{"goods declared under 1039", "broker", "customs_qp/DecMessage", "1 accepted", "202", "DecImportResponse", "customs"},
	{"exports declared for inspection", "broker", "ciq_eciq/EEntDeclIo", "1 accepted", "202", "JSON", "inspection"},
	{"a claim for export tax refund", "broker", "tax_refund/TSSB", "1 accepted", "202", "JSON", "tax"},
}

func TestDay(t *testing.T) {
	data, tax := t.TempDir(), freeAddress(t)
	first := runDay(t, data, tax)
	require.NotContains(t, first, "of earlier days")
	requireDay(t, first)
	delivered, err := filepath.Glob(filepath.Join(data, "agencies", "demo-customs", "InBox", "customs-order_*.xml"))
	require.NoError(t, err)
	require.Len(t, delivered, 3+1+2+1+7+1)

	second := runDay(t, data, tax)
	require.Regexp(t, `It holds \d+ records of earlier days`, second)
	requireDay(t, second)
}

func requireDay(t *testing.T, text string) {
	t.Helper()
	_, after, ok := strings.Cut(text, "A small day of 20 documents:\n\n")
	require.True(t, ok, text)
	printed, _, ok := strings.Cut(after, "\n\n")
	require.True(t, ok, text)
	var rows [][]string
	notes := 0
	for line := range strings.SplitSeq(printed, "\n") {
		if strings.HasPrefix(line, "  └ ") {
			notes++
			continue
		}
		require.LessOrEqual(t, table.Width(line), 150, line)
		rows = append(rows, regexp.MustCompile(` {2,}`).Split(line, -1))
	}
	require.Equal(t, []string{"DOCUMENT", "FROM", "ADAPTER", "RECORDS", "STATUS", "RECEIPT", "DELIVERED TO"}, rows[0])
	require.Equal(t, want, rows[1:])
	require.Equal(t, 9, notes, printed)
	for _, reason := range []string{
		"/CEB311Message/Order[2]/OrderHead/buyerName: ", "/CEB311Message/Order[5]/OrderHead/goodsValue: ", "/CEB311Message/Order[9]/OrderHead/appTime: ",
		"金额不符", "not entitled to provide trade.order", "a DOCTYPE is not allowed", "no adapter knows this document",
	} {
		require.Contains(t, printed, reason)
	}
	_, answers, ok := strings.Cut(text, "the hub delivers the answers:\n\n")
	require.True(t, ok, text)
	require.Regexp(t, `(?m)^goods declared under 1039 +customs +customs_qp/DecImportResponse +imported +暂存成功$`, answers)
	require.Regexp(t, `(?m)^ +customs +customs_qp/DEC_RESULT +(closed|rejected) `, answers)
	require.Regexp(t, `(?m)^exports declared for inspection +inspection +ciq_eciq/Ciqresult +(applied|refused) `, answers)
	require.Regexp(t, `(?m)^ +tax +tax_refund/\S+ +(paid|suspended|refused)|^a claim .* rejected`, answers)
	require.Regexp(t, `(?m)^a claim for export tax refund +tax +tax_refund/TSHZ +(accepted|rejected) `, answers)
	_, asked, ok := strings.Cut(text, "each question is recorded:\n\n")
	require.True(t, ok, text)
	require.Regexp(t, `(?m)^110105\*{8}002X +answered +(match|mismatch|no-record) +\S+$`, asked)
	require.Regexp(t, `(?m)^110105\*{8}0021 +refused`, asked)
	require.Regexp(t, `bin/tongqu show \S{36}\.1 --data `, text)
}

// TestAddressTaken names the address of the subscriber that cannot start.
func TestAddressTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // an address, at once
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	a, c := hub(t, t.TempDir(), taken.Addr().String())
	_, err = demo.New(t.Context(), a, c, &bytes.Buffer{})
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	require.Equal(t, taken.Addr().String(), op.Addr.String())
}
