package app

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"tongqu/internal/backoff"
	"tongqu/internal/store/postgres"
)

// retainPeriod is how often one of the hubs looks for months to drop.
const retainPeriod = time.Hour

// retain drops the months that are no longer kept, if the configuration says so;
// of several hubs one does it.
func (a *App) retain(ctx context.Context) error {
	s, ok := a.store.(*postgres.Store)
	if !ok || a.config.Store.KeepMonths == 0 {
		return nil
	}
	return s.Lease(ctx, "retention", func(ctx context.Context) error {
		for ctx.Err() == nil {
			a.drop(ctx, s, time.Now())
			_ = backoff.Wait(ctx, retainPeriod) // ends early with ctx
		}
		return nil
	})
}

func (a *App) drop(ctx context.Context, s *postgres.Store, now time.Time) {
	first := time.Date(now.UTC().Year(), now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC).AddDate(0, -a.config.Store.KeepMonths, 0)
	dropped, err := s.DropBefore(ctx, first)
	switch {
	case errors.Is(err, postgres.ErrUnfinished):
		a.log.Warn("months stay that should be dropped: look for deliveries that wait", zap.String("before", first.Format("2006-01")), zap.Error(err))
	case err != nil && ctx.Err() == nil:
		a.log.Warn("dropping months", zap.Error(err))
	}
	if len(dropped) > 0 {
		a.log.Info("dropped months", zap.Strings("months", dropped))
	}
}
