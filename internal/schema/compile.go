package schema

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"tongqu/internal/wire"
)

// compiler turns linted schema nodes into shapes.
type compiler struct {
	*loader
	// shapes has what is compiled already: a schema that is referred to from two
	// namespaces has a shape for each.
	shapes map[shapeKey]*Shape
	// copies are the uses of shapes under a name of their own; they are made last,
	// when the shapes they copy are complete.
	copies []shapeCopy
}

type shapeKey struct {
	node      *wire.Node
	namespace string
}

type shapeCopy struct {
	to, from *Shape
	// uses are the nodes with $ref on the way, nearest first; what they say of
	// title, codes and so on goes before what the target says.
	uses []*wire.Node
	file *file
}

func newCompiler(l *loader) *compiler {
	return &compiler{loader: l, shapes: map[shapeKey]*Shape{}}
}

// document compiles a whole file.
func (c *compiler) document(f *file) *Shape {
	s := c.use(f.root, "")
	if root := f.root.Child("x-root"); root != nil {
		s.Root = root.Text
	}
	return s
}

// use compiles a schema, following its $ref.
func (c *compiler) use(n *wire.Node, namespace string) *Shape {
	var uses []*wire.Node
	for c.targets[n] != nil {
		uses = append(uses, n)
		if ns := n.Child("x-namespace"); ns != nil {
			namespace = ns.Text
		}
		n = c.targets[n]
	}
	s := c.shape(n, namespace)
	if len(uses) == 0 {
		return s
	}
	to := new(Shape)
	c.copies = append(c.copies, shapeCopy{to: to, from: s, uses: uses, file: c.owners[uses[0]]})
	return to
}

// named is use for a place where a shape has its own name and necessity.
func (c *compiler) named(n *wire.Node, namespace, name string, required bool) *Shape {
	s := c.use(n, namespace)
	if c.targets[n] == nil {
		to := new(Shape)
		c.copies = append(c.copies, shapeCopy{to: to, from: s})
		s = to
	}
	s.Name, s.Required = name, required
	return s
}

// finish makes the copies.
func (c *compiler) finish() {
	for _, cp := range c.copies {
		name, required, root := cp.to.Name, cp.to.Required, cp.to.Root
		*cp.to = *cp.from
		cp.to.Name, cp.to.Required, cp.to.Root = name, required, root
		cp.to.local, cp.to.attribute = strings.CutPrefix(name, "@")
		for _, use := range slices.Backward(cp.uses) {
			c.describe(cp.to, use)
		}
	}
	for _, s := range c.shapes {
		s.findOwnFacets()
	}
	for _, cp := range c.copies {
		cp.to.findOwnFacets()
		if items := cp.to.Items; items != nil {
			cp.to.Title = cmp.Or(cp.to.Title, items.Title)
			items.Title = cmp.Or(items.Title, cp.to.Title)
			cp.to.Namespace = items.Namespace
		}
	}
}

// shape compiles a schema without $ref.
func (c *compiler) shape(n *wire.Node, namespace string) *Shape {
	if ns := n.Child("x-namespace"); ns != nil {
		namespace = ns.Text
	}
	key := shapeKey{n, namespace}
	if s := c.shapes[key]; s != nil {
		return s
	}
	s := &Shape{MaxItems: Unbounded, MaxLength: Unbounded, TotalDigits: Unbounded, FractionDigits: Unbounded, Namespace: namespace}
	s.textAt, s.maxProps, s.Open = -1, Unbounded, true
	c.shapes[key] = s
	if n.Kind == wire.Bool {
		s.always, s.never = n.Text == "true", n.Text == "false"
		return s
	}
	c.describe(s, n)
	required := map[string]bool{}
	if r := n.Child("required"); r != nil {
		for name := range r.Children() {
			required[name.Text] = true
			s.requires = append(s.requires, name.Text)
		}
	}
	for k := range n.Children() {
		c.keyword(s, k, required)
	}
	for _, name := range s.requires {
		if _, listed := s.index[name]; !listed {
			s.unlisted = append(s.unlisted, name)
		}
	}
	s.combines = s.allOf != nil || s.anyOf != nil || s.oneOf != nil || s.not != nil || s.cond != nil
	return s
}

