package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tongqu/internal/api"
	"tongqu/internal/client"
	"tongqu/internal/fault"
	"tongqu/internal/table"
)

func newShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a record with its timeline, or a document with its records",
		Long: `Show prints a record and what happened to it: received, recorded, published, delivered
to each subscription. For the id of a document it prints what became of its records.`,
		Example: "  tongqu show 0192f3c4-7d5e-7a10-8000-9a3f1c2b4d5e.1    # a record\n  tongqu show 0192f3c4-7d5e-7a10-8000-9a3f1c2b4d5e      # its document",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			if strings.Contains(args[0], ".") {
				return showRecord(cmd, o, c, args[0])
			}
			return showDocument(cmd, o, c, args[0])
		},
	}
}

func showRecord(cmd *cobra.Command, o *options, c *client.Client, id string) error {
	var shown struct {
		Record   api.Record   `json:"record"`
		Timeline api.Timeline `json:"timeline"`
	}
	path := "/v1/records/" + url.PathEscape(id)
	if err := c.Get(cmd.Context(), path, &shown.Record); err != nil {
		return err
	}
	if err := c.Get(cmd.Context(), path+"/timeline", &shown.Timeline); err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	if o.output == "json" {
		return printJSON(w, shown)
	}
	if err := printJSON(w, shown.Record); err != nil {
		return err
	}
	tb := table.New("TIME", "WHAT", "WHO", "DETAIL")
	for _, e := range shown.Timeline.Events {
		tb.Add(e.At.Local().Format("2006-01-02 15:04:05.000"), e.What, e.Who, e.Detail)
	}
	fmt.Fprintln(w)
	return tb.Print(w)
}

func showDocument(cmd *cobra.Command, o *options, c *client.Client, id string) error {
	var doc api.Document
	if err := c.Get(cmd.Context(), "/v1/documents/"+url.PathEscape(id), &doc); err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	if o.output == "json" {
		return printJSON(w, doc)
	}
	return printDocument(w, &doc)
}

func printDocument(w io.Writer, doc *api.Document) error {
	what := "not recognised"
	if doc.Adapter != "" {
		what = doc.Adapter + "/" + doc.Message
	}
	from := doc.Agency + ", " + doc.Door
	if doc.Name != "" {
		from += ", " + doc.Name
	}
	status := fmt.Sprintf("%s; records accepted: %d, rejected: %d, duplicates: %d", doc.Status, doc.Accepted, doc.Rejected, doc.Duplicates)
	if doc.DuplicateOf != "" {
		status += "; duplicate of " + doc.DuplicateOf
	}
	fmt.Fprintf(w, "document  %s\nreceived  %s from %s\ncontent   %s, %d bytes\nstatus    %s\n", doc.ID, doc.ReceivedAt.Local().Format("2006-01-02 15:04:05.000"), from, what, doc.Size, status)
	for _, text := range faultTexts(doc.Errors) {
		fmt.Fprintf(w, "  └ %s\n", text)
	}
	if len(doc.Records) == 0 {
		return nil
	}
	tb := table.New("INDEX", "TYPE", "STATUS", "ACTION", "KEY", "RECORD")
	for i := range doc.Records {
		r := &doc.Records[i]
		tb.Add(strconv.Itoa(r.Index), r.Type, string(r.Status), string(r.Action), identity(*r), r.ID)
		if r.DuplicateOf != "" {
			tb.Note("duplicate of " + r.DuplicateOf)
		}
		for _, text := range faultTexts(r.Errors) {
			tb.Note(text)
		}
	}
	fmt.Fprintln(w)
	return tb.Print(w)
}

// faultTexts are the faults of a JSON array as lines.
func faultTexts(list json.RawMessage) []string {
	var faults fault.List
	if len(list) == 0 || json.Unmarshal(list, &faults) != nil {
		return nil
	}
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = fmt.Sprintf("%d:%d %s %s | %s", f.Line, f.Column, f.Path, f.ZH, f.EN)
	}
	return lines
}
