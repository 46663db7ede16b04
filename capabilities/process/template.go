package process

import (
	"errors"
	"fmt"
	"math/big"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// A template is a command of the policy: the words of its argument vector. The first is the program.
type template struct {
	words []word
}

// A word is one argument: literal text, perhaps with places in it.
type word struct {
	parts []part
}

// A part is literal text, or a place if it has a name.
type part struct {
	literal string
	name    string
	kind    kind
}

// A kind is the type of a place.
type kind struct {
	name     string   // "int", "name", "text", "file", "raw", "choice", "range"
	choices  []string // of a choice
	from, to int64    // of a range
}

var (
	commandName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,40}$`)
	placeName   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)
	rangeKind   = regexp.MustCompile(`^(-?[0-9]{1,18})\.\.(-?[0-9]{1,18})$`)
	choice      = regexp.MustCompile(`^[A-Za-z0-9_.,:=+/@%-]{1,100}$`)
	nameValue   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// shells are programs that run text as commands. There may be others.
var shells = []string{
	"ash", "bash", "busybox", "cmd", "cmd.exe", "csh", "dash", "env", "fish", "ksh", "mksh", "powershell", "powershell.exe", "pwsh", "rbash", "sh", "su", "sudo", "tcsh", "xargs", "zsh",
}

const (
	maxWords = 64
	maxText  = 4096 // bytes of one value in an argument
)

// parseTemplate reads a template: words with spaces between; 'single quotes' around a word keep its spaces; {name:type} is a place, "{{" and "}}" are
// braces.
func parseTemplate(text string) (*template, error) {
	raw, err := splitWords(text)
	if err != nil {
		return nil, err
	}
	if len(raw) > maxWords {
		return nil, fmt.Errorf("has more than %d words", maxWords)
	}
	t := new(template)
	seen := map[string]bool{}
	for _, text := range raw {
		w, err := parseWord(text, seen)
		if err != nil {
			return nil, err
		}
		t.words = append(t.words, w)
	}
	if len(t.words) == 0 {
		return nil, errors.New("names no program")
	}
	return t, t.checkProgram()
}

func (t *template) checkProgram() error {
	program := t.words[0]
	if len(program.parts) != 1 || program.parts[0].name != "" {
		return errors.New("lets code choose the program")
	}
	name := program.parts[0].literal
	switch {
	case !path.IsAbs(name) || path.Clean(name) != name || strings.HasSuffix(name, "/"):
		return errors.New("does not begin with the program's whole path")
	case slices.Contains(shells, path.Base(name)):
		return fmt.Errorf("runs %s, which runs other programs by its arguments", path.Base(name))
	}
	return nil
}

func splitWords(text string) (words []string, err error) {
	for text = strings.TrimLeft(text, " "); text != ""; text = strings.TrimLeft(text, " ") {
		if quoted, ok := strings.CutPrefix(text, "'"); ok {
			word, rest, closed := strings.Cut(quoted, "'")
			if !closed || rest != "" && rest[0] != ' ' {
				return nil, errors.New("has a quote that does not end with its word")
			}
			words, text = append(words, word), rest
			continue
		}
		word, rest, _ := strings.Cut(text, " ")
		if strings.ContainsAny(word, `'"`) {
			return nil, errors.New("has a quote in a word; quote it as a whole: 'two words'")
		}
		words, text = append(words, word), rest
	}
	return words, nil
}

func parseWord(text string, seen map[string]bool) (w word, err error) {
	literal := ""
	for text != "" {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			literal, text = literal+text, ""
			break
		}
		literal += text[:i]
		brace := text[i : i+1]
		if text = text[i+1:]; strings.HasPrefix(text, brace) {
			literal, text = literal+brace, text[1:]
			continue
		}
		inside, rest, closed := strings.Cut(text, "}")
		if brace == "}" || !closed {
			return w, errors.New(`has a single brace; "{{" and "}}" are braces`)
		}
		if literal != "" {
			w.parts, literal = append(w.parts, part{literal: literal}), ""
		}
		name, kindText, _ := strings.Cut(inside, ":")
		switch {
		case !placeName.MatchString(name) || name == "stdin" || name == "command":
			return w, fmt.Errorf("has the place %q, which is not {name:type}", inside)
		case seen[name]:
			return w, fmt.Errorf("has the place %q twice", name)
		}
		seen[name] = true
		k, err := parseKind(kindText)
		if err != nil {
			return w, err
		}
		w.parts, text = append(w.parts, part{name: name, kind: k}), rest
	}
	if literal != "" || len(w.parts) == 0 {
		w.parts = append(w.parts, part{literal: literal})
	}
	return w, nil
}

