// Package kafkatest runs Apache Kafka for tests: brokers that are controllers
// too (KRaft), as processes of Apache's own jars on the loopback interface.
package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"tongqu/internal/bus"
)

// The login that brokers know on their SASL listeners.
const (
	Username = "hub"
	Password = "hub-s3cret"
)

// readyTimeout bounds how long brokers may take to be up and in sync.
const readyTimeout = 2 * time.Minute

// Listener is a way into a broker.
type Listener string

// The listeners. TLS ones take clients with a certificate of the cluster's own
// authority; SASL ones take PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
const (
	Plain   Listener = "PLAINTEXT"
	TLS     Listener = "SSL"
	SASL    Listener = "SASL_PLAINTEXT"
	SASLTLS Listener = "SASL_SSL"
)

// controller is the listener that controllers use among themselves.
const controller Listener = "CONTROLLER"

var listeners = []Listener{Plain, TLS, SASL, SASLTLS, controller}

// Via is one more way into the brokers, without TLS or login, through something
// that stands in between: broker i tells its clients Advertised[i] as its address.
type Via struct {
	Name       Listener // capital letters and digits
	Advertised []string
}

// Cluster is a running Kafka.
type Cluster struct {
	dir    string
	via    []Via
	broker string // class path
	tools  string // class path
	admin  *kgo.Client
	nodes  []*node
	// expired are the messages that Expire deleted, by topic.
	expired map[string][]bus.Message
}

// node is one broker; its id is its place plus one.
type node struct {
	dir   string
	ports map[Listener]int
	run   *process // nil while it is down
}

// Start runs so many brokers until the test ends. Topics get that replication,
// and, from three brokers on, a write needs all but one of them. It
// skips the test unless the environment has TONGQU_CLUSTER=required; then a
// missing dependency is a failure.
func Start(tb testing.TB, brokers int, via ...Via) *Cluster {
	tb.Helper()
	if os.Getenv("TONGQU_CLUSTER") != "required" {
		tb.Skip("TONGQU_CLUSTER=required runs Apache Kafka")
	}
	c := &Cluster{dir: tb.TempDir(), via: via, expired: map[string][]bus.Message{}}
	all := slices.Clone(listeners)
	for _, v := range via {
		all = append(all, v.Name)
	}
	var err error
	c.broker, err = brokerJars.classpath(tb.Context())
	require.NoError(tb, err)
	c.tools, err = toolJars.classpath(tb.Context())
	require.NoError(tb, err)
	ports := freePorts(tb, brokers*len(all))
	for i := range brokers {
		n := &node{dir: filepath.Join(c.dir, strconv.Itoa(i)), ports: map[Listener]int{}}
		for j, l := range all {
			n.ports[l] = ports[i*len(all)+j]
		}
		require.NoError(tb, os.Mkdir(n.dir, 0o700))
		c.nodes = append(c.nodes, n)
	}
	writeCertificates(tb, c.dir)
	c.format(tb)
	c.admin, err = kgo.NewClient(kgo.SeedBrokers(c.Addrs(Plain)...), kgo.MetadataMinAge(50*time.Millisecond))
	require.NoError(tb, err)
	tb.Cleanup(func() { c.stop(tb) })
	c.Repair(tb)
	return c
}

// Addrs returns the brokers' addresses on that listener.
func (c *Cluster) Addrs(l Listener) []string {
	var addrs []string
	for _, n := range c.nodes {
		addrs = append(addrs, net.JoinHostPort("127.0.0.1", strconv.Itoa(n.ports[l])))
	}
	return addrs
}

// Config returns the settings of a bus on that listener.
func (c *Cluster) Config(l Listener) bus.Config {
	cfg := bus.NewDefaultConfig()
	cfg.Brokers = c.Addrs(l)
	cfg.Replication = len(c.nodes)
	cfg.Topic.MinInSyncReplicas = c.minInSync()
	if l == TLS || l == SASLTLS {
		cfg.TLS = bus.TLSConfig{
			Enabled: true, CAFile: filepath.Join(c.dir, authorityFile),
			CertFile: filepath.Join(c.dir, clientFile), KeyFile: filepath.Join(c.dir, clientFile),
		}
	}
	if l == SASL || l == SASLTLS {
		cfg.SASL = bus.SASLConfig{Mechanism: bus.SASLScramSHA512, Username: Username, Password: Password}
	}
	return cfg
}

