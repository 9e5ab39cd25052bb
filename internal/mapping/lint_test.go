package mapping

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tongqu/internal/conf"
)

// loadText loads a table of demo/Transport (or another message) from its text.
func (w world) loadText(t *testing.T, message, text string) (*Table, error) {
	t.Helper()
	s, ok := w.schemas.Schema("demo/" + message)
	require.True(t, ok)
	return Load(fstest.MapFS{"demo/x.yaml": {Data: []byte(text)}}, "demo/x", s, w.canonical, w.lists)
}

func lines(problems []conf.Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.String())
	}
	return out
}

// transport is a table without a flaw; the tests below spoil it.
const transport = `message: Transport
canonical: demo.truck.v1
each: Truck
fields:
  plate: plate
  sentOn: {at: /sent, as: date(20060102)}
ignored:
  driver: never sent
  state: says nothing
`

func TestLoadProblems(t *testing.T) {
	w := loadWorld(t)
	tests := []struct {
		name, old, new string
		want           []string
	}{
		{name: "unknown key", old: "each:", new: "eech:", want: []string{`mappings/demo/x.yaml:3:1: unknown key "eech"; did you mean "each"?`}},
		{name: "key twice", old: "each: Truck", new: "each: Truck\neach: Truck", want: []string{`mappings/demo/x.yaml:4:1: key "each" stands twice (first on line 3)`}},
		{name: "missing key", old: "canonical: demo.truck.v1\n", want: []string{`mappings/demo/x.yaml:1:1: "canonical" is missing`}},
		{name: "wrong message", old: "message: Transport", new: "message: Transprot", want: []string{"mappings/demo/x.yaml:1:10: the schema is that of message Transport"}},
		{name: "unknown type", old: "demo.truck.v1", new: "demo.car.v1", want: []string{`mappings/demo/x.yaml:2:12: no canonical type "demo.car.v1"`}},
		{name: "each", old: "each: Truck", new: "each: Trunk", want: []string{`mappings/demo/x.yaml:3:7: wire path "Trunk": no "Trunk"; did you mean "Truck"?`}},
		{name: "fields no mapping", old: "fields:\n  plate: plate\n  sentOn: {at: /sent, as: date(20060102)}\n", new: "fields: [a]\n", want: []string{"mappings/demo/x.yaml:4:9: must be a mapping"}},
		{name: "wire path", old: "plate: plate", new: "plate: plat", want: []string{`mappings/demo/x.yaml:5:10: wire path "plat": no "plat"; did you mean "plate"?`}},
		{name: "below a value", old: "plate: plate", new: "plate: plate/no", want: []string{`mappings/demo/x.yaml:5:10: wire path "plate/no": nothing stands below it: it is a string`}},
		{name: "document path", old: "/sent", new: "/sen", want: []string{`mappings/demo/x.yaml:6:16: wire path "/sen": no "sen"; did you mean "sent"?`}},
		{name: "canonical path", old: "  plate: plate", new: "  plait: plate", want: []string{`mappings/demo/x.yaml:5:3: canonical path "plait": no "plait"; did you mean "plate"?`}},
		{name: "canonical row twice", old: "  plate: plate", new: "  plate: plate\n  plate: driver", want: []string{`mappings/demo/x.yaml:6:3: key "plate" stands twice (first on line 5)`}},
		{name: "row key", old: "as: date", new: "like: date", want: []string{`mappings/demo/x.yaml:6:23: unknown key "like"; valid are as, at, default, expr, inverse, only, when`}},
		{name: "codec", old: "date(20060102)", new: "datum(20060102)", want: []string{`mappings/demo/x.yaml:6:27: unknown codec "datum"; did you mean "date"?`}},
		{name: "codec syntax", old: "date(20060102)", new: "date(20060102", want: []string{"mappings/demo/x.yaml:6:27: as: date: a bracket is not closed"}},
		{name: "layout", old: "date(20060102)", new: "date(yyyyMMdd)", want: []string{`mappings/demo/x.yaml:6:27: as: layout "yyyyMMdd" needs year and month`}},
		{name: "layout digits", old: "date(20060102)", new: "date(20060203)", want: []string{`mappings/demo/x.yaml:6:27: as: layout "20060203": "03" is no part of the reference time 2006-01-02 15:04:05.000`}},
		{name: "layout of a date", old: "date(20060102)", new: "date(20060102150405)", want: []string{`mappings/demo/x.yaml:6:27: as: layout "20060102150405" of a date has a time of day`}},
		{name: "zone", old: "date(20060102)", new: `"time(20060102,Asia/Guangzhou)"`, want: []string{`mappings/demo/x.yaml:6:27: as: no time zone "Asia/Guangzhou"`}},
		{name: "code list", old: "date(20060102)", new: "code(days)", want: []string{`mappings/demo/x.yaml:6:27: as: no code list "days"`}},
		{name: "code column", old: "date(20060102)", new: "code(currency.iso2)", want: []string{`mappings/demo/x.yaml:6:27: as: code list "currency" has no column "iso2", only iso, num`}},
		{name: "arguments", old: "date(20060102)", new: `"flag(Y)"`, want: []string{"mappings/demo/x.yaml:6:27: as: flag takes 2 to 2 arguments, not 1"}},
		{name: "two codecs", old: "date(20060102)", new: "date(20060102) text", want: []string{"mappings/demo/x.yaml:6:27: as: one codec too many: text"}},
		{name: "only", old: "as: date(20060102)", new: "only: reading", want: []string{`mappings/demo/x.yaml:6:29: only "reading": must be decode or encode`}},
		{name: "several paths", old: "{at: /sent, as: date(20060102)}", new: "{at: [/sent, driver]}", want: []string{"mappings/demo/x.yaml:6:17: several paths need `as: join(…)`"}},
		{name: "nothing to map", old: "plate: plate", new: "plate: {as: text}", want: []string{"mappings/demo/x.yaml:5:10: a row needs `at` or `expr`"}},
		{name: "constant", old: "ignored:", new: "set:\n  sentOn: \"\"\nignored:", want: []string{"mappings/demo/x.yaml:8:11: a constant is never empty"}},
		{name: "set and mapped", old: "ignored:", new: "set:\n  plate: A\nignored:", want: []string{"mappings/demo/x.yaml:8:3: plate is both mapped and set"}},
		{name: "fixed and mapped", old: "ignored:", new: "fixed:\n  plate: A\nignored:", want: []string{"mappings/demo/x.yaml:8:3: plate is both mapped and fixed"}},
		{name: "fixed group", old: "ignored:", new: "fixed:\n  /Truck: A\nignored:", want: []string{"mappings/demo/x.yaml:8:3: /Truck is no value but holds others"}},
		{name: "no reason", old: "never sent", new: `" "`, want: []string{"mappings/demo/x.yaml:8:11: say why driver is ignored"}},
		{name: "ignored path", old: "driver:", new: "drover:", want: []string{`mappings/demo/x.yaml:8:3: wire path "drover": no "drover"; did you mean "driver"?`}},
		{name: "expression", old: "plate: plate", new: "plate: {at: plate, expr: 'upper('}", want: []string{`mappings/demo/x.yaml:5:28: expression "upper(": unexpected token EOF (1:6)`}},
		{name: "guard is no condition", old: "plate: plate", new: "plate: {at: plate, when: 'this'}", want: []string{`mappings/demo/x.yaml:5:28: expression "this": expected bool, but got string`}},
		{name: "expression reads nothing", old: "plate: plate", new: `plate: {at: plate, expr: 'wire("x")'}`, want: []string{`mappings/demo/x.yaml:5:28: wire path "x": no "x"; valid are driver, plate, state`}},
		{name: "computed and coded", old: "plate: plate", new: "plate: {at: plate, expr: this, as: text}", want: []string{"mappings/demo/x.yaml:5:38: a computed value has no codec"}},
		{name: "inverse alone", old: "plate: plate", new: "plate: {at: plate, inverse: this}", want: []string{"mappings/demo/x.yaml:5:31: inverse needs expr"}},
		{name: "guard of the sender's value both ways", old: "plate: plate", new: `plate: {at: plate, when: 'wire("driver") != ""'}`, want: []string{"mappings/demo/x.yaml:5:28: wire(\"driver\") is not there when encoding: say `only: decode`"}},
		{name: "computed from computed", old: "plate: plate", new: `plate: {expr: 'value("sentOn")'}`, want: nil},
		{name: "two problems", old: "plate: plate", new: "plat: plait", want: []string{
			`mappings/demo/x.yaml:5:9: wire path "plait": no "plait"; did you mean "plate"?`,
			`mappings/demo/x.yaml:5:3: canonical path "plat": no "plat"; did you mean "plate"?`,
		}},
		{name: "list of rows", old: "plate: plate", new: "plate: []", want: []string{"mappings/demo/x.yaml:5:10: an empty list of rows"}},
		{name: "row that never applies", old: "plate: plate", new: "plate: [{at: plate, default: A}, driver]", want: []string{"mappings/demo/x.yaml:5:36: plate never applies: the row before it always does"}},
		{name: "two documents", old: transport, new: transport + "---\na: b\n", want: []string{"mappings/demo/x.yaml:10:1: more than one YAML document"}},
		{name: "empty", old: transport, new: "", want: []string{"mappings/demo/x.yaml:1:1: the table is empty"}},
		{name: "no mapping", old: transport, new: "- a", want: []string{"mappings/demo/x.yaml:1:1: must be a mapping"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, transport, tt.old)
			_, err := w.loadText(t, "Transport", strings.Replace(transport, tt.old, tt.new, 1))
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			var problems conf.Problems
			require.ErrorAs(t, err, &problems)
			require.Equal(t, tt.want, lines(problems))
		})
	}
	s, _ := w.schemas.Schema("demo/Transport")
	_, err := Load(fstest.MapFS{}, "demo/none", s, w.canonical, w.lists)
	var problems conf.Problems
	require.NotErrorAs(t, err, &problems)
	require.ErrorContains(t, err, "reading mapping table")
}

