package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPathWhileGrowing: paths are right whatever was asked before a node was added.
func TestPathWhileGrowing(t *testing.T) {
	root := &Node{Name: "a"}
	id := root.Append(&Node{Kind: Text, Attr: true, Name: "b"})
	first := root.Append(&Node{Kind: Text, Name: "b"})
	require.Equal(t, "/a/@b", id.Path())
	require.Equal(t, "/a/b", first.Path(), "an attribute of the name is no sibling")

	other := root.Append(&Node{Name: "c"})
	second := root.Append(&Node{Kind: Text, Name: "b"})
	require.Equal(t, "/a/b[1]", first.Path())
	require.Equal(t, "/a/b[2]", second.Path())
	require.Equal(t, "/a/c", other.Path())

	list := other.Append(&Node{Kind: Array, Name: "d"})
	inner := list.Append(&Node{Kind: Array})
	require.Equal(t, "/a/c/d[1]", inner.Path())
	require.Equal(t, "/a/c/d[1][1]", inner.Append(&Node{Kind: Text}).Path())
	require.Equal(t, "/a/c/d[2]", list.Append(&Node{Kind: Null}).Path())
}
