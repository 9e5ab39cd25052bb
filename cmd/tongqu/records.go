package main

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tongqu/internal/api"
	"tongqu/internal/table"
)

// more is said when a list does not end where the page ends.
const more = "there are more: raise --limit or narrow the search"

func newRecords(o *options) *cobra.Command {
	var (
		kind, key, agency, status, from, to string
		limit                               int
	)
	cmd := &cobra.Command{
		Use:     "records",
		Short:   "Find records by type, business key, agency, status and time",
		Example: "  tongqu records --key orderNo=TQ20260308001\n  tongqu records --type trade.order --from 2026-03-08 --status rejected",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			q := url.Values{"limit": {strconv.Itoa(limit)}, "order": {"newest"}}
			for name, value := range map[string]string{"type": kind, "key": key, "agency": agency, "status": status, "from": from, "to": to} {
				if value != "" {
					q.Set(name, value)
				}
			}
			var page api.RecordPage
			if err := c.Get(cmd.Context(), "/v1/records?"+q.Encode(), &page); err != nil {
				return err
			}
			if o.output == "json" {
				return printJSON(cmd.OutOrStdout(), page)
			}
			tb := table.New("RECEIVED", "TYPE", "AGENCY", "STATUS", "ACTION", "KEY", "RECORD")
			for _, r := range page.Records {
				tb.Add(r.ReceivedAt.Local().Format(time.DateTime), r.Type, r.Agency, string(r.Status), string(r.Action), identity(r), r.ID)
			}
			if page.Next != "" {
				fmt.Fprintln(cmd.ErrOrStderr(), more)
			}
			return tb.Print(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&kind, "type", "", "canonical type, e.g. trade.order")
	f.StringVar(&key, "key", "", "business key, NAME=VALUE")
	f.StringVar(&agency, "agency", "", "code of the agency that provided it")
	f.StringVar(&status, "status", "", "accepted, rejected or duplicate")
	f.StringVar(&from, "from", "", "received at or after: RFC 3339 or YYYY-MM-DD")
	f.StringVar(&to, "to", "", "received before: RFC 3339 or YYYY-MM-DD")
	f.IntVar(&limit, "limit", 50, "at most so many, up to 1000")
	return cmd
}

func identity(r api.Record) string {
	if len(r.Keys) == 0 {
		return ""
	}
	return r.Keys[0].Name + "=" + r.Keys[0].Value
}
