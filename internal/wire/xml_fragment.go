package wire

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/beevik/etree"

	"tongqu/internal/fault"
)

// WriteFragment writes the content of element n, its attributes aside, as XML text
// that stands on its own: every element at the top declares the namespaces used in
// it. The error is a Fault as WriteXML gives.
func WriteFragment(n *Node) (string, error) {
	if err := checkText(n); err != nil {
		return "", err
	}
	w := xmlWriter{charset: UTF8}
	container := etree.NewElement("")
	if n.Text != "" {
		container.CreateText(n.Text)
	}
	for c := range n.Children() {
		if c.Attr {
			continue
		}
		if err := w.root(container, c); err != nil {
			return "", err
		}
	}
	var b bytes.Buffer
	for _, t := range container.Child {
		t.WriteTo(&b, &writeSettings)
	}
	return b.String(), nil
}

// ReadFragment reads what WriteFragment writes and returns the nodes that make up
// an element's content: child elements, and before them a Text without a name when
// there is text. They have no parent and no place. The error is a Fault or
// fault.List as ReadXML gives; its columns count from the wrapping element.
func ReadFragment(s string) ([]*Node, error) {
	if !utf8.ValidString(s) {
		return nil, fault.New(fault.CharsetInvalid, fault.Place{}, "", UTF8)
	}
	doc, err := ReadXML([]byte("<x>"+s+"</x>"), Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading a fragment: %w", err)
	}
	var nodes []*Node
	if doc.Root.Text != "" {
		nodes = append(nodes, &Node{Kind: Text, Text: doc.Root.Text})
	}
	for c := doc.Root.First; c != nil; {
		next := c.Next
		c.Parent, c.Next = nil, nil
		c.forgetPlace()
		nodes = append(nodes, c)
		c = next
	}
	return nodes, nil
}

// forgetPlace clears the places of n and of all below it.
func (n *Node) forgetPlace() {
	n.Line, n.Column = 0, 0
	for c := range n.Children() {
		c.forgetPlace()
	}
}
