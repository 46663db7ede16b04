package audit

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/rogpeppe/go-internal/lockedfile"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// VerifyOptions say what a log is held to.
type VerifyOptions struct {
	// PublicKey is the key that must have signed the checkpoints, one line. If it is empty, it is the file [PublicKeyFile] in the folder;
	// if there is none, signatures are not looked at. Who can write the folder can write that file: a key kept elsewhere proves more.
	PublicKey string

	// Checkpoint, if not nil, is one that was kept elsewhere: the log must be what it was then, and may be longer.
	Checkpoint *Checkpoint
}

// A Verified is what Verify says of a log in which nothing is wrong.
type Verified struct {
	Records int64       // in the log
	Covered int64       // by a checkpoint; later records are the newest, or were written by a process that did not end well
	Signed  bool        // the last checkpoint has a signature that was checked
	Last    *Checkpoint // nil if there is none
}

// A Mismatch is the first thing that is wrong with a log. It is an [ErrDamaged].
type Mismatch struct {
	// Record is the number of the first record that is not what it was, or -1 if what is wrong is not a record. When all that can
	// be told is that one or more among several are wrong, Through is the last of these; otherwise it is Record.
	Record, Through int64

	File   string // where it is, or should be
	Reason string // what is wrong with it, as the rest of a sentence that begins with what it is about
}

// Error names the place.
func (m *Mismatch) Error() string {
	switch {
	case m.Record < 0:
		return fmt.Sprintf("audit: %s: %s", m.File, m.Reason)
	case m.Through > m.Record:
		return fmt.Sprintf("audit: %s: records %d to %d %s", m.File, m.Record, m.Through, m.Reason)
	}
	return fmt.Sprintf("audit: %s: record %d %s", m.File, m.Record, m.Reason)
}

// Unwrap gives [ErrDamaged].
func (m *Mismatch) Unwrap() error { return ErrDamaged }

// Verify reads a whole log and holds it to its checkpoints, and to one kept elsewhere. It changes nothing. The error is a [*Mismatch] if the log
// is not what it was, and an [ErrSignature] if a checkpoint lacks its signature. A log that a crash has left, and nobody has opened since, may have a last line, hash or
// checkpoint that is cut short, which is a mismatch too: opening it mends that, and records it.
func Verify(folder string, options VerifyOptions) (*Verified, error) {
	v := verification{folder: folder, options: options, result: new(Verified)}
	if err := v.findKey(); err != nil {
		return nil, err
	}
	if err := v.look(); err != nil {
		return nil, err
	}
	defer v.tree.close()
	signatures := v.checkSignatures()
	err := v.checkLines()
	if signatureErr := <-signatures; err == nil {
		err = signatureErr
	}
	if err != nil {
		return nil, err
	}
	return v.result, nil
}

type verification struct {
	folder   string
	options  VerifyOptions
	verifier note.Verifier // nil: none

	list    []int64 // first records of the files
	lengths []int64 // of the files, when they were looked at
	own     []*Checkpoint
	points  []*Checkpoint // the log's own and the one kept elsewhere, by size
	tree    hashStream

	state  tree
	good   int64 // size of the last checkpoint that was right
	prefix []byte
	hashes []tlog.Hash
	result *Verified
}

func (v *verification) findKey() error {
	key := v.options.PublicKey
	if key == "" {
		path := filepath.Join(v.folder, PublicKeyFile)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		var err error
		if key, err = ReadPublicKey(path); err != nil {
			return err
		}
	}
	var err error
	if v.verifier, err = note.NewVerifier(key); err != nil {
		return fmt.Errorf("audit: public key: %w", err)
	}
	return nil
}

// look takes the measure of the log, while nobody writes to it if that can be had: a copy for reading only has no lock.
func (v *verification) look() error {
	if _, err := os.Stat(filepath.Join(v.folder, lockFile)); err == nil {
		if unlock, err := lockedfile.MutexAt(filepath.Join(v.folder, lockFile)).Lock(); err == nil {
			defer unlock()
		}
	}
	var err error
	if v.list, err = files(v.folder); err != nil {
		return err
	}
	if len(v.list) == 0 {
		return fmt.Errorf("audit: there is no log in %q", v.folder)
	}
	for _, first := range v.list {
		info, err := os.Stat(path(v.folder, first))
		if err != nil {
			return fmt.Errorf("audit: read log: %w", err)
		}
		v.lengths = append(v.lengths, info.Size())
	}
	if err := v.readCheckpoints(); err != nil {
		return err
	}
	return v.tree.open(filepath.Join(v.folder, hashesFile))
}

