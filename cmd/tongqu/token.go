package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tongqu/internal/directory"
)

func newToken(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Short: "Make a bearer token for an agency and the hash to put into its file", Args: usage(cobra.NoArgs),
		Example: "  tongqu token\n  echo \"$TOKEN\" | tongqu token hash",
		RunE: func(cmd *cobra.Command, _ []string) error {
			token := rand.Text()
			w := cmd.OutOrStdout()
			if o.output == "json" {
				return printJSON(w, map[string]string{"token": token, "sha256": directory.HashToken(token)})
			}
			_, err := fmt.Fprintf(w, "token:  %s\nsha256: %s\nGive the token to the agency; put the sha256 into its file in config/agencies. The token is not stored.\n", token, directory.HashToken(token))
			return err
		},
	}
	cmd.AddCommand(newTokenHash(o))
	return cmd
}

func newTokenHash(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "hash", Short: "Print the hash of the token on standard input", Args: usage(cobra.NoArgs),
		Example: "  echo \"$TOKEN\" | tongqu token hash",
		RunE: func(cmd *cobra.Command, _ []string) error {
			data, err := io.ReadAll(cmd.InOrStdin())
			if err != nil {
				return fmt.Errorf("reading the token: %w", err)
			}
			token := strings.TrimSpace(string(data))
			if token == "" {
				return usageError{errors.New("no token on standard input")}
			}
			hash := directory.HashToken(token)
			if o.output == "json" {
				return printJSON(cmd.OutOrStdout(), map[string]string{"sha256": hash})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), hash)
			return err
		},
	}
}
