package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tongqu/internal/adapter"
	"tongqu/internal/conf"
	"tongqu/internal/schema"
	"tongqu/internal/table"
)

func newAdapter(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "adapter",
		Short:   "List, start, lint, test and document adapters; import an agency's XSD",
		Example: "  tongqu adapter list\n  tongqu adapter lint customs_ceb\n  tongqu adapter test --update\n  tongqu adapter schema agency.xsd --to schemas/agency",
		Args:    usage(cobra.NoArgs),
		RunE:    help,
	}
	cmd.AddCommand(newAdapterList(o), newAdapterNew(o), newAdapterCase(o), newAdapterCompare(o), newAdapterLint(o), newAdapterTest(o), newAdapterDocs(o), newAdapterSchema(o))
	return cmd
}

func newAdapterList(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the adapters and their messages", Args: usage(cobra.NoArgs),
		Example: "  tongqu adapter list\n  tongqu adapter list --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := o.registry()
			if err != nil {
				return err
			}
			if o.output == "json" {
				var all []adapter.Manifest
				for _, a := range r.Adapters() {
					all = append(all, a.Manifest)
				}
				return printJSON(cmd.OutOrStdout(), all)
			}
			tb := table.New("ADAPTER", "MESSAGE", "CANONICAL", "名称", "NAME")
			for _, a := range r.Adapters() {
				for _, t := range a.Types() {
					tb.Add(a.Name, "record", t, a.Title.ZH, a.Title.EN)
				}
				for _, m := range a.Messages() {
					canonical := "envelope"
					if a.Batch != nil {
						canonical = "control file"
					}
					if m.Table != nil {
						canonical = m.Table.Canonical()
					}
					tb.Add(a.Name, m.Name, canonical, m.Title.ZH, m.Title.EN)
				}
			}
			return tb.Print(cmd.OutOrStdout())
		},
	}
}

func newAdapterLint(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "lint [NAME]", Short: "Prove schemas and translation tables complete; prints file:line:col",
		Example: "  tongqu adapter lint\n  tongqu adapter lint customs_ceb --override .",
		Args:    usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := o.registry()
			problems := conf.Problems{}
			if err == nil {
				err = known(r, first(args))
			}
			if err == nil {
				problems = append(problems, r.Lint(first(args))...)
			} else if !errors.As(err, &problems) {
				return err
			}
			if o.output == "json" {
				if err := printJSON(cmd.OutOrStdout(), problems); err != nil {
					return err
				}
			} else {
				for _, p := range problems {
					fmt.Fprintln(cmd.OutOrStdout(), p)
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%d problems\n", len(problems))
			}
			if len(problems) > 0 {
				return errFindings
			}
			return nil
		},
	}
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func newAdapterTest(o *options) *cobra.Command {
	var (
		update bool
		dir    string
	)
	cmd := &cobra.Command{
		Use: "test [NAME]", Short: "Run the golden cases and show what differs, by field", Args: usage(cobra.MaximumNArgs(1)),
		Example: "  tongqu adapter test\n  tongqu adapter test customs_ceb --update   # then review the change",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := o.registry()
			if err == nil {
				err = known(r, first(args))
			}
			if err != nil {
				return err
			}
			files, err := o.files()
			if err != nil {
				return err
			}
			if _, err := os.Stat(dir); err == nil {
				files = os.DirFS(filepath.Dir(filepath.Clean(dir)))
			}
			all := []adapter.CaseResult{}
			for _, a := range r.Adapters() {
				if len(args) > 0 && args[0] != a.Name {
					continue
				}
				if update {
					if err := r.UpdateCases(filepath.Clean(dir), a.Name); err != nil {
						return err
					}
				}
				results, err := r.RunCases(files, a.Name)
				if err != nil {
					return err
				}
				all = append(all, results...)
			}
			return printCases(cmd, o, all)
		},
	}
	cmd.Flags().BoolVar(&update, "update", false, "write expected.json from what the adapters say now; review the change")
	cmd.Flags().StringVar(&dir, "dir", "adapters", "folder of the adapters on disk; where it is missing the built-in cases run")
	return cmd
}

