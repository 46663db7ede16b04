package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/postern-sandbox/postern/packages"
)

func packagesVerbs() []verb {
	return []verb{
		{"add", "check wheels and put them in the lock", (*cli).packagesAdd},
		{"list", "list what is locked", (*cli).packagesList},
		{"verify", "check the wheels against the lock, file by file", (*cli).packagesVerify},
	}
}

const defaultLock = packages.FolderName + "/" + packages.LockName

func (c *cli) packages(args []string) int {
	return c.group("packages COMMAND", "Keeps the Python packages that policies name: pure-Python wheels, locked by their hashes.", packagesVerbs(), args)
}

// lockFlag adds --lock.
func (f *flags) lockFlag() *string {
	return f.String("lock", defaultLock, "the lock `FILE`, in the folder of the wheels; a policy's is "+defaultLock+" beside it")
}

func (c *cli) packagesAdd(args []string) int {
	f := c.newFlags("packages add [--lock F] WHEEL | DIR...", `Checks wheels, copies them beside the lock, and writes the lock. DIR stands for the wheels in it. A wheel with compiled code, or
one that is not what it says, is refused with the reason; then nothing is locked. No code of a package runs, and nothing is
downloaded. Another version of a package replaces the one that was locked. Run it in the folder of the policy.`)
	lock := f.lockFlag()
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	if len(rest) == 0 {
		return c.fail(usageError("usage: postern packages add WHEEL", "no wheel is named"))
	}
	wheels, err := wheelsIn(rest)
	if err != nil {
		return c.fail(err)
	}
	folder, err := packages.OpenFolder(*lock, true)
	if err != nil {
		return c.fail(usageError("", "%w", err))
	}
	var added []*packages.Added
	for _, wheel := range wheels {
		a, err := folder.Add(wheel)
		if err != nil {
			exit = c.fail(usageError("", "%w", err))
			continue
		}
		added = append(added, a)
	}
	if exit != exitOK {
		c.hintf("nothing was locked")
		return exit
	}
	if err := folder.Write(); err != nil {
		return c.fail(err)
	}
	for _, a := range added {
		c.printAdded(a)
	}
	for _, err := range folder.Missing() {
		fmt.Fprintln(c.stderr, visible(fmt.Sprintf("warning: %v", err)))
	}
	return exitOK
}

func (c *cli) printAdded(a *packages.Added) {
	line := fmt.Sprintf("%s: modules %s", a.Locked, strings.Join(a.Modules, ", "))
	if a.Replaced != nil && a.Replaced.Version != a.Version {
		line += fmt.Sprintf(" (was %s)", a.Replaced.Version)
	}
	fmt.Fprintln(c.stdout, visible(line))
	if len(a.Lacks) > 0 {
		fmt.Fprintln(c.stderr, visible(fmt.Sprintf("note: %s has code that imports what this guest is without: %s", a.Locked, strings.Join(a.Lacks, ", "))))
	}
}

// wheelsIn names the wheels: a folder stands for those in it.
func wheelsIn(names []string) ([]string, error) {
	var wheels []string
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, usageError("", "%w", err)
		}
		if !info.IsDir() {
			wheels = append(wheels, name)
			continue
		}
		entries, err := os.ReadDir(name)
		if err != nil {
			return nil, usageError("", "%w", err)
		}
		found := false
		for _, entry := range entries {
			if strings.HasSuffix(entry.Name(), ".whl") {
				wheels, found = append(wheels, filepath.Join(name, entry.Name())), true
			}
		}
		if !found {
			return nil, usageError("", "%s has no wheels", name)
		}
	}
	return wheels, nil
}

func (c *cli) packagesList(args []string) int {
	f := c.newFlags("packages list [--lock F] [--json]", `Lists what is locked. The first column is what a policy says in packages of [python].`)
	lock := f.lockFlag()
	asJSON := f.Bool("json", false, "print a JSON array")
	folder, exit, ok := c.openLock(f, args, lock)
	if !ok {
		return exit
	}
	if *asJSON {
		if err := writeJSON(c.stdout, append([]*packages.Locked{}, folder.Locked...)); err != nil {
			return c.fail(err)
		}
		return exitOK
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, l := range folder.Locked {
		fmt.Fprintf(table, "%s\t%s\tsha256:%.12s…\n", visibleName(l.String()), visibleName(strings.Join(l.Modules, ", ")), visibleName(l.SHA256))
	}
	if err := table.Flush(); err != nil {
		return c.fail(err)
	}
	return exitOK
}

func (c *cli) packagesVerify(args []string) int {
	f := c.newFlags("packages verify [--lock F]", `Checks every wheel of the lock: its hash, each of its files against its own list, and what the lock says of it; and that
what each package requires is locked too. Prints nothing and exits 0 when all is right, else 2.`)
	lock := f.lockFlag()
	folder, exit, ok := c.openLock(f, args, lock)
	if !ok {
		return exit
	}
	for _, err := range folder.Verify() {
		exit = c.fail(usageError("", "%w", err))
	}
	return exit
}

// openLock is what list and verify begin with.
func (c *cli) openLock(f *flags, args []string, lock *string) (*packages.Folder, int, bool) {
	rest, exit, ok := f.parse(args)
	if !ok {
		return nil, exit, false
	}
	if len(rest) > 0 {
		return nil, c.fail(usageError("usage: postern "+f.Name(), "too many arguments: %s", strings.Join(rest, " "))), false
	}
	folder, err := packages.OpenFolder(*lock, false)
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "`postern packages add WHEEL` makes it; --lock names another"
		}
		return nil, c.fail(usageError(hint, "%w", err)), false
	}
	return folder, exitOK, true
}
