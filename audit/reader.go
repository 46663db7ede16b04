package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A Reader reads a log's records in order. It takes them as they are: [Verify] says whether they are what was written. One goroutine may use it.
type Reader struct {
	folder string
	file   *os.File
	number int64 // of the next record
	offset int64 // where it begins
	lines  *lineReader
	ended  bool
}

// An Entry is a record with its line.
type Entry struct {
	Number int64 // by its place
	Line   []byte
	Record Record
	Err    error // if the line is no record
}

// OpenReader begins to read the log in a folder.
func OpenReader(folder string) (*Reader, error) {
	file, err := openRegular(path(folder, 0))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("audit: there is no log in %q", folder)
	}
	if err != nil {
		return nil, err
	}
	return &Reader{folder: folder, file: file}, nil
}

// Next returns the next record. At the end it returns io.EOF, and can be called again later: there may be more by then. The entry's line is valid
// until the next call.
func (r *Reader) Next() (*Entry, error) {
	if r.ended {
		next, err := openRegular(path(r.folder, r.number))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, io.EOF
		}
		if err != nil {
			return nil, err
		}
		r.file.Close()
		r.file, r.offset, r.lines, r.ended = next, 0, nil, false
	}
	if r.lines == nil {
		r.lines = newLineReader(io.NewSectionReader(r.file, r.offset, 1<<62))
	}
	line, whole, err := r.lines.next()
	switch {
	case errors.Is(err, io.EOF), err == nil && !whole:
		r.lines = nil // what is there only in part is read again
		return nil, io.EOF
	case err != nil:
		return nil, fmt.Errorf("audit: read log: record %d: %w", r.number, err)
	}
	e := &Entry{Number: r.number, Line: line}
	if e.Err = json.Unmarshal(line, &e.Record); e.Err == nil && e.Record.Version > Version {
		e.Err = fmt.Errorf("audit: it is of version %d of the schema, and this program knows %d", e.Record.Version, Version)
	}
	r.number++
	r.offset += int64(len(line)) + 1
	r.ended = isContinued(line, r.number)
	return e, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }
