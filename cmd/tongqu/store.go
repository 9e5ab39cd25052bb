package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tongqu/internal/app"
	"tongqu/internal/store/move"
	"tongqu/internal/store/postgres"
	"tongqu/internal/store/sqlite"
)

func newStore(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "store", Short: "Move the store, publish again, drop what is too old", Args: usage(cobra.NoArgs), RunE: help,
		Example: "  tongqu store copy --to postgres://tongqu@db.example/tongqu\n  tongqu store prune --before 2026-01",
	}
	cmd.AddCommand(newStoreCopy(o), newStoreRepublish(o), newStorePrune(o))
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
		Long: `Copy brings all that the SQLite store of a stopped hub holds into an empty PostgreSQL
database: documents as they came, records with their ids and order, deliveries, the
balance. Then it reads both, and compares counts and a hash over everything.
Interrupted, it goes on when it is started again; until it is done no hub opens the
database. The SQLite store is only read.

A new Kafka does not have what the old one still held, so records of the last days wait
to be published again (--republish); what was delivered is not delivered again.`,
		Example: `  PGPASSWORD=… tongqu store copy --data data --to postgres://tongqu@db.example/tongqu
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

func newStoreRepublish(o *options) *cobra.Command {
	var since time.Duration
	cmd := &cobra.Command{
		Use: "republish", Short: "Have the records of the last hours published again", Args: usage(cobra.NoArgs),
		Long: `Republish puts the records of the documents received in the given time back into the
outbox: the hubs publish them again, with the same ids and in the same order. It is for a
store that was restored to an earlier moment, and for a Kafka that lost what it held. What
the store knows to be delivered is not delivered again. Stop the hubs first: it waits while
a hub relays.`,
		Example: "  tongqu store republish --config /etc/tongqu/tongqu.yaml --since 2h",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since <= 0 {
				return usageError{errors.New("--since is missing: how far back, such as 2h")}
			}
			config, err := o.loadConfig()
			if err != nil {
				return err
			}
			from := time.Now().Add(-since)
			n, err := app.Republish(cmd.Context(), &config, from)
			if errors.Is(err, sqlite.ErrLocked) {
				return fmt.Errorf("stop the hub first: %w", err)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d records received since %s will be published again\n", n, from.Format(time.RFC3339))
			return err
		},
	}
	cmd.Flags().DurationVar(&since, "since", 0, "how far back, such as 2h")
	return cmd
}

func newStorePrune(o *options) *cobra.Command {
	var before string
	cmd := &cobra.Command{
		Use: "prune", Short: "Drop the months before a month from PostgreSQL", Args: usage(cobra.NoArgs),
		Long: `Prune drops the partitions of the months before the one given: their documents, records
and deliveries. It drops nothing while a record of them is not published or a delivery
waits; parked deliveries go with their records. What is dropped is not recognised any
more when it comes again. The balance keeps its counts. Hubs may run meanwhile. To have
hubs do it by themselves, set store.keepMonths.`,
		Example: "  tongqu store prune --config /etc/tongqu/tongqu.yaml --before 2026-01",
		RunE: func(cmd *cobra.Command, _ []string) error {
			month, err := time.Parse("2006-01", before)
			if err != nil {
				return usageError{fmt.Errorf("--before is a month such as 2026-01, not %q", before)}
			}
			config, err := o.loadConfig()
			if err != nil {
				return err
			}
			if config.Store.URL == "" {
				return usageError{errors.New("only a PostgreSQL store can be pruned, and store.url names none")}
			}
			s, err := postgres.Open(cmd.Context(), string(config.Store.URL), zap.NewNop())
			if err != nil {
				return err
			}
			defer func() { _ = s.Close() }()
			dropped, err := s.DropBefore(cmd.Context(), month)
			for _, m := range dropped {
				fmt.Fprintf(cmd.OutOrStdout(), "dropped %s\n", strings.ReplaceAll(m, "_", "-"))
			}
			if err == nil && len(dropped) == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "nothing is older than %s\n", before)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&before, "before", "", "the first month that is kept, e.g. 2026-01")
	return cmd
}
