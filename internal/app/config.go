package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"tongqu/internal/bus"
	"tongqu/internal/conf"
)

// Config is config/tongqu.yaml. NewDefaultConfig holds every default.
type Config struct {
	// Listen is the address of the HTTP door and API.
	Listen string `yaml:"listen"`
	// Data is the folder of the embedded store, the embedded Kafka and the mailboxes.
	Data string `yaml:"data"`
	// Folders override the data built into the binary, file by file.
	Folders FoldersConfig `yaml:"folders"`
	// Store says where the store is.
	Store StoreConfig `yaml:"store"`
	// Kafka says which brokers to use; without brokers the hub runs its own.
	Kafka   bus.Config    `yaml:"kafka"`
	Intake  IntakeConfig  `yaml:"intake"`
	Deliver DeliverConfig `yaml:"delivery"`
	Log     LogConfig     `yaml:"log"`
	// StopTimeout is how long a stop may take before it is forced.
	StopTimeout time.Duration `yaml:"stopTimeout"`
	// Demo lets the demo agencies in, whose tokens are published. Only a flag sets it.
	Demo bool `yaml:"-"`
}

// FoldersConfig names a folder that holds any of adapters, schemas, mappings and config.
type FoldersConfig struct {
	Override string `yaml:"override"`
	// Poll is how often a running hub looks whether the folder has changed; 0 is never.
	Poll time.Duration `yaml:"poll"`
}

// StoreConfig names a PostgreSQL database by its address (postgres://…), which may
// hold a password; without one the store is in the data folder.
type StoreConfig struct {
	URL conf.Secret `yaml:"url"`
	// KeepMonths is how many whole months before this one PostgreSQL keeps; 0 keeps all.
	KeepMonths int `yaml:"keepMonths"`
}

// IntakeConfig bounds what the doors take.
type IntakeConfig struct {
	MaxBytes         int64         `yaml:"maxBytes"`
	MaxInFlightBytes int64         `yaml:"maxInFlightBytes"`
	ReadTimeout      time.Duration `yaml:"readTimeout"`
	// Rate is documents a second of one agency; 0 is no limit.
	Rate  float64 `yaml:"rate"`
	Burst int     `yaml:"burst"`
	// FilePoll is how often the file doors look into OutBox.
	FilePoll time.Duration `yaml:"filePoll"`
}

// DeliverConfig sets how deliveries are repeated.
type DeliverConfig struct {
	BackoffBase time.Duration `yaml:"backoffBase"`
	BackoffMax  time.Duration `yaml:"backoffMax"`
}

// LogConfig sets the log: level debug|info|warn|error, format console|json.
type LogConfig struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// NewDefaultConfig returns the configuration of a hub on one machine.
func NewDefaultConfig() Config {
	return Config{
		Listen: "127.0.0.1:8080", Data: "data",
		Folders: FoldersConfig{Poll: 2 * time.Second},
		Kafka:   bus.NewDefaultConfig(),
		Intake: IntakeConfig{
			MaxBytes: 16 << 20, MaxInFlightBytes: 256 << 20, ReadTimeout: 30 * time.Second,
			Burst: 100, FilePoll: time.Second,
		},
		Deliver:     DeliverConfig{BackoffBase: time.Second, BackoffMax: 5 * time.Minute},
		Log:         LogConfig{Level: "info", Format: "console"},
		StopTimeout: 20 * time.Second,
	}
}

// LoadConfig reads a configuration file over the defaults; an empty path gives
// the defaults. ${env:NAME} and ${file:PATH} in values are replaced.
func LoadConfig(path string) (Config, error) {
	c := NewDefaultConfig()
	if path == "" {
		return c, c.Validate("defaults")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("reading configuration: %w", err)
	}
	root, err := conf.Node(path, data)
	if err != nil {
		return c, err
	}
	if root == nil {
		return c, c.Validate(path)
	}
	if problems := conf.Expand(path, root); len(problems) > 0 {
		return c, problems
	}
	if err := conf.DecodeNode(path, root, &c); err != nil {
		return c, err
	}
	return c, c.Validate(path)
}

// Validate finds what is wrong with the values; file is what problems call it.
func (c *Config) Validate(file string) error {
	var ps conf.Problems
	check := func(ok bool, format string, args ...any) {
		if !ok {
			ps = append(ps, conf.Problem{File: file, Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)})
		}
	}
	check(c.Listen != "", "listen is empty")
	check(c.Data != "", "data is empty")
	scheme, _, _ := strings.Cut(string(c.Store.URL), "://")
	check(slices.Contains([]string{"", "postgres", "postgresql"}, scheme), "store.url must be empty or begin with postgres://")
	check(c.Store.URL == "" || len(c.Kafka.Brokers) > 0, "store.url needs kafka.brokers: several hubs may work on one database, and an embedded Kafka is one hub's alone")
	check(c.Store.KeepMonths >= 0, "store.keepMonths must not be below 0")
	check(c.Store.KeepMonths == 0 || c.Store.URL != "", "store.keepMonths needs store.url: a SQLite store keeps everything")
	check(c.Folders.Poll == 0 || c.Folders.Poll >= 10*time.Millisecond, "folders.poll must be 0 or at least 10ms")
	check(c.Intake.MaxBytes > 0, "intake.maxBytes must be above 0")
	check(c.Intake.MaxInFlightBytes >= c.Intake.MaxBytes, "intake.maxInFlightBytes must be at least intake.maxBytes")
	check(c.Intake.Rate >= 0, "intake.rate must not be below 0")
	check(c.Intake.FilePoll >= 10*time.Millisecond, "intake.filePoll must be at least 10ms")
	check(c.Deliver.BackoffBase > 0 && c.Deliver.BackoffMax >= c.Deliver.BackoffBase, "delivery.backoffBase must be above 0 and at most backoffMax")
	check(slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level must be debug, info, warn or error, not %q", c.Log.Level)
	check(c.Log.Format == "console" || c.Log.Format == "json", "log.format must be console or json, not %q", c.Log.Format)
	if len(c.Kafka.Brokers) > 0 {
		err := c.Kafka.Validate()
		check(err == nil, "kafka: %v", err)
	}
	return ps.Or()
}

// YAML prints the configuration, secrets hidden.
func (c *Config) YAML() ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(c), enc.Close()); err != nil {
		return nil, fmt.Errorf("printing configuration: %w", err)
	}
	return b.Bytes(), nil
}

// Path is a file or folder below the data folder; absolute names stay.
func (c *Config) Path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.Data, name)
}
