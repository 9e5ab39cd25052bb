package app

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"tongqu/internal/store"
	"tongqu/internal/store/postgres"
	"tongqu/internal/store/sqlite"
)

// OpenStore opens the store that the configuration names, and brings its schema up
// to date. It returns nil with an error.
func OpenStore(ctx context.Context, c *Config, log *zap.Logger) (store.Store, error) {
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

// publishAgain puts back into the outbox what a broker that starts without its
// data would still have held. What was delivered is not delivered again.
func (a *App) publishAgain(ctx context.Context, retention time.Duration) error {
	n, err := a.store.Rewind(ctx, time.Now().Add(-retention))
	if err != nil {
		return fmt.Errorf("publishing again: %w", err)
	}
	if n > 0 {
		a.log.Warn("the embedded Kafka has lost its data; its records are published again", zap.Int64("records", n), zap.Duration("of the last", retention))
	}
	return nil
}
