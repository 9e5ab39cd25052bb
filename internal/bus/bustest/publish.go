package bustest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/bus"
)

func orderPerKey(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, nil)
	first, second := topic(t, k), topic(t, k)
	s := newSink()
	subscribe(t, k, first, []string{first, second}, s.take)
	for i := range 5 {
		batch := numbered(first, i*400, (i+1)*400, 37)
		for j := range batch {
			if j%3 == 0 {
				batch[j].Topic = second
			}
		}
		publish(t, k, batch)
	}
	all := s.wait(t, "all messages", atLeast(2000))
	require.Len(t, all, 2000, "nothing comes twice without a failure")
	byTopic := map[string][]bus.Message{}
	for _, m := range all {
		byTopic[m.Topic] = append(byTopic[m.Topic], m)
	}
	requireOrder(t, byTopic[first])
	requireOrder(t, byTopic[second])
	for _, batch := range s.batches {
		for i, m := range batch {
			require.Equal(t, batch[0].Partition, m.Partition)
			require.Equal(t, batch[0].Topic, m.Topic)
			require.Equal(t, batch[0].Offset+int64(i), m.Offset)
		}
	}
}

func contents(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, nil)
	name := topic(t, k)
	at := time.Date(2026, 3, 8, 11, 27, 1, 123_000_000, time.UTC)
	sent := []bus.Message{
		{Topic: name, Key: "k", Value: []byte(`{"名称":"奶粉"}`), Time: at, Headers: []bus.Header{
			{Key: "ce_id", Value: "1"}, {Key: "empty", Value: ""}, {Key: "名", Value: "值"}, {Key: "ce_id", Value: "2"},
		}},
		{Topic: name, Key: "k", Value: []byte{}, Time: at.Add(-time.Hour)},
		{Topic: name, Key: "k", Value: []byte(strings.Repeat("长", 100_000)), Time: at, Headers: []bus.Header{{Key: "a", Value: strings.Repeat("b", 5000)}}},
	}
	publish(t, k, sent)
	s := newSink()
	subscribe(t, k, name, []string{name}, s.take)
	all := s.wait(t, "all messages", atLeast(3))
	for i, m := range all {
		require.Equal(t, sent[i].Key, m.Key)
		require.Equal(t, sent[i].Value, m.Value)
		require.Equal(t, sent[i].Headers, m.Headers)
		require.True(t, sent[i].Time.Equal(m.Time), "%v is not %v", m.Time, sent[i].Time)
		require.Equal(t, int64(i), m.Offset)
	}
	require.Equal(t, "1", all[0].Header("ce_id"))
	require.Empty(t, all[0].Header("none"))
}

func longLane(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, func(c *bus.Config) { c.MaxMessageBytes = 10_000; c.BatchMessages = 7; c.FetchBytes = 20_000 })
	name := topic(t, k)
	batch := numbered(name, 0, 500, 1)
	for i := range batch {
		batch[i].Headers = []bus.Header{{Key: "padding", Value: strings.Repeat("x", 900)}}
	}
	publish(t, k, batch)
	s := newSink()
	subscribe(t, k, name, []string{name}, s.take)
	requireOrder(t, s.wait(t, "all messages", atLeast(500)))
	for _, got := range s.batches {
		require.LessOrEqual(t, len(got), 7)
	}
}

func tooLarge(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, nil)
	name := topic(t, k)
	batch := numbered(name, 0, 3, 1)
	batch[1].Value = make([]byte, b.Config.MaxMessageBytes)
	var tooLarge *bus.TooLargeError
	require.ErrorAs(t, k.Publish(t.Context(), batch), &tooLarge)
	require.Equal(t, 1, tooLarge.Index)
	require.Equal(t, batch[1].Key, tooLarge.Key)
	require.NotContains(t, tooLarge.Error(), batch[1].Key, "a key may be personal data")
	require.Greater(t, tooLarge.Size, tooLarge.Limit)

	batch[1].Value = make([]byte, b.Config.MaxMessageBytes-1000)
	publish(t, k, batch)
	s := newSink()
	subscribe(t, k, name, []string{name}, s.take)
	all := s.wait(t, "all messages", atLeast(3))
	require.Len(t, all, 3, "nothing of the refused batch was sent")
	require.Len(t, all[1].Value, b.Config.MaxMessageBytes-1000)
}

func odd(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, nil)
	name := topic(t, k)
	require.NoError(t, k.Publish(t.Context(), nil))
	require.NoError(t, k.EnsureTopics(t.Context(), []string{name}), "what is there is left alone")
	require.Error(t, k.Publish(t.Context(), numbered(name+".missing", 0, 1, 1)))
	require.NoError(t, k.Ready(t.Context()), "publishing made no topic of its own")
	require.Error(t, k.Subscribe(t.Context(), "", []string{name}, newSink().take, nil))
	require.Error(t, k.Subscribe(t.Context(), "g", nil, newSink().take, nil))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, k.Publish(ctx, numbered(name, 0, 1, 1)), context.Canceled)
	require.NoError(t, k.Close())
	require.ErrorIs(t, k.Publish(t.Context(), numbered(name, 0, 1, 1)), bus.ErrClosed)
	require.ErrorIs(t, k.Ready(t.Context()), bus.ErrClosed)
	require.ErrorIs(t, k.Subscribe(t.Context(), "g", []string{name}, newSink().take, nil), bus.ErrClosed)
	require.NoError(t, k.Close(), "twice")
}

// placement checks the partitions against the hashes in Kafka's own
// UtilsTest.testMurmur2 (clients/src/test/java/org/apache/kafka/common/utils).
func placement(t *testing.T, b Broker) {
	t.Helper()
	hashes := map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	}
	const partitions = 7
	k := open(t, b, func(c *bus.Config) { c.Partitions = partitions })
	name := topic(t, k)
	var batch []bus.Message
	for key := range hashes {
		batch = append(batch, bus.Message{Topic: name, Key: key, Value: []byte(key)})
	}
	publish(t, k, batch)
	s := newSink()
	subscribe(t, k, name, []string{name}, s.take)
	for _, m := range s.wait(t, "all messages", atLeast(len(hashes))) {
		want := int(uint32(hashes[m.Key])&0x7fffffff) % partitions //nolint:gosec // Java's toPositive
		require.Equal(t, want, m.Partition, "key %s", m.Key)
		require.WithinDuration(t, time.Now(), m.Time, time.Hour, "a message without a time gets one")
	}
}
