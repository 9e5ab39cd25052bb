package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tongqu/internal/adapter"
	"tongqu/internal/app"
	"tongqu/internal/author"
	"tongqu/internal/client"
	"tongqu/internal/table"
	"tongqu/internal/wire"
)

func newAdapterCase(o *options) *cobra.Command {
	var (
		caseName, dir, document string
		mask                    bool
	)
	cmd := &cobra.Command{
		Use: "case NAME [FILE]", Short: "Make a golden case of a document, with personal data replaced", Args: usage(cobra.RangeArgs(1, 2)),
		Long: `Case writes adapters/NAME/cases/CASE with the document and what the adapter makes of it,
and lists it in cases/README.md. With --mask the values that feed canonical values marked
x-personal are replaced by invented ones: as long, of the same kind, check digits right,
the same one for the same value. Everything else stays as it is, in its charset. With
--document the document comes from a running hub instead of a file; only its sender's
token opens it.`,
		Example: "  tongqu adapter case carrier captured.xml --mask --name two-parcels\n  tongqu adapter case customs_ceb --document 01a2… --token T --mask",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := o.registry()
			if err == nil {
				err = known(r, args[0])
			}
			if err != nil {
				return err
			}
			data, err := o.captured(cmd, args[1:], document)
			if err != nil {
				return err
			}
			w := cmd.ErrOrStderr()
			if mask {
				var seed [32]byte
				if _, err := rand.Read(seed[:]); err != nil {
					return err
				}
				masked, err := author.Mask(r, args[0], data, seed)
				if err != nil {
					return err
				}
				data = masked.Data
				fmt.Fprintf(w, "%d personal values replaced\n", masked.Replaced)
				for _, at := range masked.Left {
					fmt.Fprintf(w, "look at %s: a replaced value stands there too, where the table knows of nothing personal\n", at)
				}
			}
			c, err := o.loadConfig()
			if err != nil {
				return err
			}
			made, err := author.AddCase(r, cmp.Or(dir, c.Folders.Override, "."), args[0], caseName, data)
			if err != nil {
				return usageError{err}
			}
			if o.output == "json" {
				return printJSON(cmd.OutOrStdout(), made)
			}
			fmt.Fprintln(cmd.OutOrStdout(), made.Folder)
			fmt.Fprintf(w, "faults: %s\n", cmp.Or(strings.Join(made.Faults, ", "), "none"))
			for _, p := range made.Problems {
				fmt.Fprintln(w, p)
			}
			fmt.Fprintln(w, "Read expected.json, and say in cases/README.md what the case shows.")
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&caseName, "name", "", "name of the case (default: of the message, numbered)")
	f.BoolVar(&mask, "mask", false, "replace personal data")
	f.StringVar(&document, "document", "", "id of a document of a running hub")
	f.StringVar(&dir, "dir", "", "folder to write to (default: the override folder, else here)")
	return cmd
}

// captured reads the file, or the document of a running hub.
func (o *options) captured(cmd *cobra.Command, files []string, document string) ([]byte, error) {
	switch {
	case (len(files) == 1) == (document != ""):
		return nil, usageError{errors.New("give a file or --document")}
	case document == "":
		return readFile(files[0], cmd.InOrStdin())
	}
	hub, err := o.client()
	if err != nil {
		return nil, err
	}
	defer hub.Close()
	var data []byte
	err = hub.Get(cmd.Context(), "/v1/documents/"+document+"/body", &data)
	return data, err
}

// compared is what became of one file under two versions of an adapter.
type compared struct {
	File        string              `json:"file"`
	Differences []author.Difference `json:"differences"`
}

func newAdapterCompare(o *options) *cobra.Command {
	var with string
	cmd := &cobra.Command{
		Use: "compare NAME --with FOLDER FILE|DIR...", Short: "Translate documents with two versions of an adapter and show what differs", Args: usage(cobra.MinimumNArgs(2)),
		Long: `Compare translates each document with the adapter as it is and with the one in FOLDER (an
override folder over it), and prints per document what differs: canonical path, old value,
new value, faults. It exits with 1 when anything does.`,
		Example: "  tongqu adapter compare customs_ceb --with ../next archive/2026-03",
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			old, err := o.registry()
			if err == nil {
				err = known(old, name)
			}
			if err != nil {
				return err
			}
			if info, err := os.Stat(with); err != nil || !info.IsDir() {
				return usageError{fmt.Errorf("--with %q is no folder", with)}
			}
			files, err := o.files()
			if err != nil {
				return err
			}
			now, err := adapter.Load(app.Overlay(files, with), wire.NewDefaultLimits())
			if err != nil {
				return fmt.Errorf("loading %s: %w", with, err)
			}
			documents, err := client.Files(args[1:])
			if err != nil {
				return err
			}
			all := make([]compared, 0, len(documents))
			for _, file := range documents {
				data, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				all = append(all, compared{file, author.Compare(old, now, name, data)})
			}
			return printCompared(cmd, o, all)
		},
	}
	cmd.Flags().StringVar(&with, "with", "", "folder with the other version: any of adapters, schemas, mappings")
	return cmd
}

func printCompared(cmd *cobra.Command, o *options, all []compared) error {
	different, values := 0, 0
	w := cmd.OutOrStdout()
	for i := range all {
		if len(all[i].Differences) > 0 {
			different++
			values += len(all[i].Differences)
		} else {
			all[i].Differences = []author.Difference{}
		}
	}
	if o.output == "json" {
		if err := printJSON(w, all); err != nil {
			return err
		}
	} else {
		tb := table.New("FILE", "RECORD", "PATH", "OLD", "NEW")
		for _, c := range all {
			for _, d := range c.Differences {
				tb.Add(c.File, strconv.Itoa(d.Record), d.Path, cmp.Or(d.Old, "-"), cmp.Or(d.New, "-"))
			}
		}
		if values > 0 {
			if err := tb.Print(w); err != nil {
				return err
			}
		}
		fmt.Fprintf(w, "%d documents: %d equal, %d different in %d values\n", len(all), len(all)-different, different, values)
	}
	if different > 0 {
		return errFindings
	}
	return nil
}
