package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"tongqu"
	"tongqu/internal/app"
	"tongqu/internal/demo"
)

func newServe(o *options) *cobra.Command {
	var (
		listen   string
		withDemo bool
	)
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the hub until Ctrl-C", Args: usage(cobra.NoArgs),
		Long: `Serve starts the hub: doors, store, Kafka (its own, unless brokers are configured) and
deliveries. Started again on the same data folder it goes on where it was.
With --demo it adds agencies and subscribers, pushes a small day of documents through the
doors, prints what became of each, and stays up.`,
		Example: "  tongqu serve --demo\n  tongqu serve --config /etc/tongqu/tongqu.yaml --data /var/lib/tongqu",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.loadConfig()
			if err != nil {
				return err
			}
			if listen != "" {
				c.Listen = listen
			}
			if withDemo {
				c.Demo = true
				if !cmd.Flags().Changed("config") {
					c.Log.Level = "warn" // the day's table is what there is to see
				}
			}
			log, err := c.Log.Logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			tuneMemory()
			hub, err := app.New(cmd.Context(), c, app.Overlay(tongqu.Files, c.Folders.Override), log)
			if err != nil {
				return explainListen(err, "give another address with --listen, or stop what listens there (a hub that still runs?)")
			}
			defer reloadOnHangup(cmd.Context(), hub)()
			if !withDemo {
				return hub.Run(cmd.Context(), func(context.Context) error {
					fmt.Fprintf(cmd.ErrOrStderr(), "tongqu listens on http://%s, data in %s\n", hub.Addr(), c.Data)
					return nil
				})
			}
			day, err := demo.New(cmd.Context(), hub, c, cmd.OutOrStdout())
			if err != nil {
				return explainListen(err, "the demo's subscriber takes its deliveries there: stop what listens there, or name another address in a config/agencies/demo-tax.yaml of your own and add --override FOLDER")
			}
			defer day.Close()
			return hub.Run(cmd.Context(), day.Run)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "address to listen on (default: as configured, 127.0.0.1:8080)")
	cmd.Flags().BoolVar(&withDemo, "demo", false, "add demo agencies and subscribers and run a small day")
	return cmd
}

// reloadOnHangup reads the data folders again at each SIGHUP until the returned
// function is called. What is wrong with them, the hub tells in its log.
func reloadOnHangup(ctx context.Context, hub *app.App) func() {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	ctx, stop := context.WithCancel(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
				hub.TryReload(ctx)
			}
		}
	}()
	return func() {
		signal.Stop(hangup)
		stop()
	}
}

// garbage is how far the heap may grow between two collections, in per cent of
// what lives. A hub's live heap is some tens of megabytes; collecting seldom
// saves about a seventh of the processor time of a document.
const garbage = 300

// tuneMemory sets garbage unless the operator has set GOGC.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
}

// explainListen says what to do about an address that cannot be listened on.
func explainListen(err error, advice string) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "listen" || op.Addr == nil {
		return err
	}
	return fmt.Errorf("cannot listen on %v: %w; %s", op.Addr, op.Err, advice)
}
