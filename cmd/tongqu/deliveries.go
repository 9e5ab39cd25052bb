package main

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tongqu/internal/api"
	"tongqu/internal/delivery"
	"tongqu/internal/table"
)

func newDeliveries(o *options) *cobra.Command {
	var (
		subscription, status string
		limit                int
	)
	cmd := &cobra.Command{
		Use: "deliveries", Short: "List deliveries, e.g. those parked, and send parked ones again", Args: usage(cobra.NoArgs),
		Example: "  tongqu deliveries --status parked\n  tongqu deliveries resend --subscription tax-orders --all",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			q := url.Values{"subscription": {subscription}, "status": {status}, "limit": {strconv.Itoa(limit)}}
			var page api.DeliveryPage
			if err := c.Get(cmd.Context(), "/v1/deliveries?"+q.Encode(), &page); err != nil {
				return err
			}
			if o.output == "json" {
				return printJSON(cmd.OutOrStdout(), page)
			}
			tb := table.New("TIME", "SUBSCRIPTION", "STATUS", "ATTEMPTS", "RECORD", "DETAIL")
			for _, d := range page.Deliveries {
				tb.Add(d.At.Local().Format(time.DateTime), d.Subscription, string(d.Status), strconv.Itoa(d.Attempts), d.RecordID, d.Detail)
			}
			if page.Next != "" {
				fmt.Fprintln(cmd.ErrOrStderr(), more)
			}
			return tb.Print(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&subscription, "subscription", "", "of this subscription")
	f.StringVar(&status, "status", "", "delivered, parked, waiting or skipped")
	f.IntVar(&limit, "limit", 100, "at most so many, up to 1000")
	cmd.AddCommand(newResend(o))
	return cmd
}

func newResend(o *options) *cobra.Command {
	var req api.ResendRequest
	cmd := &cobra.Command{
		Use: "resend [RECORD...]", Short: "Send parked deliveries of a subscription again, the named ones or --all",
		Example: "  tongqu deliveries resend --subscription tax-orders 0192f3c4-7d5e-7a10-8000-9a3f1c2b4d5e.1",
		RunE: func(cmd *cobra.Command, args []string) error {
			if req.Subscription == "" || (len(args) == 0) != req.All {
				return usageError{errors.New("give --subscription, and records or --all")}
			}
			req.RecordIDs = args
			c, err := o.client()
			if err != nil {
				return err
			}
			defer c.Close()
			var out delivery.Resent
			if err := c.Post(cmd.Context(), "/v1/deliveries/resend", req, &out); err != nil {
				return err
			}
			if o.output == "json" {
				err = printJSON(cmd.OutOrStdout(), out)
			} else {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d delivered, %d parked again, %d no longer due, %d left because the subscriber cannot be reached\n", out.Delivered, out.Parked, out.Skipped, out.Left)
			}
			if err == nil && out.Parked+out.Left > 0 {
				err = errFindings
			}
			return err
		},
	}
	cmd.Flags().StringVar(&req.Subscription, "subscription", "", "the subscription")
	cmd.Flags().BoolVar(&req.All, "all", false, "all parked deliveries of the subscription")
	return cmd
}
