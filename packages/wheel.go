package packages

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/guest"
)

// The bounds of a wheel, in bytes where they are no counts.
const (
	wheelLimit    = 64 << 20  // as a file
	unpackedLimit = 256 << 20 // all its files
	fileLimit     = 16 << 20  // one of its files
	filesLimit    = 20_000
	nameLimit     = 400     // the path of one file
	metadataLimit = 1 << 20 // METADATA and WHEEL
	requireLimit  = 500     // requirements of one package
)

// A Wheel is one checked wheel. It does not change, and is safe for concurrent use.
type Wheel struct {
	Name     string // as its METADATA has it
	Version  string
	File     string   // the base name of its file
	SHA256   string   // of the file, 64 hexadecimal digits
	Modules  []string // its top-level modules, sorted
	Requires []string // its Requires-Dist, each as written

	requires []requirement
	files    []*zip.File // without folders and *.data
}

// wheelName is what the name of a wheel's file consists of: distribution, version, perhaps a build tag, and the three tags of
// what it runs on.
var wheelName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._]*)-([A-Za-z0-9][A-Za-z0-9._!+]*)(-[0-9][A-Za-z0-9_]*)?-([a-z0-9_.]+)-([a-z0-9_.]+)-([A-Za-z0-9_.]+)\.whl$`)
})

// OpenWheel checks a wheel, given the base name of its file and its bytes, which it keeps. Anything but a pure-Python wheel for
// this guest's Python is refused, with the reason.
func OpenWheel(file string, data []byte) (*Wheel, error) {
	w, err := openWheel(file, data)
	if err != nil {
		return nil, fmt.Errorf("%.200q: %w", file, err)
	}
	return w, nil
}

func openWheel(file string, data []byte) (*Wheel, error) {
	parts := wheelName().FindStringSubmatch(file)
	if parts == nil || len(file) > nameLimit {
		return nil, errors.New("not the name of a wheel: NAME-VERSION-py3-none-any.whl")
	}
	if parts[5] != "none" || parts[6] != "any" || !slices.Contains(strings.Split(parts[4], "."), "py3") {
		return nil, fmt.Errorf("made for %s-%s-%s: only pure-Python wheels run in the guest, whose names end in py3-none-any.whl or py2.py3-none-any.whl", parts[4], parts[5], parts[6])
	}
	if len(data) > wheelLimit {
		return nil, fmt.Errorf("larger than %d MiB", wheelLimit>>20)
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("not a zip archive: %w", err)
	}
	sum := sha256.Sum256(data)
	w := &Wheel{File: file, SHA256: fmt.Sprintf("%x", sum)}
	info, err := w.checkFiles(archive.File)
	if err != nil {
		return nil, err
	}
	if err := w.readInfo(info); err != nil {
		return nil, err
	}
	if normal(w.Name) != normal(parts[1]) || !sameVersion(w.Version, parts[2]) {
		return nil, fmt.Errorf("its METADATA says that it is %s %s", w.Name, w.Version)
	}
	if folder, _, _ := strings.Cut(strings.TrimSuffix(info, ".dist-info"), "-"); normal(folder) != normal(w.Name) {
		return nil, fmt.Errorf("its folder %q is another package's", info)
	}
	return w, w.findModules()
}

// checkFiles checks every entry of the archive and returns the name of the one dist-info folder.
func (w *Wheel) checkFiles(entries []*zip.File) (info string, err error) {
	if len(entries) > filesLimit {
		return "", fmt.Errorf("more than %d files", filesLimit)
	}
	var total uint64
	seen := make(map[string]bool, len(entries)) // files, in lower case
	above := make(map[string]string)            // folders, in lower case: as written
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name, "/")
		if err := checkName(name); err != nil {
			return "", err
		}
		mode := entry.Mode()
		folder := strings.HasSuffix(entry.Name, "/")
		switch {
		case entry.Flags&1 != 0:
			return "", fmt.Errorf("%q is encrypted", name)
		case mode&fs.ModeType&^fs.ModeDir != 0 || mode.IsDir() != folder:
			return "", fmt.Errorf("%q is no regular file: links and devices are refused", name)
		case entry.Method != zip.Store && entry.Method != zip.Deflate:
			return "", fmt.Errorf("%q is compressed by a method that is not known", name)
		case entry.UncompressedSize64 > fileLimit:
			return "", fmt.Errorf("%q is larger than %d MiB", name, fileLimit>>20)
		}
		if total += entry.UncompressedSize64; total > unpackedLimit {
			return "", fmt.Errorf("larger than %d MiB unpacked", unpackedLimit>>20)
		}
		for dir := path.Dir(entry.Name); dir != "."; dir = path.Dir(dir) {
			if written, ok := above[strings.ToLower(dir)]; ok && written != dir {
				return "", fmt.Errorf("%q and %q differ only in case", dir, written)
			}
			above[strings.ToLower(dir)] = dir
		}
		if folder {
			continue
		}
		if lower := strings.ToLower(name); seen[lower] {
			return "", fmt.Errorf("%q is there twice, or in two spellings that differ only in case", name)
		} else {
			seen[lower] = true
		}
		top, rest, below := strings.Cut(name, "/")
		switch {
		case strings.HasSuffix(top, ".dist-info") && below:
			if info != "" && info != top {
				return "", fmt.Errorf("it has two folders of metadata, %q and %q", info, top)
			}
			info = top
		case strings.HasSuffix(top, ".data"):
			if strings.HasPrefix(rest, "purelib/") || strings.HasPrefix(rest, "platlib/") {
				return "", fmt.Errorf("it keeps modules in %q, which is not supported", top)
			}
			continue // scripts, manual pages, headers: nothing that is imported
		case !below && strings.EqualFold(path.Ext(name), ".pth"):
			return "", fmt.Errorf("%q would run code at each start of Python", name)
		}
		if compiledCode[strings.ToLower(path.Ext(name))] {
			return "", fmt.Errorf("%q is compiled code: only Python sources run in the guest", name)
		}
		w.files = append(w.files, entry)
	}
	for name := range seen {
		if _, both := above[name]; both {
			return "", fmt.Errorf("%q is a file and a folder", name)
		}
	}
	if info == "" {
		return "", errors.New("it has no dist-info folder: not a wheel")
	}
	return info, nil
}

// compiledCode are the suffixes of what would be machine code, or bytecode that no source shows.
var compiledCode = map[string]bool{".so": true, ".pyd": true, ".dll": true, ".dylib": true, ".a": true, ".o": true, ".pyc": true, ".pyo": true, ".wasm": true}

func checkName(name string) error {
	bad := func(r rune) bool { return r == '\\' || r == ':' || !unicode.IsPrint(r) }
	if !fs.ValidPath(name) || name == "." || len(name) > nameLimit || !utf8.ValidString(name) || strings.IndexFunc(name, bad) >= 0 {
		return fmt.Errorf("%.200q is no path inside of a wheel", name)
	}
	return nil
}

// readInfo reads WHEEL and METADATA.
func (w *Wheel) readInfo(info string) error {
	tags, err := w.headers(info + "/WHEEL")
	if err != nil {
		return err
	}
	if pure := tags.get("Root-Is-Purelib"); !strings.EqualFold(pure, "true") {
		return fmt.Errorf("WHEEL says Root-Is-Purelib: %.20q: only pure-Python wheels run in the guest", pure)
	}
	for _, tag := range tags["tag"] {
		if !strings.HasSuffix(tag, "-none-any") {
			return fmt.Errorf("WHEEL says that it is made for %.60q: only pure-Python wheels run in the guest", tag)
		}
	}
	metadata, err := w.headers(info + "/METADATA")
	if err != nil {
		return err
	}
	w.Name, w.Version = metadata.get("Name"), metadata.get("Version")
	if !packageName().MatchString(w.Name) || len(w.Name) > 100 {
		return fmt.Errorf("METADATA has no usable Name: %.60q", w.Name)
	}
	if _, err := parseVersion(w.Version); err != nil {
		return fmt.Errorf("METADATA has no usable Version: %w", err)
	}
	if python := metadata.get("Requires-Python"); python != "" {
		fits, err := parseSpecifiers(python)
		if err != nil {
			return fmt.Errorf("Requires-Python: %w", err)
		}
		if !fits.match(guest.PythonVersion) {
			return fmt.Errorf("it needs Python %s, and this guest is Python %s", python, guest.PythonVersion)
		}
	}
	w.Requires = metadata["requires-dist"]
	if len(w.Requires) > requireLimit {
		return fmt.Errorf("more than %d requirements", requireLimit)
	}
	for _, text := range w.Requires {
		r, err := parseRequirement(text)
		if err != nil {
			return fmt.Errorf("Requires-Dist: %.200q: %w", text, err)
		}
		w.requires = append(w.requires, r)
	}
	return nil
}

func (w *Wheel) headers(name string) (headers, error) {
	for _, file := range w.files {
		if file.Name != name {
			continue
		}
		if file.UncompressedSize64 > metadataLimit {
			return nil, fmt.Errorf("%q is larger than %d MiB", name, metadataLimit>>20)
		}
		text, err := unzip(file)
		if err != nil {
			return nil, err
		}
		return parseHeaders(text), nil
	}
	return nil, fmt.Errorf("it lacks %q", name)
}

// findModules finds the names that an import could give: whatever is at the top.
func (w *Wheel) findModules() error {
	found := map[string]bool{}
	for _, file := range w.files {
		top, _, folder := strings.Cut(file.Name, "/")
		if strings.HasSuffix(top, ".dist-info") {
			continue
		}
		module, source := strings.CutSuffix(top, ".py")
		if (folder || source) && identifier(module) {
			found[module] = true
		} else if folder || source {
			return fmt.Errorf("%q is no name of a module", top)
		}
	}
	for module := range found {
		taken, err := guest.Reserved(module)
		if err != nil {
			return err
		}
		if taken {
			return fmt.Errorf("its module %q has the name of one of Python's own or of Postern's", module)
		}
		w.Modules = append(w.Modules, module)
	}
	slices.Sort(w.Modules)
	if len(w.Modules) == 0 {
		return errors.New("it has no modules")
	}
	return nil
}

// identifier knows those of ASCII: no others are the top of a package, and they have lookalikes.
func identifier(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// verifyRecord compares every file with the wheel's own list of hashes, RECORD.
func (w *Wheel) verifyRecord() error {
	hashes := make(map[string]string)
	for _, file := range w.files {
		if dir, base := path.Split(file.Name); base != "RECORD" || !strings.HasSuffix(dir, ".dist-info/") {
			continue
		}
		text, err := unzip(file)
		if err != nil {
			return err
		}
		lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil {
			return fmt.Errorf("RECORD: %w", err)
		}
		for _, line := range lines {
			if len(line) == 3 {
				hashes[line[0]] = line[1]
			}
		}
	}
	for _, file := range w.files {
		if dir, base := path.Split(file.Name); strings.HasSuffix(dir, ".dist-info/") && strings.HasPrefix(base, "RECORD") {
			continue // it cannot have its own hash, nor that of its signature
		}
		data, err := unzip(file)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		if want := "sha256=" + base64.RawURLEncoding.EncodeToString(sum[:]); hashes[file.Name] != want {
			return fmt.Errorf("%q is not what the wheel's RECORD says", file.Name)
		}
	}
	return nil
}

// imports returns the names that the wheel's sources import, sorted: its own, those of other packages and of the library.
func (w *Wheel) imports() ([]string, error) {
	found := make(map[string]bool)
	for _, file := range w.files {
		if path.Ext(file.Name) != ".py" {
			continue
		}
		source, err := unzip(file)
		if err != nil {
			return nil, err
		}
		scanImports(source, func(name string) { found[name] = true })
	}
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// unzip reads one file, whose size was bounded before: the archive cannot make it longer than it says.
func unzip(file *zip.File) ([]byte, error) {
	r, err := file.Open()
	if err != nil {
		return nil, fmt.Errorf("%q: %w", file.Name, err)
	}
	defer r.Close()
	// Not all at once: what the archive says of its size need not be so.
	data, err := io.ReadAll(io.LimitReader(r, int64(file.UncompressedSize64)+1))
	if err == nil && uint64(len(data)) != file.UncompressedSize64 {
		err = zip.ErrFormat
	}
	if err != nil {
		return nil, fmt.Errorf("%q: %w", file.Name, err)
	}
	return data, nil
}
