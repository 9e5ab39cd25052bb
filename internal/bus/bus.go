// Package bus carries records between the rooms of the hub, always over the
// Kafka protocol through kafka-go: to the embedded broker when no brokers are
// configured, to Apache Kafka when they are.
package bus

import (
	"context"
	"time"
)

// Header is a Kafka record header.
type Header struct {
	Key   string
	Value string
}

// Message is one Kafka record. Partition and Offset are set on received ones.
type Message struct {
	Topic     string
	Key       string
	Value     []byte
	Headers   []Header
	Time      time.Time
	Partition int
	Offset    int64
}

// Header returns the value of the first header of that key, or "".
func (m *Message) Header(key string) string {
	for i := range m.Headers {
		if m.Headers[i].Key == key {
			return m.Headers[i].Value
		}
	}
	return ""
}

// Publisher sends messages.
type Publisher interface {
	// Publish returns nil when every message has reached all replicas in sync
	// (acks=all): min.insync.replicas says how many brokers that is at least. The
	// embedded broker has it on disk then; Kafka relies on its replicas.
	// On an error any of them may or may not have arrived: publish the same
	// batch again; consumers know them by id. Messages of one key keep their order.
	Publish(ctx context.Context, batch []Message) error
}

// Handler handles a batch of one partition, in order. When it returns nil the
// batch is committed for the group. It may block as long as it must, but returns
// ctx's error soon after ctx ends (the partition went to another member); any
// other error hands the same batch in again after a pause.
type Handler func(ctx context.Context, batch []Message) error

// Gap says that a group begins somewhere else in a partition than where it left off:
// messages expired before it read them, the brokers lost messages or the group's
// places, or the group is new.
type Gap struct {
	Topic     string
	Partition int
	// From is where the group wanted to go on, -1 when the brokers know of no place.
	From int64
	// To is where it goes on: the oldest message the partition still holds.
	To int64
	// Partitions is how many the topic has.
	Partitions int
}

// Holds reports whether messages of a key are in the gap's partition.
func (g *Gap) Holds(key string) bool {
	return partitionOf([]byte(key), partitionIDs(g.Partitions)) == g.Partition
}

// GapHandler is told of a gap before the messages after it are handled. What holds
// for Handler holds for it, too.
type GapHandler func(ctx context.Context, g Gap) error

// Subscriber receives messages.
type Subscriber interface {
	// Subscribe consumes the topics as a member of the group until ctx ends, then
	// returns nil; different partitions are handled concurrently. It survives
	// brokers that go away and come back. A new group starts at the oldest message.
	// missed may be nil: then gaps are only logged.
	Subscribe(ctx context.Context, group string, topics []string, h Handler, missed GapHandler) error
}

// Bus is a connection to one Kafka.
type Bus interface {
	Publisher
	Subscriber
	// EnsureTopics creates the topics that are missing and waits for their leaders.
	EnsureTopics(ctx context.Context, topics []string) error
	// Lag returns the number of messages the group has not committed yet, by topic.
	Lag(ctx context.Context, group string, topics []string) (map[string]int64, error)
	// Ready returns nil when a broker answers and the topics have leaders.
	Ready(ctx context.Context) error
	Close() error
}
