package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/produce"

	"tongqu/internal/backoff"
)

const (
	// attempts is how often a call tries what brokers refuse for a moment, before
	// it leaves the rest to its caller.
	attempts = 5
	// attemptsTime is when a call begins no further attempt. One of them may take
	// requestTimeout, when a broker waits in vain for its replicas.
	attemptsTime = 3 * time.Second
)

// TooLargeError says that a message exceeds what brokers take. Nothing of its
// batch was sent.
type TooLargeError struct {
	Index int // in the batch
	Topic string
	Key   string
	Size  int
	Limit int
}

// Error names the message by topic and place; the key may be personal data.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("message %d of the batch, for topic %s: %d bytes exceed the limit of %d", e.Index, e.Topic, e.Size, e.Limit)
}

// lane is what a batch has for one partition. Its messages are sent in order,
// and none before those that stand earlier are acknowledged.
type lane struct {
	topic     string
	partition int32
	leader    int32
	indexes   []int32 // of the messages not acknowledged yet
	sending   int     // how many of them the running request carries
}

// Publish sends the batch with acks=all. See Publisher. It repeats by itself
// what brokers refuse for a moment, and gives up after a few seconds. The
// batch must not be changed when ctx ended before the call returned.
func (k *Kafka) Publish(ctx context.Context, batch []Message) error {
	if len(batch) == 0 {
		return nil
	}
	ctx, leave, err := k.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for i := range batch {
		if n := batchOverhead + encodedSize(&batch[i]); n > k.cfg.MaxMessageBytes {
			return &TooLargeError{Index: i, Topic: batch[i].Topic, Key: batch[i].Key, Size: n, Limit: k.cfg.MaxMessageBytes}
		}
	}
	var lanes []*lane
	err = again(ctx, func() (err error) {
		if lanes == nil {
			if lanes, err = k.lanes(ctx, batch); err != nil {
				return err
			}
		}
		lanes, err = k.send(ctx, batch, lanes)
		return err
	})
	if err != nil {
		return fmt.Errorf("publishing %d messages: %w", len(batch), err)
	}
	return nil
}

// again repeats a call while brokers refuse it for a moment.
func again(ctx context.Context, call func() error) error {
	began := time.Now()
	for attempt := 0; ; attempt++ {
		err := call()
		if err == nil || !retryable(err) || attempt+1 == attempts || time.Since(began) > attemptsTime {
			return err
		}
		wait := backoff.Delay(attempt, 50*time.Millisecond, 500*time.Millisecond, rand.Float64)
		if backoff.Wait(ctx, wait) != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// lanes sorts the batch by partition.
func (k *Kafka) lanes(ctx context.Context, batch []Message) ([]*lane, error) {
	var topics []string
	for i := range batch {
		if !slices.Contains(topics, batch[i].Topic) {
			topics = append(topics, batch[i].Topic)
		}
	}
	layout, err := k.layout(ctx, topics)
	if err != nil {
		return nil, err
	}
	type target struct {
		ids   []int
		lanes []*lane
	}
	targets := make(map[string]target, len(layout))
	for _, t := range layout {
		n := len(t.Partitions)
		targets[t.Name] = target{ids: partitionIDs(n), lanes: make([]*lane, n)}
	}
	var all []*lane
	var key []byte
	for i := range batch {
		t := targets[batch[i].Topic]
		key = append(key[:0], batch[i].Key...)
		p := partitionOf(key, t.ids)
		if t.lanes[p] == nil {
			t.lanes[p] = &lane{topic: batch[i].Topic, partition: int32(p)} //nolint:gosec // a partition id
			all = append(all, t.lanes[p])
		}
		t.lanes[p].indexes = append(t.lanes[p].indexes, int32(i))
	}
	return all, nil
}

// partitionIDs are the ids of n partitions, from 0 on.
func partitionIDs(n int) []int {
	ids := make([]int, n)
	for p := range ids {
		ids[p] = p
	}
	return ids
}

// partitionOf is the partition of a key among ids, as Java's clients choose it.
func partitionOf(key []byte, ids []int) int {
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: key}, ids...)
}

// send sends the lanes, one request a leader at a time, until all is
// acknowledged or an error comes; it returns the lanes that are not done.
func (k *Kafka) send(ctx context.Context, batch []Message, lanes []*lane) ([]*lane, error) {
	for len(lanes) > 0 {
		leaders, err := k.byLeader(ctx, lanes)
		if err != nil {
			return lanes, err
		}
		errs := make([]error, len(leaders))
		var wg sync.WaitGroup
		for i, group := range leaders[1:] {
			wg.Go(func() { errs[i+1] = k.produce(ctx, batch, group) })
		}
		errs[0] = k.produce(ctx, batch, leaders[0])
		wg.Wait()
		lanes = slices.DeleteFunc(lanes, func(l *lane) bool { return len(l.indexes) == 0 })
		if err := errors.Join(errs...); err != nil {
			return lanes, err
		}
	}
	return nil, nil
}

