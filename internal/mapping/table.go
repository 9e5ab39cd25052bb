// Package mapping translates between an agency's documents and the canonical
// model by tables: data, not Go. A table pairs canonical paths with wire paths,
// says how each value is written, and is read in both directions.
//
//	message:   CEB311Message        # the wire schema
//	canonical: trade.order.v1       # the canonical type
//	each:      Order                # the element that makes one record
//	fields:
//	  orderNo:      OrderHead/orderNo
//	  sentAt:       {at: OrderHead/appTime, as: time(20060102150405)}
//	  items[].name: OrderList/itemName
//	set:     {direction: import}    # canonical constants
//	fixed:   {/@version: "1.0"}     # wire constants
//	ignored: {/@schema: "says nothing"}
//
// A row has these keys; a row of a path alone is the path with `at:`.
//
//	at       the wire path, below the `each` element or, with a leading slash, below
//	         the document's root: A/B, @attribute, A/#text; a list of paths for join
//	as       the codec: text, integer, decimal, flag(Y,N), time(LAYOUT[,ZONE]),
//	         date(LAYOUT), code(LIST[.COLUMN]), const(VALUE), xml,
//	         join(SEPARATOR) or join(WIDTH,WIDTH), split(SEPARATOR); the codec of the
//	         joined value or of the items follows after a blank
//	only     decode or encode: the row serves one direction
//	default  the canonical value where there is none
//	when     an expression that must hold for the row to apply
//	expr     an expression that computes the canonical value
//	inverse  the expression that computes the wire value back
//
// Several rows for one canonical path stand in a list: the first that yields a
// value gives it, and each of them writes.
package mapping

import (
	"fmt"
	"io/fs"
	"path"
	"sync"

	"tongqu/internal/codes"
	"tongqu/internal/conf"
	"tongqu/internal/expression"
	"tongqu/internal/schema"
)

// Table is the translation of one message, compiled for both directions. It is
// read-only and safe for concurrent use.
type Table struct {
	file      string
	name      string // of the wire schema: the message
	message   string
	canonical string
	wire      *schema.Shape
	record    *schema.Shape

	each    []step
	rows    []*row
	fixed   []*constant
	set     []*constant
	ignored []*ignored

	decoder, encoder *program
	// chain are the decoder's scopes from the document to the record, recordScope is
	// the record's, recordSlot where its element is kept: -1 for the element that
	// opened the scope.
	chain                   []int
	recordScope, recordSlot int
	// fieldsAt is where problems go that have no row of their own.
	fieldsAt mark
	// found are the problems that do not keep the table from working.
	found conf.Problems

	decoding, encoding sync.Pool
}

// mark is a place in the table's file.
type mark struct{ line, column int }

// row is one pair of a canonical and a wire path.
type row struct {
	mark
	path      string
	canonical route
	wires     []wireRef
	as        string
	calls     []call
	codec     codec
	join      *joiner
	split     string
	xml       bool
	only      string
	when      *ruled
	expr      *ruled
	inverse   *ruled
	fallback  string
	hasValue  bool // of fallback
}

type wireRef struct {
	route
	mark
	text string
}

// The values of only.
const (
	onlyDecode = "decode"
	onlyEncode = "encode"
)

func (r *row) decodes() bool { return r.only != onlyEncode }

func (r *row) encodes() bool {
	return r.only != onlyDecode && len(r.wires) > 0 && (r.expr == nil || r.inverse != nil)
}

// ruled is an expression with its place in the table.
type ruled struct {
	mark
	*expression.Expression
}

// constant is a value that one side always has.
type constant struct {
	mark
	path  string
	route route
	value string
	// counts says that the value is the number of records, not a constant.
	counts bool
}

// ignored is a wire path that no row maps, and why.
type ignored struct {
	mark
	path  string
	route route
}

// Canonical is the canonical type of the table's records, with its version.
func (t *Table) Canonical() string { return t.canonical }

// Each is the shape of the wire element that makes one record.
func (t *Table) Each() *schema.Shape {
	if len(t.each) == 0 {
		return t.wire
	}
	return t.each[len(t.each)-1].shape
}

// Message is the name of the wire message.
func (t *Table) Message() string { return t.message }

// Load reads and compiles mappings/NAME.yaml; fsys is rooted at the mappings
// folder, name is ADAPTER/MESSAGE. canonical finds the schema of a canonical type,
// nil for none. What is wrong in the table comes back as conf.Problems, all of it.
func Load(fsys fs.FS, name string, wire *schema.Schema, canonical func(string) *schema.Schema, lists *codes.Lists) (*Table, error) {
	data, err := fs.ReadFile(fsys, name+".yaml")
	if err != nil {
		return nil, fmt.Errorf("reading mapping table: %w", err)
	}
	file := "mappings/" + name + ".yaml"
	root, err := conf.Node(file, data)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, conf.Problems{{File: file, Line: 1, Column: 1, Message: "the table is empty"}}
	}
	t := &Table{file: file, name: path.Base(wire.ID()), wire: wire.Shape()}
	p := parser{table: t, lists: lists, canonical: canonical}
	t.parse(&p, root)
	if err := p.problems.Or(); err != nil {
		return nil, err
	}
	if err := t.compile(); err != nil {
		return nil, err
	}
	return t, nil
}

// compile makes the programs of both directions.
func (t *Table) compile() error {
	decode := newDecodeCompiler(t)
	decode.decoder()
	feeds := decode.feeds()
	if len(decode.problems) > 0 {
		return decode.problems
	}
	encode := newEncodeCompiler(t, feeds)
	encode.encoder()
	if len(encode.problems) > 0 {
		return encode.problems
	}
	t.decoder, t.encoder = decode.program(), encode.program()
	t.chain, t.recordScope, t.recordSlot = decode.chain, decode.recordScope, decode.recordSlot
	t.decoding.New = func() any { return newState(t.decoder) }
	t.encoding.New = func() any { return newState(t.encoder) }
	return nil
}
