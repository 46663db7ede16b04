package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// This file finds out how a log stands: when it is opened, when another process has written to it, and after a crash.
//
// Lines are on the disk before the checkpoint that covers them is written. So a crash can only take or tear what comes after the last
// checkpoint; if anything else is missing or different, it was no crash, and the log is not gone on with.

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

// load finds the log's state; the caller holds the lock.
func (l *Folder) load(adopt bool) error {
	err := setEarlierAside(l.folder)
	if err != nil {
		return err
	}
	if l.checkpoints, err = openFile(filepath.Join(l.folder, checkpointsFile)); err != nil {
		return err
	}
	if l.hashes, err = openFile(filepath.Join(l.folder, hashesFile)); err != nil {
		return err
	}
	if err := l.readCheckpoints(); err != nil {
		return err
	}
	list, err := files(l.folder)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		if l.last != nil {
			return damaged("there are checkpoints and no records")
		}
		list = []int64{0}
	}
	if err := l.checkSignature(adopt); err != nil {
		return err
	}
	if err := l.find(list); err != nil {
		return err
	}
	if err := l.catchUp(); err != nil {
		return err
	}
	if later := list[len(list)-1]; later > l.first {
		return damaged("%s is there, and %s does not lead to it", fileName(later), fileName(l.first))
	}
	if l.tree.size == 0 {
		if err := l.publish(); err != nil {
			return err
		}
		return l.create()
	}
	if l.name == "" {
		if err := l.adoptName(); err != nil {
			return err
		}
	}
	if err := l.write(gathered{}); err != nil { // log_recovered
		return err
	}
	if err := l.publish(); err != nil {
		return err
	}
	if l.last == nil || !l.last.Signed() && l.signer != nil {
		return l.firstCheckpoint()
	}
	return nil
}

// publish puts the public key beside a log whose private key is elsewhere, so that verify finds it.
func (l *Folder) publish() error {
	if l.signer == nil {
		return nil
	}
	path := filepath.Join(l.folder, PublicKeyFile)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return writeNew(path, l.signer.public+"\n", 0o644)
}

// firstCheckpoint is checkpoint for a log that nobody else has yet.
func (l *Folder) firstCheckpoint() error {
	for _, file := range append(l.retired, l.file) {
		if err := file.Sync(); err != nil {
			return l.breakDown(err)
		}
	}
	if err := l.writeCheckpoint(&l.tree); err != nil {
		return err
	}
	if err := l.checkpoints.Sync(); err != nil {
		return l.breakDown(err)
	}
	return nil
}

// checkSignature refuses to go on signing what was not signed before: somebody without the key may have written it.
func (l *Folder) checkSignature(adopt bool) error {
	switch {
	case l.last == nil || adopt:
		return nil
	case l.signer == nil && l.last.Signed():
		return fmt.Errorf("audit: open log: its checkpoints are signed, and the key is neither in %q nor given", l.folder)
	case l.signer == nil:
		return nil
	}
	if err := l.last.verify(l.signer.verifier); err != nil {
		return fmt.Errorf("audit: open log: %w: not going on with it", err)
	}
	return nil
}

// readCheckpoints reads the checkpoints that are new, and cuts off what was not finished.
func (l *Folder) readCheckpoints() error {
	info, err := l.checkpoints.Stat()
	if err != nil {
		return fmt.Errorf("audit: read checkpoints: %w", err)
	}
	if info.Size() == l.checkpointsEnd {
		return nil
	}
	if info.Size() < l.checkpointsEnd {
		return damaged("its checkpoints were cut")
	}
	list, torn, err := lastCheckpoints(l.checkpoints, l.checkpointsEnd, info.Size())
	if err != nil {
		return err
	}
	if len(list) > 0 {
		l.last = list[len(list)-1]
		l.name = l.last.Log
	}
	l.checkpointsEnd = info.Size() - int64(len(torn))
	if len(torn) > 0 {
		if err := l.checkpoints.Truncate(l.checkpointsEnd); err != nil {
			return fmt.Errorf("audit: mend checkpoints: %w", err)
		}
	}
	return nil
}

// lastCheckpoints reads the checkpoints of a file of the given size from an offset on, or when there is much, the last of them: verify reads them all.
func lastCheckpoints(file io.ReaderAt, start, size int64) (list []*Checkpoint, torn []byte, err error) {
	from := start
	if tail := size - 4*checkpointLimit; tail > start {
		from = tail
	}
	data := make([]byte, size-from)
	if _, err := io.ReadFull(io.NewSectionReader(file, from, size-from), data); err != nil {
		return nil, nil, fmt.Errorf("audit: read checkpoints: %w", err)
	}
	if from != start {
		data = fromFirstCheckpoint(data)
	}
	if list, torn, err = parseCheckpoints(data); err != nil {
		return nil, nil, damaged("%v", err)
	}
	return list, torn, nil
}

