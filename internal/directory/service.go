package directory

import (
	"net/url"
	"time"

	"tongqu/internal/conf"
)

// Service is an agency's interface that answers questions about a resource.
type Service struct {
	// Resource is the code of a resource that is asked by service.
	Resource string `yaml:"resource" json:"resource"`
	// Request is how a question is written: ADAPTER/MESSAGE, with envelopes before it.
	Request string `yaml:"request" json:"request"`
	// Answer is the adapter that reads the answer; the request's when left out.
	Answer string      `yaml:"answer" json:"answer,omitempty"`
	URL    conf.Secret `yaml:"url" json:"url"`
	// Send says where the question goes: body (when left out), form or query; the
	// last two take a flat JSON document and Parameters.
	Send string `yaml:"send" json:"send,omitempty"`
	// Headers and Parameters hold what the account needs besides the question.
	Headers    map[string]conf.Secret `yaml:"headers" json:"headers,omitempty"`
	Parameters map[string]conf.Secret `yaml:"parameters" json:"parameters,omitempty"`
	// Sender is $sender of the envelopes, such as a licence.
	Sender conf.Secret `yaml:"sender" json:"sender,omitempty"`
	// Namespaces are written instead of those of the schema: schema's → service's.
	Namespaces map[string]string `yaml:"namespaces" json:"namespaces,omitempty"`
	// Timeout bounds one call; 10 s when left out.
	Timeout time.Duration `yaml:"timeout" json:"timeout,omitempty"`
	// Rate is calls a second, Burst how many at once; 0 is no limit.
	Rate  float64 `yaml:"rate" json:"rate,omitempty"`
	Burst int     `yaml:"burst" json:"burst,omitempty"`
	// Batch is how many questions one call may hold; 1 when left out.
	Batch int `yaml:"batch" json:"batch,omitempty"`
	// CA is a file with the certificates (PEM) that the service's is checked by; the
	// system's when left out.
	CA string `yaml:"ca" json:"ca,omitempty"`
}

// The places where a question can go.
const (
	SendBody  = "body"
	SendForm  = "form"
	SendQuery = "query"
)

// Service returns the agency and its interface that answers for a resource.
func (d *Directory) Service(code string) (*Agency, *Service, bool) {
	for _, a := range d.agencies {
		for i := range a.Services {
			if a.Services[i].Resource == code {
				return a, &a.Services[i], true
			}
		}
	}
	return nil, nil, false
}

const defaultServiceTimeout = 10 * time.Second

// service fills in what was left out and checks the rest.
func (l *loader) service(at place, s *Service) {
	if r := l.known(at.at("resource"), s.Resource); r != nil && (r.Query == nil || r.Query.By != AskService) {
		l.add(at.at("resource"), "resource %s is not asked by service", s.Resource)
	}
	if first, taken := l.services[s.Resource]; taken {
		l.add(at.at("resource"), "resource %s is answered already at %s", s.Resource, first)
	}
	l.services[s.Resource] = at.String()
	u, err := url.Parse(string(s.URL))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		l.add(at.at("url"), "url must be an http or https address")
	}
	if s.Send == "" {
		s.Send = SendBody
	}
	l.word(at, "send", s.Send, []string{SendBody, SendForm, SendQuery})
	if s.Send == SendBody && len(s.Parameters) > 0 {
		l.add(at.at("parameters"), "parameters need send: form or query")
	}
	if s.Timeout == 0 {
		s.Timeout = defaultServiceTimeout
	}
	s.Batch, s.Burst = max(s.Batch, 1), max(s.Burst, 1)
	if s.Timeout < 0 || s.Rate < 0 {
		l.add(at, "timeout and rate must not be negative")
	}
}
