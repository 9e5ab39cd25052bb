//go:build unix

package embedded_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tongqu/internal/bus"
)

// records returns n messages as the relay makes them, with 2 kB values, spread
// over the topics.
func records(topics []string, n int) []bus.Message {
	value := bytes.Repeat([]byte("0123456789abcdef"), 128)
	batch := make([]bus.Message, n)
	for i := range batch {
		key := "3101234567|ORDER" + strconv.Itoa(i)
		batch[i] = bus.Message{
			Topic: topics[i%len(topics)], Key: key, Value: value, Time: time.Now(),
			Headers: []bus.Header{
				{Key: "content-type", Value: "application/json"},
				{Key: "ce_specversion", Value: "1.0"},
				{Key: "ce_id", Value: "0195f1c0-0000-7000-8000-000000000000.1"},
				{Key: "ce_type", Value: "trade.order.v1"},
				{Key: "ce_source", Value: "/agencies/customs"},
				{Key: "ce_subject", Value: key},
				{Key: "ce_time", Value: "2026-03-08T03:27:01.123456Z"},
				{Key: "ce_dataschema", Value: "/schemas/canonical/trade.order.v1.json"},
				{Key: "ce_action", Value: "create"},
				{Key: "ce_seq", Value: strconv.Itoa(i)},
			},
		}
	}
	return batch
}

// cpu is the processor time this process used so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func setUp(b *testing.B, topics, partitions int) (*bus.Kafka, []string) {
	b.Helper()
	broker := start(b, b.TempDir(), "")
	b.Cleanup(func() { require.NoError(b, broker.Close()) })
	c := broker.BusConfig()
	c.Partitions = partitions
	k, err := bus.New(c, zap.NewNop())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, k.Close()) })
	names := make([]string, topics)
	for i := range names {
		names[i] = fmt.Sprintf("tongqu.bench%d", i)
	}
	require.NoError(b, k.EnsureTopics(b.Context(), names))
	return k, names
}

// BenchmarkPublish publishes batches of 2 kB messages one after another.
func BenchmarkPublish(b *testing.B) {
	for _, tt := range []struct{ topics, partitions, messages int }{
		{1, 2, 500},
		{4, 1, 500},
		{4, 2, 500},
		{4, 8, 500},
		{4, 2, 1000},
		{4, 2, 100},
	} {
		b.Run(fmt.Sprintf("topics=%d/partitions=%d/messages=%d", tt.topics, tt.partitions, tt.messages), func(b *testing.B) {
			k, topics := setUp(b, tt.topics, tt.partitions)
			batch := records(topics, tt.messages)
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				require.NoError(b, k.Publish(b.Context(), batch))
			}
			report(b, tt.messages, cpu(b)-before)
		})
	}
}

// BenchmarkRoundTrip publishes batches of 500 and waits until a member has them.
func BenchmarkRoundTrip(b *testing.B) {
	k, topics := setUp(b, 4, 2)
	var got atomic.Int64
	came := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- k.Subscribe(ctx, "bench", topics, func(_ context.Context, batch []bus.Message) error {
			got.Add(int64(len(batch)))
			select {
			case came <- struct{}{}:
			default:
			}
			return nil
		}, nil)
	}()
	batch := records(topics, 500)
	await := func(n int64) {
		for got.Load() < n {
			<-came
		}
	}
	require.NoError(b, k.Publish(b.Context(), batch))
	await(500)
	b.ReportAllocs()
	before := cpu(b)
	sent := int64(500)
	for b.Loop() {
		require.NoError(b, k.Publish(b.Context(), batch))
		sent += 500
	}
	await(sent)
	report(b, 500, cpu(b)-before)
	cancel()
	require.NoError(b, <-ended)
}

func report(b *testing.B, messages int, used time.Duration) {
	b.Helper()
	n := float64(b.N) * float64(messages)
	b.ReportMetric(n/b.Elapsed().Seconds(), "msgs/s")
	b.ReportMetric(float64(used.Microseconds())/n, "cpu-µs/msg")
}
