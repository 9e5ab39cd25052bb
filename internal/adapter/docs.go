package adapter

import (
	"errors"
	"fmt"
	"strings"
)

const (
	docsBegin = "<!-- docs:begin fields -->"
	docsEnd   = "<!-- docs:end fields -->"
)

// Docs writes the adapter's field tables in Markdown: for each message every
// wire path with its Chinese name, type and the canonical path it goes to.
func (a *Adapter) Docs() string {
	var b strings.Builder
	for _, m := range a.messages {
		if m.Table == nil {
			continue
		}
		fmt.Fprintf(&b, "### %s %s (%s) ⇄ `%s`\n\n", m.Name, m.Title.ZH, m.Title.EN, m.Table.Canonical())
		b.WriteString("| wire path | 名称 | type | required | canonical path | as |\n|---|---|---|---|---|---|\n")
		for _, f := range m.Table.Fields() {
			required := ""
			if f.Required {
				required = "yes"
			}
			canonical := f.Canonical
			if canonical != "" {
				canonical = "`" + canonical + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", f.WirePath, cell(f.Title), cell(f.Type), required, canonical, cell(f.Codec))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func cell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "|", "\\|"), "\n", " ")
}

// InsertDocs puts docs between the markers of a README. A README without
// markers has no generated part; then docs must be empty.
func InsertDocs(readme, docs string) (string, error) {
	before, rest, begun := strings.Cut(readme, docsBegin)
	_, after, ended := strings.Cut(rest, docsEnd)
	if !begun || !ended {
		if docs == "" {
			return readme, nil
		}
		return "", errors.New("the markers " + docsBegin + " and " + docsEnd + " are missing")
	}
	return before + docsBegin + "\n\n" + docs + docsEnd + after, nil
}
