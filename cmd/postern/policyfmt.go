package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/postern-sandbox/postern/policies"
)

const fmtUsage = "policy fmt [-d | -l | -w] FILE..."

func (c *cli) policyFmt(args []string) int {
	f := c.newFlags(fmtUsage, `Prints policies in the one form in which they are written: tables and keys in the order of docs/policy.md, one blank around "=", comments
kept. Nothing is written to the files unless -w says so. What a policy means does not change; its digest does. A file with mistakes is left
as it is, and its mistakes are printed. "-" is stdin.

Exit codes: 0; 1 when -d or -l found a file that is not in form; 2 for mistakes.`)
	asDiff := f.Bool("d", false, "print a diff of what would change, and nothing else")
	list := f.Bool("l", false, "list the files that are not in form")
	write := f.Bool("w", false, "write the form into the files")
	files, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	if len(files) == 0 {
		return c.fail(usageError("usage: postern "+fmtUsage, "no policy is named"))
	}
	known, err := registry()
	if err != nil {
		return c.fail(err)
	}
	vocab, err := wideVocabulary(known)
	if err != nil {
		return c.fail(err)
	}
	worst := exitOK
	for _, file := range files {
		src, err := c.policySource(file)
		if err != nil {
			worst = max(worst, c.fail(err))
			continue
		}
		name := file
		if file == "-" {
			name = "<stdin>"
		}
		out, err := policies.Format(name, src, vocab)
		if err != nil {
			worst = max(worst, c.fail(err))
			continue
		}
		differs := !bytes.Equal(src, out)
		if differs && (*asDiff || *list) {
			worst = max(worst, exitDiffers)
		}
		if err := c.putFormat(name, src, out, *asDiff, *list, *write && file != "-"); err != nil {
			return c.fail(err)
		}
	}
	return worst
}

// policySource reads a policy, from stdin if its name is "-".
func (c *cli) policySource(file string) ([]byte, error) {
	if file == "-" {
		return readAll(c.stdin, "<stdin>", policyLimit)
	}
	return readFile(file, policyLimit)
}

// putFormat does with the form of a file what the flags say.
func (c *cli) putFormat(name string, src, out []byte, asDiff, list, write bool) error {
	differs := !bytes.Equal(src, out)
	var err error
	if differs && list {
		_, err = fmt.Fprintln(c.stdout, visibleName(name))
	}
	if differs && asDiff {
		_, err = c.stdout.Write(diff.Diff(name+" (as it is)", src, name+" (in form)", out))
	}
	if differs && write {
		err = errors.Join(err, rewrite(name, out))
	}
	if !asDiff && !list && !write {
		_, err = c.stdout.Write(out)
	}
	return err
}

// rewrite replaces what is in a file, whose mode it keeps. The file is what it was or whole, whatever happens.
func rewrite(path string, text []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return usageError("", "%w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return usageError("", "%w", err)
	}
	err = writeFile(path, func(w io.Writer) error {
		if file, ok := w.(*os.File); ok {
			if err := file.Chmod(info.Mode().Perm()); err != nil {
				return err
			}
		}
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return usageError("the file is as it was", "%w", err)
	}
	return nil
}
