package process

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// A plan is what was decided and is run.
type plan struct {
	command string
	argv    []string
	stdin   []byte
	files   map[string][]byte // by their names in the program's own folder
}

// Argv gives the arguments, the program first.
func (p *plan) Argv() []string { return slices.Clone(p.argv) }

// String gives the arguments, each quoted.
func (p *plan) String() string { return fmt.Sprintf("%q", p.argv) }

// decide is the family's Decide. Canonical is the *plan; for arguments of wrong types, which run nothing, it is the exception
// that the call raises.
func decide(call policies.ScopedCall) policies.Verdict {
	p, err := newPlan(call)
	var raised *capabilities.PythonError
	var denied *capabilities.Denied
	switch {
	case errors.As(err, &raised):
		return policies.Verdict{Allow: true, Key: "commands", Reason: "the arguments run nothing", Canonical: error(raised)}
	case errors.As(err, &denied):
		return denied.Verdict
	case err != nil:
		return policies.Verdict{Key: "commands", Reason: err.Error()}
	}
	return policies.Verdict{Allow: true, Key: "commands", Reason: "commands has it", Canonical: p}
}

func newPlan(call policies.ScopedCall) (*plan, error) {
	v, _ := call.Arguments.Lookup("command")
	command, ok := v.(string)
	if !ok {
		return nil, capabilities.Raise("TypeError", "command must be str, not %s", values.TypeName(v))
	}
	commands := call.Scope.Map("commands")
	text, ok := commands[command]
	if !ok {
		return nil, deny("commands", strings.Join(slices.Sorted(maps.Keys(commands)), ", "), "%q is not among commands", cut(command))
	}
	t, err := parseTemplate(text)
	if err != nil {
		return nil, err
	}
	v, _ = call.Arguments.Lookup("arguments")
	given, ok := v.(*values.Dict)
	if !ok {
		given = new(values.Dict)
	}
	p := &plan{command: command, files: map[string][]byte{}}
	if err := checkNames(t, command, given); err != nil {
		return nil, err
	}
	for _, w := range t.words {
		argument, err := p.fill(t, w, given)
		if err != nil {
			return nil, err
		}
		p.argv = append(p.argv, argument)
	}
	v, _ = call.Arguments.Lookup("stdin")
	if v != nil {
		if p.stdin, err = contents("stdin", v); err != nil {
			return nil, err
		}
	}
	return p, p.checkInput(call.Scope.Number("max_input"))
}

// checkNames compares the arguments with the places: all of them, and no others.
func checkNames(t *template, command string, given *values.Dict) error {
	places := t.places()
	for key := range given.All() {
		name, _ := key.(string)
		if !slices.ContainsFunc(places, func(p part) bool { return p.name == name }) {
			return capabilities.Raise("TypeError", "the command %s has no %q: %s", command, cut(name), t.usage(command))
		}
	}
	for _, p := range places {
		if _, ok := given.Get(p.name); !ok {
			return capabilities.Raise("TypeError", "the command %s needs %s: %s", command, p.name, t.usage(command))
		}
	}
	return nil
}

// fill makes an argument of a word.
func (p *plan) fill(t *template, w word, given *values.Dict) (string, error) {
	argument, said := "", false // whether the policy says that it may begin with "-"
	for _, part := range w.parts {
		if part.name == "" {
			argument += part.literal
			continue
		}
		v, _ := given.Get(part.name)
		if part.kind.name == "file" {
			content, err := contents(part.name, v)
			if err != nil {
				return "", err
			}
			p.files[part.name] = content
			argument += part.name
			continue
		}
		text, err := part.kind.text(part.name, v)
		if errors.Is(err, errValue) {
			return "", deny("commands", t.usage(p.command), "%s must be %s, not %s", part.name, part.kind, shown(v))
		}
		if err != nil {
			return "", err
		}
		if argument == "" {
			said = slices.Contains([]string{"raw", "choice", "range"}, part.kind.name)
		}
		argument += text
	}
	if first := w.parts[0]; first.name != "" && !said && strings.HasPrefix(argument, "-") {
		return "", deny("commands", t.usage(p.command), "%s would be an option: %s", first.name, shown(argument))
	}
	return argument, nil
}

// contents gives what is written to a file or to stdin.
func contents(name string, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) {
			return nil, capabilities.Raise("ValueError", "%s has a surrogate, which has no encoding", name)
		}
		return []byte(v), nil
	case values.Bytes:
		return bytes.Clone(v), nil
	case values.ByteArray:
		return bytes.Clone(v), nil
	}
	return nil, capabilities.Raise("TypeError", "%s must be str or bytes, not %s", name, values.TypeName(v))
}

func (p *plan) checkInput(most int64) error {
	size := int64(len(p.stdin))
	for _, content := range p.files {
		size += int64(len(content))
	}
	if size > most {
		return deny("max_input", strconv.FormatInt(most, 10)+" bytes", "stdin and files have %d bytes", size)
	}
	return nil
}

func deny(key, nearest, format string, args ...any) error {
	return &capabilities.Denied{Verdict: policies.Verdict{Key: key, Reason: fmt.Sprintf(format, args...), Nearest: nearest}}
}

// shown makes a value of the guest's fit for a message.
func shown(v any) string {
	if text, ok := v.(string); ok {
		return strconv.Quote(cut(text))
	}
	return cut(fmt.Sprint(v))
}

func cut(text string) string {
	const most = 100
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
