package pack_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/store/pack"
)

func TestValidText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if rapid.Bool().Draw(t, "valid") {
			in = rapid.String().Draw(t, "text")
		}
		out := pack.ValidText(in)
		require.True(t, utf8.ValidString(out))
		require.NotContains(t, out, "\x00")
		require.Equal(t, out, pack.ValidText(out))
		if utf8.ValidString(in) && !strings.Contains(in, "\x00") {
			require.Equal(t, in, out)
		}
	})
}
