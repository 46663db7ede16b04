package policies

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/values"
)

// Written are the arguments of a call as somebody writes them down who explains
// or tests a policy.
type Written struct {
	Args   []any            // by place
	Kwargs []values.Keyword // by name
}

// ParseWritten reads arguments in JSON: an array has them by place, an object by
// the names of the parameters. An object of nothing but "args" and "kwargs", as in the
// records of the audit log, has both. Values are those of docs/abi.md.
func ParseWritten(src []byte) (Written, error) {
	src = bytes.TrimSpace(src)
	if args, kwargs, err := values.DecodeCall(src); err == nil && (args != nil || kwargs != nil) {
		return Written{args, kwargs}, nil
	}
	key := []byte(`{"args":`)
	if bytes.HasPrefix(src, []byte("{")) {
		key = []byte(`{"kwargs":`)
	}
	args, kwargs, err := values.DecodeCall(slices.Concat(key, src, []byte("}")))
	if wrong := (*values.SyntaxError)(nil); errors.As(err, &wrong) {
		err = &values.SyntaxError{Offset: max(wrong.Offset-len(key), 0), Message: wrong.Message} // in what was written
	}
	if err != nil {
		return Written{}, errors.New("the arguments are neither a JSON array nor a JSON object of values: " + err.Error())
	}
	return Written{args, kwargs}, nil
}

// String shows the arguments as they stand between parentheses in Python: "2.0, url='x'".
func (w Written) String() string {
	parts := make([]string, 0, len(w.Args)+len(w.Kwargs))
	for _, v := range w.Args {
		parts = append(parts, values.Format(v))
	}
	for _, k := range w.Kwargs {
		parts = append(parts, k.Name+"="+values.Format(k.Value))
	}
	return bounded(strings.Join(parts, ", "))
}

// bind puts the arguments to the function's parameters.
func (w Written) bind(f *Function) (Arguments, error) {
	if f.Bind != nil {
		return f.Bind(w.Args, w.Kwargs)
	}
	named := NamedArguments{}
	for i, v := range w.Args {
		if i >= len(f.Parameters) {
			return nil, fmt.Errorf("%s takes %s", f.Name, plural(int64(len(f.Parameters)), "argument"))
		}
		named[f.Parameters[i].Name] = v
	}
	for _, k := range w.Kwargs {
		_, twice := named[k.Name]
		known := slices.ContainsFunc(f.Parameters, func(p Parameter) bool { return p.Name == k.Name })
		if !known || twice {
			return nil, fmt.Errorf("%s has no parameter %s, or it is given twice", f.Name, quote(k.Name))
		}
		named[k.Name] = k.Value
	}
	return named, nil
}

// Arrange gives the arguments by place where the function takes them so alone and they were named: whoever writes them
// down need not know. Others are returned as they are.
func (p *Policy) Arrange(capability string, w Written) Written {
	family, name, _ := strings.Cut(capability, ".")
	f, ok := p.vocab.function(family, name)
	if !ok || len(w.Args) > 0 {
		return w
	}
	if _, err := w.bind(f); err == nil {
		return w
	}
	placed := Written{Kwargs: slices.Clone(w.Kwargs)}
	for _, parameter := range f.Parameters {
		i := slices.IndexFunc(placed.Kwargs, func(k values.Keyword) bool { return k.Name == parameter.Name })
		if i < 0 {
			break
		}
		placed.Args = append(placed.Args, placed.Kwargs[i].Value)
		placed.Kwargs = slices.Delete(placed.Kwargs, i, i+1)
	}
	if _, err := placed.bind(f); err != nil {
		return w
	}
	return placed
}

// Ask decides about a call by its written arguments, as a host does: where the decision depends on the arguments they
// are bound to the function's parameters first, and [Policy.Decide] decides. Arguments that do not fit
// the function are denied and count nothing. call.Arguments is set by it; what a family's
// Decide does wrong is a denial.
func (p *Policy) Ask(call Call, written Written) (d Decision) {
	defer func() {
		if recover() != nil {
			d = Decision{Reason: "the policy could not decide", By: "host"}
		}
	}()
	family, name, _ := strings.Cut(call.Capability, ".")
	g := p.Grant(family)
	if g == nil || !g.NeedsArguments() || !slices.Contains(g.Functions, name) {
		return p.Decide(&call)
	}
	function, ok := p.vocab.function(family, name)
	if !ok {
		return p.Decide(&call)
	}
	bound, err := written.bind(function)
	if err != nil {
		d = p.Decide(&Call{Capability: call.Capability, Session: call.Session, Now: call.Now})
		d.Allow, d.Ask, d.Hint, d.Reason = false, false, "", "the arguments do not fit the function: "+bounded(err.Error())
		return d
	}
	call.Arguments = bound
	return p.Decide(&call)
}

// Fits says in Python's words why arguments do not fit a function, and nil if they do. A call that the policy
// allows without a look at its arguments can still be one that the function does not take.
func (p *Policy) Fits(capability string, written Written) error {
	family, name, _ := strings.Cut(capability, ".")
	function, ok := p.vocab.function(family, name)
	if !ok {
		return nil
	}
	_, err := written.bind(function)
	return err
}
