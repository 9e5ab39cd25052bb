package mapping

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/codes"
	"tongqu/internal/fault"
)

// makeCodec makes the codec that `as:` would.
func makeCodec(t *testing.T, as string, lists *codes.Lists) codec {
	t.Helper()
	calls, err := parseCalls(as)
	require.NoError(t, err)
	require.Len(t, calls, 1)
	c, err := newCodec(calls[0], lists)
	require.NoError(t, err)
	return c
}

func TestCodecDecode(t *testing.T) {
	lists := loadWorld(t).lists
	tests := []struct {
		as, wire, want string
		code           fault.Code
	}{
		{as: "text", wire: "abc", want: "abc"},

		{as: "integer", wire: "7", want: "7"},
		{as: "integer", wire: "+7", want: "7"},
		{as: "integer", wire: "007", want: "7"},
		{as: "integer", wire: "-07", want: "-7"},
		{as: "integer", wire: "-7", want: "-7"},
		{as: "integer", wire: "-0", want: "0"},
		{as: "integer", wire: "0", want: "0"},
		{as: "integer", wire: "", code: fault.MapNumber},
		{as: "integer", wire: "-", code: fault.MapNumber},
		{as: "integer", wire: "1.0", code: fault.MapNumber},
		{as: "integer", wire: "１", code: fault.MapNumber},

		{as: "decimal", wire: "12.50", want: "12.50"},
		{as: "decimal", wire: "12", want: "12"},
		{as: "decimal", wire: "-0.5", want: "-0.5"},
		{as: "decimal", wire: "+5", want: "5"},
		{as: "decimal", wire: "+5.10", want: "5.10"},
		{as: "decimal", wire: ".5", want: "0.5"},
		{as: "decimal", wire: "-.5", want: "-0.5"},
		{as: "decimal", wire: "5.", want: "5"},
		{as: "decimal", wire: "-5.", want: "-5"},
		{as: "decimal", wire: "007.10", want: "007.10"},
		{as: "decimal", wire: "1e3", want: "1000"},
		{as: "decimal", wire: "1.25E1", want: "12.5"},
		{as: "decimal", wire: "-12.5e-3", want: "-0.0125"},
		{as: "decimal", wire: "12345e-2", want: "123.45"},
		{as: "decimal", wire: "1e41", code: fault.MapNumber},
		{as: "decimal", wire: "1e99999999999999999999", code: fault.MapNumber},
		{as: "decimal", wire: "1e", code: fault.MapNumber},
		{as: "decimal", wire: ".", code: fault.MapNumber},
		{as: "decimal", wire: "+", code: fault.MapNumber},
		{as: "decimal", wire: "1,000", code: fault.MapNumber},
		{as: "decimal", wire: "1.2.3", code: fault.MapNumber},
		{as: "decimal", wire: "1 000", code: fault.MapNumber},
		{as: "decimal", wire: "NaN", code: fault.MapNumber},
		{as: "decimal", wire: "--1", code: fault.MapNumber},

		{as: "flag(Y,N)", wire: "Y", want: "true"},
		{as: "flag(Y,N)", wire: "N", want: "false"},
		{as: "flag(Y,N)", wire: "y", code: fault.MapValue},
		{as: "flag(Y,N)", wire: "", code: fault.MapValue},
		{as: "flag", wire: "1", want: "true"},
		{as: "flag", wire: "false", want: "false"},

		{as: "time(20060102150405)", wire: "20260308112701", want: "2026-03-08T11:27:01+08:00"},
		{as: "time(unix)", wire: "1772940421", want: "2026-03-08T11:27:01+08:00"},
		{as: "time(unixms,UTC)", wire: "1772940421007", want: "2026-03-08T03:27:01.007Z"},
		{as: "time(unix)", wire: "1772940421000", code: fault.MapTime},
		{as: "time(unixms)", wire: "-1", code: fault.MapTime},
		{as: "time(unixms)", wire: "2026-03-08", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "20240229000000", want: "2024-02-29T00:00:00+08:00"},
		{as: "time(20060102150405)", wire: "20260230112701", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "20230229112701", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "20260431112701", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "20261301112701", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "20260308240000", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "20260308236000", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "20260308235960", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "2026030811270", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "202603081127011", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "2026030811270a", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "00000101000000", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "19870801120000", want: "1987-08-01T12:00:00+09:00"},
		{as: "time(20060102150405)", wire: "19870412003000", want: "1987-04-12T00:30:00+08:00"},
		{as: "time(20060102150405)", wire: "19870412023000", code: fault.MapTime},
		{as: "time(20060102150405)", wire: "18990101000000", code: fault.MapTime},
		{as: "time(20060102150405000)", wire: "20260308112701123", want: "2026-03-08T11:27:01.123+08:00"},
		{as: "time(20060102150405000)", wire: "20260308112701000", want: "2026-03-08T11:27:01.000+08:00"},
		{as: "time(20060102150405000)", wire: "20260308112701", code: fault.MapTime},
		{as: "time(2006010215040500)", wire: "2026030811270112", want: "2026-03-08T11:27:01.120+08:00"},
		{as: "time(20060102T15040500)", wire: "20260308T11270108", want: "2026-03-08T11:27:01.080+08:00"},
		{as: "time(2006010215040500)", wire: "20260308112701", code: fault.MapTime},
		{as: "time(2006-01-02 15:04:05)", wire: "2026-03-08 11:27:01", want: "2026-03-08T11:27:01+08:00"},
		{as: "time(2006年01月02日15时04分)", wire: "2026年03月08日11时27分", want: "2026-03-08T11:27:00+08:00"},
		{as: "time(20060102150405,UTC)", wire: "20260308112701", want: "2026-03-08T11:27:01Z"},
		{as: "time(20060102150405,America/New_York)", wire: "20260701112701", want: "2026-07-01T11:27:01-04:00"},
		{as: "time(20060102150405,America/New_York)", wire: "20260308023000", code: fault.MapTime},
		{as: "time(xsd)", wire: "2026-03-08T11:27:01", want: "2026-03-08T11:27:01+08:00"},
		{as: "time(xsd)", wire: "2026-03-08T11:27:01.5", want: "2026-03-08T11:27:01.5+08:00"},
		{as: "time(xsd)", wire: "2026-03-08T03:27:01Z", want: "2026-03-08T03:27:01Z"},
		{as: "time(xsd)", wire: "2026-03-08T03:27:01.25-05:00", want: "2026-03-08T03:27:01.25-05:00"},
		{as: "time(xsd)", wire: "2026-02-30T03:27:01Z", code: fault.MapTime},
		{as: "time(xsd)", wire: "2026-03-08T03:27:01.Z", code: fault.MapTime},
		{as: "time(xsd)", wire: "2026-03-08", code: fault.MapTime},
		{as: "time(xsd)", wire: "2026-03-08T03:27:01+8", code: fault.MapTime},

		{as: "date(20060102)", wire: "20260308", want: "2026-03-08"},
		{as: "date(2006/01/02)", wire: "2026/03/08", want: "2026-03-08"},
		{as: "date(20060102)", wire: "20260230", code: fault.MapTime},

		{as: "code(currency.num)", wire: "142", want: "CNY"},
		{as: "code(currency.num)", wire: "999", want: "999", code: fault.MapCode},
		{as: "const(X)", wire: "X", want: "X"},
		{as: "const(X)", wire: "Y", code: fault.MapValue},
	}
	for _, tt := range tests {
		t.Run(tt.as+" "+tt.wire, func(t *testing.T) {
			got, trouble := makeCodec(t, tt.as, lists).decode(tt.wire)
			require.Equal(t, tt.want, got)
			if tt.code == "" {
				require.Nil(t, trouble)
				return
			}
			require.NotNil(t, trouble)
			require.Equal(t, tt.code, trouble.code)
			require.Equal(t, tt.code == fault.MapCode, trouble.passes)
		})
	}
}

