package delivery

import (
	"context"
	"time"

	"tongqu/internal/adapter"
	"tongqu/internal/bus"
	"tongqu/internal/directory"
	"tongqu/internal/mailbox"
)

// parcel is one record made ready for one subscription.
type parcel struct {
	id       string
	message  *bus.Message
	attempts int // made before
	adapter.Encoded
}

// sender takes parcels to a subscriber, all of them or none.
type sender interface {
	// send returns the subscriber's answer in a few words. Its errors are *refusal,
	// after which trying again is of no use, and *outage.
	send(ctx context.Context, parcels []parcel, attempt int) (string, error)
}

// refusal is a subscriber's answer that it does not want the parcels.
type refusal struct{ reason string }

func (e *refusal) Error() string { return e.reason }

// outage is a subscriber that cannot be reached, or cannot take anything now.
type outage struct {
	reason string
	after  time.Duration // what it asked to wait at least
}

func (e *outage) Error() string { return e.reason }

// fileSender puts records into the InBox of a subscriber's folder.
type fileSender struct {
	subscription string
	folder       string
}

// send writes one file a record; its name says which, so that a record which
// comes twice makes one file.
func (s *fileSender) send(_ context.Context, parcels []parcel, _ int) (string, error) {
	// Opened each time: the folder may be a disk that comes and goes.
	box, err := mailbox.Open(s.folder)
	if err != nil {
		return "", &outage{reason: err.Error()}
	}
	var name string
	for _, p := range parcels {
		name = s.subscription + "_" + p.id + "." + p.Extension
		if err := box.Write(mailbox.InBox, name, p.Body); err != nil {
			return "", &outage{reason: err.Error()}
		}
	}
	return name, nil
}

// newSender makes the sender that the subscription's endpoint asks for.
func (d *Delivery) newSender(s *directory.Subscription) sender {
	if file := s.Endpoint.File; file != nil {
		return &fileSender{subscription: s.ID, folder: d.settings.folder(file.Folder)}
	}
	return newHTTPSender(s, d.client, d.settings.Timeout)
}
