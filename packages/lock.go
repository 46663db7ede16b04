package packages

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/guest"
)

// LockName is the name of the lock in its folder, and FolderName what that folder is called beside a policy.
const (
	LockName   = "packages.lock"
	FolderName = "packages"
)

const (
	lockVersion  = 1
	lockLimit    = 4 << 20 // bytes
	lockedLimit  = 1000    // packages
	importsLimit = 2000    // of one package
)

// ErrLock says that the lock is not there, cannot be read, or is not right.
var ErrLock = errors.New("packages: the lock")

// ErrChanged says that a wheel is not the one that was locked.
var ErrChanged = errors.New("packages: a wheel is not what was locked")

// A Locked is one package of a lock.
type Locked struct {
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	File     string   `json:"file"`     // the wheel, in the lock's folder
	SHA256   string   `json:"sha256"`   // of that file
	Modules  []string `json:"modules"`  // the top-level modules, sorted
	Requires []string `json:"requires"` // as the wheel has them
	Imports  []string `json:"imports"`  // the modules of the guest's own library that its sources import, sorted
}

// String returns "attrs==25.3.0", as it stands in a policy.
func (l *Locked) String() string { return l.Name + "==" + l.Version }

// A Folder has wheels and their lock.
type Folder struct {
	lock   string // its path
	Locked []*Locked

	added map[string][]byte // wheels to be written, by their paths
}

