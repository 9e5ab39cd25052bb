// Package embedded is a Kafka broker inside the hub's own process, for a single
// machine without Kafka: one node, no replication, on disk. Every produced batch
// and every committed offset is synced to disk before it is acknowledged.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"

	"tongqu/internal/bus"
)

// Partitions is how many partitions a topic of the embedded broker should have.
// The broker does one thing at a time, and syncs two files for each partition
// that a batch goes to: with four topics and batches of 500, 8 partitions take
// twice the time of 2. On one machine there is little to share out anyway, and
// fewer partitions make larger batches for those who handle them.
const Partitions = 2

// Config says where the broker keeps its data and where it listens.
type Config struct {
	// Dir holds topics and offsets; it is made when missing. One process at a
	// time can use it.
	Dir string
	// Listen is host:port and is also what clients are told to connect to.
	// Empty is a free port on the loopback interface.
	Listen string
}

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	lock    *os.File
	addrs   []string
}

// ErrInUse is returned when another broker uses the directory.
var ErrInUse = errors.New("the directory is in use by another broker")

// Start starts a broker on what Config.Dir holds.
func Start(cfg Config, log *zap.Logger) (*Broker, error) {
	if cfg.Dir == "" {
		return nil, errors.New("starting the embedded broker: no directory given")
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("starting the embedded broker: %w", err)
	}
	lock, err := lockFile(filepath.Join(cfg.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("starting the embedded broker in %s: %w", cfg.Dir, err)
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ClusterID("tongqu"),
		kfake.DataDir(filepath.Join(cfg.Dir, "kafka")),
		kfake.SyncWrites(),
		kfake.DefaultNumPartitions(Partitions),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) {
			var l net.ListenConfig
			return l.Listen(context.Background(), network, cfg.Listen)
		}),
		kfake.WithLogger(logger{log}),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the embedded broker in %s: %w", cfg.Dir, err), lock.Close())
	}
	return &Broker{cluster: cluster, lock: lock, addrs: cluster.ListenAddrs()}, nil
}

// Addrs returns the addresses to bootstrap from, host:port.
func (b *Broker) Addrs() []string { return b.addrs }

// BusConfig returns bus settings that suit this broker.
func (b *Broker) BusConfig() bus.Config {
	c := bus.NewDefaultConfig()
	c.Brokers = b.addrs
	c.Partitions = Partitions
	c.Replication = 1
	return c
}

// Close writes everything down, drops the clients and stops. A second call does nothing.
func (b *Broker) Close() error {
	if b.lock == nil {
		return nil
	}
	b.cluster.Close()
	err := b.lock.Close()
	b.lock = nil
	return err
}

// logger passes the broker's warnings on.
type logger struct{ log *zap.Logger }

// Logf is kfake's logging interface.
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("embedded broker", zap.String("message", fmt.Sprintf(format, args...)))
	case kfake.LogLevelWarn:
		l.log.Warn("embedded broker", zap.String("message", fmt.Sprintf(format, args...)))
	default:
	}
}
