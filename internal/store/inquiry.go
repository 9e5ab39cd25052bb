package store

import (
	"context"
	"time"
)

// InquiryStatus says how far an inquiry came.
type InquiryStatus string

// An inquiry is open from before an agency is asked until its answer is recorded;
// one that stays open was cut short, and whether the agency answered is not known.
const (
	InquiryOpen     InquiryStatus = "open"
	InquiryAnswered InquiryStatus = "answered"
	InquiryNotFound InquiryStatus = "not-found" // no record has the key
	InquiryRefused  InquiryStatus = "refused"   // nobody was asked
	InquiryFailed   InquiryStatus = "failed"    // the agency gave no answer
)

// InquirySource says where an answer comes from.
type InquirySource string

// The sources of answers.
const (
	FromRecords InquirySource = "records" // what agencies shared
	FromAgency  InquirySource = "agency"  // its interface was asked
	FromCache   InquirySource = "cache"   // an earlier answer of its interface
)

// Inquiry is one question that an agency put through the hub, and the answer. It
// holds no personal data in clear: who keeps it has masked them.
type Inquiry struct {
	// ID is a UUID of version 7.
	ID       string
	Agency   string
	Resource string
	// Purpose is what the answer is needed for, in the agency's words.
	Purpose string
	// At is UTC, to the microsecond.
	At     time.Time
	Took   time.Duration
	Status InquiryStatus
	// Source is empty when nobody was asked.
	Source InquirySource
	// Outcome is the answer in one word where the resource has such a word.
	Outcome string
	// CachedFrom is the id of the inquiry whose answer was given again.
	CachedFrom string
	// Fingerprint is a keyed hash of resource and request; nil where answers are not
	// given again.
	Fingerprint []byte
	// Request and Answer are JSON, masked; Answer may be nil.
	Request, Answer []byte
	// Errors is a JSON array of faults without their values, or nil.
	Errors []byte
}

// InquiryQuery selects inquiries, newest first; zero fields do not restrict.
type InquiryQuery struct {
	Agency   string
	Resource string
	Status   InquiryStatus
	From     time.Time
	To       time.Time
	Cursor   string
	Limit    int // 0 is 100; at most 1000
}

// Inquiries is the book of inquiries.
type Inquiries interface {
	// SaveInquiries writes inquiries durably, all or none. A later state of the same
	// ID brings the answer; the question stays as it was. An error wraps ErrUnavailable.
	SaveInquiries(ctx context.Context, batch []Inquiry) error
	// Inquiries lists inquiries, the newest ID first.
	Inquiries(ctx context.Context, q InquiryQuery) (Page[Inquiry], error)
	// AgencyAnswer returns the newest inquiry with the fingerprint that the agency's
	// interface answered since, with one of the outcomes; ErrNotFound.
	AgencyAnswer(ctx context.Context, fingerprint []byte, since time.Time, outcomes []string) (Inquiry, error)
}
