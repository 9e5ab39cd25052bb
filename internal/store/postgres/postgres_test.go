package postgres

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"tongqu/internal/store"
	"tongqu/internal/store/postgres/pgtest"
	"tongqu/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPostgres is all that is proven of the store on one server.
func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	t.Run("suite", func(t *testing.T) { storetest.Run(t, opener(server)) })
}

// opener gives every place a schema of its own.
func opener(server *pgtest.Server) storetest.Opener {
	addresses := map[string]string{}
	return func(tb testing.TB, place string) store.Store {
		tb.Helper()
		place = filepath.Clean(place)
		if _, ok := addresses[place]; !ok {
			addresses[place] = server.NewSchema(tb)
		}
		return openAt(tb, addresses[place])
	}
}

func openAt(tb testing.TB, address string) *Store {
	tb.Helper()
	s, err := Open(context.WithoutCancel(tb.Context()), address, zaptest.NewLogger(tb, zaptest.Level(zap.WarnLevel)))
	require.NoError(tb, err)
	return s
}
