package simulate

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"

	"tongqu/internal/backoff"
)

// PoliceLicence is what the simulated police take for a licence.
const PoliceLicence = "simulated-licence"

// policeLimit is how many persons one call may ask for.
const policeLimit = 50

// Police is a simulated identity check of the national population platform: it takes
// nciicCheck over SOAP 1.1 and answers by the number alone. What the 17th digit says
// (the 15th of old numbers): 0 to 5 match, 6 and 7 another name, 8 not there, 9 an
// error. A wrong licence, too many persons and what cannot be read fail the whole
// call, as the specification has it.
type Police struct {
	Mood Mood
	// Calls counts the calls, if it is there.
	Calls func(persons int)
}

// policeCall is a question in SOAP.
type policeCall struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Check   *struct {
		XMLName    xml.Name
		License    string `xml:"inLicense"`
		Conditions string `xml:"inConditions"`
	} `xml:"Body>nciicCheck"`
}

type policeRows struct {
	XMLName xml.Name `xml:"ROWS"`
	Unit    string   `xml:"INFO>SBM"`
	Rows    []struct {
		Place    string `xml:"FSD,attr"`
		Business string `xml:"YWLX,attr"`
		Number   string `xml:"GMSFHM"`
		Name     string `xml:"XM"`
	} `xml:"ROW"`
}

// ServeHTTP answers one call.
func (p *Police) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.Mood.Down {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	if backoff.Wait(r.Context(), p.Mood.Slow) != nil {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDelivery))
	var call policeCall
	if err != nil || xml.Unmarshal(body, &call) != nil || call.Check == nil {
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><soap:Fault>`+
			`<faultcode>soap:Client</faultcode><faultstring>Invalid SOAP message</faultstring></soap:Fault></soap:Body></soap:Envelope>`)
		return
	}
	out := p.check(call.Check.License, call.Check.Conditions)
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(out)) // a builder takes all
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>`+
		`<ns1:nciicCheckResponse xmlns:ns1=%q><ns1:out>%s</ns1:out></ns1:nciicCheckResponse></soap:Body></soap:Envelope>`, call.Check.XMLName.Space, escaped.String())
}

// check is the service behind the call.
func (p *Police) check(licence, conditions string) string {
	var q policeRows
	switch err := xml.Unmarshal([]byte(conditions), &q); {
	case licence != PoliceLicence:
		return policeFailure("-71", "用户密码错误")
	case err != nil:
		return policeFailure("-42", "条件XML文件解析异常")
	case q.Unit == "" || len(q.Rows) < 2 || q.Rows[0].Number != "公民身份号码" || q.Rows[0].Name != "姓名":
		return policeFailure("-52", "条件中节点与服务定义不一致")
	case len(q.Rows)-1 > policeLimit:
		return policeFailure("-54", "提交的记录超过限制")
	}
	if p.Calls != nil {
		p.Calls(len(q.Rows) - 1)
	}
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><ROWS>`)
	for i, row := range q.Rows[1:] {
		fmt.Fprintf(&b, `<ROW no="%d"><INPUT><gmsfhm>%s</gmsfhm><xm>%s</xm></INPUT><OUTPUT>%s</OUTPUT></ROW>`, i+1, xmlText(row.Number), xmlText(row.Name),
			policeItems(row.Number, row.Name, row.Place, row.Business))
	}
	b.WriteString(`</ROWS>`)
	return b.String()
}

// policeItems are the results of one person.
func policeItems(number, name, place, business string) string {
	none := func(reason, field string) string {
		return "<ITEM><errormesage>" + reason + "</errormesage></ITEM><ITEM><errormesagecol>" + field + "</errormesagecol></ITEM>"
	}
	digit := byte('9')
	switch len(number) {
	case 18:
		digit = number[16]
	case 15:
		digit = number[14]
	}
	switch {
	case name == "":
		return none("必录项缺失", "姓名")
	case place == "":
		return none("业务发生地属性缺失", "")
	case business == "":
		return none("业务类型属性缺失", "")
	case digit == '9':
		return none("服务结果:数据异常，请稍后再试", "")
	case digit == '8':
		return none("服务结果:库中无此号，请到户籍所在地进行核实", "")
	}
	result := "一致"
	if digit >= '6' {
		result = "不一致"
	}
	return "<ITEM><gmsfhm></gmsfhm><result_gmsfhm>一致</result_gmsfhm></ITEM><ITEM><xm></xm><result_xm>" + result + "</result_xm></ITEM>"
}

func policeFailure(code, text string) string {
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8" ?><RESPONSE errorcode="%[1]s" code="0" countrows="1"><ROWS><ROW><ErrorCode>%[1]s</ErrorCode><ErrorMsg>%[2]s</ErrorMsg></ROW></ROWS></RESPONSE>`, code, text)
}

func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a builder takes all
	return b.String()
}
