package directory

import (
	"slices"
	"time"

	"tongqu/internal/conf"
)

// Asking says how a resource is asked through the hub (服务接口).
type Asking struct {
	// By says where the answers come from.
	By AskingBy `yaml:"by" json:"by"`
	// Keys are the business keys by which records are asked; any of the type's when
	// left out.
	Keys []string `yaml:"keys" json:"keys,omitempty"`
	// Request is the canonical type of the question to a service, without version.
	Request string `yaml:"request" json:"request,omitempty"`
	// Fill is written into a question where it has nothing at that canonical path:
	// $asker is the asker's Chinese title, $purpose the purpose.
	Fill map[string]string `yaml:"fill" json:"fill,omitempty"`
	// Outcome is the canonical path of the answer's one word, such as match.
	Outcome string `yaml:"outcome" json:"outcome,omitempty"`
	// Cache says which answers of a service are given again; nil is none.
	Cache *Caching `yaml:"cache" json:"cache,omitempty"`
}

// AskingBy says where answers come from.
type AskingBy string

// Answers are the newest records that agencies shared, or come from the interface
// of the agency that provides the resource.
const (
	AskRecords AskingBy = "records"
	AskService AskingBy = "service"
)

// What Fill can write.
const (
	FillAsker   = "$asker"
	FillPurpose = "$purpose"
)

// Caching says which answers are given again, and how long.
type Caching struct {
	For      time.Duration `yaml:"for" json:"for"`
	Outcomes []string      `yaml:"outcomes" json:"outcomes"`
}

// Right is what an agency may see of the answers to its questions.
type Right struct {
	Personal Personal
	Filter   Filter
}

// MayAsk returns the agency's right to ask the resource: listed in its queries, or
// its subscription to the records that answer, on the subscription's terms. Records
// that are shared without condition may be asked by every agency.
func (d *Directory) MayAsk(a *Agency, r *Resource) (Right, bool) {
	if r.Query == nil || a.Operator() {
		return Right{}, false
	}
	if slices.Contains(a.Queries, r.Code) {
		return Right{Personal: PersonalMasked}, true
	}
	if r.Query.By != AskRecords {
		return Right{}, false
	}
	for i := range a.Subscriptions {
		if s := &a.Subscriptions[i]; s.Resource == r.Code {
			return Right{Personal: s.Personal, Filter: s.Filter}, true
		}
	}
	return Right{Personal: PersonalMasked}, r.Share == ShareUnconditional
}

// Provides reports whether records of the canonical type that came from the agency
// are the resource's: it is the only one with that type, or the agency provides it.
func (d *Directory) Provides(r *Resource, agency, canonicalType string) bool {
	if len(d.ResourcesByType(canonicalType)) == 1 {
		return true
	}
	a, ok := d.byAgency[agency]
	return ok && slices.Contains(a.Provides, r.Code)
}

// asking checks what a resource says of queries.
func (l *loader) asking(at place, r *Resource) {
	q := r.Query
	l.word(at, "by", string(q.By), []string{string(AskRecords), string(AskService)})
	service := q.By == AskService
	if service != (r.Format == "service") {
		l.add(at.at("by"), "a resource that is asked by service has the format service, and no other has")
	}
	switch {
	case service && len(q.Keys) > 0:
		l.add(at.at("keys"), "keys are for resources that are asked by records")
	case service && !slices.Contains(r.Types, q.Request):
		l.add(at.at("request"), "request must be one of the resource's types%s", conf.DidYouMean(q.Request, r.Types))
	case !service && (q.Request != "" || q.Cache != nil || q.Outcome != "" || q.Fill != nil):
		l.add(at, "request, fill, outcome and cache are for resources that are asked by service")
	}
	for path, value := range q.Fill {
		if !pathForm.MatchString(path) || value != FillAsker && value != FillPurpose {
			l.add(at.at("fill"), "fill is canonical path: %s or %s", FillAsker, FillPurpose)
		}
	}
	if c := q.Cache; c != nil && (c.For <= 0 || len(c.Outcomes) == 0 || q.Outcome == "") {
		l.add(at.at("cache"), "cache needs for, outcomes and the resource's outcome")
	}
}

// queries checks which resources an agency may ask.
func (l *loader) queries(at place, a *Agency) {
	for i, code := range a.Queries {
		switch r := l.known(at.at(i), code); {
		case r == nil:
		case r.Query == nil:
			l.add(at.at(i), "resource %s cannot be asked: it has no query", code)
		case r.Share == ShareNone:
			l.add(at.at(i), "resource %s is not shared", code)
		}
	}
}
