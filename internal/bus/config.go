package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"tongqu/internal/conf"
)

// Config says how to reach a Kafka and how to use it.
type Config struct {
	// Brokers are bootstrap addresses, host:port.
	Brokers []string `yaml:"brokers"`
	// ClientID is how brokers know this hub instance in their logs and quotas.
	ClientID string     `yaml:"clientId"`
	TLS      TLSConfig  `yaml:"tls"`
	SASL     SASLConfig `yaml:"sasl"`
	// Partitions is the number of partitions of topics that EnsureTopics creates.
	Partitions int `yaml:"partitions"`
	// Replication is the replication factor of created topics; 0 leaves it to the brokers.
	Replication int         `yaml:"replication"`
	Topic       TopicConfig `yaml:"topic"`
	// MaxMessageBytes bounds one message, and one batch of a partition, as encoded.
	// It must not exceed the brokers' max.message.bytes.
	MaxMessageBytes int `yaml:"maxMessageBytes"`
	// BatchMessages is the most messages a Handler gets at once.
	BatchMessages int `yaml:"batchMessages"`
	// FetchBytes is about how much is read of one partition at once. A consumer holds
	// up to twice as much per partition.
	FetchBytes int `yaml:"fetchBytes"`
	// PollWait is how long a broker may hold a poll that finds no message. It
	// delays no message.
	PollWait time.Duration `yaml:"pollWait"`
	// CommitInterval is the least time between two commits of a group member; the
	// messages handled since the last one come again after a crash.
	CommitInterval time.Duration `yaml:"commitInterval"`
	// HeartbeatInterval is also how soon members notice that one joined or left.
	HeartbeatInterval time.Duration `yaml:"heartbeatInterval"`
	// SessionTimeout is when a silent member loses its partitions to the others.
	SessionTimeout time.Duration `yaml:"sessionTimeout"`
	// StallTimeout is how long a partition may make no progress, other than in its
	// Handler, before the membership is built anew.
	StallTimeout time.Duration `yaml:"stallTimeout"`
}

// TopicConfig holds settings of the topics that EnsureTopics creates.
type TopicConfig struct {
	// Retention is how long messages are kept; 0 leaves it to the brokers.
	Retention time.Duration `yaml:"retention"`
	// MinInSyncReplicas is Kafka's min.insync.replicas; 0 leaves it to the brokers.
	MinInSyncReplicas int `yaml:"minInSyncReplicas"`
}

// TLSConfig turns on TLS. Without CAFile the system's authorities are trusted.
type TLSConfig struct {
	Enabled bool   `yaml:"enabled"`
	CAFile  string `yaml:"caFile"`
	// CertFile and KeyFile are the hub's own certificate, when brokers ask for one.
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
	// ServerName replaces the broker's host name in the check of its certificate.
	ServerName string `yaml:"serverName"`
}

// SASLMechanism names a way to log in to the brokers.
type SASLMechanism string

// The mechanisms; none is no login.
const (
	SASLNone        SASLMechanism = ""
	SASLPlain       SASLMechanism = "plain"
	SASLScramSHA256 SASLMechanism = "scram-sha-256"
	SASLScramSHA512 SASLMechanism = "scram-sha-512"
)

// SASLConfig is the login at the brokers.
type SASLConfig struct {
	Mechanism SASLMechanism `yaml:"mechanism"`
	Username  string        `yaml:"username"`
	Password  conf.Secret   `yaml:"password"`
}

// maxBytes bounds sizes that a request carries as a 32-bit number.
const maxBytes = 256 << 20

// NewDefaultConfig returns the settings that hold where a config says nothing.
func NewDefaultConfig() Config {
	return Config{
		ClientID:          "tongqu",
		Partitions:        8,
		Topic:             TopicConfig{Retention: 7 * 24 * time.Hour},
		MaxMessageBytes:   1_000_000,
		BatchMessages:     500,
		FetchBytes:        1 << 20,
		PollWait:          500 * time.Millisecond,
		CommitInterval:    200 * time.Millisecond,
		HeartbeatInterval: time.Second,
		SessionTimeout:    15 * time.Second,
		StallTimeout:      30 * time.Second,
	}
}

// Validate returns everything that is wrong with c, joined.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Brokers) == 0 {
		bad("brokers: none given")
	}
	for _, b := range c.Brokers {
		if _, port, err := net.SplitHostPort(b); err != nil {
			bad("brokers: %q is not host:port", b)
		} else if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			bad("brokers: %q has no valid port", b)
		}
	}
	for name, n := range map[string]int{
		"partitions": c.Partitions, "batchMessages": c.BatchMessages, "fetchBytes": c.FetchBytes,
	} {
		if n < 1 {
			bad("%s: must be at least 1", name)
		}
	}
	if c.MaxMessageBytes < 1024 || c.MaxMessageBytes > maxBytes {
		bad("maxMessageBytes: must be between 1024 and %d", maxBytes)
	}
	if c.FetchBytes > maxBytes {
		bad("fetchBytes: must be at most %d", maxBytes)
	}
	if c.Replication < 0 || c.Topic.MinInSyncReplicas < 0 || c.Topic.Retention < 0 {
		bad("replication, topic.minInSyncReplicas and topic.retention: must not be negative")
	}
	if c.Replication > 0 && c.Topic.MinInSyncReplicas > c.Replication {
		bad("topic.minInSyncReplicas: %d is more than replication %d", c.Topic.MinInSyncReplicas, c.Replication)
	}
	for name, d := range map[string]time.Duration{
		"pollWait": c.PollWait, "commitInterval": c.CommitInterval, "heartbeatInterval": c.HeartbeatInterval,
		"sessionTimeout": c.SessionTimeout, "stallTimeout": c.StallTimeout,
	} {
		if d < time.Millisecond || d > time.Hour {
			bad("%s: must be between 1ms and 1h", name)
		}
	}
	if c.SessionTimeout < 3*c.HeartbeatInterval {
		bad("sessionTimeout: must be at least three times heartbeatInterval")
	}
	switch c.SASL.Mechanism {
	case SASLNone:
	case SASLPlain, SASLScramSHA256, SASLScramSHA512:
		if c.SASL.Username == "" {
			bad("sasl.username: missing")
		}
	default:
		bad("sasl.mechanism: %q is none of plain, scram-sha-256, scram-sha-512", c.SASL.Mechanism)
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		bad("tls: certFile and keyFile go together")
	}
	return errors.Join(errs...)
}

// client builds what kafka-go wants of TLS; nil when it is off.
func (c TLSConfig) client() (*tls.Config, error) {
	if !c.Enabled {
		return nil, nil //nolint:nilnil // kafka-go takes nil for "no TLS"
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the brokers' authority: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the brokers' authority: %s holds no certificate", c.CAFile)
		}
	}
	if c.CertFile != "" {
		own, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading the hub's certificate: %w", err)
		}
		out.Certificates = []tls.Certificate{own}
	}
	return out, nil
}

// mechanism builds what kafka-go wants of SASL; nil when there is no login.
func (c SASLConfig) mechanism() (sasl.Mechanism, error) {
	switch c.Mechanism {
	case SASLPlain:
		return plain.Mechanism{Username: c.Username, Password: string(c.Password)}, nil
	case SASLScramSHA256:
		return scram.Mechanism(scram.SHA256, c.Username, string(c.Password))
	case SASLScramSHA512:
		return scram.Mechanism(scram.SHA512, c.Username, string(c.Password))
	default:
		return nil, nil //nolint:nilnil // kafka-go takes nil for "no login"
	}
}
