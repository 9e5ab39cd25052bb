package bus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"tongqu/internal/bus"
	"tongqu/internal/bus/bustest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const patience = 30 * time.Second

// broker starts a broker that keeps everything in memory.
func broker(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(4, "t")}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func config(c *kfake.Cluster) bus.Config {
	cfg := bus.NewDefaultConfig()
	cfg.Brokers = c.ListenAddrs()
	cfg.HeartbeatInterval = 100 * time.Millisecond
	cfg.CommitInterval = 10 * time.Millisecond
	return cfg
}

func open(t *testing.T, cfg bus.Config, log *zap.Logger) *bus.Kafka {
	t.Helper()
	k, err := bus.New(cfg, log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

// messages returns messages from..to-1 for topic t.
func messages(from, to, keys int) []bus.Message {
	var batch []bus.Message
	for i := from; i < to; i++ {
		batch = append(batch, bus.Message{Topic: "t", Key: fmt.Sprint("k", i%keys), Value: []byte(strconv.Itoa(i))})
	}
	return batch
}

// consume returns what group g gets until n different values came.
func consume(t *testing.T, k *bus.Kafka, n int) []bus.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var mu sync.Mutex
	var all []bus.Message
	distinct := map[string]bool{}
	err := k.Subscribe(ctx, "g", []string{"t"}, func(_ context.Context, batch []bus.Message) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, batch...)
		for _, m := range batch {
			distinct[string(m.Value)] = true
		}
		if len(distinct) >= n {
			cancel()
		}
		return nil
	}, nil)
	require.NoError(t, err)
	require.Len(t, distinct, n, "waited too long")
	return all
}

func TestPublishWaitsForAllReplicas(t *testing.T) {
	c := broker(t)
	var acks []int16
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		acks = append(acks, req.(*kmsg.ProduceRequest).Acks)
		return nil, nil, false
	})
	k := open(t, config(c), zaptest.NewLogger(t))
	require.NoError(t, k.Publish(t.Context(), messages(0, 10, 5)))
	require.Equal(t, []int16{-1}, acks, "one request, with acks=all")
}

// TestPublishSurvivesBrokenConnections lets the broker close the connection
// instead of answering, which kafka-go reports as io.EOF.
func TestPublishSurvivesBrokenConnections(t *testing.T) {
	c := broker(t)
	var seen atomic.Int64
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if seen.Add(1) <= 3 {
			return nil, errors.New("closing"), true
		}
		return nil, nil, false
	})
	k := open(t, config(c), zaptest.NewLogger(t))
	require.NoError(t, k.Publish(t.Context(), messages(0, 100, 7)))
	require.EqualValues(t, 4, seen.Load())
	require.Len(t, consume(t, k, 100), 100)
}

// TestPublishKeepsOrderThroughRefusals refuses whole requests and single
// partitions at random. Whatever is refused, and however often a batch is
// published again, each key's messages first appear in order.
func TestPublishKeepsOrderThroughRefusals(t *testing.T) {
	c := broker(t)
	rnd := mathrand.New(mathrand.NewPCG(1, 2)) //nolint:gosec // repeatable
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := r.(*kmsg.ProduceRequest)
		if rnd.IntN(6) == 0 {
			return refuse(req), nil, true
		}
		for i := range req.Topics {
			req.Topics[i].Partitions = slices.DeleteFunc(req.Topics[i].Partitions, func(kmsg.ProduceRequestTopicPartition) bool {
				return rnd.IntN(4) == 0
			})
		}
		return nil, nil, false
	})
	cfg := config(c)
	cfg.MaxMessageBytes = 1024 // several requests a batch
	k := open(t, cfg, zaptest.NewLogger(t))
	failures := 0
	for i := range 10 {
		for k.Publish(t.Context(), messages(i*100, (i+1)*100, 5)) != nil {
			failures++
			require.Less(t, failures, 1000)
		}
	}
	require.Positive(t, failures)
	all := consume(t, k, 1000)
	require.Greater(t, len(all), 1000, "some were published twice")
	last, seen := map[string]int{}, map[string]bool{}
	for _, m := range all {
		if seen[string(m.Value)] {
			continue
		}
		seen[string(m.Value)] = true
		n, err := strconv.Atoi(string(m.Value))
		require.NoError(t, err)
		if before, ok := last[m.Key]; ok {
			require.Equal(t, before+5, n, "key %s", m.Key)
		}
		last[m.Key] = n
	}
}

