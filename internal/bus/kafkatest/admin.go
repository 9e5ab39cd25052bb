package kafkatest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tongqu/internal/bus"
	"tongqu/internal/bus/bustest"
)

// requestTimeout bounds one question to a broker.
const requestTimeout = 3 * time.Second

// Controller returns the broker whose controller is the active one.
func (c *Cluster) Controller(tb testing.TB) int {
	tb.Helper()
	req := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, topic)
	leader := -1
	c.await(tb, "an active controller", func(ctx context.Context) error {
		res, err := req.RequestWith(ctx, c.admin)
		if err != nil {
			return err
		}
		if err := kerr.ErrorForCode(res.ErrorCode); err != nil {
			return err
		}
		p := res.Topics[0].Partitions[0]
		leader = int(p.LeaderID) - 1
		return kerr.ErrorForCode(p.ErrorCode)
	})
	return leader
}

// Coordinator returns the broker that coordinates the group.
func (c *Cluster) Coordinator(tb testing.TB, group string) int {
	tb.Helper()
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKeys = []string{group}
	req.CoordinatorKey = group
	at := -1
	c.await(tb, "a coordinator", func(ctx context.Context) error {
		res, err := req.RequestWith(ctx, c.admin)
		if err != nil {
			return err
		}
		at = int(res.Coordinators[0].NodeID) - 1
		return kerr.ErrorForCode(res.Coordinators[0].ErrorCode)
	})
	return at
}

// Leaders returns the leading broker of each partition of a topic.
func (c *Cluster) Leaders(tb testing.TB, topic string) []int {
	tb.Helper()
	var leaders []int
	for _, p := range c.partitions(tb, topic) {
		leaders = append(leaders, int(p.Leader)-1)
	}
	return leaders
}

// partitions returns the partitions of a topic, by number, when all have a leader.
func (c *Cluster) partitions(tb testing.TB, topic string) (partitions []kmsg.MetadataResponseTopicPartition) {
	tb.Helper()
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &topic
	req.Topics = append(req.Topics, t)
	c.await(tb, "leaders", func(ctx context.Context) error {
		res, err := req.RequestWith(ctx, c.admin)
		if err != nil {
			return err
		}
		partitions = res.Topics[0].Partitions
		for _, p := range partitions {
			if p.Leader < 0 {
				return kerr.LeaderNotAvailable
			}
		}
		return kerr.ErrorForCode(res.Topics[0].ErrorCode)
	})
	slices.SortFunc(partitions, func(a, b kmsg.MetadataResponseTopicPartition) int { return int(a.Partition - b.Partition) })
	return partitions
}

// Replicas returns the brokers that hold each partition of a topic.
func (c *Cluster) Replicas(tb testing.TB, topic string) [][]int32 {
	tb.Helper()
	var replicas [][]int32
	for _, p := range c.partitions(tb, topic) {
		replicas = append(replicas, p.Replicas)
	}
	return replicas
}

// awaitInSync waits until each broker knows all of them, and every partition
// has a leader and all its replicas in sync.
func (c *Cluster) awaitInSync(tb testing.TB) {
	tb.Helper()
	for i := range c.nodes {
		c.await(tb, fmt.Sprintf("broker %d in sync", i), func(ctx context.Context) error {
			res, err := c.admin.SeedBrokers()[i].Request(ctx, kmsg.NewPtrMetadataRequest())
			if err != nil {
				return err
			}
			return c.inSync(res.(*kmsg.MetadataResponse))
		})
	}
}

func (c *Cluster) inSync(res *kmsg.MetadataResponse) error {
	if len(res.Brokers) != len(c.nodes) {
		return fmt.Errorf("%d brokers of %d are there", len(res.Brokers), len(c.nodes))
	}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
				return fmt.Errorf("topic %s partition %d: leader %d, %d of %d replicas in sync", *t.Topic, p.Partition, p.Leader, len(p.ISR), len(p.Replicas))
			}
		}
	}
	return nil
}

// TopicSettings returns the settings of a topic that brokers know, by Kafka's names.
func (c *Cluster) TopicSettings(tb testing.TB, topic string) map[string]string {
	tb.Helper()
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	req.Resources = append(req.Resources, r)
	settings := map[string]string{}
	c.await(tb, "settings of a topic", func(ctx context.Context) error {
		res, err := req.RequestWith(ctx, c.admin)
		if err != nil {
			return err
		}
		for _, s := range res.Resources[0].Configs {
			if s.Value != nil {
				settings[s.Name] = *s.Value
			}
		}
		return kerr.ErrorForCode(res.Resources[0].ErrorCode)
	})
	return settings
}