func (c *Cluster) minInSync() int { return max(1, len(c.nodes)-1) }

// Java returns a command that runs a main class of Kafka's tools.
func (c *Cluster) Java(tb testing.TB, class string, args ...string) *exec.Cmd {
	tb.Helper()
	return exec.CommandContext(tb.Context(), "java", java(c.tools, "256m", class, args...)...) //nolint:gosec // Kafka's own
}

// java returns arguments that keep a process small and quick to start.
func java(classpath, heap, class string, args ...string) []string {
	return append([]string{
		"-Xmx" + heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS", "-cp", classpath, class,
	}, args...)
}

// Kill kills those brokers at once, as a failing machine would.
func (c *Cluster) Kill(brokers ...int) {
	for _, i := range brokers {
		c.nodes[i].kill()
	}
}

// Freeze stops those brokers without ending them, as a long pause or a cut
// network does: they hold their connections and answer nothing.
func (c *Cluster) Freeze(tb testing.TB, brokers ...int) {
	tb.Helper()
	for _, i := range brokers {
		require.NoError(tb, c.nodes[i].signal("STOP"))
	}
}

// Repair brings back all brokers that are down or frozen, and waits until the
// cluster is whole and in sync.
func (c *Cluster) Repair(tb testing.TB) {
	tb.Helper()
	for i, n := range c.nodes {
		if n.run == nil {
			require.NoError(tb, n.start(c.broker), "starting broker %d (Debian package openjdk-17-jre-headless)", i)
		} else {
			require.NoError(tb, n.signal("CONT"))
		}
	}
	c.awaitInSync(tb)
}

func (n *node) start(classpath string) error {
	log, err := os.OpenFile(filepath.Join(n.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("java", java(classpath, "256m", "kafka.Kafka", n.properties())...) //nolint:gosec,noctx // it runs until it is killed
	cmd.Stdout, cmd.Stderr = log, log
	run, err := start(cmd)
	if err != nil {
		return err
	}
	n.run = run
	return nil
}

func (n *node) signal(name string) error {
	return exec.Command("kill", "-"+name, strconv.Itoa(n.run.cmd.Process.Pid)).Run() //nolint:gosec,noctx // our own process
}

func (n *node) kill() {
	if n.run == nil {
		return
	}
	n.run.kill()
	n.run = nil
}

func (n *node) properties() string { return filepath.Join(n.dir, "server.properties") }

// stop kills all brokers; of a failed test it shows what they had to say.
func (c *Cluster) stop(tb testing.TB) {
	tb.Helper()
	for _, n := range c.nodes {
		n.kill()
	}
	c.admin.Close()
	if !tb.Failed() {
		return
	}
	for i := range c.nodes {
		tb.Logf("broker %d:\n%s", i, c.logTail(i))
	}
}

// logTail returns the end of a broker's log.
func (c *Cluster) logTail(broker int) string {
	const most = 4000
	f, err := os.Open(filepath.Join(c.nodes[broker].dir, "log"))
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if _, err := f.Seek(-most, io.SeekEnd); err != nil {
		_, _ = f.Seek(0, io.SeekStart) // it is shorter
	}
	tail, _ := io.ReadAll(f)
	return string(tail)
}

// format writes the brokers' settings and prepares their empty folders, as an
// operator would before the first start.
func (c *Cluster) format(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), readyTimeout)
	defer cancel()
	var errs []error
	for i, n := range c.nodes {
		require.NoError(tb, os.WriteFile(n.properties(), []byte(c.settings(i)), 0o600))
		args := []string{"format", "--cluster-id", "dG9uZ3F1LWNsdXN0ZXI5OQ", "--config", n.properties()}
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, Username, Password))
		}
		cmd := exec.CommandContext(ctx, "java", java(c.broker, "128m", "kafka.tools.StorageTool", args...)...) //nolint:gosec // Kafka's own
		if out, err := cmd.CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("formatting the storage of broker %d: %w\n%s", i, err, out))
		}
	}
	require.NoError(tb, errors.Join(errs...))
}

