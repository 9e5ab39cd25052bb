// Package expression computes and judges values with expr-lang, made safe for
// agencies' data: text by characters, decimal arithmetic on decimal strings, no
// floating point, no clock, budgets of size and memory.
package expression

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
	"github.com/shopspring/decimal"
)

// The budgets of one expression: nodes of its syntax tree, and memory while it runs.
const (
	maxNodes  = 300
	maxMemory = 10_000
)

// Expression is a compiled expression. It is read-only and safe for concurrent use.
type Expression struct {
	// Source is the expression as it was written.
	Source string
	// Reads are the paths that it reads, by the function that reads them.
	Reads   []Read
	program *vm.Program
}

// Read is one wire("PATH"), value("PATH") or values("PATH") in an expression.
type Read struct {
	Function string
	Path     string
}

// The functions that read, and the variable that is the row's own value.
const (
	This   = "this"
	Wire   = "wire"
	Value  = "value"
	Values = "values"
)

// Environment is what an expression sees.
type Environment struct {
	// This is the row's own value: what stands at the wire path when decoding, the
	// canonical value when encoding.
	This string `expr:"this"`
	// Wire returns the sender's value at a wire path, "" where there is none.
	Wire func(path string) string `expr:"wire"`
	// Value returns the value at a path, "" where there is none. Below an array that
	// the expression itself stands in, it is the value of the same item.
	Value func(path string) string `expr:"value"`
	// Values returns the values of all items of an array.
	Values func(path string) []string `expr:"values"`

	machine *vm.VM // that ran last, for the next run
}

// Release lets go of the values that were computed with.
func (env *Environment) Release() { env.This, env.machine = "", nil }

// builtins are the functions of expr-lang that are safe here: no clock, no
// floating point, nothing that counts bytes.
func builtins() []string {
	return []string{
		"all", "none", "any", "one", "filter", "map", "find", "count", "len", "int", "string", "trim", "trimPrefix", "trimSuffix",
		"upper", "lower", "split", "replace", "join", "hasPrefix", "hasSuffix", "first", "last", "uniq", "concat",
	}
}

// Compile compiles source, which may use those of This, Wire, Value and Values
// that are named. A condition must be a bool, anything else a text, an integer or a
// bool.
func Compile(source string, condition bool, names ...string) (*Expression, error) {
	guard := &guard{names: names}
	options := []expr.Option{
		expr.Env(Environment{}),
		expr.MaxNodes(maxNodes),
		expr.DisableAllBuiltins(),
		expr.Patch(guard),
	}
	for _, name := range builtins() {
		options = append(options, expr.EnableBuiltin(name))
	}
	options = append(options, functions()...)
	if condition {
		options = append(options, expr.AsBool())
	}
	program, err := expr.Compile(source, options...)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %s", source, firstLine(err))
	}
	if guard.problem != "" {
		return nil, fmt.Errorf("expression %q: %s", source, guard.problem)
	}
	return &Expression{Source: source, program: program, Reads: guard.refs}, nil
}

// firstLine leaves out the source frame that expr-lang draws below its message.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// guard refuses what would be wrong for agencies' data, and collects the paths.
type guard struct {
	names   []string // that may be used
	refs    []Read
	problem string
}

// Visit implements [ast.Visitor].
func (g *guard) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.SliceNode:
		g.refuse("slices count bytes: use substr(text, from, length)")
	case *ast.FloatNode:
		g.refuse("no floating point: write decimals as text, \"0.001\"")
	case *ast.BinaryNode:
		if n.Operator == "/" || n.Operator == "**" || n.Operator == "^" {
			g.refuse("no floating point: use mul and round")
		}
	case *ast.IdentifierNode:
		switch n.Value {
		case This, Wire, Value, Values:
			if !slices.Contains(g.names, n.Value) {
				g.refuse(n.Value + " is not there in a rule")
			}
			if n.Value != This {
				g.refs = append(g.refs, Read{Function: n.Value})
			}
		}
	case *ast.CallNode:
		g.call(n)
	}
}

// call notes the path of a reading call. Children are visited before parents, so
// the function's own name is the last reference without a path.
func (g *guard) call(n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return
	}
	for i := range g.refs {
		r := &g.refs[i]
		if r.Function != callee.Value || r.Path != "" {
			continue
		}
		if path, ok := n.Arguments[0].(*ast.StringNode); ok && path.Value != "" {
			r.Path = path.Value
			return
		}
		g.refuse(callee.Value + " needs a path written out as text")
		return
	}
}

func (g *guard) refuse(problem string) {
	if g.problem == "" {
		g.problem = problem
	}
}

// Run evaluates the expression. The result is a text ("" for nothing). An
// environment serves one goroutine at a time.
func (e *Expression) Run(env *Environment) (string, error) {
	machine := env.machine
	if env.machine = nil; machine == nil {
		machine = &vm.VM{MemoryBudget: maxMemory}
	}
	result, err := machine.Run(e.program, env)
	env.machine = machine
	if err != nil {
		return "", fmt.Errorf("%s", firstLine(err))
	}
	switch v := result.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	}
	return "", fmt.Errorf("the result is a %T, not a text", result)
}

