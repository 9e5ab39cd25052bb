package storetest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"

	"tongqu/internal/record"
	"tongqu/internal/store"
)

// Start is when the first test document is received.
var Start = time.Date(2026, 3, 8, 3, 27, 1, 0, time.UTC)

// NewEntry makes a document of orders as customs sends them: about 2.5 kB and six
// keys an order. Equal numbers make equal orders. It panics when the system gives
// no random numbers.
func NewEntry(agency string, numbers ...int) *store.Entry {
	id, err := record.NewDocumentID()
	if err != nil {
		panic(err)
	}
	e := &store.Entry{Document: store.Document{
		ID: id, Agency: agency, Adapter: "customs_ceb", Message: "CEB311Message", Door: "http",
		ReceivedAt: Start.Add(time.Duration(numbers[0]) * time.Millisecond),
	}}
	var body bytes.Buffer
	body.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<ceb:CEB311Message guid="` + id + `" version="1.0" xmlns:ceb="http://www.chinaport.gov.cn/ceb">` + "\n")
	for i, n := range numbers {
		writeOrder(&body, n)
		e.Records = append(e.Records, newOrder(e, i+1, n))
	}
	body.WriteString("</ceb:CEB311Message>\n")
	e.Document.Body = body.Bytes()
	e.Document.Size = body.Len()
	e.Document.SHA256 = sha256.Sum256(e.Document.Body)
	return e
}

func newOrder(e *store.Entry, index, n int) record.Record {
	no := orderNo(n)
	return record.Record{
		ID: record.ID(e.Document.ID, index), DocumentID: e.Document.ID, Index: index,
		Type: "trade.order.v1", Agency: e.Document.Agency, Action: record.Create, Status: record.Accepted,
		Keys: []record.Key{
			{Name: "order", Value: "4403160Z3Y/" + no},
			{Name: "orderNo", Value: no},
			{Name: "buyerOrderNo", Value: "B" + no},
			{Name: "payTransactionId", Value: "PAY" + strconv.Itoa(n*7919)},
			{Name: "logisticsNo", Value: "SF" + strconv.Itoa(n*104729)},
		},
		Version: Start.Add(time.Duration(n) * time.Second), ReceivedAt: e.Document.ReceivedAt,
		Body: canonical(n),
	}
}

func orderNo(n int) string { return fmt.Sprintf("PT20260308%010d", n*6151) }

func writeOrder(b *bytes.Buffer, n int) {
	fmt.Fprintf(b, `  <ceb:Order>
    <ceb:OrderHead>
      <ceb:guid>%032X</ceb:guid>
      <ceb:appType>1</ceb:appType>
      <ceb:appTime>20260308112701</ceb:appTime>
      <ceb:appStatus>2</ceb:appStatus>
      <ceb:orderType>I</ceb:orderType>
      <ceb:orderNo>%s</ceb:orderNo>
      <ceb:ebpCode>4403160Z3Y</ceb:ebpCode>
      <ceb:ebpName>测试跨境电商平台有限公司</ceb:ebpName>
      <ceb:ebcCode>440316T004</ceb:ebcCode>
      <ceb:ebcName>测试国际贸易有限公司</ceb:ebcName>
      <ceb:goodsValue>%d.00</ceb:goodsValue>
      <ceb:freight>0</ceb:freight>
      <ceb:discount>0</ceb:discount>
      <ceb:taxTotal>%d.10</ceb:taxTotal>
      <ceb:acturalPaid>%d.10</ceb:acturalPaid>
      <ceb:currency>142</ceb:currency>
      <ceb:buyerRegNo>1390000%04d</ceb:buyerRegNo>
      <ceb:buyerName>测试买家%d</ceb:buyerName>
      <ceb:buyerTelephone>1390000%04d</ceb:buyerTelephone>
      <ceb:buyerIdType>1</ceb:buyerIdType>
      <ceb:buyerIdNumber>11010119900101%04d</ceb:buyerIdNumber>
      <ceb:consignee>测试收件人%d</ceb:consignee>
      <ceb:consigneeTelephone>1390000%04d</ceb:consigneeTelephone>
      <ceb:consigneeAddress>广东省深圳市南山区测试路%d号</ceb:consigneeAddress>
    </ceb:OrderHead>
`, n, orderNo(n), n%900, n%90, n%900+n%90, n%10000, n, n%10000, n%10000, n, n%10000, n%1000)
	for line := 1; line <= 2; line++ {
		fmt.Fprintf(b, `    <ceb:OrderList>
      <ceb:gnum>%d</ceb:gnum>
      <ceb:itemNo>SKU%08d</ceb:itemNo>
      <ceb:itemName>测试婴幼儿配方奶粉 %d 段</ceb:itemName>
      <ceb:gmodel>900g/罐</ceb:gmodel>
      <ceb:barCode>69%011d</ceb:barCode>
      <ceb:unit>122</ceb:unit>
      <ceb:qty>%d</ceb:qty>
      <ceb:price>%d</ceb:price>
      <ceb:totalPrice>%d</ceb:totalPrice>
      <ceb:currency>142</ceb:currency>
      <ceb:country>601</ceb:country>
    </ceb:OrderList>
`, line, n*31+line, n%4, n*17, n%5+1, n%300, (n%5+1)*(n%300))
	}
	b.WriteString("  </ceb:Order>\n")
}

func canonical(n int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"orderNo":"%s","direction":"import","action":"create","sentAt":"2026-03-08T11:27:01+08:00",`+
		`"platform":{"code":"4403160Z3Y","name":"测试跨境电商平台有限公司"},"seller":{"code":"440316T004","name":"测试国际贸易有限公司"},`+
		`"amounts":{"goods":"%d.00","freight":"0","discount":"0","tax":"%d.10","paid":"%d.10","currency":"CNY"},`+
		`"buyer":{"regNo":"1390000%04d","name":"测试买家%d","phone":"1390000%04d","idType":"1","idNumber":"11010119900101%04d"},`+
		`"consignee":{"name":"测试收件人%d","phone":"1390000%04d","address":"广东省深圳市南山区测试路%d号"},"items":[`,
		orderNo(n), n%900, n%90, n%900+n%90, n%10000, n, n%10000, n%10000, n, n%10000, n%1000)
	for line := 1; line <= 2; line++ {
		if line > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"lineNo":%d,"itemNo":"SKU%08d","name":"测试婴幼儿配方奶粉 %d 段","model":"900g/罐","barCode":"69%011d",`+
			`"unit":"122","qty":"%d","price":"%d","total":"%d","currency":"CNY","origin":"AUS"}`,
			line, n*31+line, n%4, n*17, n%5+1, n%300, (n%5+1)*(n%300))
	}
	b.WriteString(`]}`)
	return b.Bytes()
}