// settings returns the server.properties of a broker.
func (c *Cluster) settings(broker int) string {
	n := c.nodes[broker]
	var open, advertised, voters []string
	for _, l := range listeners {
		address := fmt.Sprintf("%s://127.0.0.1:%d", l, n.ports[l])
		open = append(open, address)
		if l != controller {
			advertised = append(advertised, address)
		}
	}
	protocols := []string{"CONTROLLER:PLAINTEXT", "PLAINTEXT:PLAINTEXT", "SSL:SSL", "SASL_PLAINTEXT:SASL_PLAINTEXT", "SASL_SSL:SASL_SSL"}
	for _, v := range c.via {
		open = append(open, fmt.Sprintf("%s://127.0.0.1:%d", v.Name, n.ports[v.Name]))
		advertised = append(advertised, fmt.Sprintf("%s://%s", v.Name, v.Advertised[broker]))
		protocols = append(protocols, string(v.Name)+":PLAINTEXT")
	}
	for i, v := range c.nodes {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i+1, v.ports[controller]))
	}
	replicas := len(c.nodes)
	lines := []string{
		"process.roles=broker,controller",
		"node.id=" + strconv.Itoa(broker+1),
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"controller.listener.names=" + string(controller),
		"inter.broker.listener.name=" + string(Plain),
		"listeners=" + strings.Join(open, ","),
		"advertised.listeners=" + strings.Join(advertised, ","),
		"listener.security.protocol.map=" + strings.Join(protocols, ","),
		"log.dirs=" + filepath.Join(n.dir, "data"),

		"ssl.keystore.type=PEM",
		"ssl.keystore.location=" + filepath.Join(c.dir, brokerFile),
		"ssl.truststore.type=PEM",
		"ssl.truststore.location=" + filepath.Join(c.dir, authorityFile),
		"ssl.client.auth=required",
		"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",

		fmt.Sprintf("default.replication.factor=%d", replicas),
		fmt.Sprintf("offsets.topic.replication.factor=%d", replicas),
		fmt.Sprintf("min.insync.replicas=%d", c.minInSync()),
		"auto.create.topics.enable=false",

		// As in the server.properties that Kafka ships, for development.
		"group.initial.rebalance.delay.ms=0",
		// A small cluster needs little, and a test should not wait 9 s for a
		// killed broker to be noticed.
		"offsets.topic.num.partitions=6",
		"log.cleaner.dedupe.buffer.size=4194304",
		"num.io.threads=4",
		"broker.session.timeout.ms=5000",
		"broker.heartbeat.interval.ms=1000",
	}
	for _, l := range []string{"sasl_plaintext", "sasl_ssl"} {
		const security = "org.apache.kafka.common.security."
		lines = append(lines,
			fmt.Sprintf("listener.name.%s.plain.sasl.jaas.config=%splain.PlainLoginModule required user_%s=\"%s\";", l, security, Username, Password),
			fmt.Sprintf("listener.name.%s.scram-sha-256.sasl.jaas.config=%sscram.ScramLoginModule required;", l, security),
			fmt.Sprintf("listener.name.%s.scram-sha-512.sasl.jaas.config=%sscram.ScramLoginModule required;", l, security))
	}
	return strings.Join(lines, "\n") + "\n"
}

// freePorts finds ports outside the range from which the kernel takes those of
// outgoing connections: while a broker is down nobody else gets its port.
func freePorts(tb testing.TB, n int) []int {
	tb.Helper()
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		require.Less(tb, tries, 100*n, "no free ports")
		port := 10_000 + rand.IntN(20_000) //nolint:gosec // not a secret
		l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		defer l.Close() // all at the end, so that none comes twice
		ports = append(ports, port)
	}
	return ports
}
