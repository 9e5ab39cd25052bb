// Package demo is the small day of documents that `tongqu serve --demo` pushes
// through the doors of the hub: real formats, some bad on purpose.
package demo

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"tongqu/internal/adapter"
	"tongqu/internal/simulate"
)

// step is one document of the day.
type step struct {
	what   string // for the table: what is special about it
	agency string
	file   string // file name for the file door; empty goes over HTTP
	accept string // what the sender wants as receipt
	body   []byte
	// last are the states after which a simulated agency has no more to say of it; none when nobody answers.
	last []string
}

// writer encodes canonical records into the agencies' formats; the first error stays.
type writer struct {
	registry *adapter.Registry
	err      error
}

func (w *writer) xml(message string, records ...map[string]any) []byte {
	doc, err := w.registry.Encode(message, simulate.Together(records...), adapter.Transfer{})
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("writing %s: %w", message, err)
	}
	return doc.Body
}

// day writes the documents of a day; run keeps the numbers of two days apart.
func day(registry *adapter.Registry, now time.Time, run string) ([]step, error) {
	g := simulate.New(uint64(now.UnixNano()), run)
	w := &writer{registry: registry}
	var purchases []simulate.Purchase
	for i := range 6 {
		p := g.Purchase(now.Add(time.Duration(i-600) * time.Second))
		purchases = append(purchases, p)
	}
	first := purchases[0]
	orders := w.xml("customs_ceb/CEB311Message", first.Order, purchases[1].Order, purchases[2].Order)
	payment := w.xml("customs_ceb/CEB411Message", first.Payment)
	waybill := w.xml("customs_ceb/CEB511Message", first.Waybill)
	inventory := w.xml("customs_ceb/CEB621Message", first.Inventory)
	single := w.xml("customs_ceb/CEB311Message", purchases[3].Order)
	enveloped := w.xml("customs_ceb/CEB311Message", purchases[4].Order)
	wrongSum := w.xml("customs_ceb/CEB311Message", purchases[5].Order)

	var ten []map[string]any
	for range 10 {
		ten = append(ten, g.Purchase(now).Order)
	}
	threeBad := w.xml("customs_ceb/CEB311Message", ten...)
	threeBad = nth(threeBad, "<ceb:buyerName>", 2, "<ceb:buyerName></ceb:buyerName><!--", "</ceb:buyerName>", "-->")
	threeBad = nth(threeBad, "<ceb:goodsValue>", 5, "<ceb:goodsValue>一百</ceb:goodsValue><!--", "</ceb:goodsValue>", "-->")
	threeBad = nth(threeBad, "<ceb:appTime>", 9, "<ceb:appTime>20260230250000</ceb:appTime><!--", "</ceb:appTime>", "-->")

	correction := maps.Clone(first.Order)
	correction["action"], correction["sentAt"], correction["remark"] = "update", now.Format(time.RFC3339), "收货人要求改期"
	gbk, err := simplifiedchinese.GBK.NewEncoder().Bytes(bytes.Replace(w.xml("customs_ceb/CEB411Message", purchases[1].Payment), []byte("UTF-8"), []byte("GBK"), 1))
	if err != nil {
		return nil, fmt.Errorf("writing GBK: %w", err)
	}
	if w.err != nil {
		return nil, w.err
	}
	nd := append(append(append(append([]byte(`{"type":"trade.order.v1","record":`), simulate.JSON(g.Purchase(now).Order)...), "}\n"+`{"type":"trade.order.v1","record":`...), simulate.JSON(g.Purchase(now).Order)...), "}\n"...)

	declaration := w.xml("customs_qp/DecMessage", g.Declaration(now))
	refund := w.xml("tax_refund/TSSB", g.Refund(now, "514120260"+fmt.Sprintf("%09d", now.UnixMilli()%1e9)))
	inspection := w.xml("ciq_eciq/EEntDeclIo", g.Inspection(now))

	steps := []step{
		{what: "three orders in one document", agency: "demo-platform", body: orders},
		{what: "a payment; receipt wanted as XML", agency: "demo-payment", accept: "application/xml", body: payment},
		{what: "a payment in GBK", agency: "demo-payment", body: gbk},
		{what: "a payment: says GBK, is UTF-8", agency: "demo-payment", body: bytes.Replace(w.xml("customs_ceb/CEB411Message", purchases[2].Payment), []byte("UTF-8"), []byte("GBK"), 1)},
		{what: "a waybill as a file, with BOM", agency: "demo-logistics", file: "waybill-" + run + ".xml", body: append([]byte("\xef\xbb\xbf"), waybill...)},
		{what: "a signed inventory as a file", agency: "demo-broker", file: "inventory-" + run + ".xml", body: inventory},
		{what: "an order in a base64 envelope", agency: "demo-platform", body: envelope(enveloped, run, now)},
		{what: "two orders as NDJSON", agency: "demo-platform", body: nd},
		{what: "customs answers the inventory", agency: "demo-customs", body: receipt(first, run, now)},
		{what: "sums do not agree: flagged only", agency: "demo-platform", body: bytes.Replace(wrongSum, []byte("<ceb:freight>"), []byte("<ceb:freight>1"), 1)},
		{what: "10 orders, 3 of them bad", agency: "demo-platform", accept: "application/xml", body: threeBad},
		{what: "the first document once more", agency: "demo-platform", body: orders},
		{what: "a correction of its first order", agency: "demo-platform", body: w.xml("customs_ceb/CEB311Message", correction)},
		{what: "cut off in the middle", agency: "demo-platform", body: single[:len(single)*2/3]},
		{what: "with a DOCTYPE", agency: "demo-platform", body: bytes.Replace(single, []byte("?>"), []byte("?><!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>"), 1)},
		{what: "a format nobody knows", agency: "demo-platform", file: "unknown-" + run + ".xml", body: []byte("<?xml version=\"1.0\"?>\n<Invoice xmlns=\"urn:example:invoice\"><No>1</No></Invoice>\n")},
		{what: "an order from one with no right", agency: "demo-payment", body: single},
		{what: "goods declared under 1039", agency: "demo-broker", accept: "application/xml", body: declaration, last: []string{"closed", "rejected"}},
		{what: "exports declared for inspection", agency: "demo-broker", body: inspection, last: []string{"processed", "refused"}},
		{what: "a claim for export tax refund", agency: "demo-broker", body: refund, last: []string{"paid", "suspended", "refused", "rejected"}},
	}
	return steps, w.err
}

