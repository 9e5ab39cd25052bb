package wire

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/fault"
)

func TestPath(t *testing.T) {
	doc, err := Read([]byte(`<p:m xmlns:p="u" v="1"><p:o/><p:o><i n="2"/><i n="3"/><j/></p:o></p:m>`), NewDefaultLimits())
	require.NoError(t, err)
	second := doc.Root.Child("o").Next
	require.Equal(t, "/m", doc.Root.Path())
	require.Equal(t, "/m/@v", doc.Root.First.Path())
	require.Equal(t, "/m/o[2]", second.Path())
	require.Equal(t, "/m/o[2]/i[2]/@n", second.First.Next.First.Path())
	require.Equal(t, "/m/o[2]/j", second.Last.Path())

	doc, err = Read([]byte(`{"a":{"b":[{"c":1},[2,3]]}}`), NewDefaultLimits())
	require.NoError(t, err)
	list := doc.Root.First.First
	require.Equal(t, "/", doc.Root.Path())
	require.Equal(t, "/a/b", list.Path())
	require.Equal(t, "/a/b[1]/c", list.First.First.Path())
	require.Equal(t, "/a/b[2][2]", list.Last.Last.Path())

	doc, err = Read([]byte("{\"a\":1}\n{\"a\":2}"), NewDefaultLimits())
	require.NoError(t, err)
	require.Equal(t, "/[2]/a", doc.Root.Last.First.Path())
}

func TestNodeChildren(t *testing.T) {
	doc, err := Read([]byte(`<m x="1"><x>2</x><y/></m>`), NewDefaultLimits())
	require.NoError(t, err)
	require.Equal(t, "1", doc.Root.Attribute("x").Text)
	require.Equal(t, "2", doc.Root.Child("x").Text)
	require.Nil(t, doc.Root.Attribute("y"))
	require.Nil(t, doc.Root.Child("z"))
	require.Len(t, slices.Collect(doc.Root.Children()), 3)
	for range doc.Root.Children() {
		break // stopping early is allowed
	}
	require.False(t, doc.Root.IsLeaf())
	require.True(t, doc.Root.Last.IsLeaf())
	require.Equal(t, "object", doc.Root.Kind.String())
}

func TestNodePlace(t *testing.T) {
	doc, err := Read([]byte("<m>\n<o>x</o></m>"), NewDefaultLimits())
	require.NoError(t, err)
	translated := object("order", &Node{Kind: Text, Name: "no", From: &Node{From: doc.Root.First}})
	require.Equal(t, fault.Place{Path: "/m/o", Line: 2, Column: 4}, translated.First.Place())
}

func TestArena(t *testing.T) {
	var a Arena
	seen := map[*Node]bool{}
	for i := range 5000 {
		if i == 100 {
			a.Reserve(1 << 30) // as much as is reasonable, no more
		}
		n := a.New()
		require.Equal(t, Node{}, *n)
		n.Name = "used"
		require.False(t, seen[n])
		seen[n] = true
	}
	require.Less(t, testing.AllocsPerRun(10, func() {
		var a Arena
		a.Reserve(80)
		for range 80 {
			a.New().Name = "used"
		}
	}), 2.0)
}
