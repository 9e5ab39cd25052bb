package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date. Of several hubs that start at once one
// does it and the others wait.
func migrate(ctx context.Context, config *pgx.ConnConfig) error {
	fsys, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config)
	p, err := goose.NewProvider(goose.DialectPostgres, db, fsys, goose.WithSessionLocker(migrationLock{}))
	if err != nil {
		return errors.Join(fmt.Errorf("reading the migrations: %w", err), db.Close())
	}
	if _, err := p.Up(ctx); err != nil {
		err = fmt.Errorf("migrating: %w", err)
		return errors.Join(err, db.Close())
	}
	return db.Close()
}

// migrationLock waits in the server until it is free, instead of asking again and again.
type migrationLock struct{}

// migrationKey is the advisory lock's key.
const migrationKey = 0x746f6e677175 // "tongqu"

func (migrationLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrationKey))
	return err
}

func (migrationLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(migrationKey))
	return err
}
