package author

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"

	"tongqu/internal/schema"
)

// inventor makes up values of the kind and length of given ones.
type inventor struct {
	seed [32]byte
	made map[string]string
}

func newInventor(seed [32]byte) *inventor { return &inventor{seed: seed, made: map[string]string{}} }

const (
	surnames = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
	givens   = "伟芳娜敏静丽强磊军洋勇艳杰涛明超兰霞平刚桂英华"
	// places are the characters that make an address an address; they stay.
	places = "省市区县镇乡村路街道号楼室单元栋座巷弄州广东北西南中新"
	// creditAlphabet has the characters of unified social credit codes, by value.
	creditAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
)

// invent returns the same value for the same old one.
func (v *inventor) invent(old string, leaf *schema.Shape) string {
	key := leaf.Personal + " " + old
	if now, ok := v.made[key]; ok {
		return now
	}
	r := rand.New(rand.NewChaCha8(sha256.Sum256(append(v.seed[:], key...)))) //nolint:gosec // a stream of the seed, which is secret
	now := old
	for tries := 0; now == old && tries < 100; tries++ {
		now = one(r, old, leaf.Personal)
	}
	v.made[key] = now
	return now
}

func one(r *rand.Rand, old, kind string) string {
	switch {
	case kind == "name":
		return name(r, old)
	case kind == "id" && citizenForm(old):
		return citizen(r, old)
	case kind == "id" && len(old) == 18 && creditCheck(old[:17]) == old[17]:
		body := alike(r, old[:17])
		body = strings.Map(func(c rune) rune {
			if !strings.ContainsRune(creditAlphabet, c) {
				return 'A'
			}
			return c
		}, body)
		return body + string(creditCheck(body))
	case kind == "phone" && len(old) == 11 && old[0] == '1':
		return old[:3] + alike(r, old[3:])
	case kind == "address":
		return address(r, old)
	}
	return alike(r, old)
}

// alike replaces each character by one of its class.
func alike(r *rand.Rand, old string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= '0' && c <= '9':
			return pick(r, "0123456789")
		case c >= 'A' && c <= 'Z':
			return pick(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
		case c >= 'a' && c <= 'z':
			return pick(r, "abcdefghijklmnopqrstuvwxyz")
		case unicode.Is(unicode.Han, c):
			return pick(r, givens)
		}
		return c
	}, old)
}

func pick(r *rand.Rand, from string) rune {
	all := []rune(from)
	return all[r.IntN(len(all))]
}

func name(r *rand.Rand, old string) string {
	first := true
	return strings.Map(func(c rune) rune {
		if !unicode.Is(unicode.Han, c) {
			return []rune(alike(r, string(c)))[0]
		}
		if first {
			first = false
			return pick(r, surnames)
		}
		return pick(r, givens)
	}, old)
}

// address keeps the words of an address and replaces its names and numbers.
func address(r *rand.Rand, old string) string {
	n := 0
	return strings.Map(func(c rune) rune {
		switch {
		case strings.ContainsRune(places, c):
			return c
		case unicode.Is(unicode.Han, c):
			n++
			return []rune("示例")[n%2]
		}
		return []rune(alike(r, string(c)))[0]
	}, old)
}

// citizenForm reports whether s has the form of a citizen identity number.
func citizenForm(s string) bool {
	return len(s) == 18 && strings.Trim(s[:17], "0123456789") == "" && strings.ContainsAny(s[17:], "0123456789Xx")
}

// citizen invents a citizen number (GB 11643) of a division that there is not, with
// another day of birth; one that cannot be stays as it is, for that is what is wrong
// with the number. Its check digit is right when the old one was.
func citizen(r *rand.Rand, old string) string {
	born := fmt.Sprintf("%04d%02d%02d", 1950+r.IntN(55), 1+r.IntN(12), 1+r.IntN(28))
	if _, err := time.Parse("20060102", old[6:14]); err != nil {
		born = old[6:14]
	}
	body := fmt.Sprintf("99%s%s%03d", alike(r, old[2:6]), born, r.IntN(1000))
	check := citizenCheck(body)
	if right := citizenCheck(old[:17]); right != strings.ToUpper(old[17:])[0] {
		check = "10X98765432"[(strings.IndexByte("10X98765432", check)+1)%11]
	}
	if old[17] == 'x' && check == 'X' {
		check = 'x'
	}
	return body + string(check)
}

func citizenCheck(body string) byte {
	weights := [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i := range 17 {
		sum += int(body[i]-'0') * weights[i]
	}
	return "10X98765432"[sum%11]
}

// creditCheck is the check character of a unified social credit code (GB 32100); 0
// when there is none.
func creditCheck(body string) byte {
	sum, weight := 0, 1
	for i := range len(body) {
		v := strings.IndexByte(creditAlphabet, body[i])
		if v < 0 {
			return 0
		}
		sum += v * weight
		weight = weight * 3 % 31
	}
	return creditAlphabet[(31-sum%31)%31]
}