// fromFirstCheckpoint cuts off the rest of a checkpoint that data begins within: it ends with a signature and an empty line, or
// with two empty lines.
func fromFirstCheckpoint(data []byte) []byte {
	for at := 0; ; {
		i := bytes.Index(data[at:], []byte("\n\n"))
		if i < 0 {
			return nil
		}
		at += i + 2
		// Behind the text of a checkpoint there is a signature, or one more empty line.
		if rest := data[at:]; bytes.HasPrefix(rest, []byte("\n")) {
			return rest[1:]
		} else if len(rest) > 0 && !bytes.HasPrefix(rest, []byte(signatureMark)) {
			return rest
		}
	}
}

// find opens the file that holds the first record behind the last checkpoint, and the tree of that size.
func (l *Folder) find(list []int64) error {
	var size int64
	if l.last != nil {
		size = l.last.Size
	}
	at := 0
	for i, first := range list {
		if first <= size {
			at = i
		}
	}
	if list[0] != 0 {
		return damaged("its first file, %s, is missing", fileName(0))
	}
	// Where a file has just ended, its end is the place: what follows is found by what it says.
	if at > 0 && list[at] == size {
		at--
	}
	var err error
	if l.file, err = openFile(path(l.folder, list[at])); err != nil {
		return err
	}
	if l.info, err = l.file.Stat(); err != nil {
		return fmt.Errorf("audit: open log: %w", err)
	}
	l.first = list[at]
	if size == 0 {
		return nil
	}
	last, offset, err := lineBefore(l.file, l.info.Size(), size)
	if err != nil {
		return err
	}
	l.offset, l.ended = offset, isContinued(last, size)
	if l.tree, err = l.loadTree(size, last); err != nil {
		if l.tree, err = l.rebuild(list, size); err != nil {
			return err
		}
	}
	l.synced = size
	return nil
}

// lineBefore finds the line of record number size-1 by reading the file backwards, and the offset behind it.
func lineBefore(file io.ReaderAt, length, size int64) (line []byte, offset int64, err error) {
	for window := int64(64 << 10); ; window *= 4 {
		start := max(length-window, 0)
		reader := newLineReader(io.NewSectionReader(file, start, length-start))
		at := start
		if start > 0 {
			skipped, _, err := reader.next()
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, 0, fmt.Errorf("audit: read log: %w", err)
			}
			at += int64(len(skipped)) + 1
		}
		for {
			line, whole, err := reader.next()
			if err != nil || !whole {
				break
			}
			at += int64(len(line)) + 1
			if bytes.HasPrefix(line, numberPrefix(size-1)) {
				return bytes.Clone(line), at, nil
			}
		}
		if start == 0 {
			return nil, 0, damaged("record %d, which its last checkpoint covers, is missing", size-1)
		}
	}
}

// loadTree reads the tree of a size, whose last line is given, from the file of hashes, if that agrees with the last checkpoint.
func (l *Folder) loadTree(size int64, last []byte) (tree, error) {
	file := hashFile{l.hashes}
	t, err := file.load(size)
	if err != nil {
		return tree{}, err
	}
	leaf, err := file.ReadHashes([]int64{tlog.StoredHashIndex(0, size-1)})
	if err != nil {
		return tree{}, err
	}
	if t.root() != l.last.Root || leaf[0] != tlog.RecordHash(last) {
		return tree{}, errHashes
	}
	return t, nil
}

