package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tongqu/internal/codes"
	"tongqu/internal/fault"
)

// codec translates one value between its wire and its canonical form. The two
// methods are inverse to each other for every value that the other one returns.
// The text given is trimmed and not empty. A nil trouble means success; a trouble
// that passes comes with a text that is to be used all the same.
type codec interface {
	decode(wire string) (string, *trouble)
	encode(canonical string) (string, *trouble)
}

// trouble is what a codec says about a value it cannot translate. Codecs make
// their troubles once, so that the hot path allocates none.
type trouble struct {
	code   fault.Code
	arg    string
	rule   string
	passes bool
}

// textCodec keeps the text.
type textCodec struct{}

func (textCodec) decode(s string) (string, *trouble) { return s, nil }
func (textCodec) encode(s string) (string, *trouble) { return s, nil }

// blanksCodec keeps the text with the blanks around it: a code in which positions
// count may begin with one.
type blanksCodec struct{ textCodec }

// codeCodec translates by one column of a code list. A code that the list does
// not know passes as it is, flagged.
type codeCodec struct {
	column  *codes.Column
	unknown *trouble
}

func newCodeCodec(column *codes.Column) codec {
	name := column.String()
	return &codeCodec{column: column, unknown: &trouble{code: fault.MapCode, arg: name, rule: "code " + name, passes: true}}
}

func (c *codeCodec) decode(s string) (string, *trouble) {
	if v, ok := c.column.Decode(s); ok {
		return v, nil
	}
	return s, c.unknown
}

func (c *codeCodec) encode(s string) (string, *trouble) {
	if v, ok := c.column.Encode(s); ok {
		return v, nil
	}
	return s, c.unknown
}

// flagCodec writes yes and no as two agreed values.
type flagCodec struct {
	yes, no string
	// alsoYes and alsoNo are read besides, as xs:boolean has 1 and 0.
	alsoYes, alsoNo string
	bad             *trouble
}

func newFlagCodec(yes, no string) codec {
	rule := "flag " + yes + " " + no
	return &flagCodec{yes: yes, no: no, alsoYes: yes, alsoNo: no, bad: &trouble{code: fault.MapValue, arg: yes + "/" + no, rule: rule}}
}

// newBooleanCodec is the flag of xs:boolean and of JSON.
func newBooleanCodec() codec {
	return &flagCodec{
		yes: "true", no: "false", alsoYes: "1", alsoNo: "0",
		bad: &trouble{code: fault.MapValue, arg: "true/false", rule: "flag true false"},
	}
}

func (c *flagCodec) decode(s string) (string, *trouble) {
	switch s {
	case c.yes, c.alsoYes:
		return "true", nil
	case c.no, c.alsoNo:
		return "false", nil
	}
	return "", c.bad
}

func (c *flagCodec) encode(s string) (string, *trouble) {
	switch s {
	case "true":
		return c.yes, nil
	case "false":
		return c.no, nil
	}
	return "", c.bad
}

// constCodec takes one value only, the same on both sides.
type constCodec struct {
	value string
	bad   *trouble
}

func newConstCodec(value string) codec {
	return &constCodec{value: value, bad: constantOnly(value)}
}

// constantOnly is the trouble of any other value.
func constantOnly(value string) *trouble {
	return &trouble{code: fault.MapValue, arg: value, rule: "const " + value}
}

func (c *constCodec) decode(s string) (string, *trouble) {
	if s != c.value {
		return "", c.bad
	}
	return s, nil
}

func (c *constCodec) encode(s string) (string, *trouble) { return c.decode(s) }

// call is one codec as a table names it: name(arg,arg).
type call struct {
	name string
	args []string
}

