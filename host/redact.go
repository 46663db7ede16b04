package host

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// redacted is what stands in records for what they must not hold.
const redacted = "[redacted]"

// returned is what a path calls the result. It is a keyword of Python, so no parameter has the name.
const returned = "return"

// A redaction is what the policy's `redact` takes out of the records of one function. Where it is not sure what is what, it takes out more.
type redaction struct {
	parameters []capabilities.Parameter
	rules      []redactRule
	words      []string // of a tool: the policy's redact, for what its exceptions say can be of calls of its own
}

type redactRule struct {
	text string   // as in the policy
	path []string // from the parameter on
}

// redactions gives each function its redaction. A path that names a parameter which a granted function does not have is an error:
// what it was meant for would be in the log.
func redactions(policy *policies.Policy, registry *capabilities.Registry, functions []*granted) error {
	var mistakes []error
	for _, text := range policy.Audit.Redact {
		parts := strings.Split(text, ".")
		if len(parts) < 3 {
			return fmt.Errorf("host: redact: %q is not family.function.parameter", text)
		}
		if what := openFamily(policy, parts[0]); what != "" && parts[1] != "*" {
			if _, has := registry.Lookup(parts[0] + "." + parts[1]); !has {
				mistakes = append(mistakes, fmt.Errorf("%w: %q: the %s %s has no function %s", ErrRedact, text, what, parts[0], parts[1]))
			}
		}
		for _, g := range functions {
			spec := g.capability.Spec()
			if !matches(parts[0], spec.Family) || !matches(parts[1], spec.Function) {
				continue
			}
			signature, ok := registry.Signature(g.name)
			if !ok {
				return fmt.Errorf("host: redact: %q has no signature", g.name)
			}
			parameters := signature.Parameters()
			known := slices.ContainsFunc(parameters, func(p capabilities.Parameter) bool { return matches(parts[2], p.Name) })
			if !known && parts[2] != returned {
				if parts[0] != "*" && parts[1] != "*" {
					mistakes = append(mistakes, fmt.Errorf("%w: %q: it is %s%s", ErrRedact, text, g.name, signature))
				}
				continue
			}
			if g.redaction == nil {
				g.redaction = &redaction{parameters: parameters}
			}
			g.redaction.rules = append(g.redaction.rules, redactRule{text, parts[2:]})
		}
	}
	for _, g := range functions {
		if _, ofTool := g.capability.(*toolCapability); !ofTool || len(policy.Audit.Redact) == 0 {
			continue
		}
		if g.redaction == nil {
			g.redaction = new(redaction)
			if signature, ok := registry.Signature(g.name); ok {
				g.redaction.parameters = signature.Parameters()
			}
		}
		g.redaction.words = policy.Audit.Redact
	}
	return errors.Join(mistakes...)
}

// openFamily is what a family is of which a policy does not know the functions, empty if it knows them or has no such family.
func openFamily(policy *policies.Policy, name string) string {
	switch {
	case policy.Tool(name) != nil:
		return "tool"
	case policy.Server(name) != nil:
		return "MCP server"
	}
	return ""
}

// matches compares a part of a path with a name. Case makes no difference: it makes none in the names of HTTP's headers.
func matches(part, name string) bool { return part == "*" || strings.EqualFold(part, name) }

// arguments encodes the arguments of a call as records may hold them, and says which rules took something out.
func (r *redaction) arguments(call *capabilities.Call, bound int) (encoded []byte, used []string, err error) {
	args := slices.Clone(call.Args)
	for i, arg := range args {
		args[i] = r.argument(r.placed(i), arg, &used)
	}
	kwargs := slices.Clone(call.Kwargs)
	for i, k := range kwargs {
		kwargs[i].Value = r.argument(r.named(k.Name), k.Value, &used)
	}
	encoded, err = appendArguments(nil, args, kwargs, 2*bound)
	return encoded, used, err
}

