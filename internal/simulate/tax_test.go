package simulate_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/simulate"
)

// TestTaxAnswers declares batches until the tax office has given every kind of
// answer: each is a document that the hub reads without a fault, names the batch,
// and the amounts are those that were claimed.
func TestTaxAnswers(t *testing.T) {
	d := openDesk(t, "tax", simulate.Mood{})
	batch, err := fs.ReadFile(tongqu.Files, "adapters/tax_refund/cases/tssb-minimal/input.xml")
	require.NoError(t, err)
	last := map[string]int{
		"acceptance rejected": 1, "audit suspended": 3, "audit refused": 3, "approval paid": 5,
	}
	seen := map[string]int{}
	for n := range 120 {
		number := fmt.Sprintf("%03d", n)
		require.Equal(t, http.StatusNoContent, d.deliver(t, bytes.Replace(batch, []byte("<sbpc>001</sbpc>"), []byte("<sbpc>"+number+"</sbpc>"), 1)))
		var said []string
		for {
			r := d.record(t, d.next(t))
			require.Equal(t, number, adapter.Value(r.Root, "answers.batchNo"))
			said = append(said, adapter.Value(r.Root, "stage")+" "+adapter.Value(r.Root, "status"))
			if amount := adapter.Value(r.Root, "amounts.declared.vat"); amount != "" {
				require.Equal(t, "6240.00", amount)
			}
			if steps := last[said[len(said)-1]]; steps > 0 {
				require.Len(t, said, steps, strings.Join(said, ", "))
				break
			}
		}
		seen[said[len(said)-1]]++
	}
	require.Len(t, seen, len(last), "%v", seen)
	require.Greater(t, seen["approval paid"], 60)
}
