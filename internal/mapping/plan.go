package mapping

import (
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// plan is one node of the target tree: an object, a leaf, or a list of either.
type plan struct {
	name, space string
	attr        bool
	form        planForm
	// kind is what a leaf becomes.
	kind wire.Kind
	// required says that the schema requires the node; only encoding reports a lack,
	// since decoded records are checked anyway. empty says that an empty leaf will do.
	required, empty bool
	// always writes an object even when it has constants only, or nothing.
	always bool
	// constant says that nothing below depends on the record.
	constant bool
	// parts are the members of an object in schema order.
	parts []*plan
	// of a list: the items, the scope they stand in, how to get from a current
	// scope to the list's, and whether a JSON array wraps them.
	item   *plan
	scope  int
	via    []int
	array  bool
	single bool
	// of a leaf: where its value may come from; the first that has one gives it.
	leads []*lead
	// path and title tell people which node it is.
	path, title string
	// order places the node among its siblings.
	order int
	shape *schema.Shape
}

type planForm uint8

const (
	planObject planForm = iota
	planLeaf
	planList
)

// lead is one row's way from the source to a leaf.
type lead struct {
	form leadForm
	// scope and slot are where the source value stands; slot is -1 for none.
	scope, slot int
	// more are the other sources that join takes together.
	more []lead
	// via is how to get from a current scope to scope when it is not current.
	via []int
	// codec is nil for text.
	codec codec
	when  *evaluation
	expr  *evaluation
	// part is which part of the joined value this leaf is.
	part int
	join *joiner
	// split is the separator of a list.
	split string
	// value is a constant, or the default of a row that found nothing.
	value      string
	hasDefault bool
	// row is what the table says; of a constant, constant is.
	row      *row
	constant *constant
	title    string
	shared   bool
}

type leadForm uint8

const (
	leadPlain leadForm = iota
	leadConstant
	leadJoin
	leadPart
	leadSplit
	leadXML
	leadExpression
	leadCount
)

// check is a constant that the source must hold where it stands at all.
type check struct {
	scope, slot int
	// via is how to get to scope from the record.
	via    []int
	value  string
	bad    *trouble
	title  string
	shared bool
	// counts says that the value must be the number of records.
	counts bool
}
