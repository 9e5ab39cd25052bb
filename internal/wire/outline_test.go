package wire

import (
	"fmt"
	"strings"

	"tongqu/internal/fault"
)

// outline prints a tree one node a line, so that trees can be compared and their
// differences read: indent, kind, @name{namespace}, "text", and the place if wanted.
func outline(n *Node, places bool) string {
	var b strings.Builder
	var write func(n *Node, depth int)
	write = func(n *Node, depth int) {
		fmt.Fprintf(&b, "%s%s ", strings.Repeat(" ", depth), n.Kind)
		if n.Attr {
			b.WriteByte('@')
		}
		b.WriteString(n.Name)
		if n.Space != "" {
			fmt.Fprintf(&b, "{%s}", n.Space)
		}
		if n.Text != "" {
			fmt.Fprintf(&b, " %q", n.Text)
		}
		if places {
			fmt.Fprintf(&b, " %d:%d", n.Line, n.Column)
		}
		b.WriteByte('\n')
		for c := range n.Children() {
			if c.Parent != n {
				b.WriteString("WRONG PARENT\n")
			}
			write(c, depth+1)
		}
	}
	write(n, 0)
	return b.String()
}

// lastFault returns the fault that err ends with: why a document was refused.
func lastFault(err error) fault.Fault {
	list := fault.Of(err)
	if len(list) == 0 {
		return fault.Fault{}
	}
	return list[len(list)-1]
}
