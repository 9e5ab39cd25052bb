package conf_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tongqu/internal/conf"
)

type inner struct {
	Code string        `yaml:"code"`
	Wait time.Duration `yaml:"wait"`
}

type outer struct {
	Name  string            `yaml:"name"`
	Port  int               `yaml:"port"`
	Items []inner           `yaml:"items"`
	Texts map[string]string `yaml:"texts"`
}

func TestDecodeKeepsCodes(t *testing.T) {
	var o outer
	require.NoError(t, conf.Decode("a.yaml", []byte("name: 0101210000\nport: 8\nitems: [{code: 035, wait: 5s}]\ntexts: {0101: 0800}\n"), &o))
	require.Equal(t, outer{
		Name: "0101210000", Port: 8, Items: []inner{{"035", 5 * time.Second}}, Texts: map[string]string{"0101": "0800"},
	}, o)
}

func TestDecodeFindsAllProblems(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"empty is fine", "", nil},
		{"unknown key", "namme: x\n", []string{`a.yaml:1:1: unknown key "namme"; did you mean "name"?`}},
		{"far off", "zzzzzz: x\n", []string{`a.yaml:1:1: unknown key "zzzzzz"; valid are items, name, port, texts`}},
		{"duplicate and wrong type", "name: a\nname: b\nport: many\n", []string{
			`a.yaml:2:1: key "name" stands twice (first on line 1)`,
			"a.yaml:3:7: cannot unmarshal !!str `many` into int",
		}},
		{"deep", "items:\n  - code: x\n    wiat: 5s\n  - wait: 5 apples\n", []string{
			`a.yaml:3:5: unknown key "wiat"; did you mean "wait"?`,
			"a.yaml:4:11: cannot unmarshal !!str `5 apples` into time.Duration",
		}},
		{"not a list", "items: 5\n", []string{"a.yaml:1:8: must be a list"}},
		{"broken", "name: [\n", []string{"a.yaml:1:1: did not find expected node content"}},
		{"two documents", "name: a\n---\nname: b\n", []string{"a.yaml:2:1: more than one YAML document"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o outer
			err := conf.Decode("a.yaml", []byte(c.in), &o)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			var ps conf.Problems
			require.ErrorAs(t, err, &ps)
			got := make([]string, len(ps))
			for i, p := range ps {
				got[i] = p.String()
			}
			require.Equal(t, c.want, got)
		})
	}
}
