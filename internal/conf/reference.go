package conf

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

var reference = regexp.MustCompile(`\$\{(env|file):([^}]*)\}`)

// Expand replaces ${env:NAME} and ${file:PATH} in every scalar below n.
func Expand(file string, n *yaml.Node) Problems {
	var problems Problems
	if n.Kind == yaml.ScalarNode {
		n.Value = reference.ReplaceAllStringFunc(n.Value, func(ref string) string {
			m := reference.FindStringSubmatch(ref)
			value, err := lookUp(m[1], m[2])
			if err != nil {
				problems = append(problems, Problem{File: file, Line: n.Line, Column: n.Column, Message: err.Error()})
			}
			return value
		})
	}
	for _, c := range n.Content {
		problems = append(problems, Expand(file, c)...)
	}
	return problems
}

// lookUp reads an environment variable, or a file without its last line break.
func lookUp(source, name string) (string, error) {
	if source == "env" {
		value, ok := os.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		return value, nil
	}
	value, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("reading secret: %w", err)
	}
	return strings.TrimRight(string(value), "\r\n"), nil
}

// Secret is a text that is never printed. In a file it is written as
// ${env:NAME} or ${file:PATH}; anything else stands for itself.
type Secret string

// String hides the secret; where there is none it says so.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[REDACTED]"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret from JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML hides the secret from YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// UnmarshalYAML resolves ${env:NAME} and ${file:PATH}.
func (s *Secret) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return errors.New("a secret must be a text")
	}
	value, err := resolve(n.Value)
	if err != nil {
		return err
	}
	*s = Secret(value)
	return nil
}

func resolve(text string) (string, error) {
	if !strings.HasPrefix(text, "${") {
		return text, nil
	}
	m := reference.FindStringSubmatch(text)
	if m == nil || m[0] != text {
		return "", errors.New("a secret must be ${env:NAME}, ${file:PATH} or a plain text")
	}
	return lookUp(m[1], m[2])
}
