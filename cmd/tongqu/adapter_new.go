package main

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tongqu"
	"tongqu/internal/app"
	"tongqu/internal/author"
)

func newAdapterNew(o *options) *cobra.Command {
	var (
		from  []string
		types []string
		dir   string
		start author.Start
	)
	cmd := &cobra.Command{
		Use: "new NAME", Short: "Start an adapter from samples or an XSD: all its files, with what is left to do named", Args: usage(cobra.ExactArgs(1)),
		Long: `New writes adapters/NAME, schemas/NAME and mappings/NAME: the manifest, wire schemas (from
the XSD, or inferred from samples of one message), first tables in which every wire value
stands, guessed by names and titles where that can be, a README, and each sample as a
golden case. What is left to do, 'adapter lint NAME' then tells with file:line:col.`,
		Example: "  tongqu adapter new carrier --from status-1.xml --from status-2.xml\n  tongqu adapter new carrier --xsd carrier.xsd --from a.xml --type trade.parcel-status",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := o.registry()
			if err != nil {
				return err
			}
			start.Name = args[0]
			start.Types = map[string]string{}
			for _, t := range types {
				message, canonicalType, both := strings.Cut(t, "=")
				if !both {
					message, canonicalType = "", t
				}
				start.Types[message] = canonicalType
			}
			for _, name := range from {
				data, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				start.Samples = append(start.Samples, author.Sample{Name: filepath.Base(name), Data: data})
			}
			c, err := o.loadConfig()
			if err != nil {
				return err
			}
			dir = cmp.Or(dir, c.Folders.Override, ".")
			below := app.Overlay(tongqu.Files, c.Folders.Override)
			done, err := author.New(r, func(dir string) fs.FS { return app.Overlay(below, dir) }, dir, start)
			if err != nil {
				return usageError{err}
			}
			if o.output == "json" {
				return printJSON(cmd.OutOrStdout(), done)
			}
			printStarted(cmd.OutOrStdout(), dir, start.Name, done)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&from, "from", nil, "a sample document; give several of the same message")
	f.StringVar(&start.XSD, "xsd", "", "the agency's XSD; what it imports lies beside it")
	f.StringArrayVar(&types, "type", nil, "canonical type, or MESSAGE=TYPE (default: the one whose names fit best)")
	f.StringVar(&start.Each, "each", "", "wire path of the element that makes one record (default: a guess)")
	f.StringVar(&dir, "dir", "", "folder to write to (default: the override folder, else here)")
	return cmd
}

func printStarted(w io.Writer, dir, name string, done *author.Started) {
	for _, f := range done.Files {
		fmt.Fprintln(w, f)
	}
	for _, m := range done.Messages {
		fmt.Fprintf(w, "%s/%s ⇄ %s\n", name, m.Name, m.Canonical)
	}
	for _, n := range done.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	fmt.Fprintf(w, `
%d things are left to do. Next:
  1. complete mappings/%[2]s/*.yaml until   tongqu --override %[3]s adapter lint %[2]s   finds nothing
  2. replace the TODOs in adapters/%[2]s/adapter.yaml and README.md
  3. tongqu --override %[3]s adapter test %[2]s --dir %[4]s --update   and read expected.json
  4. add cases of what real senders do:   tongqu --override %[3]s adapter case %[2]s FILE --mask
The samples lie in adapters/%[2]s/cases as they came. If they are real documents, make them anew with step 4 and delete them.
`, len(done.Open), name, dir, filepath.Join(dir, "adapters"))
}
