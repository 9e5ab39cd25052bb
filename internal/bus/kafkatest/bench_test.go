package kafkatest_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tongqu/internal/bus"
	"tongqu/internal/bus/kafkatest"
)

// BenchmarkRoundTrip publishes batches of 2 kB messages, one after another, and
// waits until a member has them all. Brokers and client share the machine.
func BenchmarkRoundTrip(b *testing.B) {
	for _, brokers := range []int{1, 3} {
		b.Run(fmt.Sprintf("replicas=%d", brokers), func(b *testing.B) {
			c := kafkatest.Start(b, brokers)
			k, err := bus.New(c.Config(kafkatest.Plain), zap.NewNop())
			require.NoError(b, err)
			defer func() { require.NoError(b, k.Close()) }()
			require.NoError(b, k.EnsureTopics(b.Context(), []string{"bench"}))
			batch := make([]bus.Message, 500)
			for i := range batch {
				batch[i] = bus.Message{Topic: "bench", Key: strconv.Itoa(i), Value: bytes.Repeat([]byte("0123456789abcdef"), 128)}
			}
			var got atomic.Int64
			came := make(chan struct{}, 1)
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- k.Subscribe(ctx, "bench", []string{"bench"}, func(_ context.Context, batch []bus.Message) error {
					got.Add(int64(len(batch)))
					select {
					case came <- struct{}{}:
					default:
					}
					return nil
				}, nil)
			}()
			sent := 0
			send := func() {
				for k.Publish(b.Context(), batch) != nil { // brokers may be too busy to be there
					require.NoError(b, b.Context().Err())
				}
				sent += len(batch)
			}
			await := func() {
				for got.Load() < int64(sent) {
					<-came
				}
			}
			for range 20 {
				send() // the JVMs are cold at first
			}
			await()
			warm := sent
			for b.Loop() {
				send()
			}
			await()
			b.ReportMetric(float64(sent-warm)/b.Elapsed().Seconds(), "msgs/s")
			cancel()
			require.NoError(b, <-ended)
		})
	}
}
