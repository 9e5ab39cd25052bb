package app_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tongqu/internal/app"
)

const deploy = "../../deploy/"

// TestDeployedConfigurations loads the hub's configurations of deploy/, with the
// secrets that they name.
func TestDeployedConfigurations(t *testing.T) {
	secrets := t.TempDir()
	for _, name := range []string{"postgres_password", "kafka_password"} {
		require.NoError(t, os.WriteFile(filepath.Join(secrets, name), []byte("s3cret\n"), 0o600))
	}
	t.Setenv("HOSTNAME", "hub-1")
	for file, several := range map[string]bool{
		"tongqu.yaml": false, "kubernetes/one/tongqu.yaml": false, "tongqu.cluster.yaml": true, "kubernetes/several/tongqu.yaml": true,
	} {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(deploy + file)
			require.NoError(t, err)
			mounted := regexp.MustCompile(`\$\{file:/run/secrets/(tongqu/)?`).ReplaceAllString(string(text), "${file:"+secrets+"/")
			path := filepath.Join(t.TempDir(), "tongqu.yaml")
			require.NoError(t, os.WriteFile(path, []byte(mounted), 0o600)) //nolint:gosec // a file of the repository, into the test's folder
			c, err := app.LoadConfig(path)
			require.NoError(t, err)
			require.Equal(t, "0.0.0.0:8080", c.Listen)
			require.Equal(t, "/var/lib/tongqu", c.Data)
			require.Equal(t, several, c.Store.URL != "")
			require.Equal(t, several, len(c.Kafka.Brokers) == 3)
			require.Equal(t, several, strings.HasPrefix(string(c.Store.URL), "postgres://tongqu:s3cret@postgres:5432/"))
		})
	}
}

// onlyPostgres are the metrics that a hub on SQLite does not have.
var onlyPostgres = []string{"tongqu_store_connections", "tongqu_store_months"}

// TestMonitoringNamesWhatThereIs finds every metric and label that the alerts and the
// dashboard ask for on a hub that has seen some of everything.
func TestMonitoringNamesWhatThereIs(t *testing.T) {
	h := startHub(t, t.TempDir(), nil)
	good := orderXML("MON", 2, nil)
	h.send(t, platformToken, good)
	h.send(t, platformToken, orderXML("BAD", 1, replace("<ceb:currency>142", "<ceb:currency>1")))
	h.send(t, "wrong", good)
	h.settle(t)
	page := h.do(t, http.MethodGet, "/metrics", "", nil)
	require.Equal(t, 200, page.status)
	exported := string(page.body)

	asked := 0
	for where, expression := range expressions(t) {
		for _, m := range regexp.MustCompile(`\b(tongqu_[a-z_]+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(expression, -1) {
			name, selector := m[1], m[2]
			asked++
			family := strings.TrimSuffix(name, "_bucket")
			if !slices.Contains(onlyPostgres, name) {
				require.Regexp(t, `(?m)^# TYPE `+family+` `, exported, "%s asks for %s, which no hub has", where, name)
			}
			for _, label := range regexp.MustCompile(`([a-z]+)=~?"`).FindAllStringSubmatch(selector, -1) {
				require.Regexp(t, `(?m)^`+name+`\{[^}]*\b`+label[1]+`="`, exported, "%s asks for the label %s of %s", where, label[1], name)
			}
		}
		for _, by := range regexp.MustCompile(`by \(([a-z, ]+)\) \((?:\w+\()?(tongqu_[a-z_]+)`).FindAllStringSubmatch(expression, -1) {
			for label := range strings.SplitSeq(by[1], ", ") {
				if label != "instance" { // Prometheus adds it
					require.Regexp(t, `(?m)^`+by[2]+`\{[^}]*\b`+label+`="`, exported, "%s groups %s by %s", where, by[2], label)
				}
			}
		}
	}
	require.Greater(t, asked, 50)
}

// expressions are the queries of alerts and dashboard, by where they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, r := range alerts(t) {
		all["alert "+r.Alert] = r.Expr
	}
	text, err := os.ReadFile(deploy + "grafana/tongqu.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ RefID, Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all["panel "+p.Title+" "+target.RefID] = target.Expr
		}
	}
	for _, v := range dashboard.Templating.List {
		all["variable "+v.Name] = v.Definition
	}
	return all
}

// alert is one rule.
type alert struct {
	Alert, Expr string
	Labels      struct{ Severity string }
	Annotations struct{ Summary, Runbook string }
}

func alerts(t *testing.T) []alert {
	t.Helper()
	text, err := os.ReadFile(deploy + "prometheus/tongqu.rules.yml")
	require.NoError(t, err)
	var file struct{ Groups []struct{ Rules []alert } }
	require.NoError(t, yaml.Unmarshal(text, &file))
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

// TestEveryAlertHasARunbookEntry finds the run-book's heading of each alert, and no
// heading of an alert that there is not.
func TestEveryAlertHasARunbookEntry(t *testing.T) {
	text, err := os.ReadFile("../../docs/runbook.md")
	require.NoError(t, err)
	var want []string
	for _, r := range alerts(t) {
		require.Equal(t, "docs/runbook.md#"+strings.ToLower(r.Alert), r.Annotations.Runbook, r.Alert)
		require.Contains(t, []string{"critical", "warning"}, r.Labels.Severity, r.Alert)
		require.Contains(t, r.Annotations.Summary, " · ", "%s says it in both languages", r.Alert)
		want = append(want, r.Alert)
	}
	var have []string
	for _, m := range regexp.MustCompile(`(?m)^### (Tongqu\w+)$`).FindAllStringSubmatch(string(text), -1) {
		have = append(have, m[1])
	}
	require.ElementsMatch(t, want, have)
}
