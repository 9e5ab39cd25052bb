package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tongqu/internal/api"
	"tongqu/internal/query"
	"tongqu/internal/store"
	"tongqu/internal/table"
)

func newQuery(o *options) *cobra.Command {
	var purpose, file string
	cmd := &cobra.Command{
		Use:   "query CODE [KEY=VALUE...]",
		Short: "Ask a resource: the newest record of a key, or an agency's interface",
		Long: `Query asks one resource of the directory as the agency whose token is given. Where
records answer, KEY=VALUE is one business key; where a service answers, they are the
values of its request, with dots between the steps of a path. A file holds one request
or an array of them. Every query is recorded with its purpose.`,
		Example: `  tongqu query 301001/000002 orderNo=TQ20260308001 --purpose "customer asks" --token TOKEN
  tongqu query 305001/000001 --file checks.json --purpose "buyers of the day" --token T
  tongqu query list --status failed`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := query.Request{Purpose: purpose}
			var err error
			if req.Requests, err = readRequests(args[1:], file); err != nil {
				return usageError{err}
			}
			if purpose == "" {
				return usageError{errors.New("say with --purpose what the answer is needed for")}
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			var out query.Answers
			if err := c.Post(cmd.Context(), "/v1/queries/"+url.PathEscape(strings.Replace(args[0], "/", "-", 1)), req, &out); err != nil {
				return err
			}
			if o.output == "json" {
				err = printJSON(cmd.OutOrStdout(), out)
			} else {
				err = printAnswers(cmd, out)
			}
			for i := range out.Answers {
				if err == nil && out.Answers[i].Status != store.InquiryAnswered {
					err = errFindings
				}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&purpose, "purpose", "", "what the answer is needed for; it is recorded")
	cmd.Flags().StringVar(&file, "file", "", "JSON file with a request or an array of them")
	cmd.AddCommand(newQueryList(o))
	return cmd
}

// readRequests makes requests of KEY=VALUE arguments or of a file.
func readRequests(args []string, file string) ([]json.RawMessage, error) {
	if (len(args) == 0) != (file != "") {
		return nil, errors.New("give KEY=VALUE or --file")
	}
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading requests: %w", err)
		}
		var many []json.RawMessage
		if json.Unmarshal(data, &many) == nil {
			return many, nil
		}
		if !json.Valid(data) {
			return nil, fmt.Errorf("%s is not JSON", file)
		}
		return []json.RawMessage{data}, nil
	}
	request := map[string]any{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not KEY=VALUE", arg)
		}
		steps := strings.Split(name, ".")
		at := request
		for _, step := range steps[:len(steps)-1] {
			below, ok := at[step].(map[string]any)
			if !ok {
				below = map[string]any{}
				at[step] = below
			}
			at = below
		}
		at[steps[len(steps)-1]] = value
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	return []json.RawMessage{body}, nil
}

func printAnswers(cmd *cobra.Command, out query.Answers) error {
	w := cmd.OutOrStdout()
	for i := range out.Answers {
		a := &out.Answers[i]
		words := []string{string(a.Status)}
		if a.Outcome != "" {
			words = append(words, a.Outcome)
		}
		if a.Source != "" {
			words = append(words, "from "+string(a.Source))
		}
		fmt.Fprintf(w, "%s  as of %s  query %s\n", strings.Join(words, "  "), a.AsOf.Local().Format(time.DateTime), a.QueryID)
		for _, f := range a.Errors {
			fmt.Fprintf(w, "  %s %s %s | %s\n", f.Code, f.Path, f.ZH, f.EN)
		}
		for _, r := range a.Records {
			pretty, err := json.MarshalIndent(r, "  ", "  ")
			if err != nil {
				return fmt.Errorf("printing a record: %w", err)
			}
			fmt.Fprintf(w, "  %s\n", pretty)
		}
		if a.More {
			fmt.Fprintln(w, "  there are more")
		}
	}
	return nil
}

func newQueryList(o *options) *cobra.Command {
	var (
		flags [5]string
		limit int
	)
	names := [5]string{"agency", "resource", "status", "from", "to"}
	cmd := &cobra.Command{
		Use: "list", Short: "List queries: who asked what for, and what the answer was", Args: usage(cobra.NoArgs),
		Example: "  tongqu query list --resource 305001/000001 --from 2026-03-08",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			q := url.Values{"limit": {strconv.Itoa(limit)}}
			for i, name := range names {
				if flags[i] != "" {
					q.Set(name, flags[i])
				}
			}
			var page api.QueryPage
			if err := c.Get(cmd.Context(), "/v1/queries?"+q.Encode(), &page); err != nil {
				return err
			}
			if o.output == "json" {
				return printJSON(cmd.OutOrStdout(), page)
			}
			tb := table.New("TIME", "AGENCY", "RESOURCE", "STATUS", "OUTCOME", "SOURCE", "MS", "PURPOSE", "REQUEST")
			for _, one := range page.Queries {
				tb.Add(one.At.Local().Format(time.DateTime), one.Agency, one.Resource, string(one.Status), one.Outcome, string(one.Source),
					strconv.FormatFloat(one.Millis, 'f', 1, 64), one.Purpose, string(one.Request))
			}
			if page.Next != "" {
				fmt.Fprintln(cmd.ErrOrStderr(), more)
			}
			return tb.Print(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	for i, help := range [5]string{"of this agency", "of this resource", "open, answered, not-found, refused or failed", "asked at or after: RFC 3339 or YYYY-MM-DD", "asked before: RFC 3339 or YYYY-MM-DD"} {
		f.StringVar(&flags[i], names[i], "", help)
	}
	f.IntVar(&limit, "limit", 50, "at most so many, up to 1000")
	return cmd
}