// describe takes what a schema says of a value without judging its JSON type;
// such keywords also count beside $ref.
func (c *compiler) describe(s *Shape, n *wire.Node) {
	text := func(to *string, name string) {
		if k := n.Child(name); k != nil && k.Kind == wire.Text {
			*to = k.Text
		}
	}
	text(&s.Title, "title")
	text(&s.Description, "description")
	text(&s.Version, "x-version")
	text(&s.Action, "x-action")
	text(&s.Answers, "x-answers")
	text(&s.Personal, "x-personal")
	text(&s.Codes, "x-codes")
	text(&s.Check, "x-check")
	text(&s.Unit, "x-unit")
	if k := n.Child("x-decimal"); k != nil {
		s.Decimal = k.Text == "true"
	}
	if k := n.Child("default"); k != nil && k.Kind == wire.Text {
		s.Default, s.HasDefault = k.Text, true
	}
	if k := n.Child("x-codes"); k != nil && c.lists != nil {
		s.codes, _ = c.lists.Column(k.Text) // the lint has tried it
	}
	if k := n.Child("x-header"); k != nil {
		s.Headers = nil
		for title := range k.Children() {
			s.Headers = append(s.Headers, title.Text)
		}
	}
	if k := n.Child("x-keys"); k != nil {
		s.Keys = nil
		for key := range k.Children() {
			paths := []string{}
			for p := range key.Children() {
				paths = append(paths, p.Text)
			}
			s.Keys = append(s.Keys, Key{Name: key.Name, Paths: paths})
		}
	}
}

// keyword takes one keyword that judges values.
func (c *compiler) keyword(s *Shape, k *wire.Node, required map[string]bool) {
	switch k.Name {
	case "type":
		c.setType(s, k)
	case "properties":
		c.setProps(s, k, required)
	case "additionalProperties":
		if k.Kind == wire.Object {
			s.extra = c.use(k, s.Namespace)
		} else {
			s.Open = k.Text == "true"
		}
	case "items":
		if k.Kind == wire.Array {
			s.exotic = true
		} else {
			s.Items = c.named(k, s.Namespace, "", false)
		}
	case "enum":
		c.setEnum(s, k)
	case "const":
		if k.Kind == wire.Text && !s.enum {
			s.Enum, s.enum = []string{k.Text}, true
		} else {
			s.exotic = true
		}
	case "pattern":
		p, err := newPattern(k.Text)
		if err != nil {
			c.problem(c.fileOf(k), k, "pattern: %v", err)
			return
		}
		s.Pattern, s.pattern = k.Text, p
	case "format":
		s.Format = k.Text
	case "allOf", "anyOf", "oneOf":
		for b := range k.Children() {
			c.setBranch(s, k.Name, b)
		}
	case "not", "if", "then", "else":
		c.setBranch(s, k.Name, k)
	case "dependencies":
		c.setNeeds(s, k)
	case "x-content":
		s.Content = k.Text
		s.content, _ = parseContent(k.Text) // the lint has tried it
		s.AnyContent = s.AnyContent || s.content.wildcards
	case "x-any":
		s.AnyContent, s.wildcard = k.Text == "true", k.Text == "true"
	case "x-whitespace":
		s.Whitespace = k.Text
	default:
		c.setNumber(s, k)
	}
}