func parseKind(text string) (kind, error) {
	switch text {
	case "int", "name", "text", "file", "raw":
		return kind{name: text}, nil
	}
	if m := rangeKind.FindStringSubmatch(text); m != nil {
		from, _ := strconv.ParseInt(m[1], 10, 64)
		to, _ := strconv.ParseInt(m[2], 10, 64)
		if from > to {
			return kind{}, fmt.Errorf("has the empty range %s", text)
		}
		return kind{name: "range", from: from, to: to}, nil
	}
	if choices := strings.Split(text, "|"); len(choices) > 1 {
		for _, c := range choices {
			if !choice.MatchString(c) {
				return kind{}, fmt.Errorf("has the choice %q", c)
			}
		}
		return kind{name: "choice", choices: choices}, nil
	}
	return kind{}, fmt.Errorf("has a place of the type %q", text)
}

// places gives the places, in the order of the words.
func (t *template) places() (list []part) {
	for _, w := range t.words {
		for _, p := range w.parts {
			if p.name != "" {
				list = append(list, p)
			}
		}
	}
	return list
}

// usage says how the command is called.
func (t *template) usage(command string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "run(%q", command)
	for _, p := range t.places() {
		fmt.Fprintf(&b, ", %s=%s", p.name, p.kind)
	}
	return b.String() + ")"
}

// String says what a value of the kind is.
func (k kind) String() string {
	switch k.name {
	case "int":
		return "an int"
	case "range":
		return fmt.Sprintf("an int from %d to %d", k.from, k.to)
	case "choice":
		return fmt.Sprintf("one of %q", k.choices)
	case "name":
		return "a name of letters, digits, '_', '.' and '-'"
	case "file":
		return "the contents of a file"
	}
	return "a text"
}

// errValue says that a value is of the right type and is not permitted.
var errValue = errors.New("not permitted")

// text gives a value as it stands in an argument. A value that is no such kind is errValue; one of a wrong type is a TypeError.
func (k kind) text(name string, v any) (string, error) {
	switch k.name {
	case "int", "range":
		n, ok := v.(int64)
		switch _, big := v.(*big.Int); {
		case big || ok && k.name == "range" && (n < k.from || n > k.to):
			return "", errValue
		case !ok:
			return "", capabilities.Raise("TypeError", "%s must be int, not %s", name, values.TypeName(v))
		}
		return strconv.FormatInt(n, 10), nil
	}
	text, ok := v.(string)
	if !ok {
		return "", capabilities.Raise("TypeError", "%s must be str, not %s", name, values.TypeName(v))
	}
	permitted := false
	switch k.name {
	case "name":
		permitted = nameValue.MatchString(text)
	case "choice":
		permitted = slices.Contains(k.choices, text)
	case "text", "raw":
		permitted = len(text) <= maxText && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
	}
	if !permitted {
		return "", errValue
	}
	return text, nil
}

func checkTemplate(text string) (offset int, message, hint string) {
	if _, err := parseTemplate(text); err != nil {
		return 0, err.Error(), `write for example "/usr/bin/wc -l {text:file}"; places are {n:int}, {n:1..100}, {s:name}, {s:text}, {s:a|b}, {s:file}, {s:raw}`
	}
	return 0, "", ""
}

func checkCommand(name string) (message, hint string) {
	if !commandName.MatchString(name) {
		return "is not a command's name", "write lower-case letters, digits, '_' and '-', a letter first"
	}
	return "", ""
}
