package kafkatest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// requestTimeout bounds one question to a broker.
const requestTimeout = 3 * time.Second

// Controller returns the broker whose controller is the active one.
func (c *Cluster) Controller() int {
	c.tb.Helper()
	req := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, topic)
	leader := -1
	c.await("an active controller", func(ctx context.Context) error {
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
func (c *Cluster) Coordinator(group string) int {
	c.tb.Helper()
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKeys = []string{group}
	req.CoordinatorKey = group
	at := -1
	c.await("a coordinator", func(ctx context.Context) error {
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
func (c *Cluster) Leaders(topic string) []int {
	c.tb.Helper()
	var leaders []int
	c.await("leaders", func(ctx context.Context) error {
		req := kmsg.NewPtrMetadataRequest()
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &topic
		req.Topics = append(req.Topics, t)
		res, err := req.RequestWith(ctx, c.admin)
		if err != nil {
			return err
		}
		leaders = make([]int, len(res.Topics[0].Partitions))
		for _, p := range res.Topics[0].Partitions {
			if p.Leader < 0 {
				return kerr.LeaderNotAvailable
			}
			leaders[p.Partition] = int(p.Leader) - 1
		}
		return kerr.ErrorForCode(res.Topics[0].ErrorCode)
	})
	return leaders
}

// awaitInSync waits until each running broker knows all running ones, and every
// partition has a leader and all its replicas on them in sync.
func (c *Cluster) awaitInSync() {
	c.tb.Helper()
	var running []int32
	for i, n := range c.nodes {
		if n.run != nil {
			running = append(running, int32(i+1)) //nolint:gosec // a small number
		}
	}
	if 2*len(running) <= len(c.nodes) {
		return // without a majority of controllers there is nothing to wait for
	}
	for _, id := range running {
		c.await(fmt.Sprintf("broker %d in sync", id-1), func(ctx context.Context) error {
			res, err := c.metadata(ctx, int(id-1))
			if err != nil {
				return err
			}
			return inSync(res, running)
		})
	}
}

// metadata asks one broker what it knows of all topics.
func (c *Cluster) metadata(ctx context.Context, broker int) (*kmsg.MetadataResponse, error) {
	res, err := c.admin.SeedBrokers()[broker].Request(ctx, kmsg.NewPtrMetadataRequest())
	if err != nil {
		return nil, err
	}
	return res.(*kmsg.MetadataResponse), nil
}

func inSync(res *kmsg.MetadataResponse, running []int32) error {
	if len(res.Brokers) != len(running) {
		return fmt.Errorf("%d brokers registered of %d", len(res.Brokers), len(running))
	}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if p.Leader < 0 {
				return fmt.Errorf("topic %s partition %d: %w", *t.Topic, p.Partition, kerr.LeaderNotAvailable)
			}
			for _, r := range p.Replicas {
				if slices.Contains(running, r) && !slices.Contains(p.ISR, r) {
					return fmt.Errorf("topic %s partition %d: broker %d is not in sync", *t.Topic, p.Partition, r-1)
				}
			}
		}
	}
	return nil
}

// await repeats a question until it is answered. A broker that ended by itself
// is reported at once.
func (c *Cluster) await(what string, ask func(ctx context.Context) error) {
	c.tb.Helper()
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
				require.FailNow(c.tb, "a broker ended by itself", "broker %d", i)
			}
		}
		select {
		case <-limit:
			require.FailNow(c.tb, "waited too long for "+what, "%v", err)
		case <-tick.C:
		}
	}
}
