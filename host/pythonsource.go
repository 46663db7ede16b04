package host

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/policies"
)

// A PythonReader says what files of Python have, without running them. They are parsed in the guest: what the parser could be made to do ends there. It can be
// used by several goroutines at once, and is to be closed.
type PythonReader struct {
	host *Host
}

// describeSource reads a file of Python, the variable source.
//
//go:embed describe_source.py
var describeSource string

// readingPolicy is what files are read under.
const readingPolicy = `policy = 1
name = "reading Python"
[python]
imports = ["ast"]
[audit]
log = "none"
`

// NewPythonReader makes a reader. Of the configuration, the guest, the cache, the logger and Progress count.
func NewPythonReader(ctx context.Context, config Config) (*PythonReader, error) {
	modules, err := guest.Modules()
	if err != nil {
		return nil, err
	}
	policy, err := policies.Parse("(reading Python)", []byte(readingPolicy), policies.Vocabulary{Modules: modules})
	if err != nil {
		return nil, err
	}
	h, err := New(ctx, Config{Policy: policy, Guest: config.Guest, Cache: config.Cache, Logger: config.Logger, Progress: config.Progress})
	if err != nil {
		return nil, err
	}
	return &PythonReader{h}, nil
}

// Close ends the reader.
func (r *PythonReader) Close() error { return r.host.Close() }

// A PythonFile is what a file of Python has, as far as that can be said without running it. Names and texts in it are the file's.
type PythonFile struct {
	Doc string // on one line

	// Functions are the public ones, sorted by name: those at the top of the file which __all__ names or, if there is no
	// __all__, which do not begin with "_".
	Functions []PythonFunction

	// Mistakes are those of syntax, of which the parser finds the first. Then there is nothing else.
	Mistakes policies.Errors

	// ComputedAll is where __all__ is, if only running the file tells what is in it; nil otherwise.
	ComputedAll *policies.Position

	// Unreadable says why the file cannot be parsed, if that is not for its syntax; empty if it can.
	Unreadable string

	unsure  bool                         // more names can be there than can be seen
	all     policies.Position            // of __all__, if there is one that can be read
	private map[string]policies.Position // functions that are not public
	bound   map[string]boundName         // other names
}

// A PythonFunction is one function of a [PythonFile].
type PythonFunction struct {
	Name, Signature string // "count", "(text: str, *, longest: bool=False) -> int"
	Doc             string // on one line
	Position        policies.Position
}

// A boundName is a name that is not only a function's.
type boundName struct {
	what string // "a class"; empty is anything
	at   policies.Position
}

// Read reads a file, which is called name in positions.
func (r *PythonReader) Read(ctx context.Context, name string, source []byte) (f *PythonFile, err error) {
	f = &PythonFile{private: make(map[string]policies.Position), bound: make(map[string]boundName)}
	if !utf8.Valid(source) {
		f.Unreadable = "it is not UTF-8"
		return f, nil
	}
	session, err := r.host.NewSession(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	result, err := session.Set(ctx, map[string]any{"source": string(source)})
	if errors.Is(err, ErrTooLarge) {
		f.Unreadable = "it is too large"
		return f, nil
	}
	if err == nil && result.Error == nil {
		result, err = session.Exec(ctx, describeSource, ExecOptions{Filename: "<reading>"})
	}
	if err != nil {
		return nil, err
	}
	if result.Error != nil {
		f.Unreadable = result.Error.Error()
		return f, nil
	}
	answer, err := result.Decode()
	if err != nil {
		return nil, err
	}
	if err := f.read(name, answer); err != nil {
		return nil, err
	}
	return f, nil
}

// read reads what describeSource says. It is our own code that says it, but of what is not ours.
func (f *PythonFile) read(file string, answer any) error {
	list, _ := answer.([]any)
	for _, entry := range list {
		parts, _ := entry.([]any)
		text := func(i int) string {
			s, _ := part(parts, i).(string)
			return strings.ToValidUTF8(s, "�")
		}
		at := func(i int) policies.Position {
			line, _ := part(parts, i).(int64)
			column, _ := part(parts, i+1).(int64)
			return policies.Position{File: file, Line: int(max(line, 1)), Column: int(max(column, 1))}
		}
		switch kind := text(0); kind {
		case "mistake":
			f.Mistakes = append(f.Mistakes, &policies.Error{Position: at(1), Message: text(3)})
		case "doc":
			f.Doc = strings.Join(strings.Fields(text(1)), " ")
		case "computed":
			where := at(1)
			f.ComputedAll = &where
		case "all":
			f.all = at(1)
		case "unsure":
			f.unsure = true
		case "bound":
			f.bound[text(1)] = boundName{text(2), at(3)}
		case "function":
			f.Functions = append(f.Functions, PythonFunction{text(1), text(2), text(3), at(4)})
		case "private":
			f.private[text(1)] = at(4)
		default:
			return fmt.Errorf("host: %s cannot be described", file)
		}
	}
	return nil
}

// part gives an element of a list, or nil.
func part(list []any, i int) any {
	if i >= len(list) {
		return nil
	}
	return list[i]
}

// Lacks reports whether the file certainly has no public function of a name, and why that may surprise: a name can be something else. Where only running
// the file tells, it does not lack it.
func (f *PythonFile) Lacks(name string) (lacks bool, why string) {
	if f.unsure || f.Mistakes != nil || f.Unreadable != "" || slices.Contains(f.names(), name) {
		return false, ""
	}
	private, isFunction := f.private[name]
	other, isOther := f.bound[name]
	switch {
	case isOther && other.what == "", isFunction && f.ComputedAll != nil:
		return false, ""
	case isFunction && f.all.Line > 0:
		return true, fmt.Sprintf("the function at %v is not in __all__ at %v", private, f.all)
	case isFunction:
		return true, fmt.Sprintf("the function at %v is not public", private)
	case isOther && other.what == "imported":
		return true, fmt.Sprintf("it is imported at %v, and only functions of the file itself can be called", other.at)
	case isOther:
		return true, fmt.Sprintf("it is %s at %v", other.what, other.at)
	}
	return true, ""
}

func (f *PythonFile) names() []string {
	names := make([]string, len(f.Functions))
	for i := range f.Functions {
		names[i] = f.Functions[i].Name
	}
	return names
}

// perhaps reports whether the file can have public functions that only running it makes.
func (f *PythonFile) perhaps() bool {
	if f.unsure || f.ComputedAll != nil {
		return true
	}
	for name, other := range f.bound {
		if other.what == "" && !strings.HasPrefix(name, "_") {
			return true
		}
	}
	return false
}

// check checks that the tool can be this file.
func (f *PythonFile) check(t *tool) error {
	switch {
	case len(f.Mistakes) > 0:
		return fmt.Errorf("%w: %v", ErrPlugin, f.Mistakes[0])
	case f.Unreadable != "":
		return fmt.Errorf("%w: %s cannot be read: %s", ErrPlugin, t.Plugin, f.Unreadable)
	case len(f.Functions) == 0 && !f.perhaps():
		return fmt.Errorf("%w: %s has no public function", ErrPlugin, t.Plugin)
	}
	others := strings.Join(f.names(), ", ")
	if f.perhaps() {
		others = ""
	}
	var lacking unusableErrors
	for i, name := range t.Functions {
		if lacks, why := f.Lacks(name); lacks {
			lacking = append(lacking, t.lacks(i, others, why))
		}
	}
	if lacking != nil {
		return lacking
	}
	return nil
}