// nth replaces the nth opening tag, and the closing one after it.
func nth(doc []byte, open string, n int, by, end, endBy string) []byte {
	at := -1
	for range n {
		next := bytes.Index(doc[at+1:], []byte(open))
		if next < 0 {
			return doc
		}
		at += 1 + next
	}
	out := append([]byte{}, doc[:at]...)
	out = append(out, by...)
	rest := bytes.Replace(doc[at+len(open):], []byte(end), []byte(endBy), 1)
	return append(out, rest...)
}

// envelope puts a document into a DxpMsg, as terminals of the electronic port do.
func envelope(doc []byte, run string, now time.Time) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<dxp:DxpMsg xmlns:dxp="http://www.chinaport.gov.cn/dxp" ver="1.0">
  <dxp:TransInfo>
    <dxp:CopMsgId>DEMO-%s</dxp:CopMsgId>
    <dxp:SenderId>DXPENT0000000001</dxp:SenderId>
    <dxp:ReceiverIds><dxp:ReceiverId>DXPEDCCEB0000002</dxp:ReceiverId></dxp:ReceiverIds>
    <dxp:CreatTime>%s</dxp:CreatTime>
    <dxp:MsgType>CEB311Message</dxp:MsgType>
  </dxp:TransInfo>
  <dxp:Data>%s</dxp:Data>
</dxp:DxpMsg>
`, run, now.Format(time.RFC3339), base64.StdEncoding.EncodeToString(doc))
}

// receipt is what customs says of an inventory: released (returnStatus 800).
func receipt(p simulate.Purchase, run string, now time.Time) []byte {
	guid, _ := p.Inventory["guid"].(string)
	copNo, _ := p.Inventory["copNo"].(string)
	stamp := strings.Replace(now.Format("20060102150405.000"), ".", "", 1)
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<CEB622Message xmlns="http://www.chinaport.gov.cn/ceb" guid="%s" version="1.0">
    <InventoryReturn>
        <guid>%s</guid>
        <customsCode>5165</customsCode>
        <ebpCode>4401T0P001</ebpCode>
        <ebcCode>4401T0S002</ebcCode>
        <agentCode>4401T0D005</agentCode>
        <copNo>%s</copNo>
        <preNo>B%s%09s</preNo>
        <invtNo>5165%sI%09s</invtNo>
        <returnStatus>800</returnStatus>
        <returnTime>%s</returnTime>
        <returnInfo>[Code:2600;Desc:放行]</returnInfo>
    </InventoryReturn>
</CEB622Message>
`, guid, guid, copNo, now.Format("20060102"), run, now.Format("2006"), run, stamp)
}
