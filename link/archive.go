package link

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// An archive is what a sealed module knows by heart: the files that its code sees, and the texts that it may have to say. It is one passive data
// segment, so that it takes no memory; code copies out of it what is wanted. It begins with the records, sorted by path, each
// of recordSize bytes; all places are offsets in the segment.
//
//	u32 path, u32 its length             without a slash at its beginning; the root's is empty
//	u32 content, u32 its length          of a folder: its entries, as fd_readdir gives them
//	u32 type, u32 zero                   WASI's file type
//	u64 time                             of the last change, in nanoseconds since 1970
//	u64 size                             as fd_filestat_get tells it
type archive struct {
	bytes   []byte
	records int // that can be found by their path; after them come two for what is no file
}

// The fields of a record.
const (
	recordPath       = 0
	recordPathLength = 4
	recordContent    = 8
	recordLength     = 12
	recordType       = 16
	recordTime       = 24
	recordBytes      = 32
	recordSize       = 40
)

// WASI's file types. The standard streams are block devices, as wazero has them, and so no terminals.
const (
	typeDevice = 1
	typeFolder = 3
	typeFile   = 4
)

// direntSize is what an entry of a folder takes before its name: where the next one is (u64, here the offset in the folder's
// content), the inode (u64), the length of the name (u32), the type (u32).
const direntSize = 24

// Bounds of what is sealed into a module. Paths are looked for in buffers of this size.
const (
	archiveLimit = 512 << 20
	pathLimit    = 512
)

type archived struct {
	path    string
	kind    uint32
	time    int64
	size    int64
	content []byte
}

// newArchive reads a whole file system. Folders that a listing leaves out, and that are there all the same, are named by mounts.
func newArchive(files fs.FS, mounts []string) (*archive, error) {
	var entries []archived
	total := 0
	add := func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		entry, err := readEntry(files, name, d)
		if err != nil {
			return err
		}
		if total += len(entry.content); total > archiveLimit {
			return fmt.Errorf("more than %d bytes", archiveLimit)
		}
		entries = append(entries, entry)
		return nil
	}
	if files != nil {
		for _, root := range append([]string{"."}, mounts...) {
			if err := fs.WalkDir(files, root, add); err != nil {
				return nil, fmt.Errorf("link: seal: the files: %w", err)
			}
		}
	}
	slices.SortFunc(entries, func(a, b archived) int { return strings.Compare(a.path, b.path) })
	for i := 1; i < len(entries); i++ {
		if entries[i].path == entries[i-1].path {
			return nil, fmt.Errorf("link: seal: the files: %q is there twice", entries[i].path)
		}
	}
	return packArchive(entries), nil
}

func readEntry(files fs.FS, name string, d fs.DirEntry) (archived, error) {
	info, err := d.Info()
	if err != nil {
		return archived{}, err
	}
	a := archived{path: name, kind: typeFile, time: info.ModTime().UnixNano(), size: info.Size()}
	if name == "." {
		a.path = ""
	}
	switch {
	case len(name) > pathLimit:
		return archived{}, fmt.Errorf("%q: the path is too long", name)
	case d.IsDir():
		a.kind = typeFolder
		a.content, err = dirents(files, name)
	case info.Mode().IsRegular():
		a.content, err = fs.ReadFile(files, name)
	default:
		return archived{}, fmt.Errorf("%q is neither a file nor a folder", name)
	}
	return a, err
}

// dirents are the entries of a folder, with those for itself and for the one above.
func dirents(files fs.FS, folder string) ([]byte, error) {
	members, err := fs.ReadDir(files, folder)
	if err != nil {
		return nil, err
	}
	var b []byte
	add := func(name string, kind uint32) {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(b)+direntSize+len(name)))
		b = binary.LittleEndian.AppendUint64(b, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(name)))
		b = append(binary.LittleEndian.AppendUint32(b, kind), name...)
	}
	add(".", typeFolder)
	add("..", typeFolder)
	for _, member := range members {
		kind := uint32(typeFile)
		if member.IsDir() {
			kind = typeFolder
		}
		add(path.Base(member.Name()), kind)
	}
	return b, nil
}

// Records of what is open and is no file, counted from the end of those that have a path.
const (
	recordInput = iota
	recordOutput
	devices
)

// packArchive puts the records first, and behind them what they point to.
func packArchive(entries []archived) *archive {
	a := &archive{records: len(entries)}
	all := append(slices.Clone(entries), archived{kind: typeDevice}, archived{kind: typeDevice})
	a.bytes = make([]byte, recordSize*len(all))
	for i, entry := range all {
		at := a.add([]byte(entry.path))
		content := a.add(entry.content)
		r := a.bytes[i*recordSize:]
		binary.LittleEndian.PutUint32(r[recordPath:], at)
		binary.LittleEndian.PutUint32(r[recordPathLength:], uint32(len(entry.path)))
		binary.LittleEndian.PutUint32(r[recordContent:], content)
		binary.LittleEndian.PutUint32(r[recordLength:], uint32(len(entry.content)))
		binary.LittleEndian.PutUint32(r[recordType:], entry.kind)
		binary.LittleEndian.PutUint64(r[recordTime:], uint64(entry.time))
		binary.LittleEndian.PutUint64(r[recordBytes:], uint64(entry.size))
	}
	return a
}

// add appends bytes and returns where they are.
func (a *archive) add(data []byte) (at uint32) {
	at = uint32(len(a.bytes))
	a.bytes = append(a.bytes, data...)
	return at
}
