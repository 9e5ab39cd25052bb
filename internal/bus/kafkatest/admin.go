package kafkatest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
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
