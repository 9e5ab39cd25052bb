package kafkatest_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"tongqu/internal/bus"
	"tongqu/internal/bus/bustest"
	"tongqu/internal/bus/kafkatest"
)

// patience bounds every wait; reaching it is a failure.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// TestKafka is all that is proven of the bus on Apache Kafka: three brokers,
// every message on three of them, at least two before it is acknowledged.
func TestKafka(t *testing.T) {
	c := kafkatest.Start(t, 3)
	t.Run("conformance", func(t *testing.T) { conformance(t, c) })
	t.Run("topics", func(t *testing.T) { topics(t, c) })
	t.Run("logins", func(t *testing.T) { logins(t, c) })
	t.Run("consumers of others", func(t *testing.T) { consumers(t, c) })
	t.Run("producers of others", func(t *testing.T) { producers(t, c) })
	t.Run("rebalances", func(t *testing.T) { rebalances(t, c) })
	t.Run("outages", func(t *testing.T) { outages(t, c) })
	t.Run("the whole hub", func(t *testing.T) { wholeHub(t, c) })
}

// conformance runs the suite of every broker; a restart is one of the three
// after the other.
func conformance(t *testing.T, c *kafkatest.Cluster) {
	t.Helper()
	bustest.Run(t, func(*testing.T) bustest.Broker {
		next := 0
		return bustest.Broker{
			Config: c.Config(kafkatest.Plain),
			Restart: func(t *testing.T) {
				t.Helper()
				c.Kill(next)
				c.Repair(t)
				next++
			},
		}
	})
}

func topics(t *testing.T, c *kafkatest.Cluster) {
	t.Helper()
	cfg := c.Config(kafkatest.Plain)
	cfg.Partitions = 5
	cfg.Topic.Retention = 36 * time.Hour
	name := newTopic(t, open(t, cfg))
	replicas := c.Replicas(t, name)
	require.Len(t, replicas, 5)
	for _, r := range replicas {
		require.ElementsMatch(t, []int32{1, 2, 3}, r)
	}
	settings := c.TopicSettings(t, name)
	require.Equal(t, "129600000", settings["retention.ms"])
	require.Equal(t, "2", settings["min.insync.replicas"])

	cfg.Replication = 4
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := open(t, cfg).EnsureTopics(ctx, []string{name + ".more"})
	require.ErrorContains(t, err, "Replication Factor", "more replicas than brokers")

	cfg.Replication, cfg.Topic = 0, bus.TopicConfig{}
	left := newTopic(t, open(t, cfg))
	require.Len(t, c.Replicas(t, left)[0], 3, "the brokers' own default")
	require.Equal(t, "604800000", c.TopicSettings(t, left)["retention.ms"])
}

func logins(t *testing.T, c *kafkatest.Cluster) {
	t.Helper()
	for _, l := range []kafkatest.Listener{kafkatest.SASL, kafkatest.SASLTLS} {
		for _, m := range []bus.SASLMechanism{bus.SASLPlain, bus.SASLScramSHA256, bus.SASLScramSHA512} {
			t.Run(string(l)+" "+string(m), func(t *testing.T) {
				cfg := c.Config(l)
				cfg.SASL.Mechanism = m
				thereAndBack(t, cfg)

				cfg.SASL.Password = "not-the-one"
				err := refused(t, cfg)
				require.ErrorContains(t, err, "SASL Authentication Failed")
				require.NotContains(t, err.Error(), "not-the-one")
			})
		}
	}
	t.Run("SSL", func(t *testing.T) {
		cfg := c.Config(kafkatest.TLS)
		thereAndBack(t, cfg)

		stranger := cfg
		stranger.TLS.CertFile, stranger.TLS.KeyFile = "", ""
		require.ErrorContains(t, refused(t, stranger), "bad certificate")
		distrust := cfg
		distrust.TLS.CAFile = ""
		require.ErrorContains(t, refused(t, distrust), "unknown authority")
		other := cfg
		other.TLS.ServerName = "kafka.example"
		require.ErrorContains(t, refused(t, other), "kafka.example")
		bare := cfg
		bare.TLS.Enabled = false
		require.Error(t, refused(t, bare))
	})
}

// thereAndBack uses everything that connects: topics, publishing, groups, lag.
func thereAndBack(t *testing.T, cfg bus.Config) {
	t.Helper()
	k := open(t, cfg)
	require.NoError(t, k.Ready(t.Context()))
	name := newTopic(t, k)
	publish(t, k, numbered(name, 0, 100, 10))
	receive(t, k, name, 100)
	lag, err := k.Lag(t.Context(), name, []string{name})
	require.NoError(t, err)
	require.Equal(t, map[string]int64{name: 0}, lag)
}

// refused returns the error of a bus that must not get in.
func refused(t *testing.T, cfg bus.Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	k, err := bus.New(cfg, zap.NewNop())
	require.NoError(t, err)
	defer func() { require.NoError(t, k.Close()) }()
	require.Error(t, k.Publish(ctx, numbered("any", 0, 1, 1)))
	err = k.Ready(ctx)
	require.Error(t, err)
	return err
}

func open(t *testing.T, cfg bus.Config) *bus.Kafka {
	t.Helper()
	k, err := bus.New(cfg, zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

// newTopic creates a topic of its own for the test.
func newTopic(t *testing.T, k *bus.Kafka) string {
	t.Helper()
	name := "tongqu.test." + strconv.FormatUint(rand.Uint64(), 36) //nolint:gosec // a name, no secret
	ensure(t, k, name)
	return name
}

func ensure(t *testing.T, k *bus.Kafka, topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := k.EnsureTopics(ctx, []string{topic})
		if err == nil {
			return
		}
		require.NoError(t, ctx.Err(), "creating a topic: %v", err)
	}
}

// numbered returns messages from..to-1 over the given number of keys; the value
// is the number, and grows within each key.
func numbered(topic string, from, to, keys int) []bus.Message {
	batch := make([]bus.Message, 0, to-from)
	for i := from; i < to; i++ {
		batch = append(batch, bus.Message{Topic: topic, Key: "单号-" + strconv.Itoa(i%keys), Value: []byte(strconv.Itoa(i))})
	}
	return batch
}

func publish(t *testing.T, k *bus.Kafka, batch []bus.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := k.Publish(ctx, batch)
		if err == nil {
			return
		}
		require.NoError(t, ctx.Err(), "publishing: %v", err)
	}
}

// receive returns the first n messages that a group of the topic's name gets.
func receive(t *testing.T, k *bus.Kafka, topic string, n int) []bus.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var mu sync.Mutex
	var all []bus.Message
	require.NoError(t, k.Subscribe(ctx, topic, []string{topic}, func(_ context.Context, batch []bus.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if all = append(all, batch...); len(all) >= n {
			cancel()
		}
		return nil
	}, nil))
	require.Len(t, all, n, "waited too long, or some came twice")
	return all
}