// setNumber takes a keyword whose value is a number.
func (c *compiler) setNumber(s *Shape, k *wire.Node) {
	count, err := strconv.Atoi(k.Text)
	switch k.Name {
	case "minItems":
		s.MinItems = count
	case "maxItems":
		s.MaxItems = count
	case "minLength":
		s.MinLength = count
	case "maxLength":
		s.MaxLength = count
	case "minProperties":
		s.minProps = count
	case "maxProperties":
		s.maxProps = count
	case "minimum":
		s.number.min, s.number.hasMin = int64(count), true
	case "maximum":
		s.number.max, s.number.hasMax = int64(count), true
	case "x-totalDigits":
		s.TotalDigits, s.digits = count, true
	case "x-fractionDigits":
		s.FractionDigits, s.digits = count, true
	case "x-minimum", "x-exclusiveMinimum":
		s.ownMin = newLimit(k)
		return
	case "x-maximum", "x-exclusiveMaximum":
		s.ownMax = newLimit(k)
		return
	case "multipleOf", "exclusiveMinimum", "exclusiveMaximum", "additionalItems", "uniqueItems", "contains", "patternProperties", "propertyNames":
		s.exotic = true
		return
	default:
		return
	}
	if err != nil {
		s.exotic = true // such as 1e3 or 0.5, which the library knows how to compare
	}
}

func (c *compiler) setType(s *Shape, k *wire.Node) {
	if k.Kind == wire.Text {
		s.Kind, s.types = Kind(k.Text), kindOf[k.Text]
		return
	}
	for t := range k.Children() {
		s.types |= kindOf[t.Text]
		if s.Kind == Any && t.Text != "null" {
			s.Kind = Kind(t.Text)
		}
	}
}

func (c *compiler) setProps(s *Shape, k *wire.Node, required map[string]bool) {
	s.index = map[string]int{}
	for p := range k.Children() {
		if p.Name == textProp {
			s.textAt = len(s.Props)
		}
		s.index[p.Name] = len(s.Props)
		s.Props = append(s.Props, c.named(p, s.Namespace, p.Name, required[p.Name]))
	}
}

func (c *compiler) setEnum(s *Shape, k *wire.Node) {
	if s.enum { // there is a const as well
		s.exotic = true
		return
	}
	s.enum = true
	for v := range k.Children() {
		if v.Kind != wire.Text {
			s.exotic = true
		}
		s.Enum = append(s.Enum, v.Text)
	}
}

func (c *compiler) setBranch(s *Shape, keyword string, n *wire.Node) {
	b := c.named(n, s.Namespace, "", false)
	switch keyword {
	case "allOf":
		s.allOf = append(s.allOf, b)
	case "anyOf":
		s.anyOf = append(s.anyOf, b)
	case "oneOf":
		s.oneOf = append(s.oneOf, b)
	case "not":
		s.not = b
	case "if":
		s.cond = b
	case "then":
		s.then = b
	case "else":
		s.other = b
	}
}

func (c *compiler) setNeeds(s *Shape, k *wire.Node) {
	for d := range k.Children() {
		nd := need{property: d.Name}
		if d.Kind == wire.Array {
			for name := range d.Children() {
				nd.others = append(nd.others, name.Text)
			}
		} else {
			nd.shape = c.named(d, s.Namespace, "", false)
		}
		s.needs = append(s.needs, nd)
	}
}

// fileOf is the file that a keyword stands in.
func (c *compiler) fileOf(k *wire.Node) *file {
	for n := k; n != nil; n = n.Parent {
		if f := c.owners[n]; f != nil {
			return f
		}
	}
	return nil
}

// checkPaths finds out whether the paths that a canonical type names exist.
func (c *compiler) checkPaths(f *file, s *Shape) {
	check := func(at *wire.Node, path string) {
		if path != "" && s.At(path) == nil {
			c.problem(f, at, "there is no %q in the schema", path)
		}
	}
	for _, name := range []string{"x-version", "x-action", "x-answers"} {
		if k := f.root.Child(name); k != nil {
			check(k, k.Text)
		}
	}
	if k := f.root.Child("x-keys"); k != nil {
		for key := range k.Children() {
			for p := range key.Children() {
				check(p, p.Text)
			}
		}
	}
}
