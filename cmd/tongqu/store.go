package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tongqu/internal/store/move"
	"tongqu/internal/store/postgres"
	"tongqu/internal/store/sqlite"
)

func newStore(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "store", Short: "Move the store", Args: usage(cobra.NoArgs), RunE: help,
	}
	cmd.AddCommand(newStoreCopy(o))
	return cmd
}

// copying is what the flags of store copy say.
type copying struct {
	from, to string
	again    time.Duration
}

func newStoreCopy(o *options) *cobra.Command {
	var c copying
	cmd := &cobra.Command{
		Use: "copy", Short: "Move a hub's SQLite store to PostgreSQL", Args: usage(cobra.NoArgs),
		Long: `Copy brings all that the SQLite store of a stopped hub holds into an empty PostgreSQL database:
documents as they came, records with their ids and order, deliveries, the balance. Then it reads
both, and compares counts and a hash over everything. Interrupted, it goes on when it is started
again; until it is done no hub opens the database. The SQLite store is only read.

A new Kafka does not have what the old one still held, so records of the last days wait to be
published again (--republish); what was delivered is not delivered again.`,
		Example: `  PGPASSWORD=… tongqu store copy --data /var/lib/tongqu --to postgres://tongqu@db.example/tongqu
  # then set store.url and kafka.brokers, and start the hubs`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.to == "" {
				return usageError{errors.New("--to is missing: the address of a PostgreSQL database")}
			}
			if c.from == "" {
				config, err := o.loadConfig()
				if err != nil {
					return err
				}
				c.from = config.Path("store/tongqu.db")
			}
			return c.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.from, "from", "", "SQLite file (default: store/tongqu.db in the data folder)")
	f.StringVar(&c.to, "to", "", "address of the database, postgres://user@host/database; the password may come from PGPASSWORD")
	f.DurationVar(&c.again, "republish", 7*24*time.Hour, "publish again what was received in this time")
	return cmd
}

func (c *copying) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if _, err := os.Stat(c.from); err != nil {
		return fmt.Errorf("there is no store to move: %w", err)
	}
	origin, err := filepath.Abs(c.from)
	if err != nil {
		return err
	}
	from, err := sqlite.Open(ctx, c.from, zap.NewNop())
	if errors.Is(err, sqlite.ErrLocked) {
		return fmt.Errorf("stop the hub first: %w", err)
	}
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := postgres.OpenImport(ctx, c.to, origin, zap.NewNop())
	if errors.Is(err, postgres.ErrNotEmpty) {
		return fmt.Errorf("give an empty database: %w", err)
	}
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	return c.copy(ctx, cmd, from, to)
}

func (c *copying) copy(ctx context.Context, cmd *cobra.Command, from *sqlite.Store, to *postgres.Import) error {
	balance, err := from.Balance(ctx, time.Time{})
	if err != nil {
		return err
	}
	w := cmd.ErrOrStderr()
	if to.Documents > 0 {
		fmt.Fprintf(w, "going on after %d documents\n", to.Documents)
	}
	var bar *progress
	stage, start := "", time.Now()
	account, err := move.Copy(ctx, from, to, time.Now().Add(-c.again), func(now string, documents int64) {
		if now != stage {
			if bar != nil {
				bar.clear()
			}
			stage, bar = now, newProgress(w, int(balance.Documents.Received))
			fmt.Fprintf(w, "%s (%d documents)\n", stage, balance.Documents.Received)
		}
		bar.set(int(documents))
	})
	if bar != nil {
		bar.clear()
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "moved %d documents, %d records, %d deliveries in %s\nsame on both sides: sha256 %x\n",
		account.Documents, account.Records, account.Deliveries, time.Since(start).Round(time.Second/10), account.Hash)
	return nil
}
