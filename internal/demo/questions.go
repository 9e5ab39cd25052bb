package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"tongqu/internal/client"
	"tongqu/internal/directory"
	"tongqu/internal/query"
	"tongqu/internal/table"
)

// questions are what the platform asks the police about: invented people, the last
// of them with a number whose check digit is wrong.
var questions = []struct{ name, number string }{
	{"张示例", "11010519491231002X"},
	{"李示例", "44010619900307001X"},
	{"王示例", "110105194912310021"},
}

// printQuestions asks the simulated police and prints what comes back, masked.
func (d *Demo) printQuestions(ctx context.Context) error {
	asked := query.Request{Purpose: "订购人身份核验"}
	for _, q := range questions {
		body, err := json.Marshal(map[string]string{"name": q.name, "idNumber": q.number, "place": "440106"})
		if err != nil {
			return fmt.Errorf("writing a question: %w", err)
		}
		asked.Requests = append(asked.Requests, body)
	}
	hub := client.New("http://"+d.hub.Addr(), "tongqu-demo-platform")
	defer hub.Close()
	var answers query.Answers
	if err := hub.Post(ctx, "/v1/queries/305001-000001", asked, &answers); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	if _, err := fmt.Fprint(d.out, "\nThe platform asks the police about three buyers (POST /v1/queries/305001-000001, SOAP behind it); each question is recorded:\n\n"); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	tb := table.New("BUYER", "STATUS", "OUTCOME", "ANSWERED BY")
	for i, a := range answers.Answers {
		tb.Add(directory.MaskID(questions[i].number), string(a.Status), a.Outcome, string(a.Source))
		for _, f := range a.Errors {
			tb.Note(strings.TrimPrefix(f.Path, "/") + ": " + f.ZH + " | " + f.EN)
		}
	}
	return tb.Print(d.out)
}
