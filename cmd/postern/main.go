// Command postern runs an agent's Python behind a policy. `postern help` lists what it can do.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// The exit codes, which scripts depend on.
const (
	exitOK       = 0
	exitRaised   = 1  // the Python code raised
	exitUsage    = 2  // bad usage or an invalid policy
	exitDenied   = 3  // a denial that the code did not catch
	exitLimit    = 4  // a limit of the policy
	exitInternal = 70 // a fault that is not the code's

	exitInterrupted = 130 // by Ctrl-C or SIGTERM, as shells count it
)

func main() { start(600 * time.Millisecond) }

// start is main; patience is that of the cli.
func start(patience time.Duration) {
	// It would connect the guest's own stdout to ours; package host refuses to run while it is set.
	os.Unsetenv("EXTISM_ENABLE_WASI_OUTPUT")
	// The second signal kills: a first one that is not heeded must not make the terminal useless.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	c := &cli{ctx: ctx, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, patience: patience}
	os.Exit(c.main(os.Args[1:]))
}

// cli is what a verb has to work with.
type cli struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	patience       time.Duration // after which something that takes long says what it is

	shown atomic.Bool // something that code chose was shown: not all that is on the terminal is this program's
}

// A verb is one word of the command line. Its function gets the arguments after the word and returns the exit code.
type verb struct {
	name    string
	summary string
	run     func(c *cli, args []string) int
}

func verbs() []verb {
	return []verb{
		{"run", "run Python under a policy", (*cli).run},
		{"repl", "run Python interactively under a policy", (*cli).repl},
		{"batch", "run many programs, each in a session of its own", (*cli).batch},
		{"serve", "run Python for programs in other languages, over JSON-RPC", (*cli).serve},
		{"mcp", "run Python for the models of MCP clients", (*cli).mcp},
		{"policy", "check, explain, compare, test, format, begin and learn policies", (*cli).policy},
		{"packages", "keep the Python packages that policies name", (*cli).packages},
		{"plugin", "begin, build, check and call the plugins that tools are made of", (*cli).plugin},
		{"link", "write the guest that has exactly a policy's imports", (*cli).link},
		{"imports", "list what a module imports, against a policy", (*cli).imports},
		{"audit", "show, verify, prove and replay what was recorded", (*cli).audit},
		{"bench", "measure this machine", (*cli).bench},
		{"version", "print versions and digests", (*cli).version},
	}
}

func (c *cli) main(args []string) int {
	if len(args) == 0 {
		c.help(c.stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		if len(args) > 1 {
			return c.main(append(args[1:len(args):len(args)], "--help"))
		}
		c.help(c.stdout)
		return exitOK
	case "--version":
		return c.version(args[1:])
	}
	return c.dispatch("", verbs(), args)
}

// dispatch runs the verb that args begin with; before is what was typed before it.
func (c *cli) dispatch(before string, verbs []verb, args []string) int {
	names := make([]string, len(verbs))
	for i, v := range verbs {
		if v.name == args[0] {
			return v.run(c, args[1:])
		}
		names[i] = v.name
	}
	c.errorf("unknown command %q", before+args[0])
	if name, ok := nearest(args[0], names); ok {
		c.hintf("did you mean `postern %s%s`?", before, name)
	} else if before != "" {
		c.hintf("`postern %s--help` lists its commands", before)
	} else {
		c.hintf("`postern help` lists the commands")
	}
	return exitUsage
}

// group runs a verb that has verbs of its own. usage is its first line, about what it does.
func (c *cli) group(usage, about string, verbs []verb, args []string) int {
	name, _, _ := strings.Cut(usage, " ")
	if len(args) > 0 && args[0] != "-h" && args[0] != "--help" {
		return c.dispatch(name+" ", verbs, args)
	}
	about += "\n"
	for _, v := range verbs {
		about += fmt.Sprintf("\n  %-10s %s", v.name, v.summary)
	}
	f := c.newFlags(usage, fmt.Sprintf("%s\n\n`postern %s COMMAND --help` explains a command.", about, name))
	if len(args) == 0 {
		f.help(c.stderr)
		return exitUsage
	}
	f.help(c.stdout)
	return exitOK
}

func (c *cli) help(w io.Writer) {
	fmt.Fprint(w, `Postern runs an agent's Python in a sandbox that can reach what a policy grants, and nothing else.

usage: postern COMMAND [ARGUMENTS]

`)
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-10s %s\n", v.name, v.summary)
	}
	fmt.Fprint(w, `
`+"`postern COMMAND --help`"+` explains a command.

exit codes: 0 fine; 1 the Python code raised; 2 bad usage or invalid policy; 3 an uncaught denial; 4 a limit;
70 an internal fault; 130 interrupted. 3 and 4 are told by what the code raised: information, not proof. `+"`imports`"+` exits with 3 for an import that
is not granted, `+"`audit verify`"+` and `+"`audit replay`"+` with 1 for a log that is not what was written or goes another way.
`)
}
