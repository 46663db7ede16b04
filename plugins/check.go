package plugins

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/policies"
)

// A Report says whether a module can be used as a tool, and what it wants.
type Report struct {
	// Description is nil when there is none, or when Mistakes says what is wrong with it.
	Description *Description
	// Embedded is whether the description is the one in the module.
	Embedded bool
	// Mistakes are those of the description.
	Mistakes policies.Errors
	// Imports are all that the module can reach, in the order of its import section.
	Imports []Import
	// Callable are the exports that can be functions of a tool, sorted.
	Callable []string
	// Undescribed are those of Callable that the description does not have.
	Undescribed []string
	// Problems are why the module cannot be used, but for Mistakes and a missing description.
	Problems []string
}

// Usable reports whether a policy can name the module.
func (r *Report) Usable() bool {
	return r.Description != nil && len(r.Mistakes) == 0 && len(r.Problems) == 0
}

// An Import is something that a module needs from outside.
type Import struct {
	Module, Name, Type string
	// Use says in words what it is for, and what becomes of it in a tool.
	Use string
	// Grant is the capability that a policy has to grant the tool, or "".
	Grant string
	// Refused is why a tool cannot have it, or "".
	Refused string
}

// Check reads a module and its description, as Describe finds it, and runs neither. The error is for bytes that are no well-formed module.
func Check(module []byte, file string, sidecar []byte) (*Report, error) {
	r := &Report{Embedded: sidecar == nil}
	imports, err := link.Imports(module)
	if err != nil {
		if _, _, mine := Embedded(module); mine != nil {
			err = mine // it says more of what is no module at all
		}
		return nil, err
	}
	for _, i := range imports {
		described := describeImport(i)
		r.Imports = append(r.Imports, described)
		if described.Refused != "" {
			r.Problems = append(r.Problems, fmt.Sprintf("it imports %s::%s: %s", shown(i.Module), shown(i.Name), described.Refused))
		}
	}
	r.link(module)
	exported, err := link.Exports(module)
	if err != nil {
		return nil, err
	}
	exports := make(map[string]string)
	for _, e := range exported {
		if e.Kind == "function" {
			exports[e.Name] = e.Type
		}
	}
	for name, kind := range exports {
		if isCallable(kind) && !strings.HasPrefix(name, "_") {
			r.Callable = append(r.Callable, name)
		}
	}
	slices.Sort(r.Callable)
	r.Description, err = Describe(module, file, sidecar)
	switch {
	case errors.Is(err, ErrNoDescription):
		r.Embedded = false
		if len(r.Callable) == 0 {
			r.Problems = append(r.Problems, "it exports no function that takes nothing and returns an i32")
		}
		return r, nil
	case errors.As(err, &r.Mistakes):
		return r, nil
	case err != nil:
		r.Problems = append(r.Problems, strings.TrimPrefix(err.Error(), "plugins: "))
		return r, nil
	}
	r.compare(exports)
	return r, nil
}

// link adds why the module could not be linked although its imports are in order, all that it asks of a policy being granted.
func (r *Report) link(module []byte) {
	if len(r.Problems) > 0 {
		return
	}
	var granted []string
	for _, i := range r.Imports {
		if i.Grant != "" && !slices.Contains(granted, i.Name) {
			granted = append(granted, i.Name)
		}
	}
	linked, err := link.Plugin(module, granted)
	if err == nil {
		_, err = link.Detach(linked)
	}
	if err != nil {
		r.Problems = append(r.Problems, strings.TrimPrefix(err.Error(), "link: "))
	}
}

// shown is a name that a module has, which can be anything, for a message.
func shown(name string) string {
	const most = 100
	if len(name) > most || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return strconv.Quote(strings.ToValidUTF8(name[:min(len(name), most)], "?"))
	}
	return name
}

// isCallable reports whether Extism can call a function of this type.
func isCallable(kind string) bool { return kind == "() -> i32" || kind == "() -> ()" }

// compare compares the description with the exports.
func (r *Report) compare(exports map[string]string) {
	described := make(map[string]bool)
	for _, f := range r.Description.Functions {
		described[f.Original] = true
		switch kind, ok := exports[f.Original]; {
		case !ok:
			r.Problems = append(r.Problems, fmt.Sprintf("it exports no function %q, which is described", f.Original))
		case !isCallable(kind):
			r.Problems = append(r.Problems, fmt.Sprintf("it exports %q as %s: a function of a plugin takes nothing and returns an i32", f.Original, kind))
		}
	}
	for _, name := range r.Callable {
		if !described[name] {
			r.Undescribed = append(r.Undescribed, name)
		}
	}
}

func describeImport(i link.Import) Import {
	d := Import{Module: i.Module, Name: i.Name, Type: i.Type}
	if i.Module == link.UserModule && i.Kind == "function" {
		describeGrant(&d)
		return d
	}
	power, words := i.Explain()
	stays, replaced := link.PluginImport(i)
	switch want := i.Wants(); {
	case stays, replaced:
		d.Use = powerUses[power]
	case i.Kind != "function":
		d.Refused = "a " + i.Kind + " cannot be imported, only functions"
	case want != "" && i.Type != want:
		d.Refused = "its type is " + i.Type + " and must be " + want
	case i.Module == "env":
		d.Refused = "there is no such module; env is what a symbol that is nowhere defined becomes"
	default:
		d.Refused = words
	}
	return d
}

// powerUses say what becomes of a power in a tool.
var powerUses = map[link.Power]string{
	link.PowerExchange: "the input, the output and the error of a call",
	link.PowerLogs:     "logs, for the operator",
	link.PowerVars:     "variables: they last as long as the instance",
	link.PowerConfig:   "configuration: there is none",
	link.PowerNetwork:  "the network: there is none, a grant of http is the way",
	link.PowerClock:    "the clock: virtual, the same in each call",
	link.PowerEntropy:  "entropy: the same in each call",
	link.PowerProcess:  "the program itself: no arguments, no environment; it may exit",
	link.PowerFiles:    "files: there are none",
}

// describeGrant reads the import of a capability: its name is FAMILY_FUNCTION.
func describeGrant(d *Import) {
	family, function, ok := strings.Cut(d.Name, "_")
	switch {
	case !ok || family == "" || function == "":
		d.Refused = "it is not named FAMILY_FUNCTION"
	case d.Type != "(i64) -> i64":
		d.Refused = "its type is " + d.Type + " and must be (i64) -> i64"
	default:
		d.Grant = family + "." + function
		d.Use = "the capability " + d.Grant + ": the policy has to grant it to the tool"
	}
}
