// Package directory is the information-sharing directory (信息共享目录): the
// resources, the agencies that provide them and subscribe to them, on what
// terms, and the masking of personal data.
package directory

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"tongqu/internal/record"
)

// Directory is what one set of configuration files says. It does not change, and
// may be used by any number of goroutines.
type Directory struct {
	resources     []*Resource
	byCode        map[string]*Resource
	byType        map[string][]*Resource // by canonical type without version
	agencies      []*Agency
	byAgency      map[string]*Agency
	subscriptions []*Subscription
	tokens        []token
}

type token struct {
	hash    [sha256.Size]byte
	expires time.Time
	agency  *Agency
}

// Resources returns all resources, by code.
func (d *Directory) Resources() []*Resource { return d.resources }

// Resource returns the resource of that code.
func (d *Directory) Resource(code string) (*Resource, bool) {
	r, ok := d.byCode[code]
	return r, ok
}

// ResourcesByType returns the resources that hold a canonical type, by code.
// Most types have one; ratings and filings are offered by several providers.
func (d *Directory) ResourcesByType(canonicalType string) []*Resource {
	return d.byType[record.Family(canonicalType)]
}

// Agencies returns all agencies, by code.
func (d *Directory) Agencies() []*Agency { return d.agencies }

// Agency returns the agency of that code.
func (d *Directory) Agency(code string) (*Agency, bool) {
	a, ok := d.byAgency[code]
	return a, ok
}

// Subscriptions returns all subscriptions, by id.
func (d *Directory) Subscriptions() []*Subscription { return d.subscriptions }

// Subscription returns the subscription of that id.
func (d *Directory) Subscription(id string) (*Subscription, bool) {
	for _, s := range d.subscriptions {
		if s.ID == id {
			return s, true
		}
	}
	return nil, false
}

// Authenticate returns the agency that the bearer token belongs to. It takes the
// same time whichever token is right and however much of a wrong one is.
func (d *Directory) Authenticate(bearer string) (*Agency, bool) {
	hash := sha256.Sum256([]byte(bearer))
	var found *token
	for i := range d.tokens {
		if subtle.ConstantTimeCompare(hash[:], d.tokens[i].hash[:]) == 1 {
			found = &d.tokens[i]
		}
	}
	if found == nil || !found.expires.IsZero() && !time.Now().Before(found.expires) {
		return nil, false
	}
	return found.agency, true
}

// MayProvide returns the code of the resource as which the agency may provide
// records of the canonical type; false when it may not provide them at all.
func (d *Directory) MayProvide(a *Agency, canonicalType string) (string, bool) {
	code, ok := a.provides[record.Family(canonicalType)]
	return code, ok
}

// Due reports whether records of the canonical type that came from the agency
// belong to the subscription: it wants the type, and where several resources
// hold that type, the agency provides the subscription's one.
func (d *Directory) Due(s *Subscription, agency, canonicalType string) bool {
	return s.Wants(canonicalType) && d.Provides(d.byCode[s.Resource], agency, canonicalType)
}
