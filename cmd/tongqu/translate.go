package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"tongqu/internal/adapter"
	"tongqu/internal/fault"
	"tongqu/internal/mapping"
	"tongqu/internal/table"
	"tongqu/internal/wire"
)

// canonical is what --to names when no other agency's format is wanted.
const canonical = "canonical"

func newTranslate(o *options) *cobra.Command {
	var (
		only, to string
		explain  bool
		transfer adapter.Transfer
	)
	cmd := &cobra.Command{
		Use:   "translate FILE",
		Short: "Translate a document into canonical records, or into another agency's format",
		Long: `Translate prints the canonical records of a document, one JSON value a record, or with
--to ADAPTER/MESSAGE the document in that agency's format, in the envelopes that stand
before it, outermost first. With --explain it prints, for
each canonical value, the element it came from, its line and column, the value as sent,
and the table row that put it there. What is wrong goes to standard error; what is
refused is not translated into another format. Nothing is sent or recorded, and no hub
or configuration is needed.`,
		Example: "  tongqu translate order.xml\n  tongqu translate order.xml --explain\n  tongqu translate order.json --to customs_ceb/CEB311Message\n" +
			"  tongqu translate order.json --to customs_dxp/DxpMsg+customs_ceb/CEB311Message \\\n" +
			"    --sender DXPENT0000000001 --receiver DXPEDCCEB0000002",
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := o.registry()
			if err == nil {
				err = known(r, only)
			}
			if err == nil && to != canonical {
				if _, e := r.Format(to); e != nil {
					err = usageError{fmt.Errorf("%w; 'tongqu adapter list' shows the messages", e)}
				}
			}
			if err != nil {
				return err
			}
			data, err := readFile(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			t := r.Translate(data, only)
			w := cmd.OutOrStdout()
			switch {
			case explain:
				err = printExplained(w, o, t)
			case to == canonical:
				err = printRecords(w, o, t)
			default:
				err = printEncoded(w, r, t, to, transfer)
			}
			if err != nil && !errors.As(err, &fault.List{}) {
				return err
			}
			faults := append(allFaults(t), fault.Of(err)...)
			printFaults(cmd.ErrOrStderr(), args[0], faults)
			if faults.Refuses() {
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&only, "adapter", "", "try only this adapter")
	cmd.Flags().StringVar(&to, "to", canonical, "canonical, ADAPTER/MESSAGE, or ENVELOPE+ADAPTER/MESSAGE")
	cmd.Flags().StringVar(&transfer.Sender, "sender", "", "sender that an envelope is written with")
	cmd.Flags().StringVar(&transfer.Receiver, "receiver", "", "receiver that an envelope is written with")
	cmd.Flags().BoolVar(&explain, "explain", false, "say where each value came from")
	return cmd
}

func allFaults(t *adapter.Translation) fault.List {
	faults := t.Faults
	for i := range t.Records {
		faults = append(faults, t.Records[i].Faults...)
	}
	return faults
}

func printRecords(w io.Writer, o *options, t *adapter.Translation) error {
	if o.output == "json" {
		return printJSON(w, t.Summary())
	}
	for i := range t.Records {
		if _, err := w.Write(append(wire.WriteJSON(t.Records[i].Root, "  "), '\n')); err != nil {
			return err
		}
	}
	return nil
}

func printEncoded(w io.Writer, r *adapter.Registry, t *adapter.Translation, to string, transfer adapter.Transfer) error {
	var bodies [][]byte
	for i := range t.Records {
		if !t.Refused(&t.Records[i]) {
			bodies = append(bodies, wire.AppendJSON(nil, t.Records[i].Root))
		}
	}
	if len(bodies) == 0 {
		return nil
	}
	transfer.ID, transfer.At = strings.ToUpper(uuid.NewString()), time.Now()
	out, err := r.Encode(to, bodies, transfer)
	if err != nil {
		return err
	}
	_, err = w.Write(out.Body)
	return err
}

func printExplained(w io.Writer, o *options, t *adapter.Translation) error {
	rows := t.Explain()
	if o.output == "json" {
		return printJSON(w, append([]mapping.Row{}, rows...))
	}
	const widest = 48 // cells of a value; JSON has it whole
	tb := table.New("RECORD", "CANONICAL", "VALUE", "FROM", "LINE:COL", "AS SENT", "AS", "TABLE ROW")
	for _, r := range rows {
		tb.Add(strconv.Itoa(r.Record), r.Canonical, table.Cut(r.Value, widest), r.WirePath, fmt.Sprintf("%d:%d", r.Line, r.Column), table.Cut(r.Raw, widest), r.Codec, r.TableLine)
	}
	return tb.Print(w)
}