// await repeats a question until it is answered. A broker that ended by itself
// is reported at once.
func (c *Cluster) await(tb testing.TB, what string, ask func(ctx context.Context) error) {
	tb.Helper()
	limit := time.After(readyTimeout)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
		err := ask(ctx)
		cancel()
		if err == nil {
			return
		}
		for i, n := range c.nodes {
			if n.run != nil && n.run.done() {
				require.FailNow(tb, "a broker ended by itself", "broker %d", i)
			}
		}
		select {
		case <-limit:
			require.FailNow(tb, "waited too long for "+what, "%v", err)
		case <-tick.C:
		}
	}
}

// DeleteTopics deletes the topics whose names begin so, and waits until no broker
// knows them.
func (c *Cluster) DeleteTopics(tb testing.TB, prefix string) {
	tb.Helper()
	clear(c.expired)
	c.await(tb, "topics are gone", func(ctx context.Context) error {
		res, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, c.admin)
		if err != nil {
			return err
		}
		req := kmsg.NewPtrDeleteTopicsRequest()
		for _, t := range res.Topics {
			if strings.HasPrefix(*t.Topic, prefix) {
				req.TopicNames = append(req.TopicNames, *t.Topic)
				topic := kmsg.NewDeleteTopicsRequestTopic()
				topic.Topic = t.Topic
				req.Topics = append(req.Topics, topic)
			}
		}
		if len(req.TopicNames) == 0 {
			return nil
		}
		if _, err := req.RequestWith(ctx, c.admin); err != nil {
			return err
		}
		return fmt.Errorf("%d topics are left", len(req.TopicNames))
	})
	c.awaitInSync(tb)
}

// Expire deletes all messages of a topic, as retention does; Messages remembers them.
func (c *Cluster) Expire(tb testing.TB, topic string) {
	tb.Helper()
	all := c.Messages(tb, topic)
	before := map[int]int64{}
	for i := range all {
		before[all[i].Partition] = max(before[all[i].Partition], all[i].Offset+1)
	}
	bustest.Expire(tb, c.Addrs(Plain), topic, before)
	c.expired[topic] = all
}

// Messages returns all messages of a topic, those of a partition in order.
func (c *Cluster) Messages(tb testing.TB, topic string) []bus.Message {
	tb.Helper()
	ends := map[int32]int64{}
	for p := range c.partitions(tb, topic) {
		ends[int32(p)] = c.end(tb, topic, int32(p))
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs(Plain)...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(tb, err)
	defer reader.Close()
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	all := slices.Clone(c.expired[topic])
	at := map[int32]int64{}
	for i := range all {
		at[int32(all[i].Partition)] = all[i].Offset + 1 //nolint:gosec // a partition id
	}
	behind := func() bool {
		for p, end := range ends {
			if at[p] < end {
				return true
			}
		}
		return false
	}
	for behind() {
		fetched := reader.PollFetches(ctx)
		require.NoError(tb, ctx.Err(), "reading %s", topic)
		fetched.EachRecord(func(r *kgo.Record) {
			m := bus.Message{Topic: topic, Key: string(r.Key), Value: r.Value, Time: r.Timestamp, Partition: int(r.Partition), Offset: r.Offset}
			for _, h := range r.Headers {
				m.Headers = append(m.Headers, bus.Header{Key: h.Key, Value: string(h.Value)})
			}
			all = append(all, m)
			at[r.Partition] = r.Offset + 1
		})
	}
	return all
}

// Produce writes messages into the partitions that they name, in their order.
func (c *Cluster) Produce(tb testing.TB, messages []bus.Message) {
	tb.Helper()
	writer, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs(Plain)...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(tb, err)
	defer writer.Close()
	records := make([]*kgo.Record, len(messages))
	for i, m := range messages {
		records[i] = &kgo.Record{Topic: m.Topic, Partition: int32(m.Partition), Key: []byte(m.Key), Value: m.Value} //nolint:gosec // a partition id
		for _, h := range m.Headers {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: h.Key, Value: []byte(h.Value)})
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	require.NoError(tb, writer.ProduceSync(ctx, records...).FirstErr())
}

// end returns the offset after the last message of a partition.
func (c *Cluster) end(tb testing.TB, topic string, partition int32) (offset int64) {
	tb.Helper()
	c.await(tb, "the end of a partition", func(ctx context.Context) error {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = partition, -1
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		res, err := req.RequestWith(ctx, c.admin)
		if err != nil {
			return err
		}
		got := res.Topics[0].Partitions[0]
		offset = got.Offset
		return kerr.ErrorForCode(got.ErrorCode)
	})
	return offset
}
