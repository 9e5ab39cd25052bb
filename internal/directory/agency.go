package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"tongqu/internal/conf"
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
	// Queries are the codes of the resources that the agency may ask, besides those it
	// has subscribed to and those that are shared without condition.
	Queries []string `yaml:"queries" json:"queries,omitempty"`
	// Services are the agency's interfaces that answer questions.
	Services []Service `yaml:"services" json:"services,omitempty"`
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

// FormatJSON is the format of canonical records; any other is made of ADAPTER/MESSAGE.
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
	// Format is FormatJSON (when left out) or ADAPTER/MESSAGE, with the envelopes
	// around it before it: ENVELOPE+ADAPTER/MESSAGE.
	Format string `yaml:"format" json:"format"`
	// Sender and Receiver are what the envelopes of Format are addressed with.
	Sender   string `yaml:"sender" json:"sender,omitempty"`
	Receiver string `yaml:"receiver" json:"receiver,omitempty"`
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
	Secret conf.Secret `yaml:"secret" json:"secret"`
	// Timeout bounds one request; 0 is the hub's own.
	Timeout time.Duration `yaml:"timeout" json:"timeout,omitempty"`
}

// FileEndpoint is a folder with the boxes of the file interface; a relative one
// lies in the hub's data folder.
type FileEndpoint struct {
	Folder string `yaml:"folder" json:"folder"`
}
