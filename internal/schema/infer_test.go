package schema_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

func inferred(t *testing.T, samples ...string) (*schema.Schema, string) {
	t.Helper()
	docs := make([]*wire.Document, len(samples))
	for i, s := range samples {
		doc, err := wire.Read([]byte(s), wire.NewDefaultLimits())
		require.NoError(t, err)
		docs[i] = doc
	}
	made, err := schema.Infer(docs, schema.InferConfig{Folder: "x", Message: "M", From: []string{"a"}})
	require.NoError(t, err)
	require.Equal(t, "x/M", made.ID)
	set, err := schema.Load(fstest.MapFS{"x/M.json": {Data: made.JSON}}, nil)
	require.NoError(t, err, string(made.JSON))
	s, ok := set.Schema("x/M")
	require.True(t, ok)
	for i, doc := range docs {
		require.Empty(t, s.Check(doc.Root), "the schema takes its own sample %d\n%s", i, made.JSON)
	}
	return s, string(made.JSON)
}

func TestInfer(t *testing.T) {
	s, text := inferred(t,
		`<R xmlns="urn:r" xmlns:o="urn:o" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:r r.xsd" v="1">
		   <H><no>0101</no><at>20260308112701</at><sum>1.50</sum><name>张三</name></H>
		   <P><q u="kg">3</q></P><P><q u="t">2.5</q><o:x/></P></R>`,
		`<R xmlns="urn:r"><H><no>7</no><remark/><at>20260309112701</at><sum>20</sum><name>李四</name></H></R>`)
	shape := s.Shape()
	require.Equal(t, "R", shape.Root)
	require.Equal(t, "urn:r", shape.Namespace)
	require.False(t, shape.Prop("@v").Required, "the second sample has none")
	h := shape.Prop("H")
	require.True(t, h.Required)
	names := []string{}
	for _, p := range h.Props {
		names = append(names, p.Name)
	}
	require.Equal(t, []string{"no", "remark", "at", "sum", "name"}, names, "the order of both samples")
	require.False(t, h.Prop("remark").Required)
	require.Equal(t, "^[0-9]{14}$", h.Prop("at").Pattern)
	require.NotEmpty(t, h.Prop("sum").Pattern)
	require.Empty(t, h.Prop("no").Pattern, "digits may be a code")
	p := shape.Prop("P")
	require.Equal(t, schema.Array, p.Kind)
	require.False(t, p.Required)
	require.NotNil(t, p.Items.Prop("q").Prop("#text"))
	require.True(t, p.Items.Prop("q").Prop("@u").Required)
	require.Equal(t, "urn:o", p.Items.Prop("x").Namespace)
	for _, personal := range []string{"张三", "李四", "0101"} {
		require.NotContains(t, text, personal, "no values of samples")
	}
}

func TestInferDisorder(t *testing.T) {
	s, _ := inferred(t, `<R><a>1</a><b>2</b></R>`, `<R><b>2</b><a>1</a></R>`)
	require.Equal(t, "(a | b)*", s.Shape().Content)
}

func TestInferJSON(t *testing.T) {
	s, _ := inferred(t, `{"type":"T","n":1,"rows":[{"a":null,"d":"2026-03-08"},{"a":"x","b":true,"d":"2026-03-09"}]}`)
	rows := s.Shape().Prop("rows")
	require.Equal(t, schema.Array, rows.Kind)
	require.True(t, rows.Items.Prop("a").Required)
	require.False(t, rows.Items.Prop("b").Required)
	require.Equal(t, schema.Boolean, rows.Items.Prop("b").Kind)
	require.Equal(t, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", rows.Items.Prop("d").Pattern)
}

func TestInferRefuses(t *testing.T) {
	read := func(s string) *wire.Document {
		d, err := wire.Read([]byte(s), wire.NewDefaultLimits())
		require.NoError(t, err)
		return d
	}
	_, err := schema.Infer(nil, schema.InferConfig{})
	require.EqualError(t, err, "no samples")
	_, err = schema.Infer([]*wire.Document{read("<a/>"), read("<b/>")}, schema.InferConfig{})
	require.EqualError(t, err, "the samples are of different messages: a and b")
	_, err = schema.Infer([]*wire.Document{read("{}")}, schema.InferConfig{})
	require.ErrorContains(t, err, "no root element to name the message by")
}

// TestInferTakesWhatItSaw infers a schema from each golden case and checks the case by it.
func TestInferTakesWhatItSaw(t *testing.T) {
	inputs, err := filepath.Glob("../../adapters/*/cases/*/input.xml")
	require.NoError(t, err)
	taken := 0
	for _, name := range inputs {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		if doc, err := wire.Read(data, wire.NewDefaultLimits()); err != nil || doc.Root.IsLeaf() {
			continue // cases of broken documents
		}
		inferred(t, string(data))
		taken++
	}
	require.Greater(t, taken, 50)
}
