package wire

import (
	"bytes"
	"encoding/xml"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func benchmarkRead(b *testing.B, data []byte) {
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	l := NewDefaultLimits()
	for b.Loop() {
		_, err := Read(data, l)
		require.NoError(b, err)
	}
}

func BenchmarkReadOrder(b *testing.B)     { benchmarkRead(b, []byte(orderMessage(1))) }
func BenchmarkReadOrders100(b *testing.B) { benchmarkRead(b, []byte(orderMessage(100))) }

// BenchmarkEncodingXML is what only reading the tokens would cost with encoding/xml.
func BenchmarkEncodingXML(b *testing.B) {
	data := []byte(orderMessage(1))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		d := xml.NewDecoder(bytes.NewReader(data))
		for {
			_, err := d.RawToken()
			if err == io.EOF {
				break
			}
			require.NoError(b, err)
		}
	}
}
