package app_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const receiptTemplate = `<?xml version="1.0" encoding="UTF-8"?>
<CEB312Message guid="33333333-3333-4333-8333-333333333333" version="1.0" xmlns="http://www.chinaport.gov.cn/ceb">
<OrderReturn>
<guid>22222222-2222-4222-8222-222222222222</guid>
<ebpCode>%s</ebpCode>
<ebcCode>4401T0S002</ebcCode>
<orderNo>%s</orderNo>
<returnStatus>%d</returnStatus>
<returnTime>20260308112703%03[3]d</returnTime>
<returnInfo>新增申报成功</returnInfo>
</OrderReturn>
</CEB312Message>
`

func receiptXML(platform, orderNo string, status int) []byte {
	return fmt.Appendf(nil, receiptTemplate, platform, orderNo, status)
}

// shown is what the API shows of one record.
type shown struct {
	RecordID            string
	Answers, AnsweredBy []string
}

// TestReceiptsFindWhatTheyAnswer sends receipts before, after and without the
// order they answer: all are kept, what answers nothing is flagged, and the two
// are found together once both are there.
func TestReceiptsFindWhatTheyAnswer(t *testing.T) {
	h := startHub(t, t.TempDir(), nil)
	early := h.send(t, customsToken, receiptXML("4401T0P001", "ANSWER-1", 2))
	require.Equal(t, 202, early.status, string(early.body))
	require.Equal(t, []string{"ANSWERS_NOTHING"}, early.codes())
	require.Equal(t, "flag", early.Records[0].Errors[0].Severity)
	require.Equal(t, 3, early.Records[0].Errors[0].Line)
	var receipt shown
	require.Equal(t, 200, h.get(t, "/v1/records/"+early.Records[0].RecordID, &receipt))
	require.Empty(t, receipt.Answers)

	order := h.send(t, platformToken, orderXML("ANSWER", 1, nil))
	require.Equal(t, 202, order.status)
	late := h.send(t, customsToken, receiptXML("4401T0P001", "ANSWER-1", 120))
	require.Empty(t, late.codes())
	elsewhere := h.send(t, customsToken, receiptXML("4401T0P009", "ANSWER-1", 120))
	require.Equal(t, []string{"ANSWERS_NOTHING"}, elsewhere.codes(), "the order number of another platform")

	require.Equal(t, 200, h.get(t, "/v1/records/"+early.Records[0].RecordID, &receipt))
	require.Equal(t, []string{order.Records[0].RecordID}, receipt.Answers)
	var answered shown
	require.Equal(t, 200, h.get(t, "/v1/records/"+order.Records[0].RecordID, &answered))
	require.Equal(t, []string{late.Records[0].RecordID, early.Records[0].RecordID}, answered.AnsweredBy)
	require.Empty(t, answered.Answers)
}
