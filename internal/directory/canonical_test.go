package directory_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/codes"
	"tongqu/internal/directory"
	"tongqu/internal/record"
	"tongqu/internal/schema"
	"tongqu/internal/wire"
)

// Of every canonical type that comes with the hub the mask reaches every value
// that its schema calls personal, wherever in the file that is said, and
// the directory says rightly whether a resource holds personal data.
func TestMasksOfCanonicalTypes(t *testing.T) {
	lists, err := codes.Load(os.DirFS("../../mappings/codes"))
	require.NoError(t, err)
	set, err := schema.Load(os.DirFS("../../schemas"), lists)
	require.NoError(t, err)
	d, err := directory.LoadDemo(os.DirFS("../../config"))
	require.NoError(t, err)
	tested := 0
	for _, id := range set.IDs() {
		canonicalType, ok := strings.CutPrefix(id, "canonical/")
		s, _ := set.Schema(id)
		if !ok || len(s.Shape().Keys) == 0 { // definitions that types share
			continue
		}
		t.Run(canonicalType, func(t *testing.T) {
			mask, err := directory.NewMasker(s.Shape())
			require.NoError(t, err)
			files := schemaFiles{}
			marked := map[string]bool{}
			files.collect(t, canonicalType+".json", files.read(t, canonicalType+".json"), "", marked, 0)
			require.Equal(t, len(marked) == 0, mask.Empty())
			resources := d.ResourcesByType(canonicalType)
			require.NotEmpty(t, resources, "no resource holds %s", record.Family(canonicalType))
			for _, r := range resources {
				require.Equal(t, len(marked) > 0, r.Personal, r.Code)
			}
			for _, key := range s.Shape().Keys { // they are the bus's keys and the deliveries' subjects
				for _, path := range key.Paths {
					require.False(t, marked["/"+strings.ReplaceAll(path, ".", "/")], "key %s shows %s", key.Name, path)
				}
			}
			const secret = "1234567890ABCDEFGH"
			for _, path := range slices.Sorted(maps.Keys(marked)) {
				root := &wire.Node{}
				leaf := place(root, path)
				leaf.Kind, leaf.Text = wire.Text, secret
				mask.Mask(root)
				require.NotEqual(t, secret, leaf.Text, path)
			}
		})
		tested++
	}
	require.Positive(t, tested)
}

// place makes the node at a path as collect writes it.
func place(at *wire.Node, path string) *wire.Node {
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if step == "[]" {
			at.Kind = wire.Array
			step = ""
		}
		at = at.Append(&wire.Node{Name: step})
	}
	return at
}

// schemaFiles are the raw canonical schemas.
type schemaFiles map[string]map[string]any

func (f schemaFiles) read(t *testing.T, name string) map[string]any {
	t.Helper()
	if f[name] == nil {
		data, err := os.ReadFile(filepath.Join("../../schemas/canonical", name))
		require.NoError(t, err)
		var root map[string]any
		require.NoError(t, json.Unmarshal(data, &root))
		f[name] = root
	}
	return f[name]
}

// collect walks everything in a schema that can say something of a value.
func (f schemaFiles) collect(t *testing.T, file string, node any, path string, marked map[string]bool, depth int) {
	t.Helper()
	s, ok := node.(map[string]any)
	if !ok {
		return
	}
	require.Less(t, depth, 50, "%s: %s", file, path)
	if ref, ok := s["$ref"].(string); ok {
		name, pointer, _ := strings.Cut(ref, "#")
		if name == "" {
			name = file
		}
		var target any = f.read(t, name)
		for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
			if step != "" {
				target = target.(map[string]any)[step]
			}
		}
		require.NotNil(t, target, ref)
		f.collect(t, name, target, path, marked, depth+1)
	}
	if _, ok := s["x-personal"]; ok {
		marked[path] = true
	}
	for _, key := range []string{"if", "then", "else", "additionalProperties"} {
		f.collect(t, file, s[key], path, marked, depth+1)
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		branches, _ := s[key].([]any)
		for _, b := range branches {
			f.collect(t, file, b, path, marked, depth+1)
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for name, p := range properties {
		f.collect(t, file, p, path+"/"+name, marked, depth+1)
	}
	f.collect(t, file, s["items"], path+"/[]", marked, depth+1)
}
