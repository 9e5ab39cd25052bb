package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"tongqu/internal/backoff"
)

const (
	// rebalanceTimeout is how long the members of a group may take to hand over
	// their partitions.
	rebalanceTimeout = 30 * time.Second
	// joinTimeout is when a member that got no generation gives up its membership
	// and starts anew.
	joinTimeout = 2 * rebalanceTimeout
	// joinBackoff is the pause before a member starts anew.
	joinBackoff = time.Second
)

// Subscribe consumes the topics as a member of the group. See Subscriber.
//
// Offsets are committed in the background at least CommitInterval apart, and
// whenever the member gives its partitions away. A message that expired before
// the group read it is skipped, and missed is told. Topics that do not exist yet
// are waited for.
func (k *Kafka) Subscribe(ctx context.Context, group string, topics []string, h Handler, missed GapHandler) error {
	if group == "" || len(topics) == 0 {
		return errors.New("subscribing: a group and at least one topic are needed")
	}
	ctx, leave, err := k.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	log := k.log.With(zap.String("group", group))
	if k.awaitLeaders(ctx, topics, time.Second) != nil {
		return nil
	}
	brokers := slices.Clone(k.cfg.Brokers)
	rand.Shuffle(len(brokers), func(i, j int) { brokers[i], brokers[j] = brokers[j], brokers[i] }) //nolint:gosec // not a secret
	work := func(gen *kafka.Generation) *consumer { return newConsumer(k, gen, log, h, missed) }
	var leaving sync.WaitGroup
	defer leaving.Wait()
	for ctx.Err() == nil {
		id, err := k.member(ctx, log, brokers, group, topics, work)
		if ctx.Err() != nil {
			return nil
		}
		log.Info("joining the group anew", zap.Error(err))
		if id != "" {
			leaving.Go(func() { k.leave(ctx, group, id) })
		}
		// A member always asks the first broker that takes its connection. One that
		// hangs takes connections and answers nothing: the next is first now.
		brokers = append(brokers[1:], brokers[0])
		_ = backoff.Wait(ctx, joinBackoff)
	}
	return nil
}

// member is one membership, from joining until ctx ends or a generation is not
// to be had. work makes the consumer of a generation. It returns the id of its last
// generation's member, if any.
func (k *Kafka) member(ctx context.Context, log *zap.Logger, brokers []string, group string, topics []string,
	work func(*kafka.Generation) *consumer,
) (id string, err error) {
	links := newConns()
	d := k.dialer
	d.DialFunc = links.dial
	cg, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: group, Brokers: brokers, Dialer: &d, Topics: topics,
		GroupBalancers:    []kafka.GroupBalancer{kafka.RoundRobinGroupBalancer{}},
		HeartbeatInterval: k.cfg.HeartbeatInterval,
		// Partitions that are added to a topic must find a reader.
		WatchPartitionChanges:  true,
		PartitionWatchInterval: time.Minute,
		SessionTimeout:         k.cfg.SessionTimeout,
		RebalanceTimeout:       rebalanceTimeout,
		JoinGroupBackoff:       joinBackoff,
		StartOffset:            kafka.FirstOffset,
	})
	if err != nil {
		links.close()
		return "", fmt.Errorf("making a group member: %w", err)
	}
	defer closeMember(cg, links)
	for {
		gen, err := nextGeneration(ctx, cg)
		if err != nil {
			return id, err
		}
		id = gen.MemberID
		over := make(chan struct{})
		gen.Start(func(genCtx context.Context) {
			defer close(over)
			if err := work(gen).run(ctx, genCtx); err != nil {
				log.Warn("giving up a generation", zap.Int32("generation", gen.ID), zap.Error(err))
			}
		})
		<-over
	}
}

// nextGeneration waits for a generation. Only a rebalance lets the member try
// again: after any other error kafka-go has forgotten which member it was.
func nextGeneration(ctx context.Context, cg *kafka.ConsumerGroup) (*kafka.Generation, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	for {
		gen, err := cg.Next(ctx)
		if err == nil {
			return gen, nil
		}
		if !errors.Is(err, kafka.RebalanceInProgress) {
			return nil, fmt.Errorf("joining the group: %w", err)
		}
	}
}

// leave takes a former member out of the group: the others would wait for it
// until its session expires.
func (k *Kafka) leave(ctx context.Context, group, id string) {
	req := &kafka.LeaveGroupRequest{Addr: k.addr, GroupID: group, Members: []kafka.LeaveGroupRequestMember{{ID: id}}}
	for {
		res, err := k.client.LeaveGroup(ctx, req)
		if err == nil {
			err = res.Error
		}
		if err == nil || !retryable(err) || backoff.Wait(ctx, joinBackoff) != nil {
			return
		}
	}
}

// closeMember leaves the group; when the brokers do not let it, within closeTimeout.
func closeMember(cg *kafka.ConsumerGroup, links *conns) {
	t := time.AfterFunc(closeTimeout, links.close)
	_ = cg.Close()
	t.Stop()
	links.close()
}

// consumer is a member's work in one generation of its group.
type consumer struct {
	k       *Kafka
	gen     *kafka.Generation
	log     *zap.Logger
	handler Handler
	missed  GapHandler // may be nil
	parts   []*partition
	offsets offsets
}

// partition is one assigned partition. The poller fetches ahead into next, the
// worker takes from it.
type partition struct {
	topic string
	id    int
	next  chan fetched // at most one
	// taken tells the poller of the partition's leader, whichever that is now,
	// that there is room.
	taken atomic.Pointer[chan struct{}]

	// The poller's own.
	offset int64     // of the next message to fetch
	of     int       // how many partitions the topic has
	good   time.Time // when it last gave messages or had none
}

