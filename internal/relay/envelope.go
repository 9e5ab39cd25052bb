package relay

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tongqu/internal/bus"
	"tongqu/internal/record"
)

// Header keys of a record's message: CloudEvents 1.0 in Kafka's binary content
// mode (kafka-protocol-binding.md §3.2), the attribute dataref of its claim
// check extension, and extension attributes of the hub.
const (
	HeaderContentType = "content-type"
	HeaderSpecVersion = "ce_specversion"
	HeaderID          = "ce_id"         // record id, the same however often it is published
	HeaderType        = "ce_type"       // canonical type with version
	HeaderSource      = "ce_source"     // /agencies/CODE
	HeaderSubject     = "ce_subject"    // value of the identity key; absent without keys
	HeaderTime        = "ce_time"       // when the document came in
	HeaderDataSchema  = "ce_dataschema" // /schemas/canonical/TYPE.json
	HeaderDataRef     = "ce_dataref"    // where the body is, when it is too large for a message
	HeaderAction      = "ce_action"     // create, update, delete
	HeaderKeyName     = "ce_keyname"    // name of the identity key
	HeaderVersion     = "ce_version"    // the sender's time that orders versions; absent when there is none
	HeaderSeq         = "ce_seq"        // the store's number of the record
)

const (
	specVersion = "1.0"
	contentType = "application/json"
	sourceRoot  = "/agencies/"
)

// Key is the key of the message that carries r: the identity key's value, or the
// record id when r has no keys.
func Key(r *record.Record) string {
	if identity, ok := r.Identity(); ok {
		return identity.Value
	}
	return r.ID
}

// ToMessage returns the message that carries r, in the type's topic.
func ToMessage(r *record.Record) bus.Message {
	headers := make([]bus.Header, 0, 12)
	add := func(k, v string) { headers = append(headers, bus.Header{Key: k, Value: v}) }
	add(HeaderContentType, contentType)
	add(HeaderSpecVersion, specVersion)
	add(HeaderID, r.ID)
	add(HeaderType, r.Type)
	add(HeaderSource, sourceRoot+url.PathEscape(r.Agency))
	if identity, ok := r.Identity(); ok {
		add(HeaderSubject, identity.Value)
		add(HeaderKeyName, identity.Name)
	}
	add(HeaderTime, r.ReceivedAt.UTC().Format(time.RFC3339Nano))
	add(HeaderDataSchema, "/schemas/canonical/"+r.Type+".json")
	add(HeaderAction, string(r.Action))
	if !r.Version.IsZero() {
		add(HeaderVersion, r.Version.Format(time.RFC3339Nano))
	}
	add(HeaderSeq, strconv.FormatInt(r.Seq, 10))
	return bus.Message{Topic: record.Topic(r.Type), Key: Key(r), Value: r.Body, Headers: headers}
}

// byReference takes the body out of a message that is too large and says where
// it is instead.
func byReference(m *bus.Message) {
	m.Value = nil
	m.Headers = append(m.Headers, bus.Header{Key: HeaderDataRef, Value: "/v1/records/" + m.Header(HeaderID)})
}

// FromMessage undoes ToMessage. The record has the identity as its only key and
// no errors; its status is accepted. Its Body is nil when it was too large for a
// message: it is in the store then, under the record's id.
func FromMessage(m *bus.Message) (record.Record, error) {
	r := record.Record{Status: record.Accepted, Action: record.Create}
	var subject, keyName, source string
	var reference, versioned bool
	for i := range m.Headers {
		v := m.Headers[i].Value
		var err error
		switch m.Headers[i].Key {
		case HeaderSpecVersion:
			versioned = v == specVersion
		case HeaderID:
			r.ID = v
		case HeaderType:
			r.Type = v
		case HeaderSource:
			source = v
		case HeaderSubject:
			subject = v
		case HeaderKeyName:
			keyName = v
		case HeaderTime:
			r.ReceivedAt, err = time.Parse(time.RFC3339Nano, v)
		case HeaderVersion:
			r.Version, err = time.Parse(time.RFC3339Nano, v)
		case HeaderSeq:
			r.Seq, err = strconv.ParseInt(v, 10, 64)
		case HeaderAction:
			r.Action = record.Action(v)
		case HeaderDataRef:
			reference = true
		}
		if err != nil {
			return record.Record{}, fmt.Errorf("reading header %s of %s: %w", m.Headers[i].Key, place(m), err)
		}
	}
	if !versioned || r.Type == "" {
		return record.Record{}, fmt.Errorf("reading %s: not a CloudEvents %s message of a canonical type", place(m), specVersion)
	}
	var ok bool
	if r.DocumentID, r.Index, ok = record.SplitID(r.ID); !ok {
		return record.Record{}, fmt.Errorf("reading header %s of %s: not a record id", HeaderID, place(m))
	}
	agency, ok := strings.CutPrefix(source, sourceRoot)
	if ok {
		var err error
		r.Agency, err = url.PathUnescape(agency)
		ok = err == nil && r.Agency != ""
	}
	if !ok {
		return record.Record{}, fmt.Errorf("reading header %s of %s: not an agency", HeaderSource, place(m))
	}
	if keyName != "" {
		r.Keys = []record.Key{{Name: keyName, Value: subject}}
	}
	if !reference {
		r.Body = m.Value
	}
	return r, nil
}

// place names a message without what it says.
func place(m *bus.Message) string {
	return fmt.Sprintf("the message at %d of topic %s partition %d", m.Offset, m.Topic, m.Partition)
}
