package app_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/directory"
	"tongqu/internal/store"
	"tongqu/internal/store/sqlite"
	"tongqu/internal/wire"
)

func hash(token string) string { return directory.HashToken(token) }

func loadRegistry(t *testing.T) *adapter.Registry {
	t.Helper()
	r, err := adapter.Load(tongqu.Files, wire.NewDefaultLimits())
	require.NoError(t, err)
	return r
}

func openStore(t *testing.T, data string) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(data, "store", "tongqu.db"), zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
