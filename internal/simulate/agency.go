package simulate

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"tongqu/internal/adapter"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// Agency is what a simulated agency does with what is delivered to it.
type Agency struct {
	// Name is what the command and the address of its door call it.
	Name string
	// Answer plans the receipts to one record; they are sent over time.
	Answer func(*Request) []Reply
}

// Agencies are all that can be simulated.
func Agencies() []Agency {
	return []Agency{
		{Name: "customs", Answer: customs},
		{Name: "inspection", Answer: inspection},
		{Name: "tax", Answer: tax},
		{Name: "fx", Answer: fx},
	}
}

// Request is one record that was delivered to a simulated agency.
type Request struct {
	// Message is the ADAPTER/MESSAGE in which it came.
	Message string
	// Family is its canonical type without version.
	Family string
	Root   *wire.Node

	rng      *rand.Rand
	registry *adapter.Registry
}

// Reply is one document that an agency sends.
type Reply struct {
	// Message is its format, ADAPTER/MESSAGE, with its envelopes as a subscription's format names them.
	Message string
	// Sender and Receiver are what its envelopes say.
	Sender, Receiver string
	// Record is the canonical record, made when it is sent.
	Record func(now time.Time) map[string]any
}

// text is the record's value at a canonical path, or "".
func (r *Request) text(path string) string { return adapter.Value(r.Root, path) }

// echo copies what the record and the schema's object at the path have in
// common: the same thing has the same name in every canonical type.
func (r *Request) echo(canonicalType, path string) map[string]any {
	c, ok := r.registry.Canonical(canonicalType)
	if !ok {
		return map[string]any{}
	}
	return common(r.Root, c.Shape().At(path))
}

func common(n *wire.Node, s *schema.Shape) map[string]any {
	out := map[string]any{}
	for _, p := range s.Props {
		child := n.Child(p.Name)
		switch {
		case child == nil:
		case len(p.Props) > 0 && child.Kind == wire.Object:
			if inner := common(child, p); len(inner) > 0 {
				out[p.Name] = inner
			}
		case p.Kind == schema.String && child.Kind == wire.Text:
			out[p.Name] = child.Text
		}
	}
	return out
}

// digits is a number of n digits, the same for the same document.
func (r *Request) digits(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(strconv.Itoa(r.rng.IntN(10)))
	}
	return b.String()
}

// guid is a unique number of 36 characters in upper case.
func (r *Request) guid() string {
	return fmt.Sprintf("%08X-%04X-4%03X-8%03X-%012X", r.rng.Uint32(), r.rng.IntN(1<<16), r.rng.IntN(1<<12), r.rng.IntN(1<<12), r.rng.Int64N(1<<48))
}
