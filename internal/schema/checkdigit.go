package schema

import "strings"

// The values of x-check.
const (
	checkCitizen = "gb11643" // citizen identity number
	checkCredit  = "gb32100" // unified social credit code
	checkOrg     = "gb11714" // organization code
)

// digitRight reports whether the check digit of a number is right. What does not
// have the shape of such a number (a masked one, another kind of code) passes.
func digitRight(check, s string) bool {
	switch check {
	case checkCitizen:
		return citizenRight(s)
	case checkOrg:
		return organizationRight(s)
	}
	return creditRight(s)
}

// checkNames are the standards as texts name them.
var checkNames = map[string]string{checkCitizen: "GB 11643", checkCredit: "GB 32100", checkOrg: "GB 11714"}

// citizenRight checks the 18th character of a citizen identity number (GB 11643,
// ISO 7064 MOD 11-2). Numbers of 15 digits, which have none, pass.
func citizenRight(s string) bool {
	if len(s) != 18 || !isDigits(s[:17]) {
		return true
	}
	sum := 0
	for i := range 17 {
		sum = (sum + int(s[i]-'0')) * 2 % 11
	}
	last := s[17]
	if last == 'x' {
		last = 'X'
	}
	if last != 'X' && (last < '0' || last > '9') {
		return true
	}
	return "0123456789X"[(12-sum)%11] == last
}

// creditAlphabet has the characters of a unified social credit code, by value.
const creditAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// creditRight checks the 18th character of a unified social credit code
// (GB 32100, MOD 31 with the weights 3^(i-1)).
func creditRight(s string) bool {
	if len(s) != 18 {
		return true
	}
	sum, weight := 0, 1
	for i := range 18 {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return true
		}
		v := strings.IndexByte(creditAlphabet, c)
		if v < 0 {
			return false // letters that look like digits are never used
		}
		if i == 17 {
			return v == (31-sum)%31
		}
		sum = (sum + v*weight) % 31
		weight = weight * 3 % 31
	}
	return true
}

// organizationRight checks the 9th character of an organization code (GB 11714,
// MOD 11 with the weights 3 7 9 10 5 8 4 2).
func organizationRight(s string) bool {
	if len(s) != 9 {
		return true
	}
	sum := 0
	for i, weight := range [...]int{3, 7, 9, 10, 5, 8, 4, 2} {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			sum += int(c-'0') * weight
		case c >= 'A' && c <= 'Z':
			sum += int(c-'A'+10) * weight
		default:
			return true
		}
	}
	return "0123456789X0"[11-sum%11] == s[8]
}
