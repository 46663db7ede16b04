package capabilities

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// Family is a group of capabilities that Python sees as one module.
type Family struct {
	// Name matches [a-z][a-z0-9_]*. That of a family which policies grant as [grant.NAME] has no underscore.
	Name string
	// Doc is one line.
	Doc string
	// Constants are in the module whatever is granted: math.pi. The values are of any type that values.Append takes.
	Constants map[string]any
	// Exceptions are the classes that the family's errors may have besides the builtin ones: class name → builtin base.
	Exceptions map[string]string
	// Scopes are the family's own keys in a grant: what a call may reach. See docs/capabilities.md.
	Scopes []policies.ScopeKey
	// Decide says whether the scope of a grant permits a call. It depends on its parameters alone and may be called by many
	// goroutines at once. Nil permits every call of a granted function.
	Decide func(policies.ScopedCall) policies.Verdict
	// Warning is what `postern policy check` says wherever the family is granted, as a clause; empty is nothing.
	Warning string
	// Description is what others than this program have said that the functions are made of, as the tools of an MCP server. It is kept beside the audit log, for
	// replays: they must tell the guest the same. Nil if there is no such thing.
	Description []byte
	// Capabilities are the functions that a policy may grant. Their Spec().Family is Name.
	Capabilities []Capability
}

// Registry is the set of all capabilities that policies may grant. It does not change once made and may be used by many
// goroutines. The nil Registry is empty.
type Registry struct {
	families   []Family
	byFamily   map[string]int
	byName     map[string]Capability
	signatures map[string]*Signature
}

// checked is a capability of which more can be wrong than its Spec shows.
type checked interface{ check(Family) []error }

