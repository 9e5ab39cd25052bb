package wire

// Limits bounds what reading one document may cost. A field that is zero or
// negative stands for its default.
type Limits struct {
	// MaxBytes bounds the document as sent, in bytes (DOCUMENT_TOO_LARGE).
	MaxBytes int
	// MaxDepth bounds how deep elements, objects and arrays nest (DOCUMENT_TOO_DEEP).
	MaxDepth int
	// MaxNodes bounds the nodes of the tree (DOCUMENT_TOO_MANY_NODES).
	MaxNodes int
	// MaxAttributes bounds the attributes of one element, namespace declarations
	// among them (DOCUMENT_TOO_MANY_ATTRIBUTES).
	MaxAttributes int
}

// NewDefaultLimits returns the limits for documents of agencies: 16 MiB, 100
// levels, two million nodes, 64 attributes.
func NewDefaultLimits() Limits {
	return Limits{MaxBytes: 16 << 20, MaxDepth: 100, MaxNodes: 2_000_000, MaxAttributes: 64}
}

// withDefaults returns l with its unset fields filled.
func (l Limits) withDefaults() Limits {
	d := NewDefaultLimits()
	if l.MaxBytes > 0 {
		d.MaxBytes = l.MaxBytes
	}
	if l.MaxDepth > 0 {
		d.MaxDepth = l.MaxDepth
	}
	if l.MaxNodes > 0 {
		d.MaxNodes = l.MaxNodes
	}
	if l.MaxAttributes > 0 {
		d.MaxAttributes = l.MaxAttributes
	}
	return d
}