// byLeader groups the lanes by the broker that leads their partitions.
func (k *Kafka) byLeader(ctx context.Context, lanes []*lane) ([][]*lane, error) {
	var topics []string
	for _, l := range lanes {
		if !slices.Contains(topics, l.topic) {
			topics = append(topics, l.topic)
		}
	}
	layout, err := k.layout(ctx, topics)
	if err != nil {
		return nil, err
	}
	var groups [][]*lane
	for _, l := range lanes {
		t := slices.IndexFunc(layout, func(t metadata.ResponseTopic) bool { return t.Name == l.topic })
		if int(l.partition) >= len(layout[t].Partitions) {
			return nil, fmt.Errorf("topic %s partition %d: %w", l.topic, l.partition, kafka.UnknownTopicOrPartition)
		}
		l.leader = layout[t].Partitions[l.partition].LeaderID
		g := slices.IndexFunc(groups, func(g []*lane) bool { return g[0].leader == l.leader })
		if g < 0 {
			groups = append(groups, []*lane{l})
		} else {
			groups[g] = append(groups[g], l)
		}
	}
	return groups, nil
}

// produce sends as much of each lane as one batch may hold, in one request to
// the lanes' leader, and takes what was acknowledged off the lanes.
func (k *Kafka) produce(ctx context.Context, batch []Message, lanes []*lane) error {
	req := &produce.Request{Acks: int16(kafka.RequireAll), Timeout: int32(requestTimeout / time.Millisecond)}
	for _, l := range lanes {
		size := batchOverhead
		l.sending = 0
		for _, i := range l.indexes {
			if size += encodedSize(&batch[i]); size > k.cfg.MaxMessageBytes {
				break
			}
			l.sending++
		}
		t := slices.IndexFunc(req.Topics, func(t produce.RequestTopic) bool { return t.Topic == l.topic })
		if t < 0 {
			t = len(req.Topics)
			req.Topics = append(req.Topics, produce.RequestTopic{Topic: l.topic})
		}
		req.Topics[t].Partitions = append(req.Topics[t].Partitions, produce.RequestPartition{
			Partition: l.partition,
			RecordSet: protocol.RecordSet{Records: &recordReader{batch: batch, indexes: l.indexes[:l.sending]}},
		})
	}
	m, err := k.roundTrip(ctx, requestTimeout+requestTimeout/2, req)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range m.(*produce.Response).Topics {
		for _, p := range t.Partitions {
			i := slices.IndexFunc(lanes, func(l *lane) bool { return l.topic == t.Topic && l.partition == p.Partition })
			switch {
			case i < 0:
				errs = append(errs, fmt.Errorf("an answer for topic %s partition %d, which was not asked for", t.Topic, p.Partition))
			case p.ErrorCode != 0:
				errs = append(errs, fmt.Errorf("topic %s partition %d: %w", t.Topic, p.Partition, kafka.Error(p.ErrorCode)))
			default:
				lanes[i].indexes = lanes[i].indexes[lanes[i].sending:]
				lanes[i].sending = 0
			}
		}
	}
	if len(errs) == 0 && slices.ContainsFunc(lanes, func(l *lane) bool { return l.sending > 0 }) {
		errs = append(errs, io.ErrUnexpectedEOF)
	}
	return errors.Join(errs...)
}

// batchOverhead is the size of a record batch's own header (KIP-98, 61 bytes).
const batchOverhead = 61

// encodedSize is an upper bound of a message's size in a record batch: lengths
// and deltas are varints of at most 5 bytes, the timestamp's of at most 10.
func encodedSize(m *Message) int {
	n := 36 + len(m.Key) + len(m.Value)
	for i := range m.Headers {
		n += 10 + len(m.Headers[i].Key) + len(m.Headers[i].Value)
	}
	return n
}

// recordReader hands messages of a batch to the encoder, reusing its memory:
// a record is valid until the next one is read.
type recordReader struct {
	batch   []Message
	indexes []int32

	record  protocol.Record
	key     recordBytes
	value   recordBytes
	scratch []byte
}

type recordBytes struct{ bytes.Reader }

// Close does nothing; it makes recordBytes a protocol.Bytes.
func (*recordBytes) Close() error { return nil }

// ReadRecord returns the next record, io.EOF after the last.
func (r *recordReader) ReadRecord() (*protocol.Record, error) {
	if len(r.indexes) == 0 {
		return nil, io.EOF
	}
	m := &r.batch[r.indexes[0]]
	r.indexes = r.indexes[1:]
	n := len(m.Key)
	for i := range m.Headers {
		n += len(m.Headers[i].Value)
	}
	r.scratch = append(slices.Grow(r.scratch[:0], n), m.Key...)
	r.key.Reset(r.scratch[:len(m.Key):len(m.Key)])
	r.value.Reset(m.Value)
	headers := r.record.Headers[:0]
	for i := range m.Headers {
		from := len(r.scratch)
		r.scratch = append(r.scratch, m.Headers[i].Value...)
		headers = append(headers, protocol.Header{Key: m.Headers[i].Key, Value: r.scratch[from:len(r.scratch):len(r.scratch)]})
	}
	r.record = protocol.Record{Time: m.Time, Key: &r.key, Value: &r.value, Headers: headers}
	return &r.record, nil
}

// retryable reports whether the same request may succeed a moment later: the
// broker says so, or the connection broke (a closing broker gives io.EOF).
func retryable(err error) bool {
	if code, ok := errors.AsType[kafka.Error](err); ok {
		return code.Temporary()
	}
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &network)
}
