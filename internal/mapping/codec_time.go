package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // agencies' zones must be known on any machine

	"tongqu/internal/fault"
)

// defaultZone is the zone of times that carry none.
const defaultZone = "Asia/Shanghai"

// xsdLayout names the layout of xs:dateTime and RFC 3339: a zone and a fraction
// of a second may stand or be left out.
const xsdLayout = "xsd"

// part is one piece of a layout.
type part struct {
	// what is 'Y', 'M', 'D', 'h', 'm', 's', 'f' (milliseconds), 'c' (hundredths of a
	// second), or 0 for a literal.
	what    byte
	literal string
}

// layoutParts are the pieces that layouts are made of, the longest first.
var layoutParts = []struct {
	layout, people string
	what           byte
}{
	{"2006", "YYYY", 'Y'},
	{"000", "SSS", 'f'},
	{"00", "SS", 'c'},
	{"01", "MM", 'M'},
	{"02", "DD", 'D'},
	{"15", "hh", 'h'},
	{"04", "mm", 'm'},
	{"05", "ss", 's'},
}

// parseLayout reads a layout written with the digits of Go's reference time,
// 20060102150405000 being the one with milliseconds and 2006010215040500 that with
// hundredths of a second. people is the same layout as standards write it:
// YYYYMMDDhhmmssSSS.
func parseLayout(layout string) (parts []part, people string, err error) {
	seen := map[byte]bool{}
next:
	for rest := layout; rest != ""; {
		for _, p := range layoutParts {
			if strings.HasPrefix(rest, p.layout) {
				if seen[p.what] {
					return nil, "", fmt.Errorf("layout %q has %s twice", layout, p.people)
				}
				seen[p.what] = true
				parts, people, rest = append(parts, part{what: p.what}), people+p.people, rest[len(p.layout):]
				continue next
			}
		}
		if rest[0] >= '0' && rest[0] <= '9' {
			return nil, "", fmt.Errorf("layout %q: %q is no part of the reference time 2006-01-02 15:04:05.000", layout, rest)
		}
		parts, people, rest = append(parts, part{literal: rest[:1]}), people+rest[:1], rest[1:]
	}
	if !seen['Y'] || !seen['M'] {
		return nil, "", fmt.Errorf("layout %q needs year and month", layout)
	}
	for _, order := range []string{"hD", "mh", "sm", "fs", "cs"} {
		if seen[order[0]] && !seen[order[1]] {
			return nil, "", fmt.Errorf("layout %q has a smaller unit without the larger one", layout)
		}
	}
	return parts, people, nil
}

// moment is the digits of a point in time, without a zone.
type moment struct {
	year, month, day, hour, minute, second, milli int
}

func (m *moment) field(what byte) (value *int, width int) {
	switch what {
	case 'Y':
		return &m.year, 4
	case 'M':
		return &m.month, 2
	case 'D':
		return &m.day, 2
	case 'h':
		return &m.hour, 2
	case 'm':
		return &m.minute, 2
	case 's':
		return &m.second, 2
	case 'c':
		return &m.milli, 2
	}
	return &m.milli, 3
}

// read takes s apart by the layout, strictly, and checks that the date exists.
func (m *moment) read(parts []part, s string) bool {
	m.month, m.day = 1, 1
	for _, p := range parts {
		if p.what == 0 {
			if !strings.HasPrefix(s, p.literal) {
				return false
			}
			s = s[len(p.literal):]
			continue
		}
		value, width := m.field(p.what)
		if len(s) < width || countDigits(s[:width]) != width {
			return false
		}
		*value = 0
		for _, d := range []byte(s[:width]) {
			*value = *value*10 + int(d-'0')
		}
		if p.what == 'c' {
			*value *= 10
		}
		s = s[width:]
	}
	return s == "" && m.exists()
}

