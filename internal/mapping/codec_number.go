package mapping

import (
	"strings"

	"tongqu/internal/fault"
)

var notNumber = &trouble{code: fault.MapNumber, rule: "decimal"}

var notInteger = &trouble{code: fault.MapNumber, rule: "integer"}

// integerCodec takes xs:integer ("+7", "007") and makes it canonical: digits
// without leading zeros, a minus sign only where it means something.
type integerCodec struct{}

func (integerCodec) decode(s string) (string, *trouble) {
	digits, minus := cutSign(s)
	if digits == "" || countDigits(digits) != len(digits) {
		return "", notInteger
	}
	short := strings.TrimLeft(digits, "0")
	switch {
	case short == "":
		return "0", nil
	case !minus:
		return short, nil
	case len(short) == len(digits):
		return s, nil
	}
	return "-" + short, nil
}

func (c integerCodec) encode(s string) (string, *trouble) { return c.decode(s) }

// decimalCodec takes xs:decimal. The canonical form, -?[0-9]+(.[0-9]+)?, keeps the
// digits as they were sent; only "+5", ".5" and "5." are changed, and JSON's
// numbers with an exponent are written out.
type decimalCodec struct{}

// maxExponent bounds the zeros that writing out an exponent may add.
const maxExponent = 40

func (decimalCodec) decode(s string) (string, *trouble) {
	digits, minus := cutSign(s)
	whole := countDigits(digits)
	if whole == len(digits) && whole > 0 {
		if minus || len(digits) == len(s) {
			return s, nil
		}
		return digits, nil
	}
	rest := digits[whole:]
	fraction := 0
	if rest != "" && rest[0] == '.' {
		fraction = countDigits(rest[1:])
		rest = rest[1+fraction:]
	}
	if whole+fraction == 0 {
		return "", notNumber
	}
	if rest != "" {
		return scientific(digits[:len(digits)-len(rest)], rest, minus)
	}
	if whole > 0 && fraction > 0 && (minus || len(digits) == len(s)) {
		return s, nil
	}
	return plain(digits[:whole], digits[len(digits)-fraction:], minus), nil
}

// encode is the identity on canonical decimals.
func (c decimalCodec) encode(s string) (string, *trouble) { return c.decode(s) }

// plain writes a canonical decimal with the digits as they are.
func plain(whole, fraction string, minus bool) string {
	var b strings.Builder
	if minus {
		b.WriteByte('-')
	}
	if whole == "" {
		b.WriteByte('0')
	}
	b.WriteString(whole)
	if fraction != "" {
		b.WriteByte('.')
		b.WriteString(fraction)
	}
	return b.String()
}

// scientific writes out mantissa × 10^exponent, where exponent is "e5", "E-3" ….
func scientific(mantissa, exponent string, minus bool) (string, *trouble) {
	if exponent[0] != 'e' && exponent[0] != 'E' {
		return "", notNumber
	}
	digits, down := cutSign(exponent[1:])
	if digits == "" || countDigits(digits) != len(digits) {
		return "", notNumber
	}
	shift := 0
	for _, d := range []byte(digits) {
		if shift = shift*10 + int(d-'0'); shift > maxExponent {
			return "", notNumber
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if down {
		whole = strings.Repeat("0", max(0, shift-len(whole))) + whole
		cut := len(whole) - shift
		return plain(whole[:cut], whole[cut:]+fraction, minus), nil
	}
	fraction += strings.Repeat("0", max(0, shift-len(fraction)))
	return plain(whole+fraction[:shift], fraction[shift:], minus), nil
}

func cutSign(s string) (rest string, minus bool) {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return s[1:], s[0] == '-'
	}
	return s, false
}

// countDigits returns how many bytes at the beginning of s are digits.
func countDigits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

// jsonNumber returns the decimal s as JSON writes numbers, without leading zeros;
// ok is false when s is no decimal.
func jsonNumber(s string) (number string, ok bool) {
	s, trouble := decimalCodec{}.decode(s)
	if trouble != nil {
		return "", false
	}
	digits, minus := cutSign(s)
	short := strings.TrimLeft(digits, "0")
	if short == "" || short[0] == '.' {
		short = "0" + short
	}
	switch {
	case len(short) == len(digits):
		return s, true
	case minus:
		return "-" + short, true
	}
	return short, true
}
