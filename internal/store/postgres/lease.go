package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
)

const (
	// leaseTime is how long a lease lasts unless it is renewed; it is renewed, and
	// by those without it asked for, three times as often.
	leaseTime   = 9 * time.Second
	leasePeriod = leaseTime / 3

	// The server's clock alone counts. A lease that ends later than any can was given
	// before that clock was set back.
	takeLeaseSQL = `INSERT INTO leases AS l (name, holder, token, until) VALUES ($1, $2, 1, clock_timestamp() + $3::interval)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = l.token + 1, until = excluded.until
		WHERE l.until NOT BETWEEN clock_timestamp() AND clock_timestamp() + 2 * $3::interval RETURNING token`
	renewLeaseSQL = `UPDATE leases SET until = clock_timestamp() + $3::interval WHERE name = $1 AND token = $2`
	giveLeaseSQL  = `UPDATE leases SET until = '-infinity' WHERE name = $1 AND token = $2`
)

// fence says by which lease something is done.
type fence struct {
	name  string
	token int64
}

type fenceKey struct{}

// fenceOf returns the lease that ctx belongs to, or nil.
func fenceOf(ctx context.Context) *fence {
	f, _ := ctx.Value(fenceKey{}).(*fence)
	return f
}

var errFenced = fmt.Errorf("%w: another hub has taken the lease", errRefused)

// Lease implements store.Leases.
func (s *Store) Lease(ctx context.Context, name string, work func(ctx context.Context) error) error {
	away := false
	for {
		asked := time.Now()
		token, err := s.takeLease(ctx, name)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end of ctx is no failure
		case err != nil:
			if !away {
				s.log.Warn("asking for a lease", zap.String("lease", name), zap.Error(err))
			}
			away = true
		case token > 0:
			away = false
			s.log.Info("took a lease", zap.String("lease", name), zap.Int64("token", token))
			lost, err := s.holdLease(ctx, &fence{name, token}, asked, work)
			if !lost {
				return err
			}
			s.log.Warn("lost a lease", zap.String("lease", name), zap.NamedError("work", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(leasePeriod):
		}
	}
}

// takeLease returns the token of the lease, 0 when another hub holds it.
func (s *Store) takeLease(ctx context.Context, name string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, leasePeriod)
	defer cancel()
	var token int64
	err := s.pool.QueryRow(ctx, takeLeaseSQL, name, s.hub, leaseTime).Scan(&token)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return token, err
}

// holdLease works as long as the lease that was asked for then is renewed. lost is
// true when it ended because it was not.
func (s *Store) holdLease(ctx context.Context, f *fence, asked time.Time, work func(context.Context) error) (lost bool, err error) {
	held, end := context.WithCancel(context.WithValue(ctx, fenceKey{}, f))
	defer end()
	done := make(chan error, 1)
	go func() { done <- work(held) }()
	tick := time.NewTicker(leasePeriod)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			s.giveLease(ctx, f)
			return false, err
		case now := <-tick.C:
			renewed, err := s.renewLease(ctx, f)
			switch {
			case renewed:
				asked = now
			case err == nil, time.Since(asked) >= leaseTime-leasePeriod: // well before another hub may have it
				end()
				err := <-done
				return ctx.Err() == nil, err
			}
		}
	}
}

// renewLease reports whether the lease is still this hub's.
func (s *Store) renewLease(ctx context.Context, f *fence) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, leasePeriod)
	defer cancel()
	tag, err := s.pool.Exec(ctx, renewLeaseSQL, f.name, f.token, leaseTime)
	return err == nil && tag.RowsAffected() == 1, err
}

// giveLease lets another hub have the lease at once.
func (s *Store) giveLease(ctx context.Context, f *fence) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leasePeriod)
	defer cancel()
	if _, err := s.pool.Exec(ctx, giveLeaseSQL, f.name, f.token); err != nil {
		s.log.Warn("giving back a lease", zap.String("lease", f.name), zap.Error(err))
	}
}
