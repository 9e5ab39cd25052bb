package schema_test

import (
	"encoding/csv"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/schema"
)

var update = flag.Bool("update", false, "write the generated schemas instead of comparing them")

// formatsDir is the folder with the agencies' own XSDs and samples, which are
// not part of this repository.
func formatsDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TONGQU_FORMATS")
	if dir == "" {
		t.Skip("TONGQU_FORMATS names no folder with the official formats")
	}
	return dir
}

const schemasDir = "../../schemas"

// The wire schemas of customs are what the import makes of the official XSDs.
func TestOfficialSchemas(t *testing.T) {
	specs := filepath.Join(formatsDir(t), "spec", "customs_ceb-2022")
	for _, tt := range []struct {
		xsd, folder, names string
		some               bool // the XSD has more messages than the adapter
	}{
		{"海关跨境进口业务节点报文定义202205.xsd", "customs_ceb", "names.csv", false},
		{"海关跨境出口业务节点报文定义202205.xsd", "customs_ceb", "names_export.csv", true},
		{"海关跨境终端节点报文定义202205.xsd", "customs_dxp", "names.csv", false},
	} {
		t.Run(tt.xsd, func(t *testing.T) {
			made, err := schema.ImportXSD(os.DirFS(specs), tt.xsd, schema.ImportConfig{
				Folder: tt.folder, Names: readNames(t, filepath.Join(schemasDir, tt.folder, tt.names)),
			})
			require.NoError(t, err)
			for _, m := range made {
				file := filepath.Join(schemasDir, m.ID+".json")
				if *update && !tt.some {
					require.NoError(t, os.WriteFile(file, m.JSON, 0o600))
				}
				have, err := os.ReadFile(file)
				if tt.some && os.IsNotExist(err) {
					continue
				}
				require.NoError(t, err)
				require.Equal(t, string(m.JSON), string(have), file)
			}
		})
	}
}

// readNames reads the Chinese names of elements that the import prefers.
func readNames(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	names := map[string]string{}
	for _, row := range rows[1:] {
		names[row[0]] = row[1]
	}
	return names
}
