// Package memfs is a read-only file system in memory, for what the guest sees.
package memfs

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Content is one file's bytes, which nobody may change. Read may be called by many goroutines at once.
type Content struct {
	Size int64
	Read func() ([]byte, error)
}

// Tree is a read-only file system in memory. It does not change once it is sorted, and is then safe for concurrent use.
type Tree struct {
	files   map[string]*Content
	folders map[string][]fs.DirEntry // by name; members sorted by name
}

// New returns a tree without files.
func New() *Tree {
	return &Tree{files: make(map[string]*Content), folders: map[string][]fs.DirEntry{".": nil}}
}

// Add adds a file at a path that [fs.ValidPath] knows, and the folders above it. No file may be there, nor be above or below.
func (t *Tree) Add(name string, c *Content) {
	t.files[name] = c
	var member fs.DirEntry = entry{name: path.Base(name), size: c.Size}
	for {
		folder := path.Dir(name)
		_, known := t.folders[folder]
		t.folders[folder] = append(t.folders[folder], member)
		if known {
			return
		}
		member, name = entry{name: path.Base(folder), folder: true}, folder
	}
}

// Sort is called once, after the last Add.
func (t *Tree) Sort() {
	for _, members := range t.folders {
		slices.SortFunc(members, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
}

// Open implements [fs.FS].
func (t *Tree) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if members, ok := t.folders[name]; ok {
		return &openFolder{entry: entry{name: path.Base(name), folder: true}, members: members}, nil
	}
	c, ok := t.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	data, err := c.Read()
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{entry: entry{name: path.Base(name), size: c.Size}, Reader: bytes.NewReader(data)}, nil
}

// Stat implements [fs.StatFS]: it does not decompress the file.
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	if _, ok := t.folders[name]; ok {
		return entry{name: path.Base(name), folder: true}, nil
	}
	if c, ok := t.files[name]; ok {
		return entry{name: path.Base(name), size: c.Size}, nil
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

// entry describes a file or folder, in both of the ways that io/fs asks for.
type entry struct {
	name   string
	size   int64
	folder bool
}

func (e entry) Name() string               { return e.name }
func (e entry) Size() int64                { return e.size }
func (e entry) IsDir() bool                { return e.folder }
func (e entry) ModTime() time.Time         { return time.Time{} }
func (e entry) Sys() any                   { return nil }
func (e entry) Type() fs.FileMode          { return e.Mode().Type() }
func (e entry) Info() (fs.FileInfo, error) { return e, nil }
func (e entry) Mode() fs.FileMode {
	if e.folder {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

type openFile struct {
	entry
	*bytes.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.entry, nil }
func (f *openFile) Size() int64                { return f.entry.size }
func (f *openFile) Close() error               { return nil }

type openFolder struct {
	entry
	members []fs.DirEntry
	at      int
}

func (f *openFolder) Stat() (fs.FileInfo, error) { return f.entry, nil }
func (f *openFolder) Close() error               { return nil }
func (f *openFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
}

// ReadDir implements [fs.ReadDirFile].
func (f *openFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := f.members[f.at:]
	if n > 0 && len(rest) == 0 {
		return nil, io.EOF
	}
	if n > 0 && len(rest) > n {
		rest = rest[:n]
	}
	f.at += len(rest)
	return slices.Clone(rest), nil
}