// shipmentTable makes a table of demo/Shipment of the rows given.
func shipmentTable(fields string) string {
	return "message: Shipment\ncanonical: demo.parcel.v1\neach: Parcel\nfields:\n" + fields
}

// TestArrayProblems is about what repeats.
func TestArrayProblems(t *testing.T) {
	w := loadWorld(t)
	tests := []struct{ name, fields, want string }{
		{"array without brackets", "  items.name: Line/name\n", `5:3: canonical path "items.name": "items" is an array; did you mean "items[]"?`},
		{"brackets without array", "  owner[].name: Line/name\n", `5:3: canonical path "owner[].name": "owner" is no array`},
		{"repeating into one", "  place: Line/name\n", "5:10: Line/name repeats more often than place: every repeating element needs an array of its own"},
		{"nested too deep", "  items[].name: Line/mark\n", "5:17: Line/mark repeats more often than items[].name: every repeating element needs an array of its own"},
		{"fed by nothing", "  items[].name: Head/note\n", "5:3: no row says which element repeats for items[]"},
		{"fed by two", "  items[].name: Line/name\n  items[].currency: /Copy/to\n", "6:21: items[] is fed by two repeating elements"},
		{
			"written from two", "  items[].name: Line/name\n  transfer.copies[].to: Line/n\n",
			"6:25: /Parcel/Line is written from items[] and from transfer.copies[]: say `only: decode` in one of them",
		},
		{"text of an element with attributes", "  items[].lots[].qty: Line/Lot\n", "5:23: Line/Lot has attributes: its text is Line/Lot/#text"},
		{"any content", "  transfer.seal: /Seal\n", "5:18: /Seal holds any content: it needs `as: xml`"},
		{"a group", "  place: Head\n", "5:10: Head is no value but holds others"},
		{"a canonical group", "  owner: Head/no\n", `5:3: canonical path "owner" is no value but holds others`},
		{"split into one", "  place: {at: Head/tags, as: 'split(\",\")'}\n", `5:3: canonical path "place": split needs an array`},
		{"set in a list", "  no: Head/no\nset:\n  items[].name: x\n", "7:3: no row says which element repeats for items[]"},
		{"fixed in a list", "  no: Head/no\nfixed:\n  Line/name: x\n", "7:3: Line/name repeats, and nothing says how often to write it"},
		{"one value of many", "  items[].name: Line/name\n  place: {expr: 'value(\"items[].name\")'}\n", `6:17: items[].name has many values: use values("items[].name")`},
		{"many values of one", "  no: Head/no\n  place: {expr: 'join(values(\"no\"))'}\n", `6:17: no has one value: use value("no")`},
		{"wire path that repeats", "  place: {expr: 'wire(\"Line/name\")'}\n", `5:17: wire path "Line/name" repeats`},
		{"computed of computed", "  no: {expr: 'wire(\"Head/no\")'}\n  place: {expr: 'value(\"no\")'}\n", "6:17: no is itself computed or guarded"},
		{"computed of nothing", "  place: {expr: 'value(\"no\")'}\n", "5:17: no row gives no"},
		{"default of a flag", "  express: {at: Head/express, as: 'flag(Y,N)', default: maybe}\n", `5:3: default "maybe" of express cannot be written as flag(Y,N)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.loadText(t, "Shipment", shipmentTable(tt.fields))
			var problems conf.Problems
			require.ErrorAs(t, err, &problems)
			require.Equal(t, []string{"mappings/demo/x.yaml:" + tt.want}, lines(problems))
		})
	}
}

func TestLint(t *testing.T) {
	w := loadWorld(t)
	for _, name := range []string{"demo/Shipment", "demo/Transport", "demo/Permits"} {
		require.Empty(t, w.table(t, name).Lint(), name)
	}
	tests := []struct {
		name, old, new string
		want           []string
	}{
		{name: "unmapped", old: "  driver: never sent\n", want: []string{"4:1: driver is neither mapped, fixed nor ignored"}},
		{name: "required on the canonical side", old: "  plate: plate\n", new: "", want: []string{
			"4:1: plate is neither mapped, fixed nor ignored",
			"4:1: demo.truck.v1 requires plate, which no row produces",
			"4:1: /Transport/Truck/plate is required, and no row writes it",
		}},
		{name: "decoded only", old: "plate: plate", new: "plate: {at: plate, only: decode}", want: []string{
			"4:1: /Transport/Truck/plate is required, and no row writes it",
		}},
		{name: "encoded only", old: "plate: plate", new: "plate: {at: plate, only: encode}", want: []string{
			"4:1: demo.truck.v1 requires plate, which no row produces",
		}},
		{name: "computed", old: "plate: plate", new: "plate: {at: plate, expr: 'upper(this)'}", want: []string{
			"4:1: /Transport/Truck/plate is required, and no row writes it",
		}},
		{name: "ignored and mapped", old: "driver:", new: "plate: twice\n  driver:", want: []string{
			"8:3: plate is ignored, but plate maps plate (line 5)",
		}},
		{name: "ignored and fixed", old: "ignored:", new: "fixed:\n  driver: \"1\"\nignored:", want: []string{
			"10:3: driver is ignored, but driver is fixed (line 8)",
		}},
		{name: "ignored twice", old: "  state: says nothing\n", new: "  state: says nothing\n  /Truck/state: again\n", want: []string{
			"10:3: /Truck/state is already ignored by state (line 9)",
		}},
		{name: "written twice", old: "  plate: plate\n", new: "  plate: [{at: plate, as: const(A)}, plate]\n", want: []string{
			"5:38: plate is also written by plate (line 5): say `only: decode` in one of them",
		}},
		{name: "leading zero", old: "ignored:\n  driver: never sent\n", new: "fixed:\n  driver: 007\nignored:\n", want: []string{
			`8:11: 007 begins with a zero: quote it, "007"`,
		}},
		{name: "no leading zero", old: "ignored:\n  driver: never sent\n", new: "fixed:\n  driver: 0.5\nignored:\n"},
		{name: "date as text", old: "{at: /sent, as: date(20060102)}", new: "/sent", want: []string{"6:3: sentOn is a date: it needs `as: date(…)`"}},
		{name: "date as time", old: "date(20060102)", new: "time(20060102)", want: []string{"6:3: sentOn is a date, not a time"}},
		{name: "decimal of text", old: "plate: plate", new: "plate: {at: plate, as: decimal}", want: []string{"5:3: plate is no decimal in the canonical schema (x-decimal)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, transport, tt.old)
			table, err := w.loadText(t, "Transport", strings.Replace(transport, tt.old, tt.new, 1))
			require.NoError(t, err)
			var want []string
			for _, p := range tt.want {
				want = append(want, "mappings/demo/x.yaml:"+p)
			}
			require.Equal(t, want, lines(table.Lint()))
		})
	}
}

func TestLintKinds(t *testing.T) {
	w := loadWorld(t)
	tests := []struct{ name, row, want string }{
		{"boolean", "  express: Head/express\n", "5:3: express is a boolean: it needs `as: flag(…)`"},
		{"integer", "  items[].lineNo: Line/n\n", "5:3: items[].lineNo is an integer: it needs `as: integer`"},
		{"decimal", "  kilograms: Head/grams\n", "5:3: kilograms is a decimal: it needs `as: decimal`"},
		{"time", "  sentAt: Head/time\n", "5:3: sentAt is a time: it needs `as: time(…)`"},
		{"time as date", "  sentAt: {at: Head/time, as: date(20060102)}\n", "5:3: sentAt is a date-time, not a date"},
		{"too few codes", "  direction: {at: Head/flag, as: code(state)}\n", `5:3: direction can be "import", which state.demo has no code for`},
		{"too many codes", "  direction: {at: Head/flag, as: code(state)}\n", `5:3: state.demo turns "2" into "closed", which direction cannot be`},
		{"set", "  no: Head/no\nset:\n  direction: up\n", `7:3: direction cannot be "up": the schema has [import export]`},
		{"fixed", "  no: Head/no\nfixed:\n  Head/flag: X\n", `7:3: Head/flag cannot be "X": the schema has [I E]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table, err := w.loadText(t, "Shipment", shipmentTable(tt.row))
			require.NoError(t, err)
			require.Contains(t, lines(table.Lint()), "mappings/demo/x.yaml:"+tt.want)
		})
	}
}
