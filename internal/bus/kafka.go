package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"go.uber.org/zap"
)

const (
	// requestTimeout bounds one request to a broker, apart from the time the
	// broker may hold a poll.
	requestTimeout = 10 * time.Second
	// probeTimeout is when the next broker is asked what this one does not say.
	probeTimeout = 3 * time.Second
	// closeTimeout is how long Close waits for members to leave their groups.
	closeTimeout = 3 * time.Second
	// metadataTTL is how long a partition that moved to another leader may be
	// looked for at the old one.
	metadataTTL = 3 * time.Second
)

// Kafka is a Bus on the brokers of its Config, through kafka-go.
type Kafka struct {
	cfg       Config
	log       *zap.Logger
	addr      net.Addr
	transport *kafka.Transport
	client    *kafka.Client
	dialer    kafka.Dialer // copied per use with a DialFunc of its own
	conns     *conns

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // running Publish and Subscribe calls

	mu     sync.Mutex
	closed bool
	topics []string // ensured topics, of which Ready speaks
}

var _ Bus = (*Kafka)(nil)

// ErrClosed is returned by calls on a closed bus.
var ErrClosed = errors.New("bus is closed")

// New returns a bus to the brokers of cfg. It does not connect yet: Ready says
// whether the brokers answer.
func New(cfg Config, log *zap.Logger) (*Kafka, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the bus: %w", err)
	}
	tlsConfig, err := cfg.TLS.client()
	if err != nil {
		return nil, fmt.Errorf("configuring the bus: %w", err)
	}
	mechanism, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, fmt.Errorf("configuring the bus: %w", err)
	}
	k := &Kafka{
		cfg:   cfg,
		log:   log,
		addr:  kafka.TCP(cfg.Brokers...),
		conns: newConns(),
		dialer: kafka.Dialer{
			ClientID: cfg.ClientID, Timeout: dialTimeout, TLS: tlsConfig, SASLMechanism: mechanism,
		},
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.transport = &kafka.Transport{
		Dial: k.conns.dial, DialTimeout: dialTimeout, ClientID: cfg.ClientID,
		MetadataTTL: metadataTTL, TLS: tlsConfig, SASL: mechanism, Context: k.ctx,
	}
	k.client = &kafka.Client{Addr: k.addr, Transport: k.transport, Timeout: requestTimeout}
	return k, nil
}

// Close ends running calls, leaves the groups and closes all connections. It
// returns after at most a few seconds; a second call does nothing.
func (k *Kafka) Close() error {
	k.mu.Lock()
	first := !k.closed
	k.closed = true
	k.mu.Unlock()
	if !first {
		return nil
	}
	k.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.wg.Wait()
	}()
	t := time.NewTimer(2 * closeTimeout)
	defer t.Stop()
	var err error
	select {
	case <-done:
	case <-t.C:
		err = errors.New("closing the bus: a handler did not return")
	}
	k.transport.CloseIdleConnections()
	k.conns.close()
	return err
}

// enter begins a call: its context ends with the bus too, and Close waits for leave.
func (k *Kafka) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, nil, ErrClosed
	}
	k.wg.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(k.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
		k.wg.Done()
	}, nil
}

// EnsureTopics creates the topics that are missing and waits for their leaders.
func (k *Kafka) EnsureTopics(ctx context.Context, topics []string) error {
	ctx, leave, err := k.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	found, err := k.partitions(ctx)
	if err != nil {
		return fmt.Errorf("looking for topics: %w", err)
	}
	req := &kafka.CreateTopicsRequest{Addr: k.addr}
	for _, t := range topics {
		if len(found[t]) == 0 {
			req.Topics = append(req.Topics, k.topicConfig(t))
		}
	}
	if len(req.Topics) > 0 {
		res, err := k.client.CreateTopics(ctx, req)
		if err != nil {
			return fmt.Errorf("creating topics: %w", err)
		}
		for t, err := range res.Errors {
			if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
				return fmt.Errorf("creating topic %s: %w", t, err)
			}
		}
	}
	if err := k.awaitLeaders(ctx, topics, 50*time.Millisecond); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range topics {
		if !slices.Contains(k.topics, t) {
			k.topics = append(k.topics, t)
		}
	}
	return nil
}

func (k *Kafka) topicConfig(topic string) kafka.TopicConfig {
	c := kafka.TopicConfig{Topic: topic, NumPartitions: k.cfg.Partitions, ReplicationFactor: k.cfg.Replication}
	if c.ReplicationFactor == 0 {
		c.ReplicationFactor = -1
	}
	if d := k.cfg.Topic.Retention; d > 0 {
		c.ConfigEntries = append(c.ConfigEntries, kafka.ConfigEntry{
			ConfigName: "retention.ms", ConfigValue: strconv.FormatInt(d.Milliseconds(), 10),
		})
	}
	if n := k.cfg.Topic.MinInSyncReplicas; n > 0 {
		c.ConfigEntries = append(c.ConfigEntries, kafka.ConfigEntry{
			ConfigName: "min.insync.replicas", ConfigValue: strconv.Itoa(n),
		})
	}
	return c
}

