package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"go.uber.org/zap"

	"tongqu/internal/backoff"
)

// shortPoll is how long a poll may wait while some partitions are left out of
// it because their worker is busy; it doubles while nothing comes.
const shortPoll = 5 * time.Millisecond

// errStalled ends a generation whose partition has messages that do not come.
var errStalled = errors.New("a partition makes no progress")

// poll keeps the partitions' next batches filled until ctx ends or one stalls.
func (c *consumer) poll(ctx context.Context) error {
	now := time.Now()
	for _, p := range c.parts {
		p.good = now
	}
	for attempt := 0; ; attempt++ {
		before := time.Now()
		err := c.pollLeaders(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the poll was ended, it did not fail
		}
		if i := slices.IndexFunc(c.parts, c.stalled); i >= 0 {
			return fmt.Errorf("topic %s partition %d: %w: %w", c.parts[i].topic, c.parts[i].id, errStalled, err)
		}
		if time.Since(before) > time.Second {
			attempt = 0
		}
		c.log.Info("polling again", zap.Error(err))
		_ = backoff.Wait(ctx, backoff.Delay(attempt, 50*time.Millisecond, time.Second, rand.Float64))
	}
}

func (c *consumer) stalled(p *partition) bool {
	return len(p.next) == 0 && time.Since(p.good) > c.k.cfg.StallTimeout
}

// pollLeaders polls every leader until ctx ends or a poll fails, as it does
// when a partition moves to another leader.
func (c *consumer) pollLeaders(ctx context.Context) error {
	leaders, err := c.byLeader(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, parts := range leaders {
		taken := make(chan struct{}, 1)
		for _, p := range parts {
			p.taken.Store(&taken)
		}
		wg.Go(func() { cancel(c.pollLeader(ctx, parts, taken)) })
	}
	wg.Wait()
	return context.Cause(ctx)
}

// byLeader groups the partitions by the broker that leads them, and finds the
// start of those that the group never committed.
func (c *consumer) byLeader(ctx context.Context) (map[int32][]*partition, error) {
	topics := make([]string, 0, len(c.gen.Assignments))
	for _, p := range c.parts {
		if !slices.Contains(topics, p.topic) {
			topics = append(topics, p.topic)
		}
	}
	layout, err := c.k.layout(ctx, topics)
	if err != nil {
		return nil, err
	}
	leaders := map[int32][]*partition{}
	for _, p := range c.parts {
		t := layout[slices.Index(topics, p.topic)]
		if p.id >= len(t.Partitions) {
			return nil, fmt.Errorf("topic %s partition %d: %w", p.topic, p.id, kafka.UnknownTopicOrPartition)
		}
		p.of = len(t.Partitions)
		if p.offset < 0 {
			if err := c.begin(ctx, p); err != nil {
				return nil, err
			}
		}
		leader := t.Partitions[p.id].LeaderID
		leaders[leader] = append(leaders[leader], p)
	}
	return leaders, nil
}

// begin lets a partition begin at its oldest message and tells its worker, that
// has to be without work.
func (c *consumer) begin(ctx context.Context, p *partition) error {
	first, err := c.firstOffset(ctx, p)
	if err != nil {
		return err
	}
	p.next <- fetched{gap: &Gap{Topic: p.topic, Partition: p.id, From: max(p.offset, -1), To: first, Partitions: p.of}}
	p.offset = first
	return nil
}

func (c *consumer) firstOffset(ctx context.Context, p *partition) (int64, error) {
	res, err := c.k.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Addr: c.k.addr, Topics: map[string][]kafka.OffsetRequest{p.topic: {kafka.FirstOffsetOf(p.id)}},
	})
	if err != nil {
		return kafka.FirstOffset, fmt.Errorf("finding the start of topic %s partition %d: %w", p.topic, p.id, err)
	}
	for _, o := range res.Topics[p.topic] {
		if o.Partition == p.id && o.Error == nil {
			return o.FirstOffset, nil
		}
	}
	return kafka.FirstOffset, fmt.Errorf("finding the start of topic %s partition %d: no answer", p.topic, p.id)
}

// pollLeader polls the partitions of one leader until ctx ends or a poll
// fails. One poll asks for all that have room, so an idle member costs a request
// a PollWait, whatever the number of its partitions.
func (c *consumer) pollLeader(ctx context.Context, parts []*partition, taken <-chan struct{}) error {
	room := make([]*partition, 0, len(parts))
	short := shortPoll
	for round := 0; ctx.Err() == nil; round++ {
		room = room[:0]
		for i := range parts {
			p := parts[(i+round)%len(parts)] // the first ones are served first
			if len(p.next) == 0 {
				room = append(room, p)
			} else {
				p.good = time.Now()
			}
		}
		if len(room) == 0 {
			select {
			case <-ctx.Done():
			case <-taken:
			}
			continue
		}
		wait := c.k.cfg.PollWait
		if len(room) < len(parts) {
			wait = min(short, wait)
			short *= 2
		}
		got, err := c.fetch(ctx, room, wait)
		if err != nil {
			return err
		}
		if got {
			short = shortPoll
		}
		if i := slices.IndexFunc(room, c.stalled); i >= 0 {
			return errStalled
		}
	}
	return nil
}