// refuse answers all partitions of a request with an error that does not pass.
func refuse(req *kmsg.ProduceRequest) *kmsg.ProduceResponse {
	res := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition = p.Partition
			rp.ErrorCode = kerr.UnknownServerError.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		res.Topics = append(res.Topics, rt)
	}
	return res
}

func TestPublishReportsWhatBrokersRefuseForGood(t *testing.T) {
	c := broker(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "5000"}))
	k := open(t, config(c), zaptest.NewLogger(t))
	batch := messages(0, 1, 1)
	batch[0].Value = make([]byte, 6000)
	require.ErrorContains(t, k.Publish(t.Context(), batch), "Message Size Too Large")
}

// TestPlacementEqualsOtherClients compares with franz-go's port of the Java hash.
func TestPlacementEqualsOtherClients(t *testing.T) {
	c := broker(t)
	k := open(t, config(c), zap.NewNop())
	var batch []bus.Message
	want := map[string]int{}
	java := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringN(1, 40, -1).Draw(t, "key")
		want[key] = java.Partition(&kgo.Record{Key: []byte(key)}, 4)
		batch = append(batch, bus.Message{Topic: "t", Key: key, Value: []byte(strconv.Itoa(len(batch)))})
	})
	require.NoError(t, k.Publish(t.Context(), batch))
	for _, m := range consume(t, k, len(batch)) {
		require.Equal(t, want[m.Key], m.Partition)
	}
}

// TestHandlerContextEndsWithTheGeneration lets a second member join while a
// handler of the first is busy: its context ends, and the second gets its messages.
func TestHandlerContextEndsWithTheGeneration(t *testing.T) {
	c := broker(t)
	k := open(t, config(c), zaptest.NewLogger(t))
	require.NoError(t, k.Publish(t.Context(), messages(0, 100, 50)))
	ctx, cancel := context.WithCancel(t.Context())
	busy, ended := make(chan struct{}, 100), make(chan struct{}, 100)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		_ = k.Subscribe(ctx, "g", []string{"t"}, func(ctx context.Context, _ []bus.Message) error {
			busy <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return ctx.Err()
		}, nil)
	})
	<-busy
	other := open(t, config(c), zaptest.NewLogger(t))
	got := make(chan bus.Message, 1000)
	wg.Go(func() {
		_ = other.Subscribe(ctx, "g", []string{"t"}, func(_ context.Context, batch []bus.Message) error {
			for _, m := range batch {
				got <- m
			}
			return nil
		}, nil)
	})
	<-ended
	<-got
}

