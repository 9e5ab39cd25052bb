package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tongqu/internal/adapter"
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
		Short: "Check documents and print all errors, one a line",
		Long: `Check reads each document as the hub would and prints everything that is wrong with
it, one a line: file:line:col path "value" rule zh | en. A file named - is standard
input. Nothing is sent or recorded, and no hub or configuration is needed.

Exit code 1 means that something would be refused. What is marked (flag) would be
taken, with a remark.`,
		Example: "  tongqu check OutBox/*.xml\n  tongqu check order.xml --output json\n  tongqu check - < order.xml",
		Args:    usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := o.registry()
			if err == nil {
				err = known(r, only)
			}
			if err != nil {
				return err
			}
			var (
				all        []checked
				refused    bool
				unreadable error
			)
			for _, name := range args {
				data, err := readFile(name, cmd.InOrStdin())
				if err != nil {
					unreadable = errors.Join(unreadable, err) // the other files are checked all the same
					continue
				}
				c := check(r, name, only, data)
				refused = refused || c.Faults.Refuses()
				all = append(all, c)
				if o.output != "json" {
					c.print(cmd.OutOrStdout(), cmd.ErrOrStderr())
				}
			}
			if o.output == "json" {
				if err := printJSON(cmd.OutOrStdout(), all); err != nil {
					return err
				}
			}
			if unreadable == nil && refused {
				return errFindings
			}
			return unreadable
		},
	}
	cmd.Flags().StringVar(&only, "adapter", "", "try only this adapter")
	return cmd
}

func check(r *adapter.Registry, name, only string, data []byte) checked {
	t := r.Translate(data, only)
	c := checked{File: name, Adapter: t.Adapter, Message: t.Message, Records: len(t.Records), Faults: append(fault.List{}, t.Faults...)}
	for i := range t.Records {
		if t.Refused(&t.Records[i]) {
			c.Rejected++
		}
		c.Faults = append(c.Faults, t.Records[i].Faults...)
	}
	return c
}

// print writes the findings to w, and a line about the file to about.
func (c *checked) print(w, about io.Writer) {
	printFaults(w, c.File, c.Faults)
	what := c.Adapter + "/" + c.Message
	if c.Adapter == "" {
		what = "not recognised"
	}
	fmt.Fprintf(about, "%s: %s; records: %d, refused: %d, findings: %d\n", c.File, what, c.Records, c.Rejected, len(c.Faults))
}

// printFaults writes one fault a line. The path of the document itself is "/".
func printFaults(w io.Writer, file string, faults fault.List) {
	for _, f := range faults {
		path, rule, mark := f.Path, f.Rule, ""
		if path == "" {
			path = "/"
		}
		if rule == "" {
			rule = string(f.Code)
		}
		if f.Severity == fault.Flag {
			mark = " (flag)"
		}
		fmt.Fprintf(w, "%s:%d:%d %s %q %s%s %s | %s\n", file, f.Line, f.Column, path, f.Value, rule, mark, f.ZH, f.EN)
	}
}
