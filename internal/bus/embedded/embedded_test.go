package embedded_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"tongqu/internal/bus"
	"tongqu/internal/bus/bustest"
	"tongqu/internal/bus/embedded"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func start(tb testing.TB, dir, listen string) *embedded.Broker {
	tb.Helper()
	b, err := embedded.Start(embedded.Config{Dir: dir, Listen: listen}, zap.NewNop())
	require.NoError(tb, err)
	return b
}

func TestConformance(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bustest.Broker {
		t.Helper()
		dir := t.TempDir()
		b := start(t, dir, "")
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		return bustest.Broker{
			Config: b.BusConfig(),
			Restart: func(t *testing.T) {
				t.Helper()
				addr := b.Addrs()[0]
				require.NoError(t, b.Close())
				b = start(t, dir, addr)
			},
		}
	})
}

// TestConformanceOfKafka runs the suite on the Kafka at TONGQU_TEST_KAFKA
// (host:port,…).
func TestConformanceOfKafka(t *testing.T) {
	addrs := os.Getenv("TONGQU_TEST_KAFKA")
	if addrs == "" {
		t.Skip("TONGQU_TEST_KAFKA is not set")
	}
	bustest.Run(t, func(*testing.T) bustest.Broker {
		c := bus.NewDefaultConfig()
		c.Brokers = strings.Split(addrs, ",")
		return bustest.Broker{Config: c}
	})
}

func TestRestartKeepsTopicsMessagesAndOffsets(t *testing.T) {
	dir := t.TempDir()
	topics := []string{"tongqu.a", "tongqu.b"}
	publish := func(k *bus.Kafka, from, to int) map[string]bool {
		want := map[string]bool{}
		var batch []bus.Message
		for i := from; i < to; i++ {
			v := strconv.Itoa(i)
			want[v] = true
			batch = append(batch, bus.Message{Topic: crashTopics[i%2], Key: v, Value: []byte(v)})
		}
		require.NoError(t, k.Publish(t.Context(), batch))
		return want
	}
	topics = append(topics, crashTopics...)

	b := start(t, dir, "")
	k, err := bus.New(b.BusConfig(), zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, k.EnsureTopics(t.Context(), topics))
	receive(t, k, "group", publish(k, 0, 100))
	publish(k, 100, 130)
	require.NoError(t, k.Close())
	require.NoError(t, b.Close())
	require.NoError(t, b.Close(), "twice")

	b = start(t, dir, "")
	defer func() { require.NoError(t, b.Close()) }()
	k, err = bus.New(b.BusConfig(), zap.NewNop())
	require.NoError(t, err)
	defer func() { require.NoError(t, k.Close()) }()
	lag, err := k.Lag(t.Context(), "group", topics)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"tongqu.a": 0, "tongqu.b": 0, crashTopics[0]: 15, crashTopics[1]: 15}, lag)
	more := publish(k, 130, 140)
	got := receive(t, k, "group", more)
	require.Len(t, got, 40, "the 30 from before the restart and the 10 from after")
}

func TestDirectoryIsLocked(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir, "")
	_, err := embedded.Start(embedded.Config{Dir: dir}, zap.NewNop())
	require.ErrorIs(t, err, embedded.ErrInUse)
	require.NoError(t, b.Close())
	require.NoError(t, start(t, dir, "").Close())
}

func TestStartRefuses(t *testing.T) {
	_, err := embedded.Start(embedded.Config{}, zap.NewNop())
	require.ErrorContains(t, err, "no directory given")
	b := start(t, t.TempDir(), "")
	defer func() { require.NoError(t, b.Close()) }()
	dir := t.TempDir()
	_, err = embedded.Start(embedded.Config{Dir: dir, Listen: b.Addrs()[0]}, zap.NewNop())
	require.ErrorContains(t, err, "address already in use")
	require.NoError(t, start(t, dir, "").Close(), "the lock is given back")
}