// TestStalledPartitionIsRebuilt hides a partition's messages: the member joins
// anew and goes on once they show.
func TestStalledPartitionIsRebuilt(t *testing.T) {
	c := broker(t)
	var hidden atomic.Bool
	hidden.Store(true)
	c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !hidden.Load() {
			return nil, nil, false
		}
		req := r.(*kmsg.FetchRequest)
		res := req.ResponseKind().(*kmsg.FetchResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewFetchResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewFetchResponseTopicPartition()
				rp.Partition, rp.HighWatermark, rp.RecordBatches = p.Partition, 10, []byte{}
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res, nil, true
	})
	cfg := config(c)
	cfg.StallTimeout = 200 * time.Millisecond
	core, logs := observer.New(zapcore.WarnLevel)
	k := open(t, cfg, zap.New(core))
	require.NoError(t, k.Publish(t.Context(), messages(0, 20, 7)))
	go func() {
		for logs.FilterMessage("giving up a generation").Len() < 2 {
			select {
			case <-t.Context().Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
		hidden.Store(false)
	}()
	require.Len(t, consume(t, k, 20), 20)
	require.GreaterOrEqual(t, logs.FilterMessage("giving up a generation").Len(), 2)
}

// TestExpiredMessagesAreSkippedAndLogged deletes what a group has not read yet.
func TestExpiredMessagesAreSkippedAndLogged(t *testing.T) {
	c := broker(t, kfake.SeedTopics(1, "t"))
	core, logs := observer.New(zapcore.ErrorLevel)
	k := open(t, config(c), zap.New(core))
	require.NoError(t, k.Publish(t.Context(), messages(0, 10, 1)))
	consume(t, k, 10)
	require.NoError(t, k.Publish(t.Context(), messages(10, 20, 1)))
	bustest.Expire(t, c.ListenAddrs(), "t", map[int]int64{0: 15})
	got := consume(t, k, 5)
	require.EqualValues(t, 15, got[0].Offset)
	require.Equal(t, 1, logs.FilterMessageSnippet("expired").Len())
	lag, err := k.Lag(t.Context(), "never", []string{"t"})
	require.NoError(t, err)
	require.EqualValues(t, 5, lag["t"], "what expired does not count")
}

// TestGapsAreTold has a group that is new, then one whose messages expired, then one
// for which nothing is left. Each time it hears of the gap, until it takes it, and
// before the messages that follow.
func TestGapsAreTold(t *testing.T) {
	c := broker(t, kfake.SeedTopics(1, "t"))
	k := open(t, config(c), zaptest.NewLogger(t))
	// heard is what the group gets, up to a gap and n messages.
	heard := func(n int) []any {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var all []any
		refused := false
		missed := func(_ context.Context, g bus.Gap) error {
			if !refused {
				refused = true
				return errors.New("not yet")
			}
			all = append(all, g)
			if n == 0 {
				cancel()
			}
			return nil
		}
		err := k.Subscribe(ctx, "g", []string{"t"}, func(_ context.Context, batch []bus.Message) error {
			for _, m := range batch {
				all = append(all, m.Offset)
			}
			if len(all) > n {
				cancel()
			}
			return nil
		}, missed)
		require.NoError(t, err)
		return all
	}
	gap := func(from, to int64) bus.Gap { return bus.Gap{Topic: "t", From: from, To: to, Partitions: 1} }

	require.NoError(t, k.Publish(t.Context(), messages(0, 3, 1)))
	require.Equal(t, []any{gap(-1, 0), int64(0), int64(1), int64(2)}, heard(3))
	require.NoError(t, k.Publish(t.Context(), messages(3, 8, 1)))
	bustest.Expire(t, c.ListenAddrs(), "t", map[int]int64{0: 6})
	require.Equal(t, []any{gap(3, 6), int64(6), int64(7)}, heard(2))
	require.NoError(t, k.Publish(t.Context(), messages(8, 10, 1)))
	bustest.Expire(t, c.ListenAddrs(), "t", map[int]int64{0: 10})
	require.Equal(t, []any{gap(8, 10)}, heard(0), "though no message follows")
}

// TestNewGroupKeepsItsPlace stops a group that was told where it begins before it
// handled anything. What expires then is a gap.
func TestNewGroupKeepsItsPlace(t *testing.T) {
	c := broker(t, kfake.SeedTopics(1, "t"))
	k := open(t, config(c), zaptest.NewLogger(t))
	require.NoError(t, k.Publish(t.Context(), messages(0, 5, 1)))
	gaps := make(chan bus.Gap, 10)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, k.Subscribe(ctx, "g", []string{"t"}, func(ctx context.Context, _ []bus.Message) error {
		cancel()
		return ctx.Err()
	}, func(_ context.Context, g bus.Gap) error {
		gaps <- g
		return nil
	}))
	require.EqualValues(t, -1, (<-gaps).From)
	bustest.Expire(t, c.ListenAddrs(), "t", map[int]int64{0: 5})
	ctx, cancel = context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, k.Subscribe(ctx, "g", []string{"t"}, nil, func(_ context.Context, g bus.Gap) error {
		gaps <- g
		cancel()
		return nil
	}))
	require.Equal(t, bus.Gap{Topic: "t", From: 0, To: 5, Partitions: 1}, <-gaps)
}

