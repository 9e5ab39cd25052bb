package simulate_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/simulate"
)

// TestSafeAnswers reports receipts until SAFE has taken some and refused some:
// each answer is feedback that the hub reads without a fault and that counts the
// record or names it.
func TestSafeAnswers(t *testing.T) {
	d := openDesk(t, "fx", simulate.Mood{})
	file, err := fs.ReadFile(tongqu.Files, "adapters/safe_fx/cases/bopa-enterprise/input.xml")
	require.NoError(t, err)
	seen := map[string]int{}
	for n := range 80 {
		serial := fmt.Sprintf("N%03d", n)
		require.Equal(t, http.StatusNoContent, d.deliver(t, bytes.Replace(file, []byte("N001"), []byte(serial), 1)))
		r := d.record(t, d.next(t))
		require.Equal(t, "BOPA", adapter.Value(r.Root, "file"))
		require.Equal(t, "1", adapter.Value(r.Root, "counts.total"))
		failed := adapter.Value(r.Root, "counts.failed")
		seen[failed]++
		if failed == "0" {
			require.Nil(t, r.Root.Child("failures"))
			continue
		}
		failure := r.Root.Child("failures").First
		require.Equal(t, "440100010201260308"+serial, adapter.Value(failure, "rptNo"))
		require.Equal(t, "CUSTCOD", adapter.Value(failure.Child("errors").First, "field"))
	}
	require.Len(t, seen, 2, "%v", seen)
	require.Greater(t, seen["0"], seen["1"])
}
