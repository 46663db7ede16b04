// Package wheeltest builds small wheels for tests.
package wheeltest

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// A Wheel says what a wheel has. Name and Version are needed.
type Wheel struct {
	Name, Version string
	Tag           string            // default "py3-none-any"
	Metadata      string            // more lines of METADATA
	Files         map[string]string // sources and data by path
	NotPure       bool              // Root-Is-Purelib: false

	// Raw are entries written as they are and not put into RECORD: what no builder would write.
	Raw []Entry
}

// An Entry is one entry of the archive.
type Entry struct {
	Name, Text string
	Mode       fs.FileMode
}

// File is the name of the wheel's file.
func (w Wheel) File() string {
	return fmt.Sprintf("%s-%s-%s.whl", strings.ReplaceAll(w.Name, "-", "_"), w.Version, w.tag())
}

func (w Wheel) tag() string {
	if w.Tag == "" {
		return "py3-none-any"
	}
	return w.Tag
}

// Bytes builds the wheel: the same bytes each time.
func (w Wheel) Bytes() []byte {
	info := fmt.Sprintf("%s-%s.dist-info", strings.ReplaceAll(w.Name, "-", "_"), w.Version)
	files := map[string]string{
		info + "/METADATA": fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n%s\n", w.Name, w.Version, w.Metadata),
		info + "/WHEEL":    fmt.Sprintf("Wheel-Version: 1.0\nRoot-Is-Purelib: %v\nTag: %s\n", !w.NotPure, w.tag()),
	}
	maps.Copy(files, w.Files)
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	record := ""
	for _, name := range slices.Sorted(maps.Keys(files)) {
		write(archive, Entry{Name: name, Text: files[name]})
		sum := sha256.Sum256([]byte(files[name]))
		record += fmt.Sprintf("%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(files[name]))
	}
	write(archive, Entry{Name: info + "/RECORD", Text: record + info + "/RECORD,,\n"})
	for _, entry := range w.Raw {
		write(archive, entry)
	}
	must(archive.Close())
	return buffer.Bytes()
}

func write(archive *zip.Writer, entry Entry) {
	header := &zip.FileHeader{Name: entry.Name, Method: zip.Deflate}
	header.SetMode(entry.Mode | 0o644)
	w, err := archive.CreateHeader(header)
	must(err)
	if entry.Text != "" {
		_, err = w.Write([]byte(entry.Text))
		must(err)
	}
}

// must is for errors that a buffer does not have.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
