package directory_test

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tongqu/internal/conf"
	"tongqu/internal/directory"
)

// Whatever stands in the files, loading ends with a directory that keeps its
// promises or with problems that name the file.
func FuzzLoad(f *testing.F) {
	f.Add(resources, agencyFile("code: a", "provides: [301002/000001]", "subscriptions: [{id: one, resource: 301002/000001, endpoint: {file: {folder: in}}}]"))
	f.Add("code: [", "tokens: {}")
	f.Add("", "subscriptions: [null]")
	f.Fuzz(func(t *testing.T, resourceFile, agencyFile string) {
		d, err := directory.Load(fstest.MapFS{"directory/r.yaml": {Data: []byte(resourceFile)}, "agencies/a.yaml": {Data: []byte(agencyFile)}})
		if problems, ok := errors.AsType[conf.Problems](err); ok {
			for _, p := range problems {
				require.NotEmpty(t, p.File)
				require.NotEmpty(t, p.Message)
			}
			return
		}
		require.NoError(t, err)
		for _, s := range d.Subscriptions() {
			_, ok := d.Resource(s.Resource)
			require.True(t, ok)
			require.NotEmpty(t, s.Types)
			require.Positive(t, s.Batch)
			require.NotEqual(t, s.Endpoint.HTTP == nil, s.Endpoint.File == nil)
		}
	})
}
