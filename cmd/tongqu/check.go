package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tongqu/internal/fault"
)

// checked is what check found in one file.
type checked struct {
	File     string     `json:"file"`
	Adapter  string     `json:"adapter"`
	Message  string     `json:"message"`
	Records  int        `json:"records"`
	Rejected int        `json:"rejected"`
	Faults   fault.List `json:"faults"`
}

func newCheck(o *options) *cobra.Command {
	var only string
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Check documents and print all errors, one a line: file:line:col path value rule zh en",
		Long: `Check reads each document as the hub would and prints everything that is wrong with
it. Nothing is sent or recorded, and no hub or configuration is needed.
Exit code 1 means that something would be refused; flags alone are not refused.`,
		Example: "  tongqu check OutBox/*.xml\n  tongqu check order.xml --output json",
		Args:    usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := o.registry()
			if err != nil {
				return err
			}
			var all []checked
			refused := false
			for _, name := range args {
				data, err := readFile(name, cmd.InOrStdin())
				if err != nil {
					return err
				}
				t := r.Translate(data, only)
				c := checked{File: name, Adapter: t.Adapter, Message: t.Message, Records: len(t.Records), Faults: t.Faults}
				for i := range t.Records {
					if t.Refused(&t.Records[i]) {
						c.Rejected++
					}
					c.Faults = append(c.Faults, t.Records[i].Faults...)
				}
				refused = refused || c.Faults.Refuses()
				all = append(all, c)
			}
			if err := printChecked(cmd, o, all); err != nil {
				return err
			}
			if refused {
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&only, "adapter", "", "try only this adapter")
	return cmd
}

func printChecked(cmd *cobra.Command, o *options, all []checked) error {
	w := cmd.OutOrStdout()
	if o.output == "json" {
		return printJSON(w, all)
	}
	for _, c := range all {
		for _, f := range c.Faults {
			mark := ""
			if f.Severity == fault.Flag {
				mark = " (flag)"
			}
			fmt.Fprintf(w, "%s:%d:%d %s %q %s%s %s | %s\n", c.File, f.Line, f.Column, f.Path, f.Value, ruleOf(f), mark, f.ZH, f.EN)
		}
		what := c.Adapter + "/" + c.Message
		if c.Adapter == "" {
			what = "not recognised"
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s, %d records, %d refused, %d findings\n", c.File, what, c.Records, c.Rejected, len(c.Faults))
	}
	return nil
}

func ruleOf(f fault.Fault) string {
	if f.Rule != "" {
		return f.Rule
	}
	return string(f.Code)
}