func (v *verification) readCheckpoints() error {
	data, err := readWhole(filepath.Join(v.folder, checkpointsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	wrong := func(format string, args ...any) error {
		return &Mismatch{Record: -1, File: checkpointsFile, Reason: fmt.Sprintf(format, args...)}
	}
	list, torn, err := parseCheckpoints(data)
	if err != nil {
		return wrong("%v", err)
	}
	if len(torn) > 0 {
		return wrong("the checkpoint behind number %d is cut short, as by a crash: running something under this log mends it", len(list))
	}
	for i, c := range list {
		if i > 0 && (c.Size < list[i-1].Size || c.Log != list[i-1].Log) {
			return wrong("checkpoint %d, of %d records, does not follow the one before", i+1, c.Size)
		}
	}
	v.own, v.points = list, slices.Clone(list)
	if len(list) > 0 {
		v.result.Last = list[len(list)-1]
	}
	if c := v.options.Checkpoint; c != nil {
		if len(list) > 0 && c.Log != list[0].Log {
			return fmt.Errorf("audit: the checkpoint is of another log: %q, and this one is %q", c.Log, list[0].Log)
		}
		if c.Signed() && v.verifier != nil {
			if err := c.verify(v.verifier); err != nil {
				return err
			}
		}
		at, _ := slices.BinarySearchFunc(v.points, c.Size, func(p *Checkpoint, size int64) int { return cmp.Compare(p.Size, size) })
		v.points = slices.Insert(v.points, at, c)
	}
	return nil
}

// checkpointsMost is how much Verify reads of checkpoints: four million of them.
const checkpointsMost = 1 << 30

func readWhole(path string) ([]byte, error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, checkpointsMost+1))
	if err != nil {
		return nil, fmt.Errorf("audit: read checkpoints: %w", err)
	}
	if len(data) > checkpointsMost {
		return nil, fmt.Errorf("audit: %s is larger than %d bytes", path, checkpointsMost)
	}
	return data, nil
}

// checkSignatures checks all signatures while the lines are read.
func (v *verification) checkSignatures() <-chan error {
	done := make(chan error, 1)
	if v.verifier == nil {
		done <- nil
		return done
	}
	v.result.Signed = true
	go func() {
		workers := runtime.GOMAXPROCS(0)
		errs := make([]error, workers)
		var wait sync.WaitGroup
		for worker := range workers {
			wait.Go(func() {
				for i := worker; i < len(v.own) && errs[worker] == nil; i += workers {
					// Those from before the log got a key are covered by the signed ones that follow.
					if c := v.own[i]; c.Signed() || i == len(v.own)-1 {
						errs[worker] = c.verify(v.verifier)
					}
				}
			})
		}
		wait.Wait()
		for _, err := range errs {
			if err != nil {
				done <- err
				return
			}
		}
		if len(v.own) == 0 {
			done <- fmt.Errorf("%w: there is no checkpoint", ErrSignature)
			return
		}
		done <- nil
	}()
	return done
}

func (v *verification) checkLines() error {
	ended := false
	for i, first := range v.list {
		if first != v.state.size || i > 0 && !ended {
			return v.bad(v.list[max(i-1, 0)], "is missing: the next file is %s", fileName(first))
		}
		var err error
		if ended, err = v.checkFile(first, v.lengths[i]); err != nil {
			return err
		}
	}
	last := v.list[len(v.list)-1]
	for _, c := range v.points {
		if c.Size > v.state.size {
			return v.bad(last, "is missing: the log ends before it, and there is a checkpoint of %d records", c.Size)
		}
	}
	if more := v.tree.more(); more {
		return &Mismatch{Record: -1, File: hashesFile, Reason: fmt.Sprintf(
			"it has hashes of records behind the last, %d: these were lost in a crash, or taken away", v.state.size-1)}
	}
	v.result.Records, v.result.Covered = v.state.size, v.good
	return nil
}

// bad is a mismatch at the next record.
func (v *verification) bad(first int64, format string, args ...any) error {
	return &Mismatch{v.state.size, v.state.size, fileName(first), fmt.Sprintf(format, args...)}
}

