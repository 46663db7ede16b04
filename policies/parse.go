package policies

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Parse reads a policy. The filename appears in positions and is not opened.
//
// A policy with a mistake is no policy: then the result is nil and the error
// is an [Errors] with all mistakes. After a mistake in TOML's grammar, which
// makes the rest of the file unreadable, these are the mistakes up to there.
//
// A file may have 1 MiB, 4096 keys and array elements, and 16 levels of
// nesting, and must be UTF-8. Policies may extend each other 8 deep.
func Parse(filename string, src []byte, vocab Vocabulary) (*Policy, error) {
	return parse(filename, src, vocab, nil)
}

// parse reads a policy that those in line extend, the nearest last.
func parse(filename string, src []byte, vocab Vocabulary, line []string) (*Policy, error) {
	c, err := newChecker(filename, src, vocab)
	if err != nil {
		return nil, err
	}
	p := &Policy{
		File:   filename,
		Digest: digest(c.doc.src),
		Limits: DefaultLimits(),
		Python: Python{Imports: vocab.defaultImports()},
		Audit:  Audit{Arguments: ArgumentsFull, Durability: DurabilityEffects, Rotate: defaultRotate},
		vocab:  vocab,
		source: src,
	}
	if !c.isOtherVersion() {
		p.Base = c.base(p, append(line, filename))
		rootKeys.read(c, "", c.doc.root, p)
		c.drop(p)
		c.compileConditions(p)
		p.openGrants()
		c.checkOpenNames(p)
	}
	p.positions = c.positions
	p.toolPolicies()
	if len(c.errs) == 0 {
		c.checkNarrower(p)
	}
	if len(c.errs) > 0 {
		c.errs.sort()
		return nil, append(c.foreign, c.errs...)
	}
	c.warnImports(p)
	c.warnDangers(p)
	c.warnings.sort()
	p.Warnings = c.warnings
	return p, nil
}

// newChecker reads a file's TOML. An error is one that makes the file unreadable; mistakes in the grammar are reported to the checker.
func newChecker(filename string, src []byte, vocab Vocabulary) (*checker, error) {
	if len(src) > maxSize {
		return nil, Errors{{Position: Position{File: filename}, Message: fmt.Sprintf("the file is larger than %s", printSize(maxSize))}}
	}
	// A copy with nothing behind its end: go-toml's parser locates its errors
	// by capacities, and the document must not change under it.
	src = slices.Clip(bytes.Clone(src))
	c := &checker{doc: newDocument(filename, src), vocab: vocab, defaults: map[*ScopeKey]ScopeValue{}}
	if !c.isText() {
		return nil, c.errs
	}
	r := reader{doc: c.doc, report: c.report}
	c.complete = r.read()
	return c, nil
}

func digest(parts ...[]byte) string {
	sum := sha256.New()
	for _, part := range parts {
		sum.Write(part)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// isText reports what makes a file no text at all.
func (c *checker) isText() bool {
	src := c.doc.src
	if bytes.HasPrefix(src, []byte("\xef\xbb\xbf")) {
		c.report(0, "the file begins with a byte order mark", "save it as UTF-8 without one")
	}
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && size == 1 {
			c.report(i, "the file is not valid UTF-8", "")
			break
		}
		i += size
	}
	return len(c.errs) == 0
}