// fetched is what the poller hands to a partition's worker: messages, or that some
// are missing.
type fetched struct {
	messages []Message
	gap      *Gap
}

func newConsumer(k *Kafka, gen *kafka.Generation, log *zap.Logger, h Handler, missed GapHandler) *consumer {
	c := &consumer{k: k, gen: gen, log: log, handler: h, missed: missed, offsets: newOffsets()}
	for topic, assigned := range gen.Assignments {
		for _, a := range assigned {
			p := &partition{topic: topic, id: a.ID, offset: a.Offset, next: make(chan fetched, 1)}
			taken := make(chan struct{}, 1)
			p.taken.Store(&taken)
			c.parts = append(c.parts, p)
		}
	}
	return c
}

// run works until parent or the generation ends, or the generation is not worth
// going on with, which is its error. All that was handled is committed then.
func (c *consumer) run(parent, genCtx context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	stop := context.AfterFunc(genCtx, func() { cancel(nil) })
	defer stop()
	defer cancel(nil)

	var committer, workers, pollers sync.WaitGroup
	handled := make(chan struct{})
	committer.Go(func() {
		if err := c.commit(handled); err != nil {
			cancel(fmt.Errorf("committing offsets: %w", err))
		}
	})
	if len(c.parts) > 0 {
		pollers.Go(func() {
			if err := c.poll(ctx); err != nil {
				cancel(err)
			}
		})
	}
	for _, p := range c.parts {
		workers.Go(func() { c.work(ctx, p) })
	}
	<-ctx.Done()
	pollers.Wait()
	workers.Wait()
	close(handled)
	committer.Wait()
	if parent.Err() != nil || genCtx.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// work hands a partition's messages to the handler, one batch after another.
func (c *consumer) work(ctx context.Context, p *partition) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-p.next:
			select {
			case *p.taken.Load() <- struct{}{}:
			default:
			}
			if f.gap != nil {
				if !c.miss(ctx, f.gap) {
					return
				}
				c.offsets.set(p.topic, p.id, f.gap.To)
			}
			for rest := f.messages; len(rest) > 0; {
				n := min(len(rest), c.k.cfg.BatchMessages)
				if !c.handle(ctx, p, rest[:n:n]) {
					return
				}
				c.offsets.set(p.topic, p.id, rest[n-1].Offset+1)
				rest = rest[n:]
			}
		}
	}
}

// miss tells the handler of a gap until it has done with it; false when ctx ended first.
func (c *consumer) miss(ctx context.Context, g *Gap) bool {
	log := c.log.WithLazy(zap.String("topic", g.Topic), zap.Int("partition", g.Partition), zap.Int64("from", g.From), zap.Int64("to", g.To))
	if c.missed == nil {
		if g.From >= 0 {
			log.Error("messages expired before the group read them, or the brokers lost them; going on at the oldest")
		}
		return true
	}
	return persist(ctx, log, "a gap is not handled and comes again", func() error { return c.missed(ctx, *g) })
}

// handle gives the batch to the handler until it takes it; false when ctx ended first.
func (c *consumer) handle(ctx context.Context, p *partition, batch []Message) bool {
	log := c.log.WithLazy(zap.String("topic", p.topic), zap.Int("partition", p.id),
		zap.Int64("offset", batch[0].Offset), zap.Int("messages", len(batch)))
	return persist(ctx, log, "a batch is not handled and comes again", func() error { return c.handler(ctx, batch) })
}

// persist calls until the call succeeds; false when ctx ended first.
func persist(ctx context.Context, log *zap.Logger, failed string, call func() error) bool {
	for attempt := 0; ; attempt++ {
		err := safely(call)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		wait := backoff.Delay(attempt, 200*time.Millisecond, 10*time.Second, rand.Float64)
		log.Warn(failed, zap.Int("attempt", attempt+1), zap.Duration("wait", wait), zap.Error(err))
		if backoff.Wait(ctx, wait) != nil {
			return false
		}
	}
}

// safely turns a panic of a handler into an error.
func safely(call func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("handling messages: panic: %v\n%s", r, debug.Stack())
		}
	}()
	return call()
}

// commit commits what was handled, at least CommitInterval apart, and a last
// time after handled is closed.
func (c *consumer) commit(handled <-chan struct{}) error {
	for {
		select {
		case <-handled:
			return c.gen.CommitOffsets(c.offsets.take())
		case <-c.offsets.changed:
		}
		if err := c.gen.CommitOffsets(c.offsets.take()); err != nil {
			return err
		}
		t := time.NewTimer(c.k.cfg.CommitInterval)
		select {
		case <-handled:
		case <-t.C:
		}
		t.Stop()
	}
}

// offsets collects what is to be committed.
type offsets struct {
	mu      sync.Mutex
	at      map[string]map[int]int64
	changed chan struct{}
}

func newOffsets() offsets {
	return offsets{at: map[string]map[int]int64{}, changed: make(chan struct{}, 1)}
}

func (o *offsets) set(topic string, partition int, offset int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at[topic] == nil {
		o.at[topic] = map[int]int64{}
	}
	o.at[topic][partition] = offset
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// take returns what was set since the last take.
func (o *offsets) take() map[string]map[int]int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := o.at
	o.at = map[string]map[int]int64{}
	return at
}