var (
	familyName   = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	functionName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	identifier   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// keywords are Python's, none of which can name a function or a parameter.
var keywords = strings.Fields(`False None True and as assert async await break class continue def del elif else except
	finally for from global if import in is lambda nonlocal not or pass raise return try while with yield`)

// IsKeyword reports whether a name is one of Python's keywords, which can name neither a function nor a parameter.
func IsKeyword(name string) bool { return slices.Contains(keywords, name) }

// NewRegistry makes a registry and checks what it is made of: names, signatures, duplicates, constants, scope keys, the types and tags of Func.
// The error joins all mistakes found.
func NewRegistry(families ...Family) (*Registry, error) {
	r := &Registry{
		byFamily:   make(map[string]int),
		byName:     make(map[string]Capability),
		signatures: make(map[string]*Signature),
	}
	var mistakes []error
	for _, f := range families {
		if _, ok := r.byFamily[f.Name]; ok {
			mistakes = append(mistakes, fmt.Errorf("capabilities: family %q is there twice", f.Name))
			continue
		}
		r.byFamily[f.Name] = len(r.families)
		r.families = append(r.families, f)
		mistakes = append(mistakes, f.check()...)
		mistakes = append(mistakes, r.addCapabilities(f)...)
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return r, nil
}

// Families gives the families in the order they were given. The slice is a copy; what it refers to must not be changed.
func (r *Registry) Families() []Family {
	if r == nil {
		return nil
	}
	return slices.Clone(r.families)
}

// Family gives a family by its name.
func (r *Registry) Family(name string) (Family, bool) {
	if r == nil {
		return Family{}, false
	}
	i, ok := r.byFamily[name]
	if !ok {
		return Family{}, false
	}
	return r.families[i], true
}

// Vocabulary describes the families for policies: the Families of a policies.Vocabulary. The caller owns the map.
func (r *Registry) Vocabulary() map[string]policies.Family {
	families := make(map[string]policies.Family)
	for _, f := range r.Families() {
		described := policies.Family{Doc: f.Doc, Scopes: f.Scopes, Decide: f.Decide, Warning: f.Warning}
		for _, c := range f.Capabilities {
			spec := c.Spec()
			function := policies.Function{
				Name: spec.Function, Doc: spec.Doc, Signature: spec.Signature,
				Reads: spec.Effects&Reads != 0, Writes: spec.Effects&Writes != 0,
			}
			signature := r.signatures[spec.Name()]
			function.Bind = func(args []any, kwargs []values.Keyword) (policies.Arguments, error) {
				return signature.Bind(f.Name, spec.Function, &Call{Args: args, Kwargs: kwargs})
			}
			for _, p := range signature.parameters {
				function.Parameters = append(function.Parameters, policies.Parameter{Name: p.Name, Type: p.Type, Nullable: p.Nullable})
			}
			described.Functions = append(described.Functions, function)
		}
		slices.SortFunc(described.Functions, func(a, b policies.Function) int { return strings.Compare(a.Name, b.Name) })
		families[f.Name] = described
	}
	return families
}

// Functions gives the names of each family's functions. The caller owns the map.
func (r *Registry) Functions() map[string][]string {
	functions := make(map[string][]string)
	for _, f := range r.Families() {
		names := make([]string, len(f.Capabilities))
		for i, c := range f.Capabilities {
			names[i] = c.Spec().Function
		}
		functions[f.Name] = names
	}
	return functions
}

// Lookup gives a capability by its full name, such as "math.sqrt".
func (r *Registry) Lookup(name string) (Capability, bool) {
	if r == nil {
		return nil, false
	}
	c, ok := r.byName[name]
	return c, ok
}

// Signature gives the parsed signature of a capability by its full name.
func (r *Registry) Signature(name string) (*Signature, bool) {
	if r == nil {
		return nil, false
	}
	s, ok := r.signatures[name]
	return s, ok
}

func (r *Registry) addCapabilities(f Family) (mistakes []error) {
	mistake := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("capabilities: family %q: "+format, append([]any{f.Name}, args...)...))
	}
	for _, c := range f.Capabilities {
		if c == nil {
			mistake("a capability is nil")
			continue
		}
		s := c.Spec()
		switch _, constant := f.Constants[s.Function]; {
		case s.Family != f.Name:
			mistake("%q says that it belongs to family %q", s.Function, s.Family)
		case !functionName.MatchString(s.Function) || slices.Contains(keywords, s.Function):
			mistake("function name %q does not match [a-z][a-z0-9_]* or is a Python keyword", s.Function)
		case r.byName[s.Name()] != nil:
			mistake("function %q is there twice", s.Function)
		case constant:
			mistake("%q is both a function and a constant", s.Function)
		}
		if strings.ContainsAny(s.Doc, "\r\n") {
			mistake("the doc of %q is longer than one line", s.Function)
		}
		if s.Effects.String() == "unknown" {
			mistake("function %q does not say what its effects are: Pure, Reads, Writes, or Reads | Writes", s.Function)
		}
		if known, ok := c.(checked); ok {
			for _, err := range known.check(f) {
				mistake("function %q: %w", s.Function, err)
			}
		}
		signature, err := ParseSignature(s.Signature)
		if err != nil {
			mistake("function %q: %w", s.Function, err)
		}
		r.byName[s.Name()], r.signatures[s.Name()] = c, signature
	}
	return mistakes
}

func (f Family) check() (mistakes []error) {
	mistake := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("capabilities: family %q: "+format, append([]any{f.Name}, args...)...))
	}
	if !familyName.MatchString(f.Name) || slices.Contains(keywords, f.Name) {
		mistake("the name does not match [a-z][a-z0-9_]* or is a Python keyword")
	}
	for _, err := range policies.CheckScopes(f.Scopes) {
		mistake("%w", err)
	}
	for name, v := range f.Constants {
		if !identifier.MatchString(name) || slices.Contains(keywords, name) {
			mistake("constant name %q is not a Python identifier", name)
		}
		if _, err := values.Append(nil, v, math.MaxInt); err != nil {
			mistake("constant %q: %w", name, err)
		}
	}
	for name, base := range f.Exceptions {
		if !identifier.MatchString(name) || !identifier.MatchString(base) {
			mistake("exception %q with base %q: not Python identifiers", name, base)
		}
	}
	return mistakes
}
