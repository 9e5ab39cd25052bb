package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tongqu/internal/client"
)

func newSend(o *options) *cobra.Command {
	var (
		only        string
		connections int
	)
	cmd := &cobra.Command{
		Use:   "send FILE|DIR...",
		Short: "Send documents to a running hub",
		Long: `Send posts each file as one document and says what became of it. At the end it prints a
summary that balances. Files that the hub could not record can be sent again: what it
holds already is answered as a duplicate. Several files are on their way at once; where
one corrects another, send them with --connections 1, which keeps the order of names.

Exit code 1 means that the hub refused something, 3 that a file was not recorded.`,
		Example: "  tongqu send OutBox --url http://127.0.0.1:8080 --token $TOKEN\n  tongqu send order.xml --adapter customs_ceb --output json",
		Args:    usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if connections < 1 {
				return usageError{fmt.Errorf("--connections is at least 1, not %d", connections)}
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			files, err := client.Files(args)
			if err != nil {
				return err
			}
			progress := newProgress(cmd.ErrOrStderr(), len(files))
			all := []client.Sent{}
			summary := c.SendFiles(cmd.Context(), files, only, connections, func(s client.Sent) {
				progress.step()
				all = append(all, s)
				if o.output != "json" && (s.Err != nil || s.Rejected > 0 || s.Status >= http.StatusBadRequest) {
					progress.clear()
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", s.File, became(s))
				}
			})
			progress.clear()
			if o.output == "json" {
				err = printJSON(cmd.OutOrStdout(), map[string]any{"files": all, "summary": summary})
			} else {
				fmt.Fprintf(cmd.OutOrStdout(), "%d files = %d accepted + %d rejected + %d duplicates + %d failed; records: %d accepted, %d rejected, %d duplicates\n",
					summary.Files, summary.Accepted, summary.Rejected, summary.Duplicates, summary.Failed,
					summary.Records.Accepted, summary.Records.Rejected, summary.Records.Duplicates)
			}
			switch {
			case err != nil:
				return err
			case summary.Failed > 0:
				return fmt.Errorf("%d of %d files were not recorded", summary.Failed, summary.Files)
			case summary.Files < len(files):
				return fmt.Errorf("stopped: %d of %d files were not sent", len(files)-summary.Files, len(files))
			case summary.Rejected+summary.Records.Rejected > 0:
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&only, "adapter", "", "let the hub try only this adapter")
	cmd.Flags().IntVar(&connections, "connections", 8, "how many documents to send at once")
	return cmd
}

func became(s client.Sent) string {
	if s.Err != nil {
		return s.Detail
	}
	text := fmt.Sprintf("%d, %d accepted, %d rejected, %d duplicates", s.Status, s.Accepted, s.Rejected, s.Duplicates)
	if s.Detail != "" {
		text += ": " + s.Detail
	}
	return text
}

// progress draws a bar on a terminal and nothing elsewhere.
type progress struct {
	w           io.Writer // nil when there is no terminal
	total, done int
}

func newProgress(w io.Writer, total int) *progress {
	p := &progress{total: total}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.w = w
		}
	}
	return p
}

func (p *progress) step() { p.set(p.done + 1) }

func (p *progress) set(done int) {
	p.done = done
	if p.w != nil && p.total > 0 {
		const width = 40
		filled := width * min(p.done, p.total) / p.total
		fmt.Fprintf(p.w, "\r[%s%s] %d/%d", strings.Repeat("=", filled), strings.Repeat(" ", width-filled), p.done, p.total)
	}
}

func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\033[K")
	}
}
