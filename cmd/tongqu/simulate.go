package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tongqu/internal/adapter"
	"tongqu/internal/app"
	"tongqu/internal/simulate"
)

// simulation is what the flags of simulate say.
type simulation struct {
	listen string
	seed   uint64
	mood   simulate.Mood
	tokens map[string]string
}

func newSimulate(o *options) *cobra.Command {
	var s simulation
	names := agencyNames()
	cmd := &cobra.Command{
		Use:   "simulate [AGENCY...]",
		Short: "Run simulated agencies that answer what the hub delivers",
		Long: `Simulate runs stand-ins for agencies, all of them or the ones named:
` + strings.Join(names, ", ") + `.
Each takes what the hub delivers to http://LISTEN/AGENCY in the agency's real format,
checks it with the schemas of that format, and sends its receipts to the hub over time.
The same seed gives the same document the same answers. A subscription names the address
as its HTTP endpoint. The police answer identity checks at http://LISTEN/police instead:
a service names that address, and ` + simulate.PoliceLicence + ` as its sender.`,
		Example: `  tongqu simulate                               # all, for the demo agencies of a local hub
  tongqu simulate customs --pace 100ms --seed 7
  tongqu simulate customs --slow 5s --wrong 0.1  # slow to accept; one in ten cut off
  tongqu simulate customs --url https://hub.example --agency-token customs=TOKEN`,
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				if !slices.Contains(names, name) {
					return usageError{fmt.Errorf("no simulated agency %q; there are %s", name, strings.Join(names, ", "))}
				}
			}
			if err := s.mood.Check(); err != nil {
				return usageError{err}
			}
			registry, err := o.registry()
			if err != nil {
				return err
			}
			c, err := o.loadConfig()
			if err != nil {
				return err
			}
			hub := o.url
			if hub == "" {
				hub = "http://" + c.Listen
			}
			log, err := app.LogConfig{Level: "info", Format: "console"}.Logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			mux, run := s.standins(registry, hub, args, log)
			return serveStandins(cmd, s.listen, mux, run)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:8081", "address of the agencies' doors")
	f.Uint64Var(&s.seed, "seed", 1, "the same seed gives the same answers")
	f.DurationVar(&s.mood.Pace, "pace", time.Second, "time between two answers")
	f.DurationVar(&s.mood.Slow, "slow", 0, "time before a delivery is accepted")
	f.BoolVar(&s.mood.Down, "down", false, "refuse everything with 503")
	f.Float64Var(&s.mood.Wrong, "wrong", 0, "share of answers that cannot be read, 0 to 1")
	f.StringToStringVar(&s.tokens, "agency-token", nil, "AGENCY=TOKEN with which it sends its answers (default: the demo agency's)")
	return cmd
}

// police answers questions over SOAP; nothing is delivered to it.
const police = "police"

func agencyNames() []string {
	var names []string
	for _, a := range simulate.Agencies() {
		names = append(names, a.Name)
	}
	return append(names, police)
}

// standins makes the agencies named (all when there are none): their doors, and
// what sends their answers.
func (s *simulation) standins(r *adapter.Registry, hub string, names []string, log *zap.Logger) (*http.ServeMux, func(context.Context)) {
	mux := http.NewServeMux()
	var all []*simulate.Standin
	for _, a := range simulate.Agencies() {
		if len(names) > 0 && !slices.Contains(names, a.Name) {
			continue
		}
		token := s.tokens[a.Name]
		if token == "" {
			token = "tongqu-demo-" + a.Name
		}
		one := simulate.NewStandin(a, r, simulate.Settings{Seed: s.seed, Mood: s.mood, HubURL: hub, Token: token}, log)
		mux.Handle("POST /"+a.Name, one)
		all = append(all, one)
	}
	if len(names) == 0 || slices.Contains(names, police) {
		mux.Handle("POST /"+police, &simulate.Police{Mood: s.mood})
	}
	return mux, func(ctx context.Context) {
		var running sync.WaitGroup
		for _, one := range all {
			running.Go(func() { one.Run(ctx) })
		}
		running.Wait()
		<-ctx.Done()
	}
}

// serveStandins keeps the doors open until the command is interrupted.
func serveStandins(cmd *cobra.Command, listen string, mux *http.ServeMux, run func(context.Context)) error {
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return explainListen(err, "give another address with --listen")
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- server.Serve(ln)
	}()
	fmt.Fprintf(cmd.ErrOrStderr(), "simulated agencies listen on http://%s\n", ln.Addr())
	run(ctx)
	_ = server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
