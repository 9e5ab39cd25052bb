// Command tongqu is the inter-agency data-exchange hub and its tools.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"tongqu/internal/client"
)

// Exit codes: 0 all is well, 1 findings, 2 wrong usage, 3 failure.
const (
	exitFindings = 1
	exitUsage    = 2
	exitFailure  = 3
)

// errFindings ends a command whose findings are printed already.
var errFindings = errors.New("findings")

// usageError marks a wrong call.
type usageError struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run executes one command and returns its exit code.
func run(ctx context.Context, args []string, s streams) int {
	root := newRoot() //nolint:contextcheck // the commands take the context from cobra
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFindings):
		return exitFindings
	case isUsage(err):
		fmt.Fprintf(s.err, "tongqu: %v\nTry '%s --help'.\n", err, cmd.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(s.err, "tongqu: %v\n", err)
		return exitFailure
	}
}

// isUsage reports whether the call was wrong: to this program, or to the hub.
func isUsage(err error) bool {
	var (
		usage  usageError
		answer *client.Error
	)
	return errors.As(err, &usage) || errors.As(err, &answer) && answer.Status == http.StatusBadRequest
}

// options are the flags that all commands share.
type options struct {
	config   string
	override string
	data     string
	url      string
	token    string
	output   string
}

func newRoot() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:   "tongqu",
		Short: "Tongqu 通衢, the inter-agency data-exchange hub",
		Long: `Tongqu 通衢 takes documents from agencies in their own formats, checks, translates
and records them, and delivers them to whoever the directory entitles.

Exit codes: 0 all is well, 1 findings, 2 wrong usage, 3 failure.`,
		Example: `  tongqu serve --demo
  tongqu check order.xml
  tongqu translate order.xml --explain`,
		SilenceUsage: true, SilenceErrors: true,
		Args:              usage(cobra.NoArgs),
		RunE:              help,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := root.PersistentFlags()
	f.StringVarP(&o.config, "config", "c", "", "configuration file (default: built-in defaults)")
	f.StringVar(&o.override, "override", "", "folder whose adapters, schemas, mappings and config override the built-in ones")
	f.StringVar(&o.data, "data", "", "data folder (default: as configured, ./data)")
	f.StringVar(&o.url, "url", "", "address of a running hub (default: http:// and the configured listen address)")
	f.StringVar(&o.token, "token", "", "bearer token (default: $TONGQU_TOKEN, or the operator's token in the data folder)")
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if o.output != "text" && o.output != "json" {
			return usageError{fmt.Errorf("--output is text or json, not %q", o.output)}
		}
		return nil
	}
	root.AddCommand(
		newServe(&o), newCheck(&o), newTranslate(&o), newSend(&o), newRecords(&o), newShow(&o),
		newDeliveries(&o), newQuery(&o), newSimulate(&o), newStore(&o), newAdapter(&o), newConfig(&o), newDoctor(&o), newToken(&o), newVersion(&o),
	)
	return root
}

// help is what a command does that only groups others.
func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// usage makes cobra's complaint about arguments a usage error.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}
