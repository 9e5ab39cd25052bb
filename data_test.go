package tongqu_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/wire"
)

func load(t *testing.T) *adapter.Registry {
	t.Helper()
	r, err := adapter.Load(tongqu.Files, wire.NewDefaultLimits())
	require.NoError(t, err)
	return r
}

// TestTablesAreComplete proves that every field of every message is mapped, both ways.
func TestTablesAreComplete(t *testing.T) {
	require.Empty(t, load(t).Lint(""))
}

// TestGoldenCases runs the cases of all adapters, with the round trip of those without faults.
func TestGoldenCases(t *testing.T) {
	r := load(t)
	for _, a := range r.Adapters() {
		results, err := r.RunCases(tongqu.Files, a.Name)
		require.NoError(t, err)
		require.NotEmpty(t, results, a.Name)
		for _, result := range results {
			t.Run(a.Name+"/"+result.Case, func(t *testing.T) {
				require.Empty(t, result.Diff, strings.Join(result.Diff, "\n"))
			})
		}
	}
}

// TestCasesAreListed keeps the list of golden cases of each adapter complete.
func TestCasesAreListed(t *testing.T) {
	for _, a := range load(t).Adapters() {
		folder := "adapters/" + a.Name + "/cases"
		list, err := fs.ReadFile(tongqu.Files, folder+"/README.md")
		require.NoError(t, err)
		entries, err := fs.ReadDir(tongqu.Files, folder)
		require.NoError(t, err)
		for _, e := range entries {
			if e.IsDir() {
				require.Contains(t, string(list), "| `"+e.Name()+"` |")
			}
		}
	}
}

// TestFieldTablesAreCurrent compares the generated part of each README with the tables.
func TestFieldTablesAreCurrent(t *testing.T) {
	for _, a := range load(t).Adapters() {
		readme, err := fs.ReadFile(tongqu.Files, "adapters/"+a.Name+"/README.md")
		require.NoError(t, err)
		want, err := adapter.InsertDocs(string(readme), a.Docs())
		require.NoError(t, err)
		require.Equal(t, want, string(readme), "run tongqu adapter docs --write")
	}
}

// TestEnvelopesAroundAll puts the golden declarations and orders into the envelopes of
// the electronic port and takes them out again: nothing of them is lost.
func TestEnvelopesAroundAll(t *testing.T) {
	r := load(t)
	for _, file := range []string{"customs_qp/cases/dec-export", "customs_ceb/cases/ceb311-full"} {
		data, err := fs.ReadFile(tongqu.Files, "adapters/"+file+"/input.xml")
		require.NoError(t, err)
		before := r.Translate(data, "")
		require.Empty(t, before.Records[0].Faults, file)
		body := wire.AppendJSON(nil, before.Records[0].Root)
		for _, envelopes := range []string{"customs_dxp/DxpMsg+", "customs_dxp/DxpMsgSv+customs_dxp/DxpMsg+"} {
			doc, err := r.Encode(envelopes+before.Adapter+"/"+before.Message, [][]byte{body}, adapter.Transfer{ID: "1", Sender: "DXPENT0000000001", Receiver: "DXPEDCCEB0000002", At: time.Unix(0, 0)})
			require.NoError(t, err, envelopes)
			after := r.Translate(doc.Body, "")
			require.Empty(t, after.Faults, envelopes)
			require.Len(t, after.Records, 1)
			require.Empty(t, after.Records[0].Faults, envelopes)
			require.JSONEq(t, string(body), string(wire.AppendJSON(nil, after.Records[0].Root)), envelopes)
		}
	}
}

// refusedSamples are official samples that break the standard themselves.
var refusedSamples = map[string]string{
	"customs_ceb-official-2018/CEB303Message.xml": "unit aaa is no code of three digits",
	"customs_ceb-official-2018/CEB603Message.xml": "ieFlag a",
	"customs_ceb-official-2022/CEB303Message.xml": "two BaseTransfer",
	"customs_ceb-official-2022/CEB403Message.xml": "two BaseTransfer",
	"customs_ceb-official-2022/CEB505Message.xml": "two BaseTransfer",
	"customs_ceb-official-2022/CEB603Message.xml": "two BaseTransfer",
}

// TestOfficialSamples takes the samples that come with the standard, where they are at hand.
func TestOfficialSamples(t *testing.T) {
	folder := os.Getenv("TONGQU_FORMATS")
	if folder == "" {
		t.Skip("TONGQU_FORMATS names no folder of sample files")
	}
	r := load(t)
	taken := 0
	for _, m := range r.Adapter("customs_ceb").Messages() {
		files, err := filepath.Glob(filepath.Join(folder, "samples", "customs_ceb-official-*", m.Name+".xml"))
		require.NoError(t, err)
		for _, file := range files {
			data, err := os.ReadFile(file) //nolint:gosec // the folder is the developer's own
			require.NoError(t, err)
			translation := r.Translate(data, "")
			require.NotEmpty(t, translation.Records, file)
			why, refused := refusedSamples[filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file))]
			for i := range translation.Records {
				require.Equal(t, refused, translation.Refused(&translation.Records[i]), "%s (%s): %v %v", file, why, translation.Faults, translation.Records[i].Faults)
			}
			taken++
		}
	}
	require.NotZero(t, taken)
}
