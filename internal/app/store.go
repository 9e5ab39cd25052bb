package app

import (
	"context"

	"go.uber.org/zap"

	"tongqu/internal/store"
	"tongqu/internal/store/postgres"
	"tongqu/internal/store/sqlite"
)

// openStore opens the store that the configuration names. It returns nil with an error.
func openStore(ctx context.Context, c *Config, log *zap.Logger) (store.Store, error) {
	if c.Store.URL != "" {
		s, err := postgres.Open(ctx, string(c.Store.URL), log)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := sqlite.Open(ctx, c.Path("store/tongqu.db"), log)
	if err != nil {
		return nil, err
	}
	return s, nil
}