// awaitLeaders waits, looking again every interval, until the brokers and the transport's own picture of them
// have a leader for every partition of the topics.
func (k *Kafka) awaitLeaders(ctx context.Context, topics []string, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		err := k.leaders(ctx, topics)
		if err == nil {
			_, err = k.layout(ctx, topics)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for topic leaders: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// leaders asks a broker whether every partition of the topics has a leader.
func (k *Kafka) leaders(ctx context.Context, topics []string) error {
	found, err := k.partitions(ctx)
	if err != nil {
		return err
	}
	for _, t := range topics {
		if len(found[t]) == 0 {
			return fmt.Errorf("topic %s: %w", t, kafka.UnknownTopicOrPartition)
		}
		for _, p := range found[t] {
			if p.Error != nil || p.Leader.Host == "" {
				return fmt.Errorf("topic %s partition %d: %w", t, p.ID, kafka.LeaderNotAvailable)
			}
		}
	}
	return nil
}

// partitions asks any broker, past every cache, for all topics' partitions.
func (k *Kafka) partitions(ctx context.Context) (map[string][]kafka.Partition, error) {
	d := k.dialer
	d.DialFunc = k.conns.dial
	var errs []error
	for _, i := range rand.Perm(len(k.cfg.Brokers)) { //nolint:gosec // not a secret
		broker := k.cfg.Brokers[i]
		conn, err := d.DialContext(ctx, "tcp", broker)
		if err != nil {
			errs = append(errs, fmt.Errorf("connecting to %s: %w", broker, err))
			continue
		}
		all, err := readPartitions(ctx, conn)
		if err != nil {
			errs = append(errs, fmt.Errorf("asking %s: %w", broker, err))
			continue
		}
		found := make(map[string][]kafka.Partition)
		for _, p := range all {
			found[p.Topic] = append(found[p.Topic], p)
		}
		return found, nil
	}
	return nil, errors.Join(errs...)
}

// readPartitions closes conn. It names no topics: a name would create the topic
// on brokers that create topics by themselves.
func readPartitions(ctx context.Context, conn *kafka.Conn) ([]kafka.Partition, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
		return nil, err
	}
	return conn.ReadPartitions()
}

// layout is the transport's picture of the topics, refreshed every few seconds,
// in the order given; an error when one of them or a leader is missing.
func (k *Kafka) layout(ctx context.Context, topics []string) ([]metadata.ResponseTopic, error) {
	m, err := k.roundTrip(ctx, requestTimeout, &metadata.Request{TopicNames: topics})
	if err != nil {
		return nil, err
	}
	found := m.(*metadata.Response).Topics
	for _, t := range found {
		if t.ErrorCode != 0 {
			return nil, fmt.Errorf("topic %s: %w", t.Name, kafka.Error(t.ErrorCode))
		}
		for i, p := range t.Partitions {
			if p.LeaderID < 0 || int(p.PartitionIndex) != i {
				return nil, fmt.Errorf("topic %s partition %d: %w", t.Name, i, kafka.LeaderNotAvailable)
			}
		}
	}
	return found, nil
}

func (k *Kafka) roundTrip(ctx context.Context, timeout time.Duration, req protocol.Message) (protocol.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return k.transport.RoundTrip(ctx, k.addr, req)
}

// Ready returns nil when a broker answers and the ensured topics have leaders.
func (k *Kafka) Ready(ctx context.Context) error {
	ctx, leave, err := k.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	k.mu.Lock()
	topics := slices.Clone(k.topics)
	k.mu.Unlock()
	if err := k.leaders(ctx, topics); err != nil {
		return fmt.Errorf("asking the brokers: %w", err)
	}
	return nil
}

// Lag returns the number of messages the group has not committed yet, by topic.
func (k *Kafka) Lag(ctx context.Context, group string, topics []string) (map[string]int64, error) {
	ctx, leave, err := k.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var lag map[string]int64
	err = again(ctx, func() (err error) {
		lag, err = k.lag(ctx, group, topics)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("measuring the lag of %s: %w", group, err)
	}
	return lag, nil
}

func (k *Kafka) lag(ctx context.Context, group string, topics []string) (map[string]int64, error) {
	layout, err := k.layout(ctx, topics)
	if err != nil {
		return nil, err
	}
	ids := make(map[string][]int, len(layout))
	bounds := make(map[string][]kafka.OffsetRequest, len(layout))
	for _, t := range layout {
		for p := range t.Partitions {
			ids[t.Name] = append(ids[t.Name], p)
			bounds[t.Name] = append(bounds[t.Name], kafka.FirstOffsetOf(p), kafka.LastOffsetOf(p))
		}
	}
	committed, err := k.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{Addr: k.addr, GroupID: group, Topics: ids})
	if err == nil && !errors.Is(committed.Error, kafka.GroupIdNotFound) { // a group that never committed
		err = committed.Error
	}
	if err != nil {
		return nil, fmt.Errorf("reading the committed offsets: %w", err)
	}
	at := make(map[string]map[int]int64, len(layout))
	for t, ps := range committed.Topics {
		at[t] = make(map[int]int64, len(ps))
		for _, p := range ps {
			if p.Error != nil {
				return nil, fmt.Errorf("reading the committed offset of topic %s partition %d: %w", t, p.Partition, p.Error)
			}
			at[t][p.Partition] = p.CommittedOffset
		}
	}
	ends, err := k.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Addr: k.addr, Topics: bounds})
	if err != nil {
		return nil, fmt.Errorf("reading the ends of topics: %w", err)
	}
	lag := make(map[string]int64, len(layout))
	for t, ps := range ends.Topics {
		for _, p := range ps {
			if p.Error != nil {
				return nil, fmt.Errorf("reading the ends of topic %s: %w", t, p.Error)
			}
			next := p.FirstOffset
			if c, ok := at[t][p.Partition]; ok {
				next = max(next, c)
			}
			lag[t] += max(p.LastOffset-next, 0)
		}
	}
	return lag, nil
}
