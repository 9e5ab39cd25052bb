package simulate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/simulate"
	"tongqu/internal/wire"
)

var at = time.Date(2026, 3, 8, 11, 27, 1, 0, time.UTC)

// TestPurchasesAreRight makes hundreds of purchases: each of the four documents is
// accepted without a remark, and they name each other.
func TestPurchasesAreRight(t *testing.T) {
	r, err := adapter.Load(tongqu.Files, wire.NewDefaultLimits())
	require.NoError(t, err)
	g := simulate.New(7, "SIM")
	orders := map[string]bool{}
	for range 200 {
		p := g.Purchase(at)
		require.False(t, orders[p.OrderNo], "order numbers do not repeat")
		orders[p.OrderNo] = true
		for kind, rec := range map[string]map[string]any{
			"trade.order.v1": p.Order, "trade.payment.v1": p.Payment, "trade.waybill.v1": p.Waybill, "trade.inventory.v1": p.Inventory,
		} {
			require.Equal(t, p.OrderNo, rec["orderNo"])
			tr := r.Translate([]byte(`{"type":"`+kind+`","record":`+string(simulate.JSON(rec))+`}`), "")
			require.Empty(t, tr.Faults)
			require.Len(t, tr.Records, 1)
			require.Empty(t, tr.Records[0].Faults, "%s %s", kind, simulate.JSON(rec))
		}
		require.Equal(t, p.Payment["payTransactionId"], p.Order["payTransactionId"])
		require.Equal(t, p.Waybill["logisticsNo"], p.Inventory["logisticsNo"])
		paid, ok := p.Order["amounts"].(map[string]any)
		require.True(t, ok)
		payment, ok := p.Payment["amounts"].(map[string]any)
		require.True(t, ok)
		require.Equal(t, paid["paid"], payment["paid"])
		sum := decimal.Zero
		for _, name := range []string{"goods", "freight", "tax"} {
			s, ok := paid[name].(string)
			require.True(t, ok)
			sum = sum.Add(decimal.RequireFromString(s))
		}
		require.Equal(t, paid["paid"], sum.StringFixed(2))
	}
}

// TestSeed makes the same from the same seed, and other numbers under another name.
func TestSeed(t *testing.T) {
	day := func(seed uint64, run string) string {
		g := simulate.New(seed, run)
		var b strings.Builder
		for range 5 {
			b.Write(simulate.JSON(g.Purchase(at).Order))
		}
		return b.String()
	}
	first := day(1, "A")
	require.Equal(t, first, day(1, "A"))
	require.NotEqual(t, day(1, "A"), day(2, "A"))
	require.NotEqual(t, simulate.New(1, "A").Purchase(at).OrderNo, simulate.New(1, "B").Purchase(at).OrderNo)
}

// TestTogether gives all records of a document the header of the first, and leaves
// the records alone.
func TestTogether(t *testing.T) {
	g := simulate.New(1, "T")
	first, second := g.Purchase(at).Order, g.Purchase(at).Order
	before := string(simulate.JSON(second))
	bodies := simulate.Together(first, second)
	require.Len(t, bodies, 2)
	header := string(simulate.JSON(map[string]any{"transfer": first["transfer"]}))
	require.Contains(t, string(bodies[1]), strings.Trim(header, "{}"))
	require.Equal(t, before, string(simulate.JSON(second)))
}

func BenchmarkPurchase(b *testing.B) {
	g := simulate.New(1, "B")
	b.ReportAllocs()
	for b.Loop() {
		g.Purchase(at)
	}
}
