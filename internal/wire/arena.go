package wire

// The number of nodes in an arena's first slab when nothing was reserved, and
// in its largest one.
const (
	minSlab = 16
	maxSlab = 1024
)

// Arena makes nodes in slabs, so that a tree costs few allocations. The zero
// value is ready to use. An arena serves one goroutine; its nodes live as long
// as any of their slab is in use.
type Arena struct {
	free []Node
	slab int
}

// Reserve makes the next slab hold n nodes (within reason), for a caller who
// knows roughly how many will be needed.
func (a *Arena) Reserve(n int) {
	if n > len(a.free) {
		a.free = make([]Node, min(n, 4*maxSlab))
	}
}

// New returns a zero node: an Object without name, children or place.
func (a *Arena) New() *Node {
	if len(a.free) == 0 {
		a.slab = min(max(2*a.slab, minSlab), maxSlab)
		a.free = make([]Node, a.slab)
	}
	n := &a.free[0]
	a.free = a.free[1:]
	return n
}
