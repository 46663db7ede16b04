package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// maxVisited is how many names a glob looks at.
const maxVisited = 100_000

// entries calls each with what is in a folder, as far as code can name it: regular files, folders and links.
func (w *work) entries(ctx context.Context, name, path string, each func(os.DirEntry) error) error {
	f, _, err := w.open(name, path, os.O_RDONLY, true)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, err := f.ReadDir(256)
		for _, entry := range batch {
			kind := entry.Type()
			if kind&^(os.ModeDir|os.ModeSymlink) != 0 || !utf8.ValidString(entry.Name()) || checkName(entry.Name()) != "" {
				continue
			}
			if err := each(entry); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return raise(err, path)
		}
	}
}

// names collects names up to max_names.
type names struct {
	list []string
	most int64
}

func (n *names) add(name string) error {
	if int64(len(n.list)) >= n.most {
		return capabilities.Raise("fs.QuotaError", "there are more names than max_names of [grant.fs], which is %d: a narrower pattern gives fewer", n.most)
	}
	n.list = append(n.list, name)
	return nil
}

func (n *names) sorted() []string {
	slices.Sort(n.list)
	if n.list == nil {
		return []string{}
	}
	return n.list
}

func list(ctx context.Context, w *work) (any, error) {
	found := names{most: w.args.Scope().Number("max_names")}
	err := w.entries(ctx, w.name, w.path, func(entry os.DirEntry) error { return found.add(entry.Name()) })
	if err != nil {
		return nil, err
	}
	return found.sorted(), nil
}

// A search is what a glob means under a scope: where to begin, and what the paths below the root must match.
type search struct {
	target
	pattern policies.Pattern
	depth   int // how many names a match has at most
}

// newSearch makes a search of a pattern, in its canonical form, below a root.
func newSearch(t *target, pattern string) (*search, error) {
	if strings.ContainsAny(t.root, "*?") {
		return nil, fmt.Errorf("%q has a wildcard in the name of the root", t.path)
	}
	s := &search{target: *t}
	if pattern == "" {
		return s, nil // the root alone
	}
	var err error
	if s.pattern, err = policies.ParsePath(pattern); err != nil {
		return nil, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "policies: "))
	}
	segments := strings.Split(pattern, "/")
	s.depth = len(segments)
	if slices.Contains(segments, "**") {
		s.depth = maxSegments
	}
	return s, nil
}

// start is the deepest folder in which all matches are.
func (s *search) start() string {
	var fixed []string
	for segment := range strings.SplitSeq(filepath.ToSlash(s.name), "/") {
		if strings.ContainsAny(segment, "*?") {
			return path.Join(fixed...)
		}
		fixed = append(fixed, segment)
	}
	return path.Join(fixed[:len(fixed)-1]...)
}

// glob walks the folders in which matches can be. Links to folders are not followed, so the walk ends.
func glob(ctx context.Context, w *work) (any, error) {
	found := names{most: w.args.Scope().Number("max_names")}
	if w.top() {
		return []string{w.root}, nil
	}
	visited := 0
	pending := []string{w.search.start()} // below the root, with "/"; "" is the root
	if info, err := w.in.Stat(filepath.FromSlash(path.Join(".", pending[0]))); err == nil && info.IsDir() && w.search.pattern.Match(pending[0]) {
		if err := found.add(path.Join(w.root, pending[0])); err != nil {
			return nil, err
		}
	}
	for len(pending) > 0 {
		folder := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		err := w.entries(ctx, filepath.FromSlash(path.Join(".", folder)), path.Join(w.root, folder), func(entry os.DirEntry) error {
			if visited++; visited > maxVisited {
				return capabilities.Raise("fs.QuotaError", "there are more than %d names to look at: a pattern that begins with the name of a folder looks at fewer", maxVisited)
			}
			name := path.Join(folder, entry.Name())
			if len(w.root)+1+len(name) > maxPath {
				return nil
			}
			if entry.IsDir() && strings.Count(name, "/")+1 < w.search.depth {
				pending = append(pending, name)
			}
			if !w.search.pattern.Match(name) {
				return nil
			}
			return found.add(path.Join(w.root, name))
		})
		if err != nil && !passing(err) {
			return nil, err
		}
	}
	return found.sorted(), nil
}

// passing reports whether a folder is only gone, or closed to the host: a glob goes on.
func passing(err error) bool {
	var raised *capabilities.PythonError
	return errors.As(err, &raised) && slices.Contains([]string{"FileNotFoundError", "NotADirectoryError", "PermissionError"}, raised.Type)
}
