package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
)

// listenPause is how long a hub that lost the connection on which it listens waits
// before it connects again. The outbox is looked at meanwhile without being told.
const listenPause = 2 * time.Second

// notifySQL tells the other hubs, once the transaction is committed, that there is
// something new in the outbox.
const notifySQL = `SELECT pg_notify($1, $2)`

func (s *Store) channel() string { return fmt.Sprintf("tongqu_%d", s.locks) }

// listen signals what other hubs record, until the store closes.
func (s *Store) listen() {
	for s.closing.Err() == nil {
		err := s.hear(s.closing)
		if s.closing.Err() != nil {
			return
		}
		s.log.Info("not told of other hubs' records for a while", zap.Error(err))
		select {
		case <-s.closing.Done():
		case <-time.After(listenPause):
		}
	}
}

// hear signals until its connection, which is its own, is lost.
func (s *Store) hear(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "LISTEN "+s.channel()); err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("waiting for a notification: %w", err)
		}
		if n.Payload != s.hub.String() {
			signal(s.recorded)
		}
	}
}
