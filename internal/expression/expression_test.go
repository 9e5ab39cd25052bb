package expression

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpression(t *testing.T) {
	env := &Environment{
		This:   "报关单1500",
		Wire:   func(path string) string { return "wire " + path },
		Value:  func(path string) string { return "value " + path },
		Values: func(string) []string { return []string{"1.10", "", "2.20"} },
	}
	tests := []struct{ source, want, err string }{
		{source: `this`, want: "报关单1500"},
		{source: `substr(this, 0, 3)`, want: "报关单"},
		{source: `substr(this, 3, 100)`, want: "1500"},
		{source: `substr(this, 9, 1)`, want: ""},
		{source: `substr(this, -1, 1)`, want: ""},
		{source: `mul(substr(this, 3, 4), "0.001")`, want: "1.5"},
		{source: `mul("", "5")`, want: ""},
		{source: `add("0.1", "0.2", "")`, want: "0.3"},
		{source: `sub("1", "0.9")`, want: "0.1"},
		{source: `add("", "")`, want: ""},
		{source: `total(values("items[].qty"))`, want: "3.3"},
		{source: `round("2.345", 2)`, want: "2.35"},
		{source: `round("2", 2)`, want: "2.00"},
		{source: `round("2", 99)`, err: "round to 99 places (1:1)"},
		{source: `add("x", "1")`, err: `"x" is no decimal (1:1)`},
		{source: `add("1e40", "1" )`, want: "10000000000000000000000000000000000000001"},
		{source: `compare("1.10", "1.1")`, want: "0"},
		{source: `compare("", "0.1")`, want: "-1"},
		{source: `compare("x", "0.1")`, err: `"x" is no decimal (1:1)`},
		{source: `near("100.01", "100", "0.01")`, want: "true"},
		{source: `near("100.02", "100", "0.01")`, want: "false"},
		{source: `whole("10.00") && whole("1e2") && !whole("0.5")`, want: "true"},
		{source: `abs(sub("1", "3")) + abs("")`, want: "2"},
		{source: `add("1e999999999", "1")`, err: `"1e999999999" is no decimal (1:1)`},
		{source: `wire("A/B") + value("c")`, want: "wire A/Bvalue c"},
		{source: `this == "" ? nil : 7`, want: "7"},
		{source: `nil`, want: ""},
		{source: `len(this)`, want: "7"},
		{source: `this startsWith "报"`, want: "true"},
		{source: `split(this, "单")`, err: "the result is a []string, not a text"},
		{source: `join(map(1..20000, this))`, err: "memory budget exceeded (1:11)"},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			e, err := Compile(tt.source, false, This, Wire, Value, Values)
			require.NoError(t, err)
			got, err := e.Run(env)
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestExpressionRefused(t *testing.T) {
	for source, want := range map[string]string{
		`this[0:2]`:           "slices count bytes: use substr(text, from, length)",
		`this[0]`:             "type string[int] is undefined",
		`this == "" ? 0.5:1`:  `no floating point: write decimals as text, "0.001"`,
		`10 / 4`:              "no floating point: use mul and round",
		`2 ** 3`:              "no floating point: use mul and round",
		`now()`:               "unknown name now",
		`float("1")`:          "unknown name float",
		`fromJSON(this)`:      "unknown name fromJSON",
		`wire(this)`:          "wire needs a path written out as text",
		`value("a" + "b")`:    "value needs a path written out as text",
		`wire("")`:            "wire needs a path written out as text",
		`this + 1`:            "invalid operation: +",
		`that`:                "unknown name that",
		`wire("a", "b")`:      "too many arguments to call wire",
		`repeat(this, 99999)`: "unknown name repeat",
	} {
		_, err := Compile(source, false, This, Wire, Value, Values)
		require.ErrorContains(t, err, want, source)
	}
}

func TestNamesRefused(t *testing.T) {
	_, err := Compile(`value("a") == "b"`, true, Value)
	require.NoError(t, err)
	for _, source := range []string{`wire("a") == "b"`, `this == "b"`, `len(values("a")) == 1`} {
		_, err := Compile(source, true, Value)
		require.ErrorContains(t, err, "is not there in a rule", source)
	}
}
