package relay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/bus"
	"tongqu/internal/record"
)

const documentID = "0195f1c0-1b2c-7def-8123-456789abcdef"

func order() record.Record {
	return record.Record{
		ID: record.ID(documentID, 3), Seq: 41, DocumentID: documentID, Index: 3,
		Type: "trade.order.v1", Agency: "customs",
		Keys:    []record.Key{{Name: "order", Value: "3101234567|单-1"}, {Name: "orderNo", Value: "单-1"}},
		Version: time.Date(2026, 3, 8, 11, 27, 1, 0, time.FixedZone("", 8*3600)),
		Action:  record.Update, Status: record.Accepted,
		ReceivedAt: time.Date(2026, 3, 8, 3, 27, 2, 123456000, time.UTC),
		Body:       []byte(`{"orderNo":"单-1"}`),
		Errors:     []byte(`[{"code":"MAP_CODE"}]`),
	}
}

func TestToMessage(t *testing.T) {
	r := order()
	require.Equal(t, bus.Message{
		Topic: "tongqu.trade.order", Key: "3101234567|单-1", Value: []byte(`{"orderNo":"单-1"}`),
		Headers: []bus.Header{
			{Key: "content-type", Value: "application/json"},
			{Key: "ce_specversion", Value: "1.0"},
			{Key: "ce_id", Value: documentID + ".3"},
			{Key: "ce_type", Value: "trade.order.v1"},
			{Key: "ce_source", Value: "/agencies/customs"},
			{Key: "ce_subject", Value: "3101234567|单-1"},
			{Key: "ce_keyname", Value: "order"},
			{Key: "ce_time", Value: "2026-03-08T03:27:02.123456Z"},
			{Key: "ce_dataschema", Value: "/schemas/canonical/trade.order.v1.json"},
			{Key: "ce_action", Value: "update"},
			{Key: "ce_version", Value: "2026-03-08T11:27:01+08:00"},
			{Key: "ce_seq", Value: "41"},
		},
	}, ToMessage(&r))

	r.Keys, r.Version = nil, time.Time{}
	m := ToMessage(&r)
	require.Equal(t, r.ID, m.Key, "without keys every record is its own")
	require.Empty(t, m.Header(HeaderSubject))
	require.Empty(t, m.Header(HeaderVersion))
}

// requireCarried checks that got is what a message carries of want.
func requireCarried(t require.TestingT, want, got record.Record) {
	require.True(t, want.Version.Equal(got.Version))
	require.True(t, want.ReceivedAt.Equal(got.ReceivedAt))
	want.Version, want.ReceivedAt = got.Version, got.ReceivedAt
	want.Errors, want.Status = nil, record.Accepted
	want.Keys = want.Keys[:min(len(want.Keys), 1)]
	require.Len(t, got.Keys, len(want.Keys))
	want.Keys, got.Keys = append([]record.Key{}, want.Keys...), append([]record.Key{}, got.Keys...)
	require.Equal(t, want, got)
}

func TestFromMessageUndoesToMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := order()
		r.Index = rapid.IntRange(1, 1<<30).Draw(t, "index")
		r.ID = record.ID(documentID, r.Index)
		r.Seq = rapid.Int64().Draw(t, "seq")
		r.Type = rapid.StringMatching(`[a-z]+(\.[a-z]+)?\.v[0-9]`).Draw(t, "type")
		r.Agency = rapid.StringN(1, 20, -1).Draw(t, "agency")
		r.Action = rapid.SampledFrom([]record.Action{record.Create, record.Update, record.Delete}).Draw(t, "action")
		r.Body = []byte(rapid.String().Draw(t, "body"))
		r.ReceivedAt = time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "received")).UTC()
		if rapid.Bool().Draw(t, "no version") {
			r.Version = time.Time{}
		}
		if rapid.Bool().Draw(t, "no keys") {
			r.Keys = nil
		} else {
			r.Keys[0].Value = rapid.String().Draw(t, "key")
		}
		m := ToMessage(&r)
		got, err := FromMessage(&m)
		require.NoError(t, err)
		requireCarried(t, r, got)
	})
}