// fetch asks the partitions' leader for messages and waits for the first ones
// at most wait. It fills next of those that have some.
func (c *consumer) fetch(ctx context.Context, parts []*partition, wait time.Duration) (got bool, err error) {
	size := int32(c.k.cfg.FetchBytes)    //nolint:gosec // Validate bounds it
	millis := int32(wait.Milliseconds()) //nolint:gosec // Validate bounds it
	req := &fetch.Request{
		ReplicaID: -1, MaxWaitTime: millis, MinBytes: 1, MaxBytes: 4 * size,
		SessionID: 0, SessionEpoch: -1,
	}
	for _, p := range parts {
		t := slices.IndexFunc(req.Topics, func(t fetch.RequestTopic) bool { return t.Topic == p.topic })
		if t < 0 {
			t = len(req.Topics)
			req.Topics = append(req.Topics, fetch.RequestTopic{Topic: p.topic})
		}
		req.Topics[t].Partitions = append(req.Topics[t].Partitions, fetch.RequestPartition{
			Partition: int32(p.id), CurrentLeaderEpoch: -1, FetchOffset: p.offset, LogStartOffset: -1, PartitionMaxBytes: size, //nolint:gosec // a partition id
		})
	}
	m, err := c.k.roundTrip(ctx, wait+requestTimeout, req)
	if err != nil {
		return false, err
	}
	res := m.(*fetch.Response)
	if res.ErrorCode != 0 {
		return false, kafka.Error(res.ErrorCode)
	}
	var errs []error
	for i := range res.Topics {
		for j := range res.Topics[i].Partitions {
			r := &res.Topics[i].Partitions[j]
			at := slices.IndexFunc(parts, func(p *partition) bool {
				return p.id == int(r.Partition) && p.topic == res.Topics[i].Topic
			})
			if at < 0 {
				continue
			}
			some, err := c.accept(ctx, parts[at], r)
			got = got || some
			if err != nil {
				errs = append(errs, fmt.Errorf("topic %s partition %d: %w", parts[at].topic, parts[at].id, err))
			}
		}
	}
	return got, errors.Join(errs...)
}

// accept takes a partition's part of an answer.
func (c *consumer) accept(ctx context.Context, p *partition, r *fetch.ResponsePartition) (got bool, err error) {
	switch code := kafka.Error(r.ErrorCode); code {
	case 0:
	case kafka.OffsetOutOfRange:
		return true, c.begin(ctx, p)
	default:
		return false, code
	}
	before := p.offset
	messages, err := p.read(r.RecordSet.Records)
	if p.offset > before || p.offset >= r.HighWatermark {
		p.good = time.Now()
	}
	if len(messages) > 0 {
		p.next <- fetched{messages: messages}
	}
	return len(messages) > 0, err
}

// read takes the messages from p.offset on out of a fetched record set and
// advances p.offset. Control records are passed over.
func (p *partition) read(records protocol.RecordReader) ([]Message, error) {
	stream, ok := records.(*protocol.RecordStream)
	if !ok {
		return nil, nil
	}
	var messages []Message
	var scratch []byte
	for _, batch := range stream.Records {
		_, control := batch.(*protocol.ControlBatch)
		for n := 0; ; n++ {
			r, err := batch.ReadRecord()
			if errors.Is(err, io.EOF) {
				// A batch that compaction emptied still takes up its offsets.
				if b, ok := batch.(interface{ Offset() int64 }); ok && n == 0 {
					p.offset = max(p.offset, b.Offset()+1)
				}
				break
			}
			if err != nil {
				return messages, fmt.Errorf("reading records: %w", err)
			}
			key, value, err := contents(r, scratch[:0])
			if err != nil {
				return messages, fmt.Errorf("reading the record at %d: %w", r.Offset, err)
			}
			scratch = key
			if r.Offset < p.offset {
				continue
			}
			p.offset = r.Offset + 1
			if control {
				continue
			}
			m := Message{
				Topic: p.topic, Partition: p.id, Offset: r.Offset, Time: r.Time, Key: string(key), Value: value,
			}
			if len(r.Headers) > 0 {
				m.Headers = make([]Header, len(r.Headers))
				for i, h := range r.Headers {
					m.Headers[i] = Header{Key: h.Key, Value: string(h.Value)}
				}
			}
			messages = append(messages, m)
		}
	}
	return messages, nil
}

// contents copies a record's key, into scratch, and value out of the memory it
// shares with others, and gives that back.
func contents(r *protocol.Record, scratch []byte) (key, value []byte, err error) {
	key = scratch
	if r.Key != nil {
		defer func() { _ = r.Key.Close() }()
		key = slices.Grow(key, r.Key.Len())[:r.Key.Len()]
		if _, err = io.ReadFull(r.Key, key); err != nil {
			return key, nil, err
		}
	}
	if r.Value != nil {
		defer func() { _ = r.Value.Close() }()
		value, err = protocol.ReadAll(r.Value)
	}
	return key, value, err
}
