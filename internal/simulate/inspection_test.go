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

// TestInspectionAnswers declares exports until the authority has given every kind of
// answer: each is a document that the hub reads without a fault and names the
// declaration; the numbers stay the same from one answer to the next; and the same
// declarations are answered the same way in another run.
func TestInspectionAnswers(t *testing.T) {
	d := openDesk(t, "inspection", simulate.Mood{})
	again := openDesk(t, "inspection", simulate.Mood{})
	declaration, err := fs.ReadFile(tongqu.Files, "adapters/ciq_eciq/cases/exit-full/input.xml")
	require.NoError(t, err)
	seen := map[string]int{}
	for n := range 200 {
		number := fmt.Sprintf("TQB%014d", n)
		body := bytes.ReplaceAll(declaration, []byte("TQB20260308000015"), []byte(number))
		require.Equal(t, http.StatusNoContent, d.deliver(t, body))
		require.Equal(t, http.StatusNoContent, again.deliver(t, body))
		inspectionNo := ""
		for _, code := range []string{"1000", "1100", "1300"} {
			r := d.record(t, d.next(t))
			value := func(path string) string { return adapter.Value(r.Root, path) }
			second := again.record(t, again.next(t))
			for _, path := range []string{"statusCode", "info", "applicationNo", "inspectionNo", "ledgerNo"} {
				require.Equal(t, value(path), adapter.Value(second.Root, path), path)
			}
			require.Equal(t, "ciq.declaration", value("answers.type"))
			require.Equal(t, number, value("answers.declNo"))
			if value("statusCode") == "-1" {
				require.Equal(t, "1000", code, "only what is not taken in is refused")
				seen["refused"]++
				break
			}
			require.Equal(t, code, value("statusCode"))
			switch code {
			case "1000":
				require.Regexp(t, `^E[0-9]{14}$`, value("applicationNo"))
			case "1100":
				inspectionNo = value("inspectionNo")
				require.Len(t, inspectionNo, 15)
				seen[value("info")]++
			case "1300":
				require.Equal(t, inspectionNo, value("inspectionNo"))
				ledgerNo := inspectionNo
				if value("info") == "检验检疫不合格，出具处理通知书" {
					ledgerNo = ""
				}
				require.Equal(t, ledgerNo, value("ledgerNo"))
				seen[value("info")]++
			}
		}
	}
	require.Len(t, seen, 5, "%v", seen)
	require.Greater(t, seen["检验检疫合格，准予放行"], 150)
}