func TestCodecEncode(t *testing.T) {
	lists := loadWorld(t).lists
	tests := []struct {
		as, canonical, want string
		code                fault.Code
	}{
		{as: "time(20060102150405)", canonical: "2026-03-08T11:27:01+08:00", want: "20260308112701"},
		{as: "time(20060102150405)", canonical: "2026-03-08T03:27:01Z", want: "20260308112701"},
		{as: "time(20060102150405)", canonical: "2026-03-08T11:27:01.999+08:00", want: "20260308112701"},
		{as: "time(20060102150405000)", canonical: "2026-03-08T11:27:01+08:00", want: "20260308112701000"},
		{as: "time(20060102150405000)", canonical: "2026-03-08T11:27:01.5+08:00", want: "20260308112701500"},
		{as: "time(2006010215040500)", canonical: "2026-03-08T11:27:01.080+08:00", want: "2026030811270108"},
		{as: "time(2006010215040500)", canonical: "2026-03-08T11:27:01+08:00", want: "2026030811270100"},
		{as: "time(20060102150405000)", canonical: "2026-03-08T03:27:01.1234567Z", want: "20260308112701123"},
		{as: "time(20060102150405)", canonical: "1987-08-01T12:00:00+09:00", want: "19870801120000"},
		{as: "time(20060102150405)", canonical: "1987-08-01T11:00:00+08:00", want: "19870801120000"},
		{as: "time(20060102150405)", canonical: "2026-03-08 11:27:01", code: fault.MapTime},
		{as: "time(20060102150405)", canonical: "2026-02-30T11:27:01+08:00", code: fault.MapTime},
		{as: "time(20060102150405)", canonical: "2026-03-08T11:27:01.+08:00", code: fault.MapTime},
		{as: "time(xsd)", canonical: "2026-03-08T11:27:01+08:00", want: "2026-03-08T11:27:01+08:00"},
		{as: "time(xsd)", canonical: "yesterday", code: fault.MapTime},
		{as: "date(20060102)", canonical: "2026-03-08", want: "20260308"},
		{as: "date(20060102)", canonical: "2026-3-8", code: fault.MapTime},
		{as: "flag(Y,N)", canonical: "true", want: "Y"},
		{as: "flag(Y,N)", canonical: "Y", code: fault.MapValue},
		{as: "code(currency.num)", canonical: "CNY", want: "142"},
		{as: "code(currency.num)", canonical: "XXX", want: "XXX", code: fault.MapCode},
		{as: "decimal", canonical: "12.50", want: "12.50"},
		{as: "decimal", canonical: "twelve", code: fault.MapNumber},
	}
	for _, tt := range tests {
		t.Run(tt.as+" "+tt.canonical, func(t *testing.T) {
			got, trouble := makeCodec(t, tt.as, lists).encode(tt.canonical)
			require.Equal(t, tt.want, got)
			if tt.code == "" {
				require.Nil(t, trouble)
			} else {
				require.Equal(t, tt.code, trouble.code)
			}
		})
	}
}

