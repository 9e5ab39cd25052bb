package schema

import (
	"strings"
	"time"
)

// The formats that the hub judges itself. Those of XML Schema come with a
// pattern that settles everything but the calendar.
const (
	formatDate       = "date"
	formatDateTime   = "date-time"
	formatXSDate     = "xs:date"
	formatXSDateTime = "xs:dateTime"
	formatXSMonthDay = "xs:gMonthDay"
	formatXSID       = "xs:ID" // no two in a document may be the same
)

// isDate reports whether s is a full-date of RFC 3339.
func isDate(s string) bool {
	return len(s) == len("2006-01-02") && isDigits(s[:4]) && s[4] == '-' && isDigits(s[5:7]) && s[7] == '-' && isDigits(s[8:]) &&
		isDay(two(s[2:])+100*two(s), two(s[5:]), two(s[8:]))
}

// isDateTime reports whether s is a date-time of RFC 3339, upper-case letters
// only; a leap second is not accepted.
func isDateTime(s string) bool {
	const seconds = len("2006-01-02T15:04:05")
	if len(s) <= seconds || !isDate(s[:10]) || s[10] != 'T' || s[13] != ':' || s[16] != ':' ||
		!isDigits(s[11:13]) || !isDigits(s[14:16]) || !isDigits(s[17:19]) ||
		two(s[11:]) > 23 || two(s[14:]) > 59 || two(s[17:]) > 59 {
		return false
	}
	zone := s[seconds:]
	if zone[0] == '.' {
		end := 1
		for end < len(zone) && zone[end] >= '0' && zone[end] <= '9' {
			end++
		}
		if end == 1 {
			return false
		}
		zone = zone[end:]
	}
	if zone == "Z" {
		return true
	}
	return len(zone) == len("+08:00") && (zone[0] == '+' || zone[0] == '-') && isDigits(zone[1:3]) && zone[3] == ':' && isDigits(zone[4:]) &&
		two(zone[1:]) <= 23 && two(zone[4:]) <= 59
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// two reads the first two characters of s, which are digits.
func two(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }

// isDay reports whether the day exists in the Gregorian calendar.
func isDay(year, month, day int) bool {
	return month >= 1 && month <= 12 && day >= 1 && day <= time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// isXSDate reports whether the day of an XML Schema date exists; what is not
// written as one is left to the pattern.
func isXSDate(format, s string) bool {
	if format == formatXSMonthDay {
		return len(s) < 7 || !isDigits(s[2:4]) || !isDigits(s[5:7]) || isDay(2000, two(s[2:]), two(s[5:]))
	}
	year, rest, ok := strings.Cut(strings.TrimPrefix(s, "-"), "-")
	if !ok || len(year) < 4 || !isDigits(year) || len(rest) < 5 || !isDigits(rest[:2]) || !isDigits(rest[3:5]) {
		return true
	}
	if strings.Trim(year, "0") == "" {
		return false // there is no year 0
	}
	// Leap years repeat every 400 years.
	last := year[len(year)-4:]
	return isDay(2000+(two(last)*100+two(last[2:]))%400, two(rest), two(rest[3:]))
}
