package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The first file of a log is log.jsonl. Each later one has the number of its first record in its name: log-000000012345.jsonl.

func fileName(first int64) string {
	if first == 0 {
		return "log.jsonl"
	}
	return fmt.Sprintf("log-%012d.jsonl", first)
}

// fileFirst is the number of the first record of the file of a name, if it is one of a log's.
func fileFirst(name string) (first int64, ok bool) {
	if name == fileName(0) {
		return 0, true
	}
	digits, ok := strings.CutPrefix(strings.TrimSuffix(name, ".jsonl"), "log-")
	first, err := strconv.ParseInt(digits, 10, 64)
	return first, ok && err == nil && first > 0 && first <= maxSize && fileName(first) == name
}

// files are the numbers of the first records of a folder's files, in order.
func files(folder string) ([]int64, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("audit: read log: %w", err)
	}
	var list []int64
	for _, entry := range entries {
		if first, ok := fileFirst(entry.Name()); ok {
			list = append(list, first)
		}
	}
	slices.Sort(list)
	return list, nil
}

// numberPrefix is what the line of a record begins with.
func numberPrefix(number int64) []byte { return appendNumber(nil, number) }

// lineNumber is the number of the record that a line holds by its own account.
func lineNumber(line []byte) (number int64, ok bool) {
	digits, ok := bytes.CutPrefix(line, []byte(`{"n":`))
	end := bytes.IndexByte(digits[:min(len(digits), 20)], ',')
	if !ok || end < 1 {
		return 0, false
	}
	number, err := strconv.ParseInt(string(digits[:end]), 10, 64)
	return number, err == nil && bytes.HasPrefix(line, numberPrefix(number))
}

var errLineTooLong = errors.New("audit: a line is too long")

// A lineReader reads lines of bounded length.
type lineReader struct {
	buffered *bufio.Reader
	long     []byte
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{buffered: bufio.NewReaderSize(r, 256<<10)}
}

// next returns the next line without its line feed, valid until the next call. whole is false for what stands at the end without one. After the last, the
// error is io.EOF.
func (r *lineReader) next() (line []byte, whole bool, err error) {
	line, err = r.buffered.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		r.long = r.long[:0]
		for errors.Is(err, bufio.ErrBufferFull) {
			if r.long = append(r.long, line...); len(r.long) > lineLimit {
				return nil, false, errLineTooLong
			}
			line, err = r.buffered.ReadSlice('\n')
		}
		r.long = append(r.long, line...)
		line = r.long
	}
	switch {
	case err == nil:
		return line[:len(line)-1], true, nil
	case errors.Is(err, io.EOF) && len(line) > 0:
		return line, false, nil
	}
	return nil, false, err
}

// openRegular opens a file to be read. What is no file, a pipe that never ends for example, is refused before it is opened.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	if err != nil {
		return nil, fmt.Errorf("audit: read log: %w", err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("audit: read log: %w", err)
	}
	return file, nil
}

func path(folder string, first int64) string { return filepath.Join(folder, fileName(first)) }
