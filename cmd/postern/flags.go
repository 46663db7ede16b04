package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// flags is a verb's flags and help.
type flags struct {
	*flag.FlagSet
	cli   *cli
	about string
}

// newFlags begins a verb's flags. usage is its first line ("run [FLAGS] FILE"), about what it does.
func (c *cli) newFlags(usage, about string) *flags {
	f := &flags{FlagSet: flag.NewFlagSet(usage, flag.ContinueOnError), cli: c, about: about}
	f.SetOutput(io.Discard) // parse says what is wrong, in our own form
	return f
}

// parse reads flags wherever they stand among the arguments, up to a "--". It returns the other arguments and true, or the exit code and
// false when there is nothing more to do.
func (f *flags) parse(args []string) (rest []string, code int, ok bool) {
	for {
		err := f.Parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp):
			f.help(f.cli.stdout)
			return nil, exitOK, false
		case err != nil:
			f.cli.errorf("%s", strings.Replace(strings.TrimPrefix(err.Error(), "flag "), "provided but not defined: -", "unknown flag --", 1))
			f.cli.hintf("usage: postern %s", f.Name())
			return nil, exitUsage, false
		}
		if empty, found := f.emptyPath(); found {
			f.cli.errorf("--%s is empty", empty)
			f.cli.hintf("`postern %s --help` says what holds without --%s", f.verb(), empty)
			return nil, exitUsage, false
		}
		consumed := len(args) - f.NArg()
		if f.NArg() == 0 || consumed > 0 && args[consumed-1] == "--" {
			return append(rest, f.Args()...), exitOK, true
		}
		rest = append(rest, f.Arg(0))
		args = f.Args()[1:]
	}
}

// emptyPath finds a flag that names a file and was given as "", as by a variable that is not set. It must not mean the default.
func (f *flags) emptyPath() (name string, found bool) {
	f.Visit(func(one *flag.Flag) {
		if one.Name != "c" && one.Value.String() == "" {
			name, found = one.Name, true
		}
	})
	return name, found
}

// verb is the words that the usage begins with: "policy init".
func (f *flags) verb() string {
	words := strings.Fields(f.Name())
	for i, word := range words {
		if strings.ToLower(word) != word || strings.ContainsAny(word, "[-<") {
			return strings.Join(words[:i], " ")
		}
	}
	return f.Name()
}

// A list is the value of a flag that can be repeated.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(text string) error {
	*l = append(*l, text)
	return nil
}

func (f *flags) help(w io.Writer) {
	fmt.Fprintf(w, "usage: postern %s\n\n%s\n", f.Name(), f.about)
	first := true
	f.VisitAll(func(one *flag.Flag) {
		if first {
			fmt.Fprintln(w)
			first = false
		}
		dashes := "--"
		if len(one.Name) == 1 {
			dashes = "-"
		}
		value, text := flag.UnquoteUsage(one)
		if value != "" {
			value = " " + value
		}
		fmt.Fprintf(w, "  %-22s %s\n", dashes+one.Name+value, text)
	})
}

// logLevel adds --log-level and returns a function that makes the logger, to be called after parse.
func (f *flags) logLevel() func() (hclog.Logger, error) {
	level := f.String("log-level", "warn", "what to log on stderr: `LEVEL` is trace, debug, info (with each audit record), warn, error or off")
	return func() (hclog.Logger, error) {
		parsed := hclog.LevelFromString(*level)
		if parsed == hclog.NoLevel {
			return nil, fmt.Errorf("--log-level: %q is no level (trace, debug, info, warn, error, off)", *level)
		}
		return hclog.New(&hclog.LoggerOptions{Name: "postern", Level: parsed, Output: f.cli.stderr}), nil
	}
}
