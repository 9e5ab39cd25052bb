package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"tongqu/internal/store"
	"tongqu/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newSmallSizes make an index that flushes and merges all the time, with many
// blocks and parts.
func newSmallSizes() sizes { return sizes{memtable: 16, block: 8, part: 3} }

func opener(z sizes) storetest.Opener {
	return func(tb testing.TB, place string) store.Store {
		tb.Helper()
		s, err := open(tb.Context(), filepath.Join(place, "data", "hub.db"), zaptest.NewLogger(tb, zaptest.Level(zap.WarnLevel)), z)
		require.NoError(tb, err)
		return s
	}
}

func TestStore(t *testing.T) { storetest.Run(t, opener(newDefaultSizes())) }

func TestStoreWithSmallRuns(t *testing.T) { storetest.Run(t, opener(newSmallSizes())) }
