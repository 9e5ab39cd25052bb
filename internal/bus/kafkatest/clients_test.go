package kafkatest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/bus"
	"tongqu/internal/bus/kafkatest"
	"tongqu/internal/record"
	"tongqu/internal/relay"
)

// consumers lets the tools that agencies have read a topic of the hub: each
// finds the same keys, headers and values at the same places.
func consumers(t *testing.T, c *kafkatest.Cluster) {
	t.Helper()
	k := open(t, c.Config(kafkatest.Plain))
	sent := orders()
	topic := sent[0].Topic
	ensure(t, k, topic)
	publish(t, k, sent)
	want := map[string]seen{}
	for _, m := range receive(t, k, topic, len(sent)) {
		want[m.Header(relay.HeaderID)] = seen{Partition: m.Partition, Offset: m.Offset, Key: m.Key, Headers: m.Headers, Value: string(m.Value)}
	}
	require.Len(t, want, len(sent))
	for i := range sent {
		got := want[sent[i].Header(relay.HeaderID)]
		require.Equal(t, sent[i].Key, got.Key)
		require.Equal(t, sent[i].Headers, got.Headers)
		require.Equal(t, string(sent[i].Value), got.Value)
	}
	t.Run("Java", func(t *testing.T) {
		require.Equal(t, want, byID(javaConsumer(t, c, topic, len(sent))))
	})
	t.Run("kcat", func(t *testing.T) {
		require.Equal(t, want, byID(kcat(t, c, topic)))
	})
}

// orders returns the messages of 60 records, as the relay writes them.
func orders() []bus.Message {
	var batch []bus.Message
	for i := range 60 {
		key := fmt.Sprintf("DD2026%06d", i)
		if i%3 == 0 {
			key = fmt.Sprintf("沪关-%d|,:", i)
		}
		batch = append(batch, relay.ToMessage(&record.Record{
			ID:  record.ID(fmt.Sprintf("0190f6a0-0000-7000-8000-%012d", i), 1),
			Seq: int64(i + 1), Type: "test.order.v1", Agency: "platform-1",
			Keys:   []record.Key{{Name: "order", Value: key}, {Name: "orderNo", Value: "x"}},
			Action: record.Create, ReceivedAt: time.Date(2026, 3, 8, 3, 27, i, 123456789, time.UTC),
			Version: time.Date(2026, 3, 8, 11, 27, i, 0, time.FixedZone("", 8*3600)),
			Body:    fmt.Appendf(nil, `{"orderNo":%q,"items":[{"name":"奶粉 \\t 900g","qty":"%d"}]}`, key, i),
		}))
	}
	return batch
}

// seen is a message as a client showed it.
type seen struct {
	Partition int
	Offset    int64
	Key       string
	Headers   []bus.Header
	Value     string
}

func byID(all []seen) map[string]seen {
	out := map[string]seen{}
	for _, m := range all {
		for _, h := range m.Headers {
			if h.Key == relay.HeaderID {
				out[h.Value] = m
			}
		}
	}
	return out
}

// javaConsumer reads a topic with Kafka's own console consumer, as a group.
func javaConsumer(t *testing.T, c *kafkatest.Cluster, topic string, n int) []seen {
	t.Helper()
	const field, header = "\x1f", "\x1e"
	cmd := c.Java(t, "org.apache.kafka.tools.consumer.ConsoleConsumer",
		"--bootstrap-server", strings.Join(c.Addrs(kafkatest.Plain), ","), "--topic", topic, "--group", "agency-java",
		"--from-beginning", "--max-messages", strconv.Itoa(n), "--timeout-ms", "60000",
		"--formatter-property", "print.partition=true", "--formatter-property", "print.offset=true",
		"--formatter-property", "print.headers=true", "--formatter-property", "print.key=true",
		"--formatter-property", "key.separator="+field, "--formatter-property", "headers.separator="+header)
	var all []seen
	for line := range strings.Lines(run(t, cmd)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), field)
		require.Len(t, fields, 5, "%q", line)
		m := seen{Key: fields[3], Value: fields[4]}
		_, err := fmt.Sscanf(fields[0]+" "+fields[1], "Partition:%d Offset:%d", &m.Partition, &m.Offset)
		require.NoError(t, err)
		for h := range strings.SplitSeq(fields[2], header) {
			name, value, ok := strings.Cut(h, ":")
			require.True(t, ok, "%q", h)
			m.Headers = append(m.Headers, bus.Header{Key: name, Value: value})
		}
		all = append(all, m)
	}
	return all
}

// kcat reads a topic to its end with kcat, which is librdkafka.
func kcat(t *testing.T, c *kafkatest.Cluster, topic string) []seen {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "kcat", "-C", "-J", "-e", "-q", "-o", "beginning", //nolint:gosec // a test's own topic
		"-b", strings.Join(c.Addrs(kafkatest.Plain), ","), "-t", topic)
	var all []seen
	lines := json.NewDecoder(strings.NewReader(run(t, cmd)))
	for lines.More() {
		var m struct {
			Partition int
			Offset    int64
			Key       string
			Headers   []string // name, value, name, value, …
			Payload   string
		}
		require.NoError(t, lines.Decode(&m))
		s := seen{Partition: m.Partition, Offset: m.Offset, Key: m.Key, Value: m.Payload}
		for i := 0; i+1 < len(m.Headers); i += 2 {
			s.Headers = append(s.Headers, bus.Header{Key: m.Headers[i], Value: m.Headers[i+1]})
		}
		all = append(all, s)
	}
	return all
}

// producers lets others' clients write: what Java's producer writes, however
// compressed, the hub reads, and finds each key where it would put it itself.
func producers(t *testing.T, c *kafkatest.Cluster) {
	t.Helper()
	k := open(t, c.Config(kafkatest.Plain))
	ours, theirs := newTopic(t, k), newTopic(t, k)
	const n = 100
	publish(t, k, numbered(ours, 0, n, n))
	want := map[string]int{}
	for _, m := range receive(t, k, ours, n) {
		want[m.Key] = m.Partition
	}
	require.Len(t, want, n)
	codecs := []string{"none", "gzip", "snappy", "lz4", "zstd"}
	for _, codec := range codecs {
		var lines bytes.Buffer
		for _, m := range numbered(theirs, 0, n, n) {
			fmt.Fprintf(&lines, "%s\t%s %s\n", m.Key, codec, m.Value)
		}
		cmd := c.Java(t, "org.apache.kafka.tools.ConsoleProducer",
			"--bootstrap-server", strings.Join(c.Addrs(kafkatest.Plain), ","), "--topic", theirs,
			"--compression-codec", codec, "--command-property", "acks=all", "--reader-property", "parse.key=true")
		cmd.Stdin = &lines
		run(t, cmd)
	}
	values := map[string]bool{}
	for _, m := range receive(t, k, theirs, n*len(codecs)) {
		require.Equal(t, want[m.Key], m.Partition, "key %s", m.Key)
		values[string(m.Value)] = true
	}
	require.Len(t, values, n*len(codecs))
}

// run returns what the command printed.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Run(), "%s: %s", cmd.Args[0], errs.String())
	return out.String()
}