// rebuild makes the file of hashes again from all the lines.
func (l *Folder) rebuild(list []int64, size int64) (tree, error) {
	var t tree
	var hashes []tlog.Hash
	err := eachLine(l.folder, list, func(line []byte, number int64) error {
		if number >= size {
			return io.EOF
		}
		hashes = t.add(line, hashes[:0])
		return hashFile{l.hashes}.write(number, hashes)
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return tree{}, err
	}
	if t.size != size || t.root() != l.last.Root {
		return tree{}, damaged("its first %d records are not those of its last checkpoint", size)
	}
	return t, nil
}

// eachLine calls f for the whole lines of the files, in order, until it returns an error.
func eachLine(folder string, list []int64, f func(line []byte, number int64) error) error {
	number := int64(0)
	for _, first := range list {
		file, err := openRegular(path(folder, first))
		if err != nil {
			return err
		}
		reader := newLineReader(file)
		for err == nil {
			var line []byte
			var whole bool
			if line, whole, err = reader.next(); err == nil && whole {
				err = f(line, number)
				number++
				if errors.Is(err, io.EOF) {
					file.Close()
					return err
				}
			}
		}
		file.Close()
		if !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

// refresh finds out whether another process has written since this one last did. The caller holds the lock.
func (l *Folder) refresh() error {
	info, err := os.Stat(path(l.folder, l.first))
	if err != nil {
		return fmt.Errorf("audit: look at log: %w", err)
	}
	switch {
	case !os.SameFile(info, l.info):
		return damaged("%s was replaced while it was in use", fileName(l.first))
	case info.Size() < l.offset:
		return damaged("%s was cut while it was in use", fileName(l.first))
	case info.Size() == l.offset && !l.ended:
		return nil
	}
	return l.catchUp()
}

// catchUp reads the lines behind the known ones, cuts off what a crash has left of a line, and makes the file of hashes fit.
func (l *Folder) catchUp() error {
	known, err := l.hashes.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("audit: read tree: %w", err)
	}
	before := l.tree.size
	var hashes []tlog.Hash
	var torn int64
	for {
		if l.ended {
			if err := l.advance(); err != nil {
				return err
			}
		}
		info, err := l.file.Stat()
		if err != nil {
			return fmt.Errorf("audit: read log: %w", err)
		}
		if hashes, err = l.readTail(info.Size(), hashes); err != nil {
			return err
		}
		if torn = info.Size() - l.offset; !l.ended || torn > 0 {
			break
		}
	}
	if torn > 0 {
		if err := l.mayCut(); err != nil {
			return err
		}
		if err := l.file.Truncate(l.offset); err != nil {
			return fmt.Errorf("audit: mend log: %w", err)
		}
	}
	if err := (hashFile{l.hashes}).write(before, hashes); err != nil {
		return fmt.Errorf("audit: mend tree: %w", err)
	}
	if err := l.hashes.Truncate(tlog.StoredHashCount(l.tree.size) * tlog.HashSize); err != nil {
		return fmt.Errorf("audit: mend tree: %w", err)
	}
	if lost := max(recordsIn(known)-l.tree.size, 0); torn > 0 || lost > 0 {
		return l.recovered(torn, lost)
	}
	return nil
}

// mayCut says whether what follows can be what a crash has left: not if the log goes on behind it.
func (l *Folder) mayCut() error {
	list, err := files(l.folder)
	if err != nil {
		return err
	}
	if l.ended || list[len(list)-1] > l.first {
		return damaged("%s has something behind record %d, and is not the last file", fileName(l.first), l.tree.size-1)
	}
	return nil
}

// readTail adds the whole lines of the file behind offset to the tree.
func (l *Folder) readTail(length int64, hashes []tlog.Hash) ([]tlog.Hash, error) {
	reader := newLineReader(io.NewSectionReader(l.file, l.offset, length-l.offset))
	for !l.ended {
		line, whole, err := reader.next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errLineTooLong), err == nil && (!whole || !json.Valid(line)):
			return hashes, nil
		case err != nil:
			return nil, fmt.Errorf("audit: read log: %w", err)
		case !bytes.HasPrefix(line, numberPrefix(l.tree.size)):
			return nil, damaged("where record %d should be, there is %.40q", l.tree.size, line)
		}
		hashes = l.tree.add(line, hashes)
		l.offset += int64(len(line)) + 1
		l.ended = isContinued(line, l.tree.size)
	}
	return hashes, nil
}

// isContinued reports whether a line, the last of size records, says that the log goes on in the next file.
func isContinued(line []byte, size int64) bool {
	if !bytes.Contains(line, []byte(`"kind":"`+string(LogContinued)+`"`)) {
		return false
	}
	var r Record
	return json.Unmarshal(line, &r) == nil && r.Kind == LogContinued && r.Next == fileName(size)
}

// recovered has a record of what was lost written before anything else.
func (l *Folder) recovered(bytes, records int64) error {
	l.lost = Record{Kind: LogRecovered, Time: time.Now().UTC(), LostBytes: bytes, LostRecords: records}
	return l.notes.add(&l.lost, 0, nil)
}

// create writes the first record of a new log, which names it, and its checkpoint. A log with more than that always has a checkpoint.
func (l *Folder) create() error {
	id := make([]byte, 16)
	rand.Read(id) // never fails: it ends the program instead
	l.name = "postern-audit/" + hex.EncodeToString(id)
	r := Record{Kind: LogCreated, Time: time.Now().UTC(), Log: l.name}
	l.lost = Record{}
	l.notes.reset()
	if err := l.notes.add(&r, 0, nil); err != nil {
		return err
	}
	if err := l.write(gathered{}); err != nil {
		return err
	}
	if err := syncFolder(l.folder); err != nil {
		return err
	}
	return l.firstCheckpoint()
}

// adoptName takes over a log of which only the first record was written, and no checkpoint.
func (l *Folder) adoptName() error {
	if l.tree.size > 1 {
		return damaged("it has %d records and no checkpoint", l.tree.size)
	}
	line, _, err := newLineReader(io.NewSectionReader(l.file, 0, l.offset)).next()
	if err != nil {
		return fmt.Errorf("audit: read log: %w", err)
	}
	l.name, err = logName(line)
	return err
}

// logName is the log's name by its first record.
func logName(line []byte) (string, error) {
	var r Record
	if err := json.Unmarshal(line, &r); err != nil || r.Kind != LogCreated || r.Log == "" {
		return "", damaged("its first record does not name it")
	}
	return r.Log, nil
}
