package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func benchmarkRead(b *testing.B, data []byte) {
	b.Helper()
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
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(b, err)
		}
	}
}

func BenchmarkReadJSON(b *testing.B) {
	doc, err := Read([]byte(orderMessage(1)), NewDefaultLimits())
	require.NoError(b, err)
	benchmarkRead(b, AppendJSON(nil, doc.Root))
}

func BenchmarkReadOrderGBK(b *testing.B) {
	doc, err := Read([]byte(orderMessage(1)), NewDefaultLimits())
	require.NoError(b, err)
	data, err := WriteXML(doc.Root, XMLStyle{Charset: GBK, Declaration: true, Indent: "  "})
	require.NoError(b, err)
	benchmarkRead(b, data)
}

func BenchmarkWriteXML(b *testing.B) {
	doc, err := Read([]byte(orderMessage(1)), NewDefaultLimits())
	require.NoError(b, err)
	style := XMLStyle{Declaration: true, Prefixes: map[string]string{"http://www.chinaport.gov.cn/ceb": "ceb"}}
	data, err := WriteXML(doc.Root, style)
	require.NoError(b, err)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := WriteXML(doc.Root, style)
		require.NoError(b, err)
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	doc, err := Read([]byte(orderMessage(1)), NewDefaultLimits())
	require.NoError(b, err)
	buf := AppendJSON(nil, doc.Root)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendJSON(buf[:0], doc.Root)
	}
}
