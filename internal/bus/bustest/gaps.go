package bustest

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tongqu/internal/bus"
)

// Expire deletes the messages of a topic that stand before an offset of their
// partition, as retention does; -1 is all that there are. The brokers are plain ones.
func Expire(tb testing.TB, brokers []string, topic string, before map[int]int64) {
	tb.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	require.NoError(tb, err)
	defer c.Close()
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = topic
	for p, offset := range before {
		rp := kmsg.NewDeleteRecordsRequestTopicPartition()
		rp.Partition, rp.Offset = int32(p), offset //nolint:gosec // a partition id
		rt.Partitions = append(rt.Partitions, rp)
	}
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 30_000
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(tb.Context(), c)
	require.NoError(tb, err)
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			require.NoError(tb, kerr.ErrorForCode(p.ErrorCode))
		}
	}
}

// gaps has a group whose messages expire, all of them, before it reads them.
func gaps(t *testing.T, b Broker) {
	t.Helper()
	k := open(t, b, nil)
	name := topic(t, k)
	publish(t, k, numbered(name, 0, 40, 20))
	s := newSink()
	stop := subscribe(t, k, name, []string{name}, s.take)
	read := map[int]int64{} // by partition
	for _, m := range s.wait(t, "the first messages", atLeast(40)) {
		read[m.Partition] = m.Offset + 1
	}
	stop()
	publish(t, k, numbered(name, 40, 80, 20))
	Expire(t, b.Config.Brokers, name, map[int]int64{0: -1, 1: -1, 2: -1, 3: -1})
	publish(t, k, numbered(name, 80, 120, 20))

	var mu sync.Mutex
	var told []bus.Gap
	rest := newSink()
	stop = subscribeTold(t, k, name, []string{name}, rest.take, func(_ context.Context, g bus.Gap) error {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, g)
		for _, m := range rest.messages() {
			if m.Partition == g.Partition {
				t.Error("a message came before its partition's gap was told")
			}
		}
		return nil
	})
	all := rest.wait(t, "the last messages", atLeast(40))
	stop()
	require.Equal(t, 40, distinct(all), "what expired is gone")
	first := map[int]int64{}
	for _, m := range all {
		if _, ok := first[m.Partition]; !ok {
			first[m.Partition] = m.Offset
		}
	}
	require.Len(t, told, len(read))
	for _, g := range told {
		require.Equal(t, bus.Gap{Topic: name, Partition: g.Partition, From: read[g.Partition], To: first[g.Partition], Partitions: 4}, g)
		for _, m := range all {
			require.Equal(t, m.Partition == g.Partition, g.Holds(m.Key))
		}
	}
}
