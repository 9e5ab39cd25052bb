package embedded_test

import (
	"os"
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

func start(t testing.TB, dir, listen string) *embedded.Broker {
	t.Helper()
	b, err := embedded.Start(embedded.Config{Dir: dir, Listen: listen}, zap.NewNop())
	require.NoError(t, err)
	return b
}

func TestConformance(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bustest.Broker {
		dir := t.TempDir()
		b := start(t, dir, "")
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		return bustest.Broker{
			Config: b.BusConfig(),
			Restart: func(t *testing.T) {
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
