package app

import (
	"context"
	"errors"
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

// Republish puts the records of the documents received since then back into the outbox
// of the configured store, and returns how many they are. It waits while a hub relays.
func Republish(ctx context.Context, c *Config, since time.Time) (n int64, err error) {
	s, err := OpenStore(ctx, c, zap.NewNop())
	if err != nil {
		return 0, fmt.Errorf("opening store: %w", err)
	}
	done := false
	err = s.Lease(ctx, RelayLease, func(ctx context.Context) error {
		n, err = s.Rewind(ctx, since)
		done = err == nil
		return err
	})
	if err == nil && !done {
		err = fmt.Errorf("a hub relays: %w", context.Cause(ctx))
	}
	return n, errors.Join(err, s.Close())
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
