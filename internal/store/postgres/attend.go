package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
)

const (
	// attendPeriod is how often a hub looks whether it reaches the server, and how
	// long it waits for the answer.
	attendPeriod = 2 * time.Second
	// attendTime is how long it may not reach the server before it leaves its work to
	// the others.
	attendTime = 6 * time.Second
)

// Attend implements store.Leases.
func (s *Store) Attend(ctx context.Context, work func(ctx context.Context) error) error {
	w := &watch{s: s}
	defer w.close() //nolint:contextcheck // it does not wait for the server
	for {
		for w.ask(ctx) != nil {
			if ctx.Err() != nil {
				return nil
			}
			wait(ctx, attendPeriod)
		}
		if ctx.Err() != nil {
			return nil
		}
		away, err := w.attend(ctx, work)
		if away == nil {
			return err
		}
		s.log.Warn("the server is not reached: what this hub does is left to the others", zap.Error(away), zap.NamedError("work", err))
	}
}

// watch asks the server again and again, on a connection of its own: those of the
// pool may all be busy.
type watch struct {
	s    *Store
	conn *pgx.Conn // nil when there is none
}

// attend works as long as the server answers; away is why it does not.
func (w *watch) attend(ctx context.Context, work func(context.Context) error) (away, err error) {
	working, end := context.WithCancel(ctx)
	defer end()
	done := make(chan error, 1)
	go func() { done <- work(working) }()
	answered := time.Now()
	tick := time.NewTicker(attendPeriod)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return nil, err
		case <-tick.C:
			away := w.ask(ctx)
			switch {
			case away == nil:
				answered = time.Now()
			case ctx.Err() == nil && time.Since(answered) >= attendTime:
				end()
				return away, <-done
			}
		}
	}
}

// ask connects if need be.
func (w *watch) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attendPeriod)
	defer cancel()
	if w.conn == nil {
		conn, err := pgx.ConnectConfig(ctx, w.s.pool.Config().ConnConfig)
		if err != nil {
			return err
		}
		w.conn = conn
	}
	err := w.conn.Ping(ctx)
	if err != nil {
		w.close() //nolint:contextcheck // it does not wait for the server
	}
	return err
}

func (w *watch) close() {
	if w.conn == nil {
		return
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel() // no farewell: the server may not be there
	_ = w.conn.Close(ended)
	w.conn = nil
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