// TestCodecInverse: what a codec returns, its other method takes back.
func TestCodecInverse(t *testing.T) {
	lists := loadWorld(t).lists
	digits := func(n int) string { return "[0-9]{" + strconv.Itoa(n) + "}" }
	wires := map[string]string{
		"integer":                      `-?[1-9][0-9]{0,12}|0`,
		"decimal":                      `-?[0-9]{1,12}(\.[0-9]{1,6})?`,
		"flag(Y,N)":                    `Y|N`,
		"time(20060102150405)":         `(19[0-9]{2}|20[0-9]{2})(0[1-9]|1[0-2])([012][0-9]|3[01])([01][0-9]|2[0-4])[0-6][0-9][0-6][0-9]`,
		"time(20060102150405000)":      `20[0-9]{2}(0[1-9]|1[0-2])[0-3][0-9][01][0-9][0-5][0-9][0-5][0-9]` + digits(3),
		"time(02/01/2006 15:04,UTC)":   `[0-3][0-9]/[01][0-9]/[0-9]{4} [0-2][0-9]:[0-6][0-9]`,
		"time(20060102150405,Etc/UTC)": `20[0-9]{2}[01][0-9][0-3][0-9][0-2][0-9][0-5][0-9][0-5][0-9]`,
		"date(20060102)":               `[0-9]{4}[01][0-9][0-3][0-9]`,
		"code(currency.num)":           `142|502|[a-z]{3}`,
		"const(X)":                     `X|Y`,
	}
	for as, pattern := range wires {
		t.Run(as, func(t *testing.T) {
			c := makeCodec(t, as, lists)
			taken := 0
			rapid.Check(t, func(t *rapid.T) {
				wire := rapid.StringMatching(pattern).Draw(t, "wire")
				canonical, trouble := c.decode(wire)
				if trouble != nil && !trouble.passes {
					return
				}
				taken++
				back, trouble := c.encode(canonical)
				require.True(t, trouble == nil || trouble.passes)
				require.Equal(t, wire, back)
				again, _ := c.decode(back)
				require.Equal(t, canonical, again)
			})
			require.Positive(t, taken)
		})
	}
}

