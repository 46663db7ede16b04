package capabilities

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// About is what the types of a Go function do not say.
type About struct {
	// Doc is one line that says what the function does. What the parameters are is added to it from their tags.
	Doc string
	// Effects is what a call can do. It must be said.
	Effects Effects
}

// Func makes a capability of a Go function. In is a struct, whose fields are the parameters, in order; tags say the rest:
//
//	type lookup struct {
//		Number int64    `postern:"number" doc:"the customer's number" min:"1"`
//		Fields []string `postern:"fields" maxlen:"20"`
//		Limit  int      `postern:"limit,keyword" default:"10" min:"1" max:"100"`
//		Since  *time.Time `postern:"since,keyword"`
//
//		MaxRows int64   `postern:"max_rows,scope"`
//		Session capabilities.Session
//	}
//
// The tag postern has the name in Python, or json if there is no postern, and after a comma perhaps "keyword": the argument, and those
// of all fields behind it, are given by name only. A default is written without quotes, and is for str, bool, int and float. A pointer may be
// None, and be left out. min and max bound a number; maxlen the characters of a str, the bytes of bytes, the members of a list or dict. Lists
// and dicts without maxlen have at most 10,000 members.
//
// A field "key,scope" is not a parameter: it has what the grant's scope says for that key of the family. Nor is ",canonical", which has
// what the family's Decide made of the arguments, nor a field of type Session. What they refer to must not be changed.
//
// Arguments are converted, and what does not fit raises TypeError or ValueError before fn is called: str to string, bool to bool, int to
// integers (a bool is none; uint and uint64 go to 1<<63 - 1) and *big.Int, int and finite float to floats, bytes and bytearray to []byte, list and tuple to slices, dict
// to maps with string keys and to structs, aware datetimes to time.Time, timedelta to time.Duration; the types of package values to themselves, a
// Decimal only if finite; everything to any. A str must be Unicode text, without lone surrogates.
//
// The result becomes a Python value as values.Append has it; an empty struct becomes None. Errors are those of Capability. One that is
// context.DeadlineExceeded, of a time limit of fn's own, raises TimeoutError.
//
// Types and tags are read once. What is wrong with them NewRegistry says, and calls fail.
func Func[In, Out any](family, function string, fn func(ctx context.Context, in In) (Out, error), about About) Capability {
	f := &typed[In, Out]{fn: fn, spec: Spec{Family: family, Function: function, Doc: about.Doc, Signature: "()", Effects: about.Effects}}
	f.fields, f.mistakes = parametersOf(reflect.TypeFor[In]())
	if fn == nil {
		f.mistakes = append(f.mistakes, errors.New("the Go function is nil"))
	}
	out := reflect.TypeFor[Out]()
	if err := encodable(out, nil); err != nil {
		f.mistakes = append(f.mistakes, fmt.Errorf("the result: %w", err))
	}
	f.none = out.Kind() == reflect.Struct && out.NumField() == 0
	if len(f.mistakes) > 0 {
		return f
	}
	text := signatureOf(f.fields)
	var err error
	if f.signature, err = ParseSignature(text); err != nil {
		f.mistakes = append(f.mistakes, err)
		return f
	}
	f.spec.Signature, f.spec.Doc = text, describe(about.Doc, f.fields)
	return f
}

type typed[In, Out any] struct {
	spec      Spec
	signature *Signature
	fields    []field
	mistakes  []error
	none      bool // Out has nothing in it
	fn        func(context.Context, In) (Out, error)
}

func (f *typed[In, Out]) Spec() Spec { return f.spec }

// check says what is wrong with the types and tags, and with the scope keys that they name.
func (f *typed[In, Out]) check(family Family) []error {
	mistakes := slices.Clone(f.mistakes)
	for _, p := range f.fields {
		t := reflect.TypeFor[In]().Field(p.index)
		switch p.source {
		case fromCanonical:
			if family.Decide == nil {
				mistakes = append(mistakes, fmt.Errorf("field %s: the family has no Decide, which would make it", t.Name))
			}
		case fromScope:
			if err := checkScopeField(p, family.Scopes, t.Type); err != nil {
				mistakes = append(mistakes, fmt.Errorf("field %s: %w", t.Name, err))
			}
		}
	}
	return mistakes
}

func (f *typed[In, Out]) Call(ctx context.Context, call *Call) (any, error) {
	if err := errors.Join(f.mistakes...); err != nil {
		return nil, err
	}
	args, err := f.signature.Bind(f.spec.Family, f.spec.Function, call)
	if err != nil {
		return nil, err
	}
	args.call = call
	var in In
	if err := fill(reflect.ValueOf(&in).Elem(), f.fields, args); err != nil {
		return nil, err
	}
	out, err := f.fn(ctx, in)
	switch {
	case err == nil && f.none:
		return nil, nil
	case err == nil:
		return out, nil
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && !isAnswer(err):
		return nil, Raise("TimeoutError", "%s took too long", f.spec.Name())
	}
	return nil, err
}

// isAnswer reports whether an error is meant for Python.
func isAnswer(err error) bool {
	var raised *PythonError
	var denied *Denied
	return errors.As(err, &raised) || errors.As(err, &denied)
}

// fill sets the fields of a call's struct.
func fill(to reflect.Value, fields []field, args Arguments) error {
	place := 0
	for _, p := range fields {
		target := to.Field(p.index)
		switch p.source {
		case fromArgument:
			if wrong := p.shape.set(args.At(place), target); wrong != nil {
				return Raise(wrong.class, "%s%s %s", p.name, wrong.path, wrong.text)
			}
			place++
		case fromScope:
			setScope(target, args.Scope(), p.name)
		case fromSession:
			target.Set(reflect.ValueOf(args.Session()))
		case fromCanonical:
			canonical := reflect.ValueOf(args.Canonical())
			if !canonical.IsValid() || !canonical.Type().AssignableTo(target.Type()) {
				return fmt.Errorf("capabilities: the family's Decide gave a %T, not a %s", args.Canonical(), target.Type())
			}
			target.Set(canonical)
		}
	}
	return nil
}

// signatureOf writes the parameters in Python's syntax.
func signatureOf(fields []field) string {
	var parts []string
	keyword := false
	for _, p := range fields {
		if p.source != fromArgument {
			continue
		}
		if p.keyword && !keyword {
			parts, keyword = append(parts, "*"), true
		}
		part := p.name + ": " + p.shape.annotation
		if p.optional && p.shape.annotation != "any" {
			part += " | None"
		}
		if p.literal != "" {
			part += " = " + p.literal
		}
		parts = append(parts, part)
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// describe adds to a function's doc what its parameters are and how they are bounded, so that whoever calls it can know.
func describe(doc string, fields []field) string {
	var parts []string
	for _, p := range fields {
		if p.source != fromArgument {
			continue
		}
		said := strings.Trim(p.doc+", "+p.shape.bounds, ", ")
		if said != "" {
			parts = append(parts, p.name+": "+said)
		}
	}
	if parts == nil {
		return doc
	}
	return strings.TrimSpace(doc + " " + strings.Join(parts, "; ") + ".")
}