func (m *moment) exists() bool {
	return m.year > 0 && m.month >= 1 && m.month <= 12 && m.day >= 1 && m.day <= daysIn(m.year, m.month) &&
		m.hour < 24 && m.minute < 60 && m.second < 60
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

func (m *moment) append(b []byte, parts []part) []byte {
	for _, p := range parts {
		if p.what == 0 {
			b = append(b, p.literal...)
			continue
		}
		value, width := m.field(p.what)
		if p.what == 'c' {
			b = appendDigits(b, *value/10, width)
			continue
		}
		b = appendDigits(b, *value, width)
	}
	return b
}

func appendDigits(b []byte, v, width int) []byte {
	for range width {
		b = append(b, '0')
	}
	for i := len(b) - 1; v > 0; i-- {
		b[i] = byte('0' + v%10)
		v /= 10
	}
	return b
}

// timeCodec translates a local time of a zone into RFC 3339 with that zone's
// offset; milliseconds are kept where the layout has them.
type timeCodec struct {
	parts     []part
	rfc       []part
	milli     bool
	zone      *time.Location
	fixedFrom int
	fixed     string
	bad       *trouble
}

func newTimeCodec(layout, zone string) (codec, error) {
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, fmt.Errorf("no time zone %q", zone)
	}
	if layout == xsdLayout {
		return &xsdTimeCodec{zone: location, bad: badTime("YYYY-MM-DDThh:mm:ss[.SSS][±hh:mm]")}, nil
	}
	parts, people, err := parseLayout(layout)
	if err != nil {
		return nil, err
	}
	if !hasDay(parts) {
		return nil, fmt.Errorf("layout %q of a time has no day", layout)
	}
	c := &timeCodec{parts: parts, zone: location, bad: badTime(people), fixedFrom: 10000}
	rfc := "2006-01-02T15:04:05"
	for _, p := range parts {
		c.milli = c.milli || p.what == 'f' || p.what == 'c'
	}
	if c.milli {
		rfc += ".000"
	}
	if c.rfc, _, err = parseLayout(rfc); err != nil {
		return nil, err
	}
	switch zone {
	case defaultZone:
		c.fixedFrom, c.fixed = 1992, "+08:00" // the last summer time was in 1991
	case "UTC":
		c.fixedFrom, c.fixed = 0, "Z"
	}
	return c, nil
}

func badTime(people string) *trouble {
	return &trouble{code: fault.MapTime, arg: people, rule: "time " + people}
}

func (c *timeCodec) decode(s string) (string, *trouble) {
	var m moment
	if !m.read(c.parts, s) {
		return "", c.bad
	}
	var room [32]byte
	b := m.append(room[:0], c.rfc)
	if m.year >= c.fixedFrom {
		return string(append(b, c.fixed...)), nil
	}
	t := time.Date(m.year, time.Month(m.month), m.day, m.hour, m.minute, m.second, 0, c.zone)
	if t.Minute() != m.minute || t.Hour() != m.hour {
		return "", c.bad // skipped when summer time began
	}
	if _, offset := t.Zone(); offset%60 != 0 {
		return "", c.bad // local mean time, which RFC 3339 cannot write
	}
	return string(t.AppendFormat(b, "Z07:00")), nil
}

func (c *timeCodec) encode(s string) (string, *trouble) {
	var room [32]byte
	if c.fixed != "" && strings.HasSuffix(s, c.fixed) {
		var m moment
		local := s[:len(s)-len(c.fixed)]
		whole, fraction := local, ""
		if len(local) > len("2006-01-02T15:04:05") {
			whole, fraction = local[:len("2006-01-02T15:04:05")], local[len("2006-01-02T15:04:05"):]
		}
		if m.read(rfcSeconds, whole) && m.year >= c.fixedFrom && readFraction(fraction, &m) {
			return string(m.append(room[:0], c.parts)), nil
		}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return "", c.bad
	}
	t = t.In(c.zone)
	m := momentOf(t)
	if m.year < 1 || m.year > 9999 {
		return "", c.bad
	}
	return string(m.append(room[:0], c.parts)), nil
}

// rfcSeconds is RFC 3339 without fraction and zone.
var rfcSeconds = []part{
	{what: 'Y'},
	{literal: "-"},
	{what: 'M'},
	{literal: "-"},
	{what: 'D'},
	{literal: "T"},
	{what: 'h'},
	{literal: ":"},
	{what: 'm'},
	{literal: ":"},
	{what: 's'},
}

// readFraction reads ".123456" (or nothing) into milliseconds, cutting the rest off.
func readFraction(s string, m *moment) bool {
	if s == "" {
		return true
	}
	if s[0] != '.' || len(s) == 1 || countDigits(s[1:]) != len(s)-1 {
		return false
	}
	for i, weight := 1, 100; i < len(s) && weight > 0; i, weight = i+1, weight/10 {
		m.milli += int(s[i]-'0') * weight
	}
	return true
}

func momentOf(t time.Time) moment {
	return moment{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond() / int(time.Millisecond)}
}

