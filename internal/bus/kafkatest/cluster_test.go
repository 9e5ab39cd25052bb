package kafkatest_test

import (
	"testing"

	"go.uber.org/goleak"

	"tongqu/internal/bus/bustest"
	"tongqu/internal/bus/kafkatest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// TestConformance runs the suite of every broker on three Kafka brokers.
func TestConformance(t *testing.T) {
	c := kafkatest.Start(t, 3)
	bustest.Run(t, func(*testing.T) bustest.Broker {
		return bustest.Broker{
			Config: c.Config(kafkatest.Plain),
			Restart: func(*testing.T) {
				c.Kill(0, 1, 2)
				c.Start(0, 1, 2)
			},
		}
	})
}
