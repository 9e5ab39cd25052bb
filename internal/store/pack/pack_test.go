package pack

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"

	"tongqu/internal/store/storetest"
)

// FuzzUnpack feeds any bytes to everything that reads packed ones.
func FuzzUnpack(f *testing.F) {
	e := storetest.NewEntry("customs", 1, 2)
	f.Add(AppendRecords(nil, e.Records), []byte("AA"), uint8(2))
	f.Add([]byte{}, []byte{}, uint8(0))
	f.Add(binary.AppendUvarint(nil, math.MaxUint64), append([]byte{'D'}, make([]byte, 17)...), uint8(1))
	var none *Dictionary
	known := &Dictionary{id: 1, dict: s2.MakeDict([]byte("0123456789abcdef0123456789abcdef"), nil)}
	c := NewCodec()
	c.Put("kind", known)
	f.Add([]byte("0123456789abcdef0123456789abcdef01234"), known.Pack([]byte("0123456789abcdef0123456789abcdef01234"))[1:], uint8(1))
	f.Fuzz(func(t *testing.T, content, verdicts []byte, n uint8) {
		for _, d := range []*Dictionary{none, known} {
			plain, err := c.Unpack(d.Pack(content))
			require.NoError(t, err)
			require.Equal(t, string(content), string(plain))
		}
		if n, err := s2.DecodedLen(verdicts); err == nil && n < 1<<20 { // lest the test only fills memory
			for how := range byte(4) {
				_, _ = c.Unpack(append([]byte{how}, verdicts...)) // must not panic
			}
		}
		records, err := ReadRecords(content, int(n))
		if err != nil {
			return
		}
		if ReadVerdicts(verdicts, records) == nil {
			require.Len(t, records, int(n))
		}
		again, err := ReadRecords(AppendRecords(nil, records), int(n))
		require.NoError(t, err)
		for i := range again {
			require.Equal(t, records[i].Keys, again[i].Keys)
			require.Equal(t, records[i].Body, again[i].Body)
			require.True(t, records[i].Version.Equal(again[i].Version))
		}
	})
}
