package faults

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/record"
	"tongqu/internal/simulate"
	"tongqu/internal/wire"
)

// Document is one version of one order, as customs' order message CEB311. Number
// and version are by what it is accounted for.
type Document struct {
	Number  string
	Version int
	Body    []byte
}

// Name tells the document from all others.
func (d *Document) Name() string { return name(d.Number, d.Version) }

func name(number string, version int) string { return fmt.Sprintf("%s/%d", number, version) }

// firstVersion is the sender's time of version 0; that of each next one is a second later.
var firstVersion = time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("UTC+8", 8*60*60))

// versionOf undoes what Orders does to the sender's time.
func versionOf(at time.Time) int { return int(at.Sub(firstVersion) / time.Second) }

// nameOf returns the name of the document that a record came from.
func nameOf(r *record.Record) string {
	for _, k := range r.Keys {
		if k.Name == "orderNo" {
			return name(k.Value, versionOf(r.Version))
		}
	}
	return ""
}

// Orders makes documents, all of them the same but for number and version.
type Orders struct {
	body         []byte
	number, time []byte // what stands in body for them
}

const customsTime = "20060102150405"

// NewOrders prepares the making of documents.
func NewOrders(tb testing.TB) *Orders {
	tb.Helper()
	registry, err := adapter.Load(tongqu.Files, wire.NewDefaultLimits())
	require.NoError(tb, err)
	p := simulate.New(7, "K").Purchase(firstVersion)
	p.Order["sentAt"] = firstVersion.Format(time.RFC3339)
	doc, err := registry.Encode("customs_ceb/CEB311Message", [][]byte{simulate.JSON(p.Order)}, adapter.Transfer{})
	require.NoError(tb, err)
	o := &Orders{body: doc.Body, number: []byte(p.OrderNo), time: []byte(firstVersion.Format(customsTime))}
	require.Contains(tb, string(o.body), string(o.number))
	require.Contains(tb, string(o.body), string(o.time))
	return o
}

// Order returns a version of the order of that number.
func (o *Orders) Order(number string, version int) Document {
	body := bytes.ReplaceAll(o.body, o.number, []byte(number))
	at := firstVersion.Add(time.Duration(version) * time.Second)
	return Document{number, version, bytes.ReplaceAll(body, o.time, []byte(at.Format(customsTime)))}
}

// Refused returns an order that the hub rejects: it has no such currency.
func (o *Orders) Refused(number string) Document {
	d := o.Order(number, 0)
	d.Body = bytes.Replace(d.Body, []byte("<ceb:currency>142<"), []byte("<ceb:currency>zzz<"), 1)
	return d
}