func printCases(cmd *cobra.Command, o *options, all []adapter.CaseResult) error {
	failed := 0
	for _, c := range all {
		if len(c.Diff) > 0 {
			failed++
		}
	}
	w := cmd.OutOrStdout()
	if o.output == "json" {
		if err := printJSON(w, all); err != nil {
			return err
		}
	} else {
		for _, c := range all {
			word := "ok  "
			if len(c.Diff) > 0 {
				word = "FAIL"
			}
			fmt.Fprintf(w, "%s %s/%s\n", word, c.Adapter, c.Case)
			for _, d := range c.Diff {
				fmt.Fprintf(w, "       %s\n", d)
			}
		}
		fmt.Fprintf(w, "%d cases, %d failed\n", len(all), failed)
	}
	if failed > 0 {
		return errFindings
	}
	return nil
}

func newAdapterSchema(o *options) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use: "schema FILE.xsd", Short: "Import an agency's XSD into wire schemas, one a root element",
		Long: `Schema writes a JSON Schema for every global element of the XSD: order, occurrence,
facets, enumerations, and the documentation as title. Imported files lie beside it.`,
		Example: "  tongqu adapter schema agency.xsd --to schemas/agency",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			imported, err := schema.ImportXSD(os.DirFS(filepath.Dir(args[0])), filepath.Base(args[0]), schema.ImportConfig{Folder: filepath.Base(to)})
			if err != nil {
				return err
			}
			if err := os.MkdirAll(to, 0o750); err != nil {
				return err
			}
			written := []string{}
			for _, i := range imported {
				name := filepath.Join(filepath.Dir(to), filepath.FromSlash(i.ID)+".json")
				if err := os.WriteFile(name, i.JSON, 0o644); err != nil { //nolint:gosec // a file of the source tree
					return err
				}
				written = append(written, name)
			}
			if o.output == "json" {
				return printJSON(cmd.OutOrStdout(), written)
			}
			for _, name := range written {
				fmt.Fprintln(cmd.OutOrStdout(), name)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "schemas/new", "folder to write to; its name becomes the adapter's")
	return cmd
}

func newAdapterDocs(o *options) *cobra.Command {
	var write, check bool
	var dir string
	cmd := &cobra.Command{
		Use: "docs [NAME]", Short: "Print, write or check the generated part of the adapters' READMEs", Args: usage(cobra.MaximumNArgs(1)),
		Example: "  tongqu adapter docs customs_ceb\n  tongqu adapter docs --write\n  tongqu adapter docs --check",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := o.registry()
			if err == nil {
				err = known(r, first(args))
			}
			if err != nil {
				return err
			}
			stale := false
			for _, a := range r.Adapters() {
				if len(args) > 0 && args[0] != a.Name {
					continue
				}
				docs := a.Docs()
				if !write && !check {
					fmt.Fprint(cmd.OutOrStdout(), docs)
					continue
				}
				name := filepath.Join(dir, a.Name, "README.md")
				before, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				after, err := adapter.InsertDocs(string(before), docs)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				if after == string(before) {
					continue
				}
				if check {
					stale = true
					fmt.Fprintf(cmd.OutOrStdout(), "%s is stale: run 'make docs'\n", name)
					continue
				}
				if err := os.WriteFile(name, []byte(after), 0o644); err != nil { //nolint:gosec // a file of the source tree
					return err
				}
			}
			if stale {
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&write, "write", false, "write into adapters/NAME/README.md between the markers")
	cmd.Flags().BoolVar(&check, "check", false, "fail when a README is stale")
	cmd.Flags().StringVar(&dir, "dir", "adapters", "folder of the adapters")
	return cmd
}
