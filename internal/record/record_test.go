package record_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tongqu/internal/record"
)

func TestIDs(t *testing.T) {
	document, err := record.NewDocumentID()
	require.NoError(t, err)
	next, err := record.NewDocumentID()
	require.NoError(t, err)
	require.Less(t, document, next, "ids sort by time")
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 1<<30).Draw(rt, "index")
		d, i, ok := record.SplitID(record.ID(document, n))
		require.True(rt, ok)
		require.Equal(rt, document, d)
		require.Equal(rt, n, i)
	})
	for _, wrong := range []string{"", ".", document, document + ".", document + ".0", document + ".-1", document + ".x", "x.1"} {
		_, _, ok := record.SplitID(wrong)
		require.False(t, ok, wrong)
	}
}

func TestTopics(t *testing.T) {
	for canonical, want := range map[string]string{
		"trade.order.v1":     "tongqu.trade.order",
		"customs.status.v12": "tongqu.customs.status",
		"trade.order":        "tongqu.trade.order",
		"a.vessel":           "tongqu.a.vessel",
	} {
		require.Equal(t, want, record.Topic(canonical))
	}
}

func TestIdentity(t *testing.T) {
	r := record.Record{}
	_, ok := r.Identity()
	require.False(t, ok)
	r.Keys = []record.Key{{Name: "order", Value: "p/1"}, {Name: "orderNo", Value: "1"}}
	k, ok := r.Identity()
	require.True(t, ok)
	require.Equal(t, "p/1", k.Value)
}