func TestMovedLeadersAreFollowed(t *testing.T) {
	c := broker(t, kfake.NumBrokers(3))
	k := open(t, config(c), zaptest.NewLogger(t))
	require.NoError(t, k.Publish(t.Context(), messages(0, 50, 20)))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	got := make(chan bus.Message, 1000)
	wg.Go(func() {
		_ = k.Subscribe(ctx, "g", []string{"t"}, func(_ context.Context, batch []bus.Message) error {
			for _, m := range batch {
				got <- m
			}
			return nil
		}, nil)
	})
	seen := map[string]bool{}
	await := func(n int) {
		limit := time.After(patience)
		for len(seen) < n {
			select {
			case m := <-got:
				seen[string(m.Value)] = true
			case <-limit:
				require.FailNow(t, "waited too long", "%d of %d", len(seen), n)
			}
		}
	}
	await(50)
	for p := range int32(4) {
		require.NoError(t, c.MoveTopicPartition("t", p, (c.LeaderFor("t", p)+1)%3))
	}
	start := time.Now()
	for k.Publish(t.Context(), messages(50, 100, 20)) != nil {
		require.Less(t, time.Since(start), patience)
	}
	await(100)
}

func TestCloseEndsCallsWithoutABroker(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // accepts and never answers
	require.NoError(t, err)
	defer l.Close()
	cfg := bus.NewDefaultConfig()
	cfg.Brokers = []string{l.Addr().String()}
	k, err := bus.New(cfg, zap.NewNop())
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() { _ = k.Subscribe(context.Background(), "g", []string{"t"}, nil, nil) })
	wg.Go(func() { _ = k.Publish(context.Background(), messages(0, 1, 1)) })
	wg.Go(func() { _ = k.Ready(context.Background()) })
	wg.Go(func() { _ = k.EnsureTopics(context.Background(), []string{"t"}) })
	time.AfterFunc(200*time.Millisecond, func() { _ = k.Close() })
	start := time.Now()
	wg.Wait()
	require.NoError(t, k.Close())
	require.Less(t, time.Since(start), 10*time.Second)
}

func TestReadyWithoutABroker(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	cfg := bus.NewDefaultConfig()
	cfg.Brokers = []string{l.Addr().String()}
	k := open(t, cfg, zap.NewNop())
	require.ErrorContains(t, k.Ready(t.Context()), "connecting to "+l.Addr().String())
	require.Error(t, k.EnsureTopics(t.Context(), []string{"t"}))
}

