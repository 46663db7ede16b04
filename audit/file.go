package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// FolderFile is the name of the file in a log folder to which records are appended.
const FolderFile = "log.jsonl"

// A File is a log of JSON lines: one record a line, each written with one write call.
type File struct {
	mu   sync.Mutex
	file *os.File // nil once closed
	line bytes.Buffer
	torn bool // the last line in the file has no newline
}

// NewFile opens the file at path for appending, and creates it readable and writable by its owner only.
// Records survive the end of the process; a power failure may lose the last ones.
func NewFile(path string) (*File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit: open log: %w", err)
	}
	torn, err := endsTorn(file)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("audit: open log: %w", err)
	}
	return &File{file: file, torn: torn}, nil
}

// NewFolder opens the log in the folder at path: the file [FolderFile] in it. Folders that are missing are
// created, for their owner only.
func NewFolder(path string) (*File, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("audit: open log: %w", err)
	}
	return NewFile(filepath.Join(path, FolderFile))
}

// Append writes the record's line.
func (f *File) Append(r *Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return ErrClosed
	}
	f.line.Reset()
	if f.torn {
		// An earlier write stopped half way, here or in a process before this one. Its remains stay
		// visible as a line of their own; this record does not become part of them.
		f.line.WriteByte('\n')
	}
	encoder := json.NewEncoder(&f.line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("audit: encode record: %w", err)
	}
	n, err := f.file.Write(f.line.Bytes())
	if n > 0 {
		f.torn = n < f.line.Len()
	}
	if f.line.Cap() > 1<<20 { // one large record should not be paid for until the log closes
		f.line = bytes.Buffer{}
	}
	if err != nil {
		return fmt.Errorf("audit: write record: %w", err)
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	if err != nil {
		return fmt.Errorf("audit: close log: %w", err)
	}
	return nil
}

func endsTorn(file *os.File) (bool, error) {
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, &fs.PathError{Op: "open", Path: file.Name(), Err: errors.New("not a regular file")}
	}
	if info.Size() == 0 {
		return false, nil
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return last[0] != '\n', nil
}
