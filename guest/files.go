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

	"github.com/postern-sandbox/postern/internal/memfs"
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
// not in this guest is passed over: whether it may stand in a policy is for the policy's check to say. Some that it lacks have
// stand-ins, for packages: see [Known].
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
	tree := memfs.New()
	for name, m := range reached {
		file := path.Join(libraryFolder, m.File)
		entry, ok := archive[file]
		if !ok {
			return nil, fmt.Errorf("guest: stdlib.zip lacks %s of module %s", file, name)
		}
		tree.Add(file, entry)
	}
	if _, zones := reached["zoneinfo"]; zones {
		for name, entry := range archive {
			if strings.HasPrefix(name, zonesFolder+"/") {
				tree.Add(name, entry)
			}
		}
	}
	own, err := fs.Glob(embedded, ownSources+"/*.py")
	if err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	for _, name := range imports {
		if hasStandIn(name) {
			own = append(own, path.Join(standIns, name+".py"))
		}
	}
	slices.Sort(own)
	for _, name := range slices.Compact(own) {
		source, err := embedded.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("guest: %w", err)
		}
		tree.Add(path.Join(libraryFolder, path.Base(name)), &memfs.Content{Size: int64(len(source)), Read: func() ([]byte, error) { return source, nil }})
	}
	tree.Sort()
	return tree, nil
}

// openArchive lists the embedded archive. Its entries are decompressed when they are first read, and then kept.
var openArchive = sync.OnceValues(func() (map[string]*memfs.Content, error) {
	data, err := embedded.ReadFile("dist/stdlib.zip")
	if err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	reader, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("guest: stdlib.zip: %w", err)
	}
	entries := make(map[string]*memfs.Content, len(reader.File))
	for _, file := range reader.File {
		if file.UncompressedSize64 > fileLimit {
			return nil, fmt.Errorf("guest: stdlib.zip: %s is too large", file.Name)
		}
		entries[file.Name] = &memfs.Content{
			Size: int64(file.UncompressedSize64),
			Read: sync.OnceValues(func() ([]byte, error) { return unzip(file) }),
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

// hasStandIn reports whether a module that the guest lacks has a stand-in for packages.
func hasStandIn(name string) bool {
	_, err := fs.Stat(embedded, path.Join(standIns, name+".py"))
	return err == nil && !strings.ContainsAny(name, "./")
}