func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		kfake string
		bus   bus.SASLMechanism
	}{
		{"PLAIN", bus.SASLPlain},
		{"SCRAM-SHA-256", bus.SASLScramSHA256},
		{"SCRAM-SHA-512", bus.SASLScramSHA512},
	} {
		t.Run(tt.kfake, func(t *testing.T) {
			c := broker(t, kfake.EnableSASL(), kfake.Superuser(tt.kfake, "hub", "s3cret"))
			cfg := config(c)
			cfg.SASL = bus.SASLConfig{Mechanism: tt.bus, Username: "hub", Password: "s3cret"}
			k := open(t, cfg, zaptest.NewLogger(t))
			require.NoError(t, k.EnsureTopics(t.Context(), []string{"t"}))
			require.NoError(t, k.Publish(t.Context(), messages(0, 10, 3)))
			require.Len(t, consume(t, k, 10), 10)

			cfg.SASL.Password = "wrong"
			bad := open(t, cfg, zap.NewNop())
			err := bad.Ready(t.Context())
			require.Error(t, err)
			require.NotContains(t, err.Error(), "wrong")
		})
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	own, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	clients := x509.NewCertPool()
	clients.AddCert(own.Leaf)
	c := broker(t, kfake.TLS(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
	}))

	cfg := config(c)
	cfg.TLS = bus.TLSConfig{Enabled: true, CAFile: certFile, CertFile: certFile, KeyFile: keyFile}
	// The template has no extended key usage, so it serves both sides.
	k := open(t, cfg, zaptest.NewLogger(t))
	require.NoError(t, k.EnsureTopics(t.Context(), []string{"t"}))
	require.NoError(t, k.Publish(t.Context(), messages(0, 10, 3)))
	require.Len(t, consume(t, k, 10), 10)

	cfg.TLS = bus.TLSConfig{Enabled: true}
	require.Error(t, open(t, cfg, zap.NewNop()).Ready(t.Context()), "an authority that is not trusted")
	cfg.TLS = bus.TLSConfig{Enabled: true, CAFile: keyFile}
	_, err = bus.New(cfg, zap.NewNop())
	require.ErrorContains(t, err, "holds no certificate")
	cfg.TLS.CAFile = filepath.Join(dir, "missing")
	_, err = bus.New(cfg, zap.NewNop())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestConfigValidate(t *testing.T) {
	valid := bus.NewDefaultConfig()
	valid.Brokers = []string{"kafka-1:9092", "[::1]:9093"}
	require.NoError(t, valid.Validate())
	for _, tt := range []struct {
		name    string
		change  func(c *bus.Config)
		wantErr string
	}{
		{"no brokers", func(c *bus.Config) { c.Brokers = nil }, "brokers: none given"},
		{"no port", func(c *bus.Config) { c.Brokers = []string{"kafka"} }, `brokers: "kafka" is not host:port`},
		{"bad port", func(c *bus.Config) { c.Brokers = []string{"kafka:x"} }, "no valid port"},
		{"port out of range", func(c *bus.Config) { c.Brokers = []string{"kafka:70000"} }, "no valid port"},
		{"partitions", func(c *bus.Config) { c.Partitions = 0 }, "partitions: must be at least 1"},
		{"batch", func(c *bus.Config) { c.BatchMessages = 0 }, "batchMessages: must be at least 1"},
		{"replicas", func(c *bus.Config) { c.Replication, c.Topic.MinInSyncReplicas = 2, 3 }, "more than replication 2"},
		{"negative", func(c *bus.Config) { c.Replication = -1 }, "must not be negative"},
		{"message size", func(c *bus.Config) { c.MaxMessageBytes = 10 }, "maxMessageBytes"},
		{"poll", func(c *bus.Config) { c.PollWait = 0 }, "pollWait: must be between 1ms and 1h"},
		{"session", func(c *bus.Config) { c.SessionTimeout = 2 * time.Second }, "three times heartbeatInterval"},
		{"mechanism", func(c *bus.Config) { c.SASL.Mechanism = "gssapi" }, "none of plain"},
		{"user", func(c *bus.Config) { c.SASL.Mechanism = bus.SASLPlain }, "sasl.username: missing"},
		{"certificate", func(c *bus.Config) { c.TLS.CertFile = "x" }, "certFile and keyFile go together"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := valid
			tt.change(&c)
			require.ErrorContains(t, c.Validate(), tt.wantErr)
			_, err := bus.New(c, zap.NewNop())
			require.ErrorContains(t, err, tt.wantErr)
		})
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	c := bus.SASLConfig{Username: "hub", Password: "s3cret"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(format, c), "s3cret")
	}
	text, err := c.Password.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "[REDACTED]", string(text))
}