// OpenFolder reads a lock. One that does not exist is empty when it may be made new.
func OpenFolder(lock string, create bool) (*Folder, error) {
	f := &Folder{lock: lock}
	data, err := readFile(lock, lockLimit)
	if create && errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLock, err)
	}
	var content struct {
		Version  int       `json:"version"`
		Packages []*Locked `json:"packages"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&content); err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrLock, lock, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: %q: there is more behind its end", ErrLock, lock)
	}
	if content.Version != lockVersion {
		return nil, fmt.Errorf("%w: %q: version %d is not known, want %d", ErrLock, lock, content.Version, lockVersion)
	}
	f.Locked = content.Packages
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrLock, lock, err)
	}
	return f, nil
}

// check finds what is wrong in a lock without looking at the wheels.
func (f *Folder) check() error {
	if len(f.Locked) > lockedLimit {
		return fmt.Errorf("more than %d packages", lockedLimit)
	}
	names := make(map[string]bool)
	owners := make(map[string]*Locked) // of top-level modules, in lower case
	for _, l := range f.Locked {
		switch {
		case l == nil || !packageName().MatchString(l.Name) || wheelName().FindString(l.File) == "":
			return errors.New("it has an entry that is none")
		case names[normal(l.Name)]:
			return fmt.Errorf("package %q is there twice", l.Name)
		case len(l.Imports) > importsLimit:
			return fmt.Errorf("package %q has more than %d imports", l.Name, importsLimit)
		}
		names[normal(l.Name)] = true
		for _, module := range l.Modules {
			if other := owners[strings.ToLower(module)]; other != nil {
				return fmt.Errorf("packages %q and %q both have a module %q: only one of them can be locked", other.Name, l.Name, module)
			}
			owners[strings.ToLower(module)] = l
		}
	}
	return nil
}

// Find returns the entry of a package, by its name in any spelling, or nil.
func (f *Folder) Find(name string) *Locked {
	for _, l := range f.Locked {
		if normal(l.Name) == normal(name) {
			return l
		}
	}
	return nil
}

// Path returns the path of a package's wheel.
func (f *Folder) Path(l *Locked) string { return filepath.Join(filepath.Dir(f.lock), l.File) }

// Added is what [Folder.Add] did.
type Added struct {
	*Locked
	Replaced *Locked  // the version that was locked before, nil if none; its wheel stays where it is
	Lacks    []string // modules of CPython's library that its sources import and the guest is without
}

// Add checks the wheel at a path and takes it in; [Folder.Write] writes it and the lock. Another version of the package is replaced.
func (f *Folder) Add(file string) (*Added, error) {
	data, err := readFile(file, wheelLimit)
	if err != nil {
		return nil, fmt.Errorf("packages: %w", err)
	}
	entry, lacks, err := lockWheel(filepath.Base(file), data)
	if err != nil {
		return nil, fmt.Errorf("packages: %w", err)
	}
	old := f.Find(entry.Name)
	changed := &Folder{Locked: append(slices.DeleteFunc(slices.Clone(f.Locked), func(l *Locked) bool { return l == old }), entry)}
	slices.SortFunc(changed.Locked, func(a, b *Locked) int { return cmp.Compare(normal(a.Name), normal(b.Name)) })
	if err := changed.check(); err != nil {
		return nil, fmt.Errorf("packages: %s: %w", entry, err)
	}
	if f.added == nil {
		f.added = make(map[string][]byte)
	}
	f.added[f.Path(entry)] = data
	f.Locked = changed.Locked
	return &Added{Locked: entry, Replaced: old, Lacks: lacks}, nil
}

// lockWheel checks a wheel thoroughly, each file of it, and says what the lock has of it.
func lockWheel(file string, data []byte) (entry *Locked, lacks []string, err error) {
	w, err := OpenWheel(file, data)
	if err != nil {
		return nil, nil, err
	}
	if err := w.verifyRecord(); err != nil {
		return nil, nil, fmt.Errorf("%q: %w", file, err)
	}
	names, err := w.imports()
	if err != nil {
		return nil, nil, fmt.Errorf("%q: %w", file, err)
	}
	have, lacks, err := guest.Known(names)
	if err != nil {
		return nil, nil, err
	}
	return &Locked{w.Name, w.Version, w.File, w.SHA256, list(w.Modules), list(w.Requires), list(have)}, lacks, nil
}

// list makes nil the empty list, for JSON.
func list(names []string) []string { return append([]string{}, names...) }

// Write writes the wheels that were added, unless they are there, and then the lock: the same bytes for the same packages.
func (f *Folder) Write() error {
	if err := os.MkdirAll(filepath.Dir(f.lock), 0o755); err != nil {
		return fmt.Errorf("packages: %w", err)
	}
	for name, data := range f.added {
		if there, err := readFile(name, wheelLimit); err == nil && bytes.Equal(there, data) {
			continue
		}
		if err := writeFile(name, data); err != nil {
			return fmt.Errorf("packages: %w", err)
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(struct {
		Version  int       `json:"version"`
		Packages []*Locked `json:"packages"`
	}{lockVersion, f.Locked}); err != nil {
		return fmt.Errorf("packages: %w", err)
	}
	if err := writeFile(f.lock, text.Bytes()); err != nil {
		return fmt.Errorf("packages: %w", err)
	}
	return nil
}

// open reads a locked wheel and compares its hash before anything else is made of it.
func (f *Folder) open(l *Locked) (*Wheel, error) {
	data, err := readFile(f.Path(l), wheelLimit)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrChanged, l, err)
	}
	if sum := digest(data); sum != l.SHA256 {
		return nil, fmt.Errorf("%w: %s: %q has the hash sha256:%s, locked is sha256:%.64s", ErrChanged, l, f.Path(l), sum, l.SHA256)
	}
	w, err := OpenWheel(l.File, data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChanged, err)
	}
	if w.Name != l.Name || w.Version != l.Version || !slices.Equal(w.Modules, l.Modules) || !slices.Equal(w.Requires, l.Requires) {
		return nil, fmt.Errorf("%w: %s: the lock does not say what is in the wheel", ErrChanged, l)
	}
	return w, nil
}

// Verify checks all wheels of the lock as Add does, and that what the lock says of them is so, and that each finds the
// others that it requires. It returns all that is wrong.
func (f *Folder) Verify() []error {
	var wrong []error
	wheels := make(map[*Locked]*Wheel)
	for _, l := range f.Locked {
		w, err := f.open(l)
		if err == nil {
			var data []byte
			if data, err = readFile(f.Path(l), wheelLimit); err == nil {
				var now *Locked
				if now, _, err = lockWheel(l.File, data); err == nil && !slices.Equal(now.Imports, l.Imports) {
					err = fmt.Errorf("%w: %s: the lock does not say what its sources import", ErrChanged, l)
				}
			}
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		wheels[l] = w
	}
	return append(wrong, unmetErrors(wheels, f)...)
}

// Missing says what the locked packages require that is not locked, or not in the version that they need.
func (f *Folder) Missing() []error {
	wheels := make(map[*Locked]*Wheel)
	for _, l := range f.Locked {
		w := &Wheel{}
		for _, text := range l.Requires {
			if r, err := parseRequirement(text); err == nil {
				w.requires = append(w.requires, r)
			}
		}
		wheels[l] = w
	}
	return unmetErrors(wheels, f)
}

func unmetErrors(wheels map[*Locked]*Wheel, f *Folder) []error {
	var wrong []error
	for _, m := range missing(wheels, f) {
		wrong = append(wrong, fmt.Errorf("%s", m.text))
	}
	return wrong
}

// readFile reads a regular file whole, if it is not longer than that.
func readFile(name string, limit int64) ([]byte, error) {
	// Before it is opened: to open a pipe is to wait for whoever writes to it.
	if info, err := os.Stat(name); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is no regular file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%q is larger than %d MiB", name, limit>>20)
	}
	return data, err
}

// writeFile writes a file under another name until it is whole.
func writeFile(name string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}