func (v *verification) checkFile(first, length int64) (ended bool, err error) {
	file, err := openRegular(path(v.folder, first))
	if err != nil {
		return false, err
	}
	defer file.Close()
	reader := newLineReader(io.LimitReader(file, length))
	for {
		line, whole, err := reader.next()
		switch {
		case errors.Is(err, io.EOF):
			return ended, nil
		case errors.Is(err, errLineTooLong):
			return false, v.bad(first, "is longer than a record can be")
		case err != nil:
			return false, fmt.Errorf("audit: read log: %w", err)
		case ended:
			return false, v.bad(first, "stands behind the end of its file")
		case !whole:
			return false, v.bad(first, "is cut short, as by a crash: running something under this log mends it")
		}
		if err := v.checkLine(first, line); err != nil {
			return false, err
		}
		ended = isContinued(line, v.state.size)
	}
}

func (v *verification) checkLine(first int64, line []byte) error {
	number := v.state.size
	v.prefix = appendNumber(v.prefix[:0], number)
	if !bytes.HasPrefix(line, v.prefix) {
		return v.misplaced(first, line)
	}
	leaf := tlog.RecordHash(line)
	v.hashes = v.state.addHash(leaf, v.hashes[:0])
	for i, hash := range v.hashes {
		stored, ok := v.tree.next()
		if ok && stored == hash {
			continue
		}
		v.state.size-- // bad speaks of the next
		if i == 0 && ok {
			return v.differs(first, leaf, stored)
		}
		return &Mismatch{Record: -1, File: hashesFile, Reason: fmt.Sprintf("it is wrong or ends at record %d, which may be right; "+
			"without this file, which is made from the records, the next opening makes it again", number)}
	}
	for len(v.points) > 0 && v.points[0].Size == v.state.size {
		if v.points[0].Root != v.state.root() {
			return &Mismatch{v.good, number, fileName(first), fmt.Sprintf("are not those of the checkpoint of %d records", v.state.size)}
		}
		v.good, v.points = v.state.size, v.points[1:]
	}
	return nil
}

func (v *verification) misplaced(first int64, line []byte) error {
	switch said, ok := lineNumber(line); {
	case !ok:
		return v.bad(first, "is not a record: %.40q", line)
	case said > v.state.size:
		return v.bad(first, "is missing: record %d stands in its place", said)
	default:
		return v.bad(first, "is not in its place: record %d stands there", said)
	}
}

// differs finds out what is wrong when a line and the file of hashes do not agree: whichever is proved by the next checkpoint is right.
func (v *verification) differs(first int64, line, stored tlog.Hash) error {
	number := v.state.size
	if len(v.points) == 0 {
		return v.bad(first, "is not the one that was written, by the file of hashes; no checkpoint covers it")
	}
	c := v.points[0]
	proof, err := tlog.ProveRecord(c.Size, number, hashFile{v.tree.file})
	if err != nil {
		return v.bad(first, "is not the one that was written, by the file of hashes")
	}
	if tlog.CheckRecord(proof, c.Size, c.Root, number, line) == nil {
		return &Mismatch{Record: -1, File: hashesFile, Reason: fmt.Sprintf("the hash of record %d is wrong; the record is right", number)}
	}
	if tlog.CheckRecord(proof, c.Size, c.Root, number, stored) == nil {
		return v.bad(first, "is not the one of the checkpoint of %d records", c.Size)
	}
	return v.bad(first, "is not the one that was written, by the file of hashes, which is not that of the checkpoint of %d records either", c.Size)
}

// A hashStream reads the file of hashes from its beginning.
type hashStream struct {
	file   *os.File
	reader *bufio.Reader
}

func (s *hashStream) open(path string) error {
	file, err := openRegular(path)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return fmt.Errorf("audit: read tree: %w", err)
	}
	s.file, s.reader = file, bufio.NewReaderSize(io.LimitReader(file, info.Size()), 64<<10)
	return nil
}

func (s *hashStream) next() (hash tlog.Hash, ok bool) {
	_, err := io.ReadFull(s.reader, hash[:])
	return hash, err == nil
}

func (s *hashStream) more() bool {
	_, err := s.reader.Peek(1)
	return err == nil
}

func (s *hashStream) close() { s.file.Close() }
