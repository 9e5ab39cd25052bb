package directory

import (
	"net/url"
	"slices"

	"tongqu/internal/conf"
	"tongqu/internal/record"
)

// Topics are the Kafka topics that the subscription's records come by.
func (s *Subscription) Topics() []string {
	topics := make([]string, len(s.Types))
	for i, t := range s.Types {
		topics[i] = record.Topic(t)
	}
	return topics
}

// Wants reports whether the subscription is to records of the canonical type.
func (s *Subscription) Wants(canonicalType string) bool {
	return slices.Contains(s.Types, record.Family(canonicalType))
}

// maxBatch is the largest number of records in one request.
const maxBatch = 1000

// subscription fills in what was left out and checks the rest.
func (l *loader) subscription(at place, s *Subscription) {
	first, taken := l.subscriptions[s.ID]
	switch {
	case !idForm.MatchString(s.ID):
		l.add(at.at("id"), "id %q must be made of a–z, 0–9 and single hyphens", s.ID)
	case taken:
		l.add(at.at("id"), "subscription %s already stands at %s", s.ID, first)
	}
	l.subscriptions[s.ID] = at.String()
	if r := l.known(at.at("resource"), s.Resource); r != nil {
		if r.Share == ShareNone {
			l.add(at.at("resource"), "resource %s is not shared", s.Resource)
		}
		l.types(at.at("types"), s, r)
	}
	if s.Personal == "" {
		s.Personal = PersonalMasked
	}
	l.word(at, "personal", string(s.Personal), []string{string(PersonalMasked), string(PersonalClear)})
	if s.Format == "" {
		s.Format = FormatJSON
	}
	if s.Format != FormatJSON && !formatForm.MatchString(s.Format) {
		l.add(at.at("format"), "format %q must be json or ADAPTER/MESSAGE, after ENVELOPE+ where it has one", s.Format)
	}
	if s.Batch == 0 {
		s.Batch = 1
	}
	switch {
	case s.Batch < 1 || s.Batch > maxBatch:
		l.add(at.at("batch"), "batch must be between 1 and %d", maxBatch)
	case s.Batch > 1 && s.Format != FormatJSON:
		l.add(at.at("batch"), "batch above 1 needs format json")
	case s.Batch > 1 && s.Endpoint.HTTP == nil:
		l.add(at.at("batch"), "batch above 1 needs an http endpoint")
	}
	l.endpoint(at.at("endpoint"), &s.Endpoint)
}

func (l *loader) types(at place, s *Subscription, r *Resource) {
	for i, t := range s.Types {
		if !slices.Contains(r.Types, t) {
			l.add(at.at(i), "resource %s has no type %q%s", r.Code, t, conf.DidYouMean(t, r.Types))
		}
	}
	if len(s.Types) == 0 {
		s.Types = r.Types
	}
}

func (l *loader) endpoint(at place, e *Endpoint) {
	switch {
	case (e.HTTP == nil) == (e.File == nil):
		l.add(at, "an endpoint is either http or file")
	case e.File != nil && e.File.Folder == "":
		l.add(at.at("file"), "a file endpoint needs a folder")
	case e.HTTP != nil:
		u, err := url.Parse(e.HTTP.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			l.add(at.at("http", "url"), "url must be an http or https address")
		}
		if e.HTTP.Secret == "" {
			l.add(at.at("http", "secret"), "an http endpoint needs a secret to sign with")
		}
		if e.HTTP.Timeout < 0 {
			l.add(at.at("http", "timeout"), "timeout must not be negative")
		}
	}
}
