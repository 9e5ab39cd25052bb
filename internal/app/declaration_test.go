package app_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const brokerToken = "broker-test-token"

const brokerAgency = `code: broker
title: {zh: 测试报关行, en: Test broker}
kind: declarant
tokens: [{id: t, sha256: %s}]
provides: ["301001/000001"]
files: {folder: agencies/broker}
`

// startBroker is startHub with a broker besides, that provides declarations of goods.
func startBroker(t *testing.T) *hub {
	t.Helper()
	data := t.TempDir()
	folder := filepath.Join(data, "override", "config", "agencies")
	require.NoError(t, os.MkdirAll(folder, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "broker.yaml"), fmt.Appendf(nil, brokerAgency, hash(brokerToken)), 0o600))
	return startHub(t, data, nil)
}

// declarationXML is a declaration that is to be stored; it has no number of the
// single window so far.
func declarationXML(clientSeqNo string) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<DecMessage Version="4.8" xmlns="http://www.chinaport.gov.cn/dec">
<DecHead><IEFlag>I</IEFlag><AgentCode>4401980011</AgentCode><AgentName>通衢测试报关有限公司</AgentName><CustomMaster>5141</CustomMaster>
<CopName>通衢测试报关有限公司</CopName><CopCode>100000011</CopCode><TypistNo>8900000000011</TypistNo><InputerName>测试员甲</InputerName>
<DeclTrnRel>0</DeclTrnRel><PromiseItmes>99999</PromiseItmes><TradeAreaCode>USA</TradeAreaCode><DeclareName>测试员乙</DeclareName></DecHead>
<DecLists><DecList><CodeTS>8471300000</CodeTS><GNo>1</GNo><DestinationCountry>CHN</DestinationCountry></DecList></DecLists>
<DecSign><OperType>G</OperType><ClientSeqNo>%s</ClientSeqNo></DecSign>
</DecMessage>`, clientSeqNo)
}

// TestReceiptsOfDeclarations: a declaration is sent before it has a number of the
// single window. The answer of the single window names both numbers, those of
// customs only the later one; all are found together, in whatever order they come.
func TestReceiptsOfDeclarations(t *testing.T) {
	h := startBroker(t)
	result := func(seqNo, entry, channel, second string) answer {
		return h.send(t, customsToken, fmt.Appendf(nil, `<DEC_RESULT><CUS_CIQ_NO>%s</CUS_CIQ_NO><ENTRY_ID>%s</ENTRY_ID>`+
			`<NOTICE_DATE>2026-03-09T10:10:%s</NOTICE_DATE><CHANNEL>%s</CHANNEL><NOTE>测试</NOTE></DEC_RESULT>`, seqNo, entry, second, channel))
	}
	response := func(clientSeqNo, seqNo string) answer {
		return h.send(t, customsToken, fmt.Appendf(nil, `<DecImportResponse xmlns="http://www.chinaport.gov.cn/dec"><ResponseCode>0</ResponseCode>`+
			`<ErrorMessage>暂存成功</ErrorMessage><ClientSeqNo>%s</ClientSeqNo><SeqNo>%s</SeqNo></DecImportResponse>`, clientSeqNo, seqNo))
	}
	id := func(a answer) string {
		require.Equal(t, 202, a.status, string(a.body))
		return a.Records[0].RecordID
	}
	early := result("I20260000000000001", "", "7", "01")
	require.Equal(t, []string{"ANSWERS_NOTHING"}, early.codes(), "nobody has told whose number it is")
	declared := id(h.send(t, brokerToken, declarationXML("BROKER-1")))
	other := id(h.send(t, brokerToken, declarationXML("BROKER-2")))
	stored := response("BROKER-1", "I20260000000000001")
	require.Empty(t, stored.codes())
	released := result("I20260000000000001", "514120261000000001", "P", "02")
	require.Empty(t, released.codes())
	foreign := result("I20260000000000002", "", "7", "03")
	require.Equal(t, []string{"ANSWERS_NOTHING"}, foreign.codes())

	var answered shown
	require.Equal(t, 200, h.get(t, "/v1/records/"+declared, &answered))
	require.Equal(t, []string{id(released), id(stored), id(early)}, answered.AnsweredBy)
	for _, receipt := range []answer{early, stored, released} {
		var r shown
		require.Equal(t, 200, h.get(t, "/v1/records/"+id(receipt), &r))
		require.Equal(t, []string{declared}, r.Answers)
	}
	var unanswered shown
	require.Equal(t, 200, h.get(t, "/v1/records/"+other, &unanswered))
	require.Empty(t, unanswered.AnsweredBy)
}

// TestDeclarationIsAnswered: whoever asks for the agency's own receipt gets the
// answer of the single window.
func TestDeclarationIsAnswered(t *testing.T) {
	h := startBroker(t)
	require.Equal(t, `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<DecImportResponse xmlns="http://www.chinaport.gov.cn/dec">
  <ResponseCode>0</ResponseCode>
  <ErrorMessage>接收成功[BROKER-3]</ErrorMessage>
  <ClientSeqNo>BROKER-3</ClientSeqNo>
</DecImportResponse>
`, string(h.send(t, brokerToken, declarationXML("BROKER-3"), "Accept", "application/xml").body))
	bad := bytes.Replace(declarationXML("BROKER-4"), []byte("<IEFlag>I</IEFlag>"), nil, 1)
	answer := string(h.send(t, brokerToken, bad, "Accept", "application/xml").body)
	require.Contains(t, answer, "<ResponseCode>-1</ResponseCode>")
	require.Contains(t, answer, "缺少必填项 IEFlag[/DecMessage/DecHead/IEFlag 第3行第10列]")
	require.Contains(t, answer, "<ClientSeqNo>BROKER-4</ClientSeqNo>")
}
