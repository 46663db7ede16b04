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
// nesting, and must be UTF-8.
func Parse(filename string, src []byte, vocab Vocabulary) (*Policy, error) {
	if len(src) > maxSize {
		return nil, Errors{{Position{File: filename}, fmt.Sprintf("the file is larger than %s", printSize(maxSize)), ""}}
	}
	// A copy with nothing behind its end: go-toml's parser locates its errors
	// by capacities, and the document must not change under it.
	src = slices.Clip(bytes.Clone(src))
	c := &checker{doc: newDocument(filename, src), vocab: vocab}
	if !c.isText() {
		return nil, c.errs
	}
	r := reader{doc: c.doc, report: c.report}
	c.complete = r.read()

	sum := sha256.Sum256(src)
	p := &Policy{
		File:   filename,
		Digest: "sha256:" + hex.EncodeToString(sum[:]),
		Limits: DefaultLimits(),
		Python: Python{Imports: vocab.defaultImports()},
		Audit:  Audit{Arguments: ArgumentsFull, Durability: DurabilityEffects, Rotate: defaultRotate},
		vocab:  vocab,
		source: src,
	}
	if !c.isOtherVersion() {
		rootKeys.read(c, "", c.doc.root, p)
	}
	if len(c.errs) > 0 {
		c.errs.sort()
		return nil, c.errs
	}
	c.warnImports(p)
	c.warnings.sort()
	p.Warnings = c.warnings
	return p, nil
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
