package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tongqu/internal/api"
)

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
			rows := make([][]string, len(page.Records))
			for i, r := range page.Records {
				rows[i] = []string{r.ReceivedAt.Local().Format(time.DateTime), r.Type, r.Agency, string(r.Status), string(r.Action), identity(r), r.ID}
			}
			if err := table(cmd.OutOrStdout(), []string{"RECEIVED", "TYPE", "AGENCY", "STATUS", "ACTION", "KEY", "RECORD"}, rows); err != nil {
				return err
			}
			if page.Next != "" {
				fmt.Fprintln(cmd.ErrOrStderr(), "there are more: raise --limit or narrow the search")
			}
			return nil
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

func newShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show a record with its timeline, or a document with its records",
		Example: "  tongqu show 0192f3c4-7d5e-7a10-8000-9a3f1c2b4d5e.1",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			w := cmd.OutOrStdout()
			if !strings.Contains(args[0], ".") {
				var doc json.RawMessage
				if err := c.Get(cmd.Context(), "/v1/documents/"+url.PathEscape(args[0]), &doc); err != nil {
					return err
				}
				return printJSON(w, doc)
			}
			var shown struct {
				Record   api.Record   `json:"record"`
				Timeline api.Timeline `json:"timeline"`
			}
			path := "/v1/records/" + url.PathEscape(args[0])
			if err := c.Get(cmd.Context(), path, &shown.Record); err != nil {
				return err
			}
			if err := c.Get(cmd.Context(), path+"/timeline", &shown.Timeline); err != nil {
				return err
			}
			if o.output == "json" {
				return printJSON(w, shown)
			}
			if err := printJSON(w, shown.Record); err != nil {
				return err
			}
			rows := make([][]string, len(shown.Timeline.Events))
			for i, e := range shown.Timeline.Events {
				rows[i] = []string{e.At.Local().Format("2006-01-02 15:04:05.000"), e.What, e.Who, e.Detail}
			}
			return table(w, []string{"TIME", "WHAT", "WHO", "DETAIL"}, rows)
		},
	}
}