// functions are what tables have beyond expr-lang's own: text by characters and
// decimal arithmetic on decimal strings.
func functions() []expr.Option {
	texts := func(params []any) []string {
		out := make([]string, len(params))
		for i, p := range params {
			out[i], _ = p.(string)
		}
		return out
	}
	return []expr.Option{
		expr.Function("substr", func(params ...any) (any, error) {
			s, _ := params[0].(string)
			from, _ := params[1].(int)
			n, _ := params[2].(int)
			return substr(s, from, n), nil
		}, new(func(s string, from, length int) string)),
		expr.Function("add", func(params ...any) (any, error) {
			return reduce(texts(params), decimal.Decimal.Add)
		}, new(func(first string, more ...string) string)),
		expr.Function("sub", func(params ...any) (any, error) {
			return reduce(texts(params), decimal.Decimal.Sub)
		}, new(func(first string, more ...string) string)),
		expr.Function("mul", func(params ...any) (any, error) {
			factors := texts(params)
			if slices.Contains(factors, "") {
				return "", nil // a product needs all its factors
			}
			return reduce(factors, decimal.Decimal.Mul)
		}, new(func(first string, more ...string) string)),
		expr.Function("total", func(params ...any) (any, error) {
			list, _ := params[0].([]string)
			return reduce(list, decimal.Decimal.Add)
		}, new(func(list []string) string)),
		expr.Function("round", func(params ...any) (any, error) {
			s, _ := params[0].(string)
			places, _ := params[1].(int)
			d, err := number(s)
			if err != nil {
				return nil, err
			}
			if places < 0 || places > maxExponent {
				return nil, fmt.Errorf("round to %d places", places)
			}
			return d.StringFixed(int32(places)), nil
		}, new(func(value string, places int) string)),
		expr.Function("abs", func(params ...any) (any, error) {
			if params[0] == "" {
				return "", nil
			}
			list, err := numbers(params)
			if err != nil {
				return nil, err
			}
			return list[0].Abs().String(), nil
		}, new(func(value string) string)),
		expr.Function("compare", func(params ...any) (any, error) {
			list, err := numbers(params)
			if err != nil {
				return nil, err
			}
			return list[0].Cmp(list[1]), nil
		}, new(func(a, b string) int)),
		expr.Function("near", func(params ...any) (any, error) {
			list, err := numbers(params)
			if err != nil {
				return nil, err
			}
			return list[0].Sub(list[1]).Abs().LessThanOrEqual(list[2]), nil
		}, new(func(a, b, tolerance string) bool)),
		expr.Function("whole", func(params ...any) (any, error) {
			list, err := numbers(params)
			if err != nil {
				return nil, err
			}
			return list[0].IsInteger(), nil
		}, new(func(value string) bool)),
	}
}

// substr is the part of s that begins at the character from (counted from 0) and
// has at most length characters.
func substr(s string, from, length int) string {
	if from < 0 || length <= 0 {
		return ""
	}
	for ; from > 0 && s != ""; from-- {
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
	end := 0
	for ; length > 0 && end < len(s); length-- {
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
	}
	return s[:end]
}

// The length of a number that decimal arithmetic takes, and of its exponent, which
// it would write out.
const (
	maxNumber   = 60
	maxExponent = 40
)

func number(s string) (decimal.Decimal, error) {
	if s = strings.TrimSpace(s); s == "" {
		return decimal.Zero, nil
	}
	d, err := decimal.Zero, error(nil)
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		var exponent int
		if exponent, err = strconv.Atoi(s[at+1:]); exponent < -maxExponent || exponent > maxExponent {
			err = strconv.ErrRange
		}
	}
	if err == nil && len(s) <= maxNumber {
		d, err = decimal.NewFromString(s)
	}
	if err != nil || len(s) > maxNumber {
		return decimal.Zero, fmt.Errorf("%q is no decimal", s)
	}
	return d, nil
}

// numbers reads the parameters of a function as decimals.
func numbers(params []any) ([]decimal.Decimal, error) {
	list := make([]decimal.Decimal, len(params))
	for i, p := range params {
		s, _ := p.(string)
		var err error
		if list[i], err = number(s); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// reduce folds decimals; an absent one counts as 0, and nothing at all is "".
func reduce(list []string, f func(decimal.Decimal, decimal.Decimal) decimal.Decimal) (string, error) {
	if strings.Join(list, "") == "" {
		return "", nil
	}
	var result decimal.Decimal
	for i, s := range list {
		d, err := number(s)
		if err != nil {
			return "", err
		}
		if i == 0 {
			result = d
		} else {
			result = f(result, d)
		}
	}
	return result.String(), nil
}
