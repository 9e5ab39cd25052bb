package simulate_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/adapter"
	"tongqu/internal/simulate"
)

// TestDeclarationAnswers declares goods, in the envelope of the electronic port,
// until customs has given every kind of answer.
func TestDeclarationAnswers(t *testing.T) {
	d := openDesk(t, "customs", simulate.Mood{})
	g := simulate.New(1, "DEC")
	at := time.Date(2026, 3, 8, 10, 0, 0, 0, time.UTC)
	seen := map[string]int{}
	for range 100 {
		declaration := g.Declaration(at)
		doc, err := d.registry.Encode("customs_dxp/DxpMsg+customs_qp/DecMessage", simulate.Together(declaration), adapter.Transfer{ID: "1", Sender: "DXPESW0000000001", Receiver: "DXPDSWDECCUSSH11", At: at})
		require.NoError(t, err)
		sent := d.record(t, doc.Body)
		require.Equal(t, http.StatusNoContent, d.deliver(t, doc.Body))
		var said []string
		var seqNo, declarationNo string
		for {
			r := d.record(t, d.next(t))
			status := adapter.Value(r.Root, "status")
			said = append(said, status)
			if status == "imported" {
				require.Equal(t, adapter.Value(sent.Root, "clientSeqNo"), adapter.Value(r.Root, "answers.clientSeqNo"))
				seqNo = adapter.Value(r.Root, "answers.seqNo")
			}
			require.Equal(t, seqNo, adapter.Value(r.Root, "answers.seqNo"))
			if id := adapter.Value(r.Root, "answers.declarationNo"); id != "" {
				require.True(t, declarationNo == "" || declarationNo == id)
				declarationNo = id
			}
			if status == "closed" || status == "rejected" {
				break
			}
		}
		require.Regexp(t, `^5141[0-9]{14}$`, declarationNo)
		seen[strings.Join(said, " ")]++
	}
	require.Len(t, seen, 3, "%v", seen)
	require.Greater(t, seen["imported declared registered examined released closed"], 60)
	require.Positive(t, seen["imported declared registered rejected"])
	require.Positive(t, seen["imported declared registered examined inspection released closed"])
}