// xsdTimeCodec takes xs:dateTime, whose zone and fraction may be left out. The
// canonical form is the same text with a zone.
type xsdTimeCodec struct {
	zone *time.Location
	bad  *trouble
}

func (c *xsdTimeCodec) decode(s string) (string, *trouble) {
	if len(s) < len("2006-01-02T15:04:05") {
		return "", c.bad
	}
	var m moment
	rest := s[len("2006-01-02T15:04:05"):]
	if !m.read(rfcSeconds, s[:len(s)-len(rest)]) {
		return "", c.bad
	}
	digits := rest
	if i := strings.IndexAny(rest, "Z+-"); i >= 0 {
		digits = rest[:i]
	}
	if !readFraction(digits, &m) {
		return "", c.bad
	}
	if len(digits) < len(rest) {
		if _, err := time.Parse(time.RFC3339Nano, s); err != nil {
			return "", c.bad
		}
		return s, nil
	}
	t := time.Date(m.year, time.Month(m.month), m.day, m.hour, m.minute, m.second, 0, c.zone)
	if _, offset := t.Zone(); momentOf(t).hour != m.hour || offset%60 != 0 {
		return "", c.bad
	}
	return string(t.AppendFormat([]byte(s), "Z07:00")), nil
}

func (c *xsdTimeCodec) encode(s string) (string, *trouble) {
	if _, err := time.Parse(time.RFC3339Nano, s); err != nil {
		return "", c.bad
	}
	return s, nil
}

// dateCodec translates a date into YYYY-MM-DD, a month into YYYY-MM (ISO 8601).
type dateCodec struct {
	parts, iso []part
	bad        *trouble
}

var (
	isoDate  = []part{{what: 'Y'}, {literal: "-"}, {what: 'M'}, {literal: "-"}, {what: 'D'}}
	isoMonth = isoDate[:3]
)

func newDateCodec(layout string) (codec, error) {
	parts, people, err := parseLayout(layout)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if p.what != 0 && !strings.ContainsRune("YMD", rune(p.what)) {
			return nil, fmt.Errorf("layout %q of a date has a time of day", layout)
		}
	}
	iso := isoMonth
	if hasDay(parts) {
		iso = isoDate
	}
	return &dateCodec{parts: parts, iso: iso, bad: badTime(people)}, nil
}

func hasDay(parts []part) bool {
	return slices.ContainsFunc(parts, func(p part) bool { return p.what == 'D' })
}

func (c *dateCodec) decode(s string) (string, *trouble) { return c.turn(s, c.parts, c.iso) }

func (c *dateCodec) encode(s string) (string, *trouble) { return c.turn(s, c.iso, c.parts) }

func (c *dateCodec) turn(s string, from, to []part) (string, *trouble) {
	var m moment
	if !m.read(from, s) {
		return "", c.bad
	}
	var room [16]byte
	return string(m.append(room[:0], to)), nil
}

// unixDigits are the layouts of times that are a number since 1970, and how many
// digits of it are a fraction of a second.
var unixDigits = map[string]int{"unix": 0, "unixms": 3}

// unixCodec takes the seconds or milliseconds since 1970 that programs write.
type unixCodec struct {
	digits int
	layout string
	zone   *time.Location
	bad    *trouble
}

func newUnixCodec(digits int, zone string) (codec, error) {
	location, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("unknown zone %q", zone)
	}
	c := &unixCodec{digits: digits, layout: "2006-01-02T15:04:05Z07:00", zone: location, bad: badTime("unix")}
	if digits > 0 {
		c.layout = "2006-01-02T15:04:05.000Z07:00"
	}
	return c, nil
}

func (c *unixCodec) decode(s string) (string, *trouble) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || len(s) > 10+c.digits { // until 2286
		return "", c.bad
	}
	t := time.Unix(n, 0)
	if c.digits > 0 {
		t = time.UnixMilli(n)
	}
	return t.In(c.zone).Format(c.layout), nil
}

func (c *unixCodec) encode(s string) (string, *trouble) {
	t, err := time.Parse(time.RFC3339Nano, s)
	n := t.Unix()
	if c.digits > 0 {
		n = t.UnixMilli()
	}
	digits := strconv.FormatInt(n, 10)
	if err != nil || n < 0 || len(digits) > 10+c.digits {
		return "", c.bad
	}
	return digits, nil
}
