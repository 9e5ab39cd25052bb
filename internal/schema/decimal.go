package schema

import (
	"math/bits"
	"strings"

	"github.com/shopspring/decimal"
)

// number is a decimal: mantissa × 10^-scale when small, otherwise big.
type number struct {
	mantissa int64
	scale    int
	big      decimal.Decimal
	isBig    bool
}

// maxDigits is how many digits surely fit a mantissa.
const maxDigits = 18

// parseNumber reads a decimal as XML Schema writes it: [+-]digits[.digits], one
// side of the point may be empty.
func parseNumber(s string) (n number, ok bool) {
	text := s
	negative := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	digits, point := 0, -1
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
			if digits <= maxDigits {
				n.mantissa = n.mantissa*10 + int64(c-'0')
			}
		case c == '.' && point < 0:
			point = i
		default:
			return number{}, false
		}
	}
	if digits == 0 {
		return number{}, false
	}
	if point >= 0 {
		n.scale = len(s) - point - 1
	}
	if negative {
		n.mantissa = -n.mantissa
	}
	if digits > maxDigits {
		d, err := decimal.NewFromString(strings.TrimPrefix(text, "+"))
		if err != nil {
			return number{}, false
		}
		return number{big: d, isBig: true}, true
	}
	return n, true
}

func (n number) decimal() decimal.Decimal {
	if n.isBig {
		return n.big
	}
	return decimal.New(n.mantissa, -int32(n.scale)) //nolint:gosec // a scale is at most maxDigits
}

// align brings both to the larger scale.
func align(a, b number) (number, number, bool) {
	if a.isBig || b.isBig {
		return a, b, false
	}
	ok := true
	for ok && a.scale < b.scale {
		a, ok = a.shift()
	}
	for ok && b.scale < a.scale {
		b, ok = b.shift()
	}
	return a, b, ok
}

func (n number) shift() (number, bool) {
	const limit = (1<<63 - 1) / 10
	if n.mantissa > limit || n.mantissa < -limit {
		return n, false
	}
	return number{mantissa: n.mantissa * 10, scale: n.scale + 1}, true
}

func (n number) add(m number) number {
	if a, b, ok := align(n, m); ok {
		sum := a.mantissa + b.mantissa
		if (sum > a.mantissa) == (b.mantissa > 0) {
			return number{mantissa: sum, scale: a.scale}
		}
	}
	return number{big: n.decimal().Add(m.decimal()), isBig: true}
}

func (n number) neg() number {
	if n.isBig {
		return number{big: n.big.Neg(), isBig: true}
	}
	return number{mantissa: -n.mantissa, scale: n.scale}
}

func (n number) mul(m number) number {
	if !n.isBig && !m.isBig {
		hi, lo := bits.Mul64(magnitude(n.mantissa), magnitude(m.mantissa))
		if hi == 0 && lo < 1<<63 {
			product := int64(lo) //nolint:gosec // lo is below 1<<63
			if (n.mantissa < 0) != (m.mantissa < 0) {
				product = -product
			}
			return number{mantissa: product, scale: n.scale + m.scale}
		}
	}
	return number{big: n.decimal().Mul(m.decimal()), isBig: true}
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return uint64(-n)
	}
	return uint64(n)
}

func (n number) cmp(m number) int {
	if a, b, ok := align(n, m); ok {
		switch {
		case a.mantissa < b.mantissa:
			return -1
		case a.mantissa > b.mantissa:
			return 1
		}
		return 0
	}
	return n.decimal().Cmp(m.decimal())
}

// within reports whether n and m differ by at most tolerance.
func (n number) within(m, tolerance number) bool {
	d := n.add(m.neg())
	if d.cmp(number{}) < 0 {
		d = d.neg()
	}
	return d.cmp(tolerance) <= 0
}

func (n number) String() string { return n.decimal().String() }

// significant counts a decimal's digits as the facets totalDigits and
// fractionDigits do: leading zeros and zeros that end the fraction do not count.
func significant(s string) (total, fraction int, ok bool) {
	whole, zeros, point := 0, 0, false
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9' && point:
			if zeros++; c != '0' {
				fraction, zeros = fraction+zeros, 0
			}
		case c > '0' && c <= '9' || c == '0' && whole > 0:
			whole++
		case c == '.' && !point:
			point = true
		case c == '0' || i == 0 && (c == '-' || c == '+'):
		default:
			return 0, 0, false
		}
	}
	return whole + fraction, fraction, true
}

// isDecimal is patternDecimal by hand.
func isDecimal(s string) bool {
	digits, points := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.':
			points++
		case i > 0 || c != '-' && c != '+':
			return false
		}
	}
	return digits > 0 && points <= 1
}

// isPlainDecimal is patternPlainDecimal by hand.
func isPlainDecimal(s string) bool {
	if s != "" && s[0] == '+' || !isDecimal(s) {
		return false
	}
	s = strings.TrimPrefix(s, "-")
	return s[0] != '.' && s[len(s)-1] != '.'
}
