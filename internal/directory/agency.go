package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Agency is a participant: what it may provide and what it has subscribed to.
type Agency struct {
	Code  string `yaml:"code" json:"code"`
	Title Title  `yaml:"title" json:"title"`
	// Kind is the agency's role, e.g. customs, tax, platform.
	Kind string `yaml:"kind" json:"kind"`
	// Demo agencies have published tokens; only LoadDemo lets them in.
	Demo   bool    `yaml:"demo" json:"demo,omitempty"`
	Tokens []Token `yaml:"tokens" json:"-"`
	// Provides are the codes of the resources the agency may provide.
	Provides []string `yaml:"provides" json:"provides,omitempty"`
	// Files is the agency's file door; nil when it has none.
	Files         *FileEndpoint  `yaml:"files" json:"files,omitempty"`
	Subscriptions []Subscription `yaml:"subscriptions" json:"subscriptions,omitempty"`

	provides map[string]string // canonical type without version → resource code
}

// Token is one bearer token of an agency, stored as its hash.
type Token struct {
	ID string `yaml:"id"`
	// SHA256 is what HashToken makes of the token.
	SHA256 string `yaml:"sha256"`
	// Expires is when the token stops working; zero is never.
	Expires time.Time `yaml:"expires"`
}

// HashToken is the form in which a token is stored: the SHA-256 in hex. Tokens
// are long and random, so a plain hash cannot be guessed back.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Personal says how personal data reach a subscriber.
type Personal string

// Personal data are masked unless the subscription was granted the clear text.
const (
	PersonalMasked Personal = "masked"
	PersonalClear  Personal = "clear"
)

// FormatJSON is the format of canonical records; any other is ADAPTER/MESSAGE.
const FormatJSON = "json"

// Subscription is an agency's approved right to a resource and where it goes.
type Subscription struct {
	// ID names the subscription in the whole hub: a–z, 0–9 and single hyphens.
	ID string `yaml:"id" json:"id"`
	// Agency is the subscriber's code, taken from the file it stands in.
	Agency string `yaml:"-" json:"agency"`
	// Resource is the code of the resource.
	Resource string `yaml:"resource" json:"resource"`
	// Types are those of the resource's types that are wanted; all when left out.
	Types []string `yaml:"types" json:"types"`
	// Personal is PersonalMasked when it was left out.
	Personal Personal `yaml:"personal" json:"personal"`
	// Filter lets through only records that meet all its conditions.
	Filter Filter `yaml:"filter" json:"filter,omitempty"`
	// Format is FormatJSON (when left out) or ADAPTER/MESSAGE.
	Format string `yaml:"format" json:"format"`
	// Batch is the largest number of records in one HTTP request, 1 when left out;
	// more than 1 needs FormatJSON.
	Batch    int      `yaml:"batch" json:"batch"`
	Endpoint Endpoint `yaml:"endpoint" json:"endpoint"`
}

// Endpoint is where a subscription's records go: exactly one of its fields is set.
type Endpoint struct {
	HTTP *HTTPEndpoint `yaml:"http" json:"http,omitempty"`
	File *FileEndpoint `yaml:"file" json:"file,omitempty"`
}

// HTTPEndpoint is a subscriber that records are posted to.
type HTTPEndpoint struct {
	URL string `yaml:"url" json:"url"`
	// Secret signs the requests.
	Secret Secret `yaml:"secret" json:"secret"`
	// Timeout bounds one request; 0 is the hub's own.
	Timeout time.Duration `yaml:"timeout" json:"timeout,omitempty"`
}

// FileEndpoint is a folder with the boxes of the file interface; a relative one
// lies in the hub's data folder.
type FileEndpoint struct {
	Folder string `yaml:"folder" json:"folder"`
}

// Secret is a text that is never printed. In a file it is written as
// ${env:NAME} or ${file:PATH}; anything else stands for itself.
type Secret string

// String hides the secret.
func (Secret) String() string { return "[REDACTED]" }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret from JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML hides the secret from YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// UnmarshalYAML resolves ${env:NAME} and ${file:PATH}.
func (s *Secret) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return errors.New("a secret must be a text")
	}
	value, err := resolve(n.Value)
	if err != nil {
		return err
	}
	*s = Secret(value)
	return nil
}

func resolve(text string) (string, error) {
	inner, ok := strings.CutPrefix(text, "${")
	if !ok {
		return text, nil
	}
	inner, ok = strings.CutSuffix(inner, "}")
	source, name, found := strings.Cut(inner, ":")
	switch {
	case !ok || !found:
	case source == "env":
		value, set := os.LookupEnv(name)
		if !set {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		return value, nil
	case source == "file":
		value, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("reading secret: %w", err)
		}
		return strings.TrimRight(string(value), "\r\n"), nil
	}
	return "", errors.New("a secret must be ${env:NAME}, ${file:PATH} or a plain text")
}