// parseCalls reads what stands after `as:`, one or more calls with blanks
// between them: `time(20060102150405)`, `split(",") code(unit)`. An argument may
// be quoted with double quotes; without quotes it is trimmed.
func parseCalls(s string) ([]call, error) {
	var calls []call
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		i := strings.IndexFunc(s, func(r rune) bool { return r == '(' || r == ' ' || r == ')' || r == ',' })
		if i == 0 {
			return nil, fmt.Errorf("a codec's name is needed before %q", s)
		}
		if i < 0 || s[i] == ' ' {
			name, rest, _ := strings.Cut(s, " ")
			calls = append(calls, call{name: name})
			s = rest
			continue
		}
		if s[i] != '(' {
			return nil, fmt.Errorf("unexpected %q", s[i:])
		}
		c := call{name: s[:i]}
		var err error
		if c.args, s, err = parseArgs(s[i+1:]); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		calls = append(calls, c)
	}
	return calls, nil
}

var errOpen = errors.New("a bracket is not closed")

// parseArgs reads arguments up to the closing bracket and returns what follows it.
func parseArgs(s string) (args []string, rest string, err error) {
	for {
		s = strings.TrimLeft(s, " ")
		var arg string
		if quoted, ok := strings.CutPrefix(s, `"`); ok {
			var closed bool
			if arg, s, closed = strings.Cut(quoted, `"`); !closed {
				return nil, "", errors.New("a quote is not closed")
			}
			s = strings.TrimLeft(s, " ")
		} else {
			end := strings.IndexAny(s, ",)")
			if end < 0 {
				return nil, "", errOpen
			}
			arg, s = strings.TrimRight(s[:end], " "), s[end:]
		}
		args = append(args, arg)
		switch {
		case strings.HasPrefix(s, ","):
			s = s[1:]
		case strings.HasPrefix(s, ")"):
			if len(args) == 1 && args[0] == "" {
				args = nil
			}
			return args, s[1:], nil
		default:
			return nil, "", errOpen
		}
	}
}

// codecNames are the codecs that newCodec knows; join, split and xml shape whole
// rows and are dealt with there.
func codecNames() []string {
	return []string{"text", "integer", "decimal", "flag", "time", "date", "code", "const", "join", "split", "xml"}
}

// newCodec makes the codec of a call.
func newCodec(c call, lists *codes.Lists) (codec, error) {
	want := func(least, most int) error {
		if n := len(c.args); n < least || n > most {
			return fmt.Errorf("%s takes %d to %d arguments, not %d", c.name, least, most, n)
		}
		if i := slices.Index(c.args, ""); i >= 0 {
			return fmt.Errorf("argument %d of %s is empty", i+1, c.name)
		}
		return nil
	}
	switch c.name {
	case "text":
		if slices.Equal(c.args, []string{"blanks"}) {
			return blanksCodec{}, nil
		}
		return textCodec{}, want(0, 0)
	case "integer":
		return integerCodec{}, want(0, 0)
	case "decimal":
		return decimalCodec{}, want(0, 0)
	case "flag":
		if len(c.args) == 0 {
			return newBooleanCodec(), nil
		}
		if err := want(2, 2); err != nil {
			return nil, err
		}
		if c.args[0] == c.args[1] {
			return nil, errors.New("flag needs two different values")
		}
		return newFlagCodec(c.args[0], c.args[1]), nil
	case "time":
		if err := want(1, 2); err != nil {
			return nil, err
		}
		if digits, ok := unixDigits[c.args[0]]; ok {
			return newUnixCodec(digits, append(c.args, defaultZone)[1])
		}
		return newTimeCodec(c.args[0], append(c.args, defaultZone)[1])
	case "date":
		if err := want(1, 1); err != nil {
			return nil, err
		}
		return newDateCodec(c.args[0])
	case "const":
		if err := want(1, 1); err != nil {
			return nil, err
		}
		return newConstCodec(c.args[0]), nil
	case "code":
		if err := want(1, 1); err != nil {
			return nil, err
		}
		column, err := lists.Column(c.args[0])
		if err != nil {
			return nil, err
		}
		return newCodeCodec(column), nil
	}
	return nil, fmt.Errorf("no codec %q here", c.name)
}
