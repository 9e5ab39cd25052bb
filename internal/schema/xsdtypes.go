package schema

import "strings"

// The lexical spaces of XML Schema's built-in types as regular expressions,
// after white space is collapsed (XML Schema 1.0 Part 2, section 3).
const (
	patternBoolean     = `^(true|false|1|0)$`
	patternDecimal     = `^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$`
	patternInteger     = `^[-+]?[0-9]+$`
	patternUnsigned    = `^[0-9]+$`
	patternDouble      = `^([-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|-?INF|NaN)$`
	patternDate        = `^-?` + patternFullYear + `-` + patternMonthDigits + `-` + patternDayDigits + patternZone + `$`
	patternDateTime    = `^-?` + patternFullYear + `-` + patternMonthDigits + `-` + patternDayDigits + `T` + patternClock + patternZone + `$`
	patternTime        = `^` + patternClock + patternZone + `$`
	patternClock       = `([01][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]+)?|2([0-3]:[0-5][0-9]:[0-5][0-9](\.[0-9]+)?|4:00:00(\.0+)?))`
	patternZone        = `(Z|[-+](0[0-9]:[0-5][0-9]|1([0-3]:[0-5][0-9]|4:00)))?`
	patternYear        = `^-?` + patternFullYear + patternZone + `$`
	patternYearMonth   = `^-?` + patternFullYear + `-` + patternMonthDigits + patternZone + `$`
	patternMonth       = `^--` + patternMonthDigits + patternZone + `$`
	patternMonthDay    = `^--` + patternMonthDigits + `-` + patternDayDigits + patternZone + `$`
	patternDay         = `^---` + patternDayDigits + patternZone + `$`
	patternDuration    = `^-?P((` + patternYears + `)(T(` + patternHours + `))?|T(` + patternHours + `))$`
	patternYears       = `[0-9]+Y([0-9]+M)?([0-9]+D)?|[0-9]+M([0-9]+D)?|[0-9]+D`
	patternHours       = `[0-9]+H([0-9]+M)?([0-9]+(\.[0-9]+)?S)?|[0-9]+M([0-9]+(\.[0-9]+)?S)?|[0-9]+(\.[0-9]+)?S`
	patternFullYear    = `([1-9][0-9]{3,}|0[0-9]{3})`
	patternMonthDigits = `(0[1-9]|1[0-2])`
	patternDayDigits   = `(0[1-9]|[12][0-9]|3[01])`
	patternHexBinary   = `^([0-9a-fA-F]{2})*$`
	patternBase64      = `^([A-Za-z0-9+/] ?[A-Za-z0-9+/] ?[A-Za-z0-9+/] ?[A-Za-z0-9+/] ?)*([A-Za-z0-9+/] ?[A-Za-z0-9+/] ?[A-Za-z0-9+/] ?[A-Za-z0-9+/]|[A-Za-z0-9+/] ?[A-Za-z0-9+/] ?[AEIMQUYcgkosw048] ?=|[A-Za-z0-9+/] ?[AQgw] ?= ?=)?$`
	patternLanguage    = `^[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*$`
	patternNamePart    = `^[-.:_\pL\p{Nd}\p{Mc}\p{Me}\p{Mn}\p{Lm}·]+$`
	patternXMLName     = `^[:_\pL][-.:_\pL\p{Nd}\p{Mc}\p{Me}\p{Mn}\p{Lm}·]*$`
	patternNCName      = `^[_\pL][-._\pL\p{Nd}\p{Mc}\p{Me}\p{Mn}\p{Lm}·]*$`
	patternQName       = `^([_\pL][-._\pL\p{Nd}\p{Mc}\p{Me}\p{Mn}·]*:)?[_\pL][-._\pL\p{Nd}\p{Mc}\p{Me}\p{Mn}·]*$`
	patternNameParts   = `^[-.:_\pL\p{Nd}\p{Mc}\p{Me}\p{Mn}·]+( [-.:_\pL\p{Nd}\p{Mc}\p{Me}\p{Mn}·]+)*$`
)

// patternPlainDecimal is a decimal as canonical types write it.
const patternPlainDecimal = `^-?[0-9]+(\.[0-9]+)?$`

// byHand are expressions so frequent, or with values so long, that they are
// matched by functions of their own.
var byHand = map[string]func(string) bool{
	patternDecimal: isDecimal, patternPlainDecimal: isPlainDecimal, patternBase64: isBase64,
}

// patternNames are the names under which texts speak of those expressions.
var patternNames = map[string]string{
	patternBoolean: "boolean", patternDecimal: "decimal", patternInteger: "integer", patternUnsigned: "integer", patternDouble: "double",
	patternDate: "date", patternDateTime: "dateTime", patternTime: "time", patternYear: "gYear", patternYearMonth: "gYearMonth",
	patternMonth: "gMonth", patternMonthDay: "gMonthDay", patternDay: "gDay", patternDuration: "duration",
	patternHexBinary: "hexBinary", patternBase64: "base64Binary", patternLanguage: "language",
	patternNamePart: "NMTOKEN", patternXMLName: "Name", patternNCName: "NCName", patternQName: "QName", patternNameParts: "NMTOKENS",
	patternPlainDecimal: "decimal",
}

// patternName is what texts call an expression: its name, or itself.
func patternName(pattern string) string {
	if name, ok := patternNames[pattern]; ok {
		return name
	}
	return pattern
}

// isBase64 is patternBase64 by hand: a value may be megabytes long.
func isBase64(s string) bool {
	quad, last, blank := 0, byte(0), true
	padding := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c == ' ':
			if blank {
				return false // two in a row, or at the beginning
			}
			blank = true
			continue
		case c == '=':
			padding++
		case padding > 0 || !isBase64Char(c):
			return false
		default:
			last = c
		}
		blank = false
		quad++
	}
	switch {
	case quad%4 != 0, blank && quad > 0 && padding > 0:
		return false
	case padding == 0:
		return true
	case padding == 1:
		return strings.IndexByte("AEIMQUYcgkosw048", last) >= 0
	}
	return padding == 2 && strings.IndexByte("AQgw", last) >= 0
}

func isBase64Char(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/'
}
