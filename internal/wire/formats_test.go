package wire

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFormats reads the agencies' own sample files, in the folder that
// TONGQU_FORMATS names, and compares the trees with those of encoding/xml.
func TestFormats(t *testing.T) {
	dir := os.Getenv("TONGQU_FORMATS")
	if dir == "" {
		t.Skip("TONGQU_FORMATS is not set")
	}
	read := 0
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		switch path.Ext(name) {
		case ".xml", ".xsd", ".wsdl", ".json":
		default:
			return nil
		}
		data, err := fs.ReadFile(os.DirFS(dir), name)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) {
			doc, err := Read(data, NewDefaultLimits())
			require.NoError(t, err)
			read++
			if doc.Format != XML {
				return
			}
			if doc.Charset == UTF8 {
				want, err := oracleXML(strings.TrimPrefix(string(data), "\uFEFF"))
				require.NoError(t, err)
				require.Equal(t, outline(withoutAttributePlaces(want), true), outline(withoutAttributePlaces(doc.Root), true))
			}
			written, err := WriteXML(doc.Root, XMLStyle{Indent: "\t", Charset: GB2312, Declaration: true})
			require.NoError(t, err)
			again, err := Read(written, NewDefaultLimits())
			require.NoError(t, err)
			require.Equal(t, outline(doc.Root, false), outline(again.Root, false))
		})
		return nil
	})
	require.NoError(t, err)
	require.NotZero(t, read, "no sample files in %s", dir)
}