func TestFromMessageByReference(t *testing.T) {
	r := order()
	m := ToMessage(&r)
	byReference(&m)
	require.Equal(t, "/v1/records/"+r.ID, m.Header(HeaderDataRef))
	m.Value = []byte{} // as it comes back from a broker
	got, err := FromMessage(&m)
	require.NoError(t, err)
	require.Nil(t, got.Body)
	r.Body = nil
	requireCarried(t, r, got)
}

func TestFromMessageRefuses(t *testing.T) {
	for _, tt := range []struct{ header, value, wantErr string }{
		{HeaderSpecVersion, "0.3", "not a CloudEvents 1.0 message"},
		{HeaderType, "", "not a CloudEvents 1.0 message"},
		{HeaderID, "x.1", "not a record id"},
		{HeaderID, documentID, "not a record id"},
		{HeaderSource, "customs", "not an agency"},
		{HeaderSource, "/agencies/", "not an agency"},
		{HeaderSource, "/agencies/%zz", "not an agency"},
		{HeaderTime, "yesterday", "reading header ce_time"},
		{HeaderVersion, "1", "reading header ce_version"},
		{HeaderSeq, "one", "reading header ce_seq"},
	} {
		t.Run(tt.header+"="+tt.value, func(t *testing.T) {
			r := order()
			m := ToMessage(&r)
			for i := range m.Headers {
				if m.Headers[i].Key == tt.header {
					m.Headers[i].Value = tt.value
				}
			}
			_, err := FromMessage(&m)
			require.ErrorContains(t, err, tt.wantErr)
			require.ErrorContains(t, err, "topic tongqu.trade.order")
		})
	}
	_, err := FromMessage(&bus.Message{})
	require.Error(t, err)
}

func FuzzFromMessage(f *testing.F) {
	r := order()
	m := ToMessage(&r)
	add := func(m bus.Message) {
		f.Add(m.Header(HeaderSpecVersion), m.Header(HeaderID), m.Header(HeaderType), m.Header(HeaderSource), m.Header(HeaderTime), m.Header(HeaderVersion), m.Header(HeaderSeq), m.Header(HeaderSubject), m.Header(HeaderKeyName), m.Value)
	}
	add(m)
	add(bus.Message{})
	f.Fuzz(func(t *testing.T, spec, id, typ, source, at, version, seq, subject, keyName string, body []byte) {
		m := bus.Message{Value: body, Headers: []bus.Header{
			{Key: HeaderSpecVersion, Value: spec},
			{Key: HeaderID, Value: id},
			{Key: HeaderType, Value: typ},
			{Key: HeaderSource, Value: source},
			{Key: HeaderTime, Value: at},
			{Key: HeaderVersion, Value: version},
			{Key: HeaderSeq, Value: seq},
			{Key: HeaderSubject, Value: subject},
			{Key: HeaderKeyName, Value: keyName},
		}}
		r, err := FromMessage(&m)
		if err != nil {
			require.Zero(t, r)
			return
		}
		// What is read is written and read again as the same.
		again := ToMessage(&r)
		got, err := FromMessage(&again)
		if y := r.ReceivedAt.UTC().Year(); y < 0 || y > 9999 || r.Version.Year() > 9999 {
			return // RFC 3339 cannot write it
		}
		require.NoError(t, err)
		requireCarried(t, r, got)
	})
}

func BenchmarkToMessage(b *testing.B) {
	r := order()
	b.ReportAllocs()
	for b.Loop() {
		ToMessage(&r)
	}
}

func BenchmarkFromMessage(b *testing.B) {
	r := order()
	m := ToMessage(&r)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromMessage(&m); err != nil {
			b.Fatal(err)
		}
	}
}
