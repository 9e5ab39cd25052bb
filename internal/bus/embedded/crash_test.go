package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tongqu/internal/bus"
	"tongqu/internal/bus/embedded"
)

const (
	patience = 60 * time.Second
	crashDir = "TONGQU_TEST_CRASH_DIR" // set in the process that is to be killed
)

var crashTopics = []string{"tongqu.crash.a", "tongqu.crash.b"}

// TestKilledBroker kills a process that runs broker, publisher and subscriber,
// again and again. Every acknowledged message is there afterwards, and the group
// gets every one that it did not report as handled.
func TestKilledBroker(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		runUntilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	acked, handled := map[string]bool{}, map[string]bool{}
	for round := range 4 {
		killAfter(t, dir, fmt.Sprint("round", round), 40+20*round, acked, handled)
	}
	require.NotEmpty(t, acked)
	require.NotEmpty(t, handled)

	b := start(t, dir, "")
	defer func() { require.NoError(t, b.Close()) }()
	k, err := bus.New(b.BusConfig(), zap.NewNop())
	require.NoError(t, err)
	defer func() { require.NoError(t, k.Close()) }()
	require.Empty(t, missing(acked, receive(t, k, "another group", acked)), "lost")
	rest := map[string]bool{}
	for m := range acked {
		if !handled[m] {
			rest[m] = true
		}
	}
	require.Empty(t, missing(rest, receive(t, k, "group", rest)), "passed over by the group")
}

func missing(want, got map[string]bool) (lacking []string) {
	for m := range want {
		if !got[m] {
			lacking = append(lacking, m)
		}
	}
	return lacking
}

// receive collects what the group gets until it has all that is wanted.
func receive(t *testing.T, k *bus.Kafka, group string, want map[string]bool) map[string]bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var mu sync.Mutex
	got := map[string]bool{}
	left := len(want)
	if left == 0 {
		return got
	}
	require.NoError(t, k.Subscribe(ctx, group, crashTopics, func(_ context.Context, batch []bus.Message) error {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range batch {
			if v := string(m.Value); !got[v] {
				got[v] = true
				if want[v] {
					left--
				}
			}
		}
		if left == 0 {
			cancel()
		}
		return nil
	}, nil))
	return got
}

// killAfter runs the process and kills it after it reported so many batches.
func killAfter(t *testing.T, dir, round string, batches int, acked, handled map[string]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledBroker$") //nolint:gosec // this test itself
	cmd.Env = append(os.Environ(), crashDir+"="+dir, "TONGQU_TEST_ROUND="+round)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan(); {
		kind, values, _ := strings.Cut(lines.Text(), " ")
		into := acked
		switch kind {
		case "handled":
			into = handled
		case "acked":
			if n++; n == batches {
				require.NoError(t, cmd.Process.Kill())
			}
		default:
			continue
		}
		for v := range strings.FieldsSeq(values) {
			into[v] = true
		}
	}
	require.Error(t, cmd.Wait(), "it was killed")
}

// runUntilKilled publishes and consumes, and writes down what succeeded.
func runUntilKilled(t *testing.T, dir string) {
	t.Helper()
	b, err := embedded.Start(embedded.Config{Dir: dir}, zap.NewNop())
	require.NoError(t, err)
	c := b.BusConfig()
	c.CommitInterval = time.Millisecond
	k, err := bus.New(c, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, k.EnsureTopics(t.Context(), crashTopics))
	var out sync.Mutex
	write := func(kind string, batch []bus.Message) {
		line := []byte(kind)
		for i := range batch {
			line = append(append(line, ' '), batch[i].Value...)
		}
		out.Lock()
		defer out.Unlock()
		_, _ = os.Stdout.Write(append(line, '\n'))
	}
	go func() {
		_ = k.Subscribe(t.Context(), "group", crashTopics, func(_ context.Context, batch []bus.Message) error {
			write("handled", batch)
			return nil
		}, nil)
	}()
	for i := 0; ; i++ {
		batch := make([]bus.Message, 40)
		for j := range batch {
			batch[j] = bus.Message{
				Topic: crashTopics[j%2], Key: strconv.Itoa(j % 7),
				Value: fmt.Appendf(nil, "%s/%d/%d", os.Getenv("TONGQU_TEST_ROUND"), i, j),
			}
		}
		require.NoError(t, k.Publish(t.Context(), batch))
		write("acked", batch)
	}
}
