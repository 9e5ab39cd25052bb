package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

func newConfig(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Check or print the configuration", Args: usage(cobra.NoArgs),
		Example: "  tongqu config check --config tongqu.yaml\n  tongqu config print --config tongqu.yaml",
		RunE:    help,
	}
	cmd.AddCommand(&cobra.Command{
		Use: "check", Short: "Check the configuration, the directory and the adapters; prints file:line:col", Args: usage(cobra.NoArgs),
		Example: "  tongqu config check --config tongqu.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := diagnose(o)
			if err := findings.print(cmd.OutOrStdout(), o); err != nil {
				return err
			}
			return findings.verdict()
		},
	}, &cobra.Command{
		Use: "print", Short: "Print the configuration with all defaults, secrets hidden", Args: usage(cobra.NoArgs),
		Example: "  tongqu config print\n  tongqu config print --config tongqu.yaml --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.loadConfig()
			if err != nil {
				return err
			}
			text, err := c.YAML()
			if err != nil {
				return err
			}
			if o.output == "json" {
				var all map[string]any
				if err := yaml.Unmarshal(text, &all); err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), all)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	})
	return cmd
}

func newDoctor(o *options) *cobra.Command {
	var alive bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong: configuration, adapters, directory, and the hub if it runs", Args: usage(cobra.NoArgs),
		Example: "  tongqu doctor\n  tongqu doctor --config /etc/tongqu/tongqu.yaml --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if alive {
				return askAlive(cmd.Context(), o)
			}
			findings := diagnose(o)
			findings.hub(cmd.Context(), o)
			if err := findings.print(cmd.OutOrStdout(), o); err != nil {
				return err
			}
			return findings.verdict()
		},
	}
	cmd.Flags().BoolVar(&alive, "alive", false, "only ask whether the hub answers, and say nothing; for the health check of a container")
	return cmd
}

// print writes the findings as text or JSON.
func (fs findings) print(w io.Writer, o *options) error {
	if o.output == "json" {
		return printJSON(w, fs.list)
	}
	for _, f := range fs.list {
		mark := "ok    "
		if !f.OK {
			mark = "wrong "
		}
		if _, err := fmt.Fprintf(w, "%s %-14s %s\n", mark, f.Part, f.Text); err != nil {
			return err
		}
	}
	return nil
}