// placed is the path of the argument at a place, nil if no parameter takes it.
func (r *redaction) placed(place int) []string {
	for i, p := range r.parameters {
		switch {
		case p.Kind == capabilities.Rest:
			return []string{p.Name, strconv.Itoa(place - i)}
		case p.Kind > capabilities.Rest:
			return nil
		case i == place:
			return []string{p.Name}
		}
	}
	return nil
}

// named is the path of a keyword argument.
func (r *redaction) named(name string) []string {
	for _, p := range r.parameters {
		if p.Kind != capabilities.RestKeywords && p.Name == name {
			return []string{p.Name}
		}
		if p.Kind == capabilities.RestKeywords {
			return []string{p.Name, name}
		}
	}
	return nil
}

// argument redacts one argument that stands at a path.
func (r *redaction) argument(path []string, value any, used *[]string) any {
	if path == nil { // it fits no parameter: nobody knows what it is
		for _, rule := range r.rules {
			if rule.path[0] != returned {
				note(used, rule.text)
				return redacted
			}
		}
		return value
	}
	for _, rule := range r.rules {
		// A rule may end above the path or within it, and then takes the argument whole.
		n := min(len(rule.path), len(path))
		if !slices.EqualFunc(rule.path[:n], path[:n], matches) {
			continue
		}
		if taken, hit := redact(value, rule.path[n:]); hit {
			note(used, rule.text)
			value = taken
		}
	}
	return value
}

// outcome is the outcome as its record may show it.
func (r *redaction) outcome(o outcome, bound int) (outcome, []string, error) {
	var used []string
	if o.result == nil {
		// The words of an exception may repeat an argument, and its attributes are arguments often.
		for _, rule := range r.rules {
			note(&used, rule.text)
		}
		for _, text := range r.words {
			note(&used, text)
		}
		o.answer, o.detail = nil, ""
		return o, used, nil
	}
	var value any
	for _, rule := range r.rules {
		if !matches(rule.path[0], returned) {
			continue
		}
		if used == nil {
			var err error
			if value, err = values.Decode(o.result); err != nil {
				return o, nil, err
			}
		}
		if taken, hit := redact(value, rule.path[1:]); hit {
			note(&used, rule.text)
			value = taken
		}
	}
	if used == nil {
		return o, nil, nil
	}
	var err error
	o.result, err = values.Append(nil, value, 2*bound)
	return o, used, err
}

func note(used *[]string, text string) {
	if !slices.Contains(*used, text) {
		*used = append(*used, text)
	}
}

// redact returns a value without what is at a path in it, and whether there is something. The value itself stays as it is.
func redact(value any, path []string) (any, bool) {
	if len(path) == 0 {
		return redacted, true
	}
	switch v := value.(type) {
	case []any:
		return redactItems(v, path)
	case values.Tuple:
		items, hit := redactItems(v, path)
		return values.Tuple(items), hit
	case values.Set, values.FrozenSet:
		// Its members have no names, and two redacted ones would be one.
		return redacted, true
	case *values.Dict:
		return redactDict(v, path)
	case map[string]any:
		return redactDict(values.DictOf(v), path)
	}
	return value, false
}

func redactItems(items []any, path []string) ([]any, bool) {
	items = slices.Clone(items)
	found := false
	for i, item := range items {
		if matches(path[0], strconv.Itoa(i)) {
			var hit bool
			items[i], hit = redact(item, path[1:])
			found = found || hit
		}
	}
	return items, found
}

func redactDict(dict *values.Dict, path []string) (any, bool) {
	copied := values.NewDict(dict.Len())
	found := false
	for key, value := range dict.All() {
		name, isText := key.(string)
		if !isText {
			name = values.Format(key)
		}
		if matches(path[0], name) {
			var hit bool
			value, hit = redact(value, path[1:])
			found = found || hit
		}
		if err := copied.Set(key, value); err != nil {
			return redacted, true
		}
	}
	return copied, found
}
