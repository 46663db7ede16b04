package packages

import (
	"archive/zip"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/postern-sandbox/postern/internal/memfs"
	"github.com/postern-sandbox/postern/policies"
)

// LockBeside returns the path of the lock that belongs to a policy file.
func LockBeside(policyFile string) string {
	return filepath.Join(filepath.Dir(policyFile), FolderName, LockName)
}

// A Set is the packages of a policy, ready to be mounted. It is safe for concurrent use.
type Set struct {
	Packages []*Locked // sorted by name
	Modules  []string  // the top-level modules of all, sorted
	Imports  []string  // the modules of the guest's library that they need
	Locked   []*Locked // all that the lock has, for hints

	named map[*Locked]policies.Package

	// Files has the modules at its root, and the packages' metadata beside them.
	Files fs.FS
}

// Load reads the packages that a policy names from the lock and their wheels, whose hashes it compares. What they require must
// be named too. An error is of type [policies.Errors], with the positions of the packages; without packages the set is nil.
func Load(lock string, policy *policies.Policy) (*Set, error) {
	named := policy.Python.Packages
	if len(named) == 0 {
		return nil, nil
	}
	folder, err := OpenFolder(lock, false)
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "`postern packages add WHEEL` makes it"
		}
		return nil, policies.Errors{policy.Mistake(named[0].Position, err.Error(), hint)}
	}
	wheels := make(map[*Locked]*Wheel)
	at := make(map[*Locked]policies.Package)
	var wrong policies.Errors
	for _, p := range named {
		l, message, hint := folder.choose(p)
		if l != nil {
			at[l] = p
			if wheels[l], err = folder.open(l); err != nil {
				message, hint = err.Error(), "put back the wheel that was locked, or lock this one with `postern packages add`"
			}
		}
		if message != "" {
			wrong = append(wrong, policy.Mistake(p.Position, message, hint))
		}
	}
	if len(wrong) == 0 {
		for _, m := range missing(wheels, folder) {
			wrong = append(wrong, policy.Mistake(at[m.needs].Position, m.text, m.hint))
		}
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	set := newSet(folder, wheels)
	set.named = at
	return set, nil
}

// choose finds the locked package that a policy means, or says why there is none.
func (f *Folder) choose(p policies.Package) (l *Locked, message, hint string) {
	l = f.Find(p.Name)
	switch {
	case l == nil:
		return nil, fmt.Sprintf("package %s is not in %s", p, f.lock), "`postern packages add` puts a wheel there; " + f.listed()
	case !sameVersion(l.Version, p.Version):
		return nil, fmt.Sprintf("package %s is not in %s, which has %s", p, f.lock, l), fmt.Sprintf("write %q, or add the wheel of that version", l)
	}
	return l, "", ""
}

// listed says what the lock has, cut short.
func (f *Folder) listed() string {
	if len(f.Locked) == 0 {
		return "it is empty"
	}
	var names []string
	for _, l := range f.Locked[:min(len(f.Locked), 10)] {
		names = append(names, l.String())
	}
	if len(f.Locked) > 10 {
		names = append(names, "…")
	}
	return "it has " + strings.Join(names, ", ")
}

// unmet is a requirement that nothing meets.
type unmet struct {
	needs *Locked
	text  string
	hint  string
}

// missing finds what the chosen wheels require of packages that are not among them, or not in that version.
func missing(chosen map[*Locked]*Wheel, folder *Folder) []unmet {
	byName := make(map[string]*Locked)
	for l := range chosen {
		byName[normal(l.Name)] = l
	}
	order := slices.SortedFunc(maps.Keys(chosen), func(a, b *Locked) int { return cmp.Compare(normal(a.Name), normal(b.Name)) })
	extras := wantedExtras(order, chosen, byName)
	var all []unmet
	for _, l := range order {
		for _, r := range chosen[l].requires {
			if !r.holds(extras[l]) {
				continue
			}
			there := byName[normal(r.name)]
			switch locked := folder.Find(r.name); {
			case there != nil && r.versions.match(there.Version):
			case there != nil:
				all = append(all, unmet{l, fmt.Sprintf("%s needs %s, and %s is another version", l, r.text, there), "add a wheel of a version that fits"})
			case locked != nil && r.versions.match(locked.Version):
				all = append(all, unmet{l, fmt.Sprintf("%s needs %s, which packages does not name", l, r.text), fmt.Sprintf("add %q to packages of [python]", locked)})
			case locked != nil:
				all = append(all, unmet{l, fmt.Sprintf("%s needs %s, and the lock has %s", l, r.text, locked), "add a wheel of a version that fits"})
			default:
				all = append(all, unmet{l, fmt.Sprintf("%s needs %s, which is not in the lock", l, r.text), fmt.Sprintf("add a wheel of %q with `postern packages add`, and name it in packages of [python]", r.name)})
			}
		}
	}
	return all
}

// wantedExtras finds the extras that packages want of each other, "name[extra]", until there are no more.
func wantedExtras(order []*Locked, chosen map[*Locked]*Wheel, byName map[string]*Locked) map[*Locked]map[string]bool {
	extras := make(map[*Locked]map[string]bool)
	for again := true; again; {
		again = false
		for _, l := range order {
			for _, r := range chosen[l].requires {
				other := byName[normal(r.name)]
				if other == nil || len(r.extras) == 0 || !r.holds(extras[l]) {
					continue
				}
				if extras[other] == nil {
					extras[other] = make(map[string]bool)
				}
				for _, extra := range r.extras {
					again = again || !extras[other][extra]
					extras[other][extra] = true
				}
			}
		}
	}
	return extras
}

func newSet(folder *Folder, wheels map[*Locked]*Wheel) *Set {
	s := &Set{Locked: folder.Locked}
	tree := memfs.New()
	for _, l := range folder.Locked {
		w := wheels[l]
		if w == nil {
			continue
		}
		s.Packages = append(s.Packages, l)
		s.Modules = append(s.Modules, l.Modules...)
		s.Imports = append(s.Imports, l.Imports...)
		for _, file := range w.files {
			tree.Add(file.Name, content(file))
		}
	}
	tree.Sort()
	slices.Sort(s.Modules)
	slices.Sort(s.Imports)
	s.Imports = slices.Compact(s.Imports)
	s.Files = tree
	return s
}

func content(file *zip.File) *memfs.Content {
	return &memfs.Content{Size: int64(file.UncompressedSize64), Read: sync.OnceValues(func() ([]byte, error) { return unzip(file) })}
}

// Named returns how the policy names one of the set's packages, and where.
func (s *Set) Named(l *Locked) policies.Package { return s.named[l] }

// Manifest returns a line "HASH  FILE" for each package, as sha256sum prints it. A nil set has none.
func (s *Set) Manifest() string {
	var text strings.Builder
	if s != nil {
		for _, l := range s.Packages {
			fmt.Fprintf(&text, "%s  %s\n", l.SHA256, l.File)
		}
	}
	return text.String()
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