// TestDecimalMinimal: an accepted decimal is canonical, worth the same, and the
// same text when it was canonical before.
func TestDecimalMinimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[+-]?[0-9]{0,4}(\.[0-9]{0,4})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "decimal")
		got, trouble := decimalCodec{}.decode(s)
		f, err := strconv.ParseFloat(s, 64)
		if trouble != nil {
			require.True(t, err != nil || len(s) > 3 && f != 0 || len(s) > 3, "refused %q", s)
			return
		}
		require.NoError(t, err)
		require.Regexp(t, `^-?[0-9]+(\.[0-9]+)?$`, got)
		g, err := strconv.ParseFloat(got, 64)
		require.NoError(t, err)
		require.InEpsilon(t, f+1e-300, g+1e-300, 1e-12)
		again, trouble := decimalCodec{}.decode(got)
		require.Nil(t, trouble)
		require.Equal(t, got, again)
		number, ok := jsonNumber(s)
		require.True(t, ok)
		require.Regexp(t, `^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`, number)
	})
}

func TestParseCalls(t *testing.T) {
	tests := []struct {
		in   string
		want []call
		err  string
	}{
		{in: "decimal", want: []call{{name: "decimal"}}},
		{in: "flag(Y, N)", want: []call{{"flag", []string{"Y", "N"}}}},
		{in: `split(",") code(unit)`, want: []call{{"split", []string{","}}, {"code", []string{"unit"}}}},
		{in: `join(" ") time(20060102 150405)`, want: []call{{"join", []string{" "}}, {"time", []string{"20060102 150405"}}}},
		{in: "flag()", want: []call{{name: "flag"}}},
		{in: "time(2006", err: "time: a bracket is not closed"},
		{in: `split(",`, err: "split: a quote is not closed"},
		{in: `split("," x)`, err: "split: a bracket is not closed"},
		{in: "(x)", err: `a codec's name is needed before "(x)"`},
		{in: "a,b", err: `unexpected ",b"`},
	}
	for _, tt := range tests {
		calls, err := parseCalls(tt.in)
		if tt.err != "" {
			require.EqualError(t, err, tt.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tt.want, calls)
	}
}

func TestJoiner(t *testing.T) {
	byDash, err := newJoiner([]string{"--"}, 3)
	require.NoError(t, err)
	byWidth, err := newJoiner([]string{"2", "1"}, 2)
	require.NoError(t, err)
	tests := []struct {
		joiner *joiner
		values []string
		want   string
		ok     bool
	}{
		{byDash, []string{"a", "b", "c"}, "a--b--c", true},
		{byDash, []string{"", "b", ""}, "--b--", true},
		{byDash, []string{"a", "b", "c--d"}, "a--b--c--d", true},
		{byDash, []string{"a-", "b", "c"}, "", false},
		{byDash, []string{"a--b", "b", "c"}, "", false},
		{byWidth, []string{"广州", "市"}, "广州市", true},
		{byWidth, []string{"广", "州"}, "", false},
	}
	for _, tt := range tests {
		got, ok := tt.joiner.take(tt.values)
		require.Equal(t, tt.ok, ok)
		require.Equal(t, tt.want, got)
		for i := range tt.values {
			if part, parted := tt.joiner.part(got, i); ok {
				require.True(t, parted)
				require.Equal(t, tt.values[i], part)
			}
		}
	}
	_, ok := byWidth.part("广州市市", 1)
	require.False(t, ok, "nothing may be left over")
	_, ok = byDash.part("a--b", 2)
	require.False(t, ok)
	for _, args := range [][]string{nil, {""}, {"1", "x"}, {"1", "0"}, {"1", "2", "3"}} {
		_, err := newJoiner(args, 2)
		require.Error(t, err)
	}
}
