package policies

import (
	"maps"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/values"
)

// A Vocabulary is what a policy may name. The caller knows it: the families are
// those of its capability registry, the modules those of its guest. A Policy
// keeps the vocabulary it was parsed with, to decide and to explain: it must not
// be changed afterwards.
type Vocabulary struct {
	// Families describes each capability family by its name. A policy that
	// grants any other is refused, so the zero Vocabulary permits no grant.
	Families map[string]Family

	// Modules lists the standard library's modules by their full dotted names
	// ("xml", "xml.etree", "xml.etree.ElementTree"). Nil means that the names
	// in imports are not checked.
	Modules []string

	// Open returns the bytes of the policy that another one extends, given by
	// its path: that of the other's folder joined with what the policy says. It
	// may return one byte more than a policy can have, and need not return
	// more. Nil means that policies with extends are refused.
	Open func(path string) ([]byte, error)
}

// A Family is what a policy can say about one capability family. It is made by
// the family's own package, and is data but for Decide and its functions' Bind.
type Family struct {
	// Doc is one line.
	Doc string

	// Functions are what can be granted, sorted by name.
	Functions []Function

	// Open says that the functions are not known here, as those of the client of `postern serve`: any name can be one, with any
	// parameters and effects. Functions is then empty.
	Open bool

	tool bool // of [Policy.Callable]: a tool, which can itself call

	// Scopes are the family's own keys in a grant, in the order in which the
	// reference explains them.
	Scopes []ScopeKey

	// Decide says whether the scope of a grant permits a call. It is asked
	// before each call and by whoever explains a policy, so it must depend on
	// its parameters alone: no file, no network, no clock. Nil permits all that
	// is granted. It may be called by many goroutines at once.
	Decide func(ScopedCall) Verdict

	// Warning is what to warn of wherever the family is granted, as a clause: "programs run outside of the sandbox". Empty is
	// nothing.
	Warning string
}

// A Function is one function of a family.
type Function struct {
	Name       string
	Doc        string // one line
	Signature  string // "(url: str, *, headers=None)"
	Parameters []Parameter

	// What a call can do beyond its result.
	Reads, Writes bool

	// Bind puts the arguments of a call to the parameters as Python does. An
	// error says in Python's words why they do not fit. Nil means that arguments
	// are known by the names of the parameters alone. See [Policy.Ask].
	Bind func(args []any, kwargs []values.Keyword) (Arguments, error)
}

// A Parameter is one parameter of a function, as conditions see it.
type Parameter struct {
	Name string

	// Type is "str", "int", "float", "bool", "bytes", "list", "dict",
	// "datetime", "timedelta", or "list" and "dict" with the type of their
	// elements, "list[str]"; the keys of such a dict are str. Empty is any value.
	Type string

	// Nullable says that None is a value too.
	Nullable bool
}

// Arguments are the arguments of one call, bound to the function's parameters. If there is a method HasParameter(name string) bool, it
// says whether the function has a parameter: conditions on functions that the policy does not know deny where it has not.
type Arguments interface {
	// Lookup returns the argument of a parameter as package values represents
	// it: the given one or the default. ok is false where there is neither.
	Lookup(parameter string) (value any, ok bool)
}

// NamedArguments are arguments by the names of the parameters, for callers that
// have no signature to bind to.
type NamedArguments map[string]any

// Lookup implements [Arguments].
func (a NamedArguments) Lookup(parameter string) (any, bool) {
	v, ok := a[parameter]
	return v, ok
}

// A ScopedCall is what a family decides about: a call, and the scope of the
// grant that names its function.
type ScopedCall struct {
	Function  string
	Arguments Arguments
	Scope     Scope
}

// A Verdict is a family's answer to a [ScopedCall]. The zero Verdict denies.
type Verdict struct {
	Allow bool

	// Key is the scope key that decided, "urls". It may be empty when allowed.
	Key string

	// Reason is why, as a clause without a full stop: `"/etc/passwd" is not
	// under roots`.
	Reason string

	// Nearest is, in a denial, the permitted value that is nearest to what was
	// asked for, as it could be written in code; empty if there is none.
	Nearest string

	// Canonical is what the family made of the arguments. The host hands it to
	// the capability, which acts on it and not on the arguments again.
	Canonical any
}

func (v Vocabulary) function(family, function string) (*Function, bool) {
	return v.Families[family].function(function)
}

func (f Family) function(name string) (*Function, bool) {
	i, ok := slices.BinarySearchFunc(f.Functions, name, func(f Function, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return nil, false
	}
	return &f.Functions[i], true
}

// names returns the names of a family's functions, sorted.
func (f Family) names() []string {
	names := make([]string, len(f.Functions))
	for i, function := range f.Functions {
		names[i] = function.Name
	}
	return names
}

func (v Vocabulary) familyNames() []string { return slices.Sorted(maps.Keys(v.Families)) }
