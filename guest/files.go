package guest

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Where the guest looks for files.
const (
	libraryFolder = "lib/python3.13"
	zonesFolder   = "usr/share/zoneinfo"
)

// fileLimit bounds one file of the library once decompressed, in bytes.
const fileLimit = 16 << 20

// Files returns the file system that the guest sees as "/": the modules that a policy with these imports can reach, what those
// need, and what the interpreter needs to start. It is read-only, in memory, and has nothing of the host's. A name that is
// not in this guest is passed over: whether it may stand in a policy is for the policy's check to say.
func Files(imports []string) (fs.FS, error) {
	lib, err := library()
	if err != nil {
		return nil, err
	}
	reached := lib.closure(imports)

	archive, err := openArchive()
	if err != nil {
		return nil, err
	}
	tree := newTree()
	for name, m := range reached {
		file := path.Join(libraryFolder, m.File)
		entry, ok := archive[file]
		if !ok {
			return nil, fmt.Errorf("guest: stdlib.zip lacks %s of module %s", file, name)
		}
		tree.add(file, entry)
	}
	if _, zones := reached["zoneinfo"]; zones {
		for name, entry := range archive {
			if strings.HasPrefix(name, zonesFolder+"/") {
				tree.add(name, entry)
			}
		}
	}
	own, err := fs.Glob(embedded, ownSources+"/*.py")
	if err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	for _, name := range own {
		source, err := embedded.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("guest: %w", err)
		}
		tree.add(path.Join(libraryFolder, path.Base(name)), &content{size: int64(len(source)), read: func() ([]byte, error) { return source, nil }})
	}
	tree.sort()
	return tree, nil
}

// openArchive lists the embedded archive. Its entries are decompressed when they are first read, and then kept.
var openArchive = sync.OnceValues(func() (map[string]*content, error) {
	data, err := embedded.ReadFile("dist/stdlib.zip")
	if err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	reader, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("guest: stdlib.zip: %w", err)
	}
	entries := make(map[string]*content, len(reader.File))
	for _, file := range reader.File {
		if file.UncompressedSize64 > fileLimit {
			return nil, fmt.Errorf("guest: stdlib.zip: %s is too large", file.Name)
		}
		entries[file.Name] = &content{
			size: int64(file.UncompressedSize64),
			read: sync.OnceValues(func() ([]byte, error) { return unzip(file) }),
		}
	}
	return entries, nil
})

func unzip(file *zip.File) ([]byte, error) {
	r, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, file.UncompressedSize64)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, err
	}
	// The archive's own checksum is compared at the end of the stream.
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		return nil, fmt.Errorf("%s: %w", file.Name, zip.ErrChecksum)
	}
	return data, nil
}

// content is one file's bytes, which nobody may change.
type content struct {
	size int64
	read func() ([]byte, error)
}

// tree is a read-only file system in memory. It does not change once it is sorted.
type tree struct {
	files   map[string]*content
	folders map[string][]fs.DirEntry // by name; members sorted by name
}

func newTree() *tree {
	return &tree{files: make(map[string]*content), folders: map[string][]fs.DirEntry{".": nil}}
}

func (t *tree) add(name string, c *content) {
	t.files[name] = c
	var member fs.DirEntry = entry{name: path.Base(name), size: c.size}
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

func (t *tree) sort() {
	for _, members := range t.folders {
		slices.SortFunc(members, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
}

// Open implements [fs.FS].
func (t *tree) Open(name string) (fs.File, error) {
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
	data, err := c.read()
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{entry: entry{name: path.Base(name), size: c.size}, Reader: bytes.NewReader(data)}, nil
}

// Stat implements [fs.StatFS]: it does not decompress the file.
func (t *tree) Stat(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	if _, ok := t.folders[name]; ok {
		return entry{name: path.Base(name), folder: true}, nil
	}
	if c, ok := t.files[name]; ok {
		return entry{name: path.Base(name), size: c.size}, nil
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
