package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
	"golang.org/x/mod/sumdb/tlog"
)

// A Durability says what a [Folder] does before Append returns. The table is in docs/audit.md.
type Durability string

const (
	// Effects is the default: the decision to call what changes the world is on the disk before the call. Decisions of calls that read the
	// world, and the beginning and end of each exec, are with the operating system: they outlive the process. What is pure is gathered.
	Effects Durability = "effects"
	// Always has each record on the disk.
	Always Durability = "always"
	// Batch is Effects without waiting for the disk.
	Batch Durability = "batch"
)

// Options are the settings of a [Folder]. The zero Options are good ones.
type Options struct {
	// Durability is Effects if empty.
	Durability Durability

	// Rotate is the size in bytes at which a file ends and the next begins; 64 MiB if zero.
	Rotate int64

	// Key is the file of the private key that signs checkpoints. If it is empty, that is the file [KeyFile] in the folder, and without one
	// the checkpoints are not signed.
	Key string
}

const (
	defaultRotate = 64 << 20
	gatherLimit   = 64 << 10 // bytes of records that are worth being written together
	gatherMost    = 1 << 20  // bytes that may wait for it
	// interval is how long a record may wait to be written and covered by a checkpoint.
	interval = time.Second
)

// Names of the other files in a log's folder.
const (
	checkpointsFile = "checkpoints"
	hashesFile      = "tree"
	lockFile        = "lock"
)

// ErrDamaged says that a log is not as a [Folder] has left it, and not as a crash would. It takes no more records.
var ErrDamaged = errors.New("audit: the log is damaged")

// A Folder is the log that can be verified: records in files of JSON lines, the hashes of the Merkle tree over these lines, and checkpoints. Several
// processes can have the same folder open; their records interleave and each is whole. docs/audit.md is the format.
//
// Locks are taken in the order syncing, io, mu; points stands for itself. The lock of the folder, against other processes, comes last.
type Folder struct {
	folder  string
	options Options
	signer  *signer // nil: unsigned
	lock    *lockedfile.Mutex
	name    string // of the log

	mu      sync.Mutex
	closed  bool
	failed  bool  // the last attempt to write failed: no record is taken before one succeeds
	broken  error // nothing will succeed any more
	behind  bool  // a goroutine is about to write
	armed   bool  // the timer runs
	timer   *time.Timer
	newest  uint64   // how many records were taken
	pending gathered // those that are not written yet
	spare   gathered // empty, with room
	known   digests

	io      sync.Mutex
	gone    bool        // the files are closed
	written uint64      // the newest record that is
	notes   gathered    // records of the log about itself, to be written first
	lost    Record      // of the last recovery
	file    *os.File    // the last one, of which
	info    fs.FileInfo // is to tell whether it is still there
	first   int64       // is the number of its first record
	offset  int64       // is its length
	ended   bool        // says that it ends with log_continued
	tree    tree        // of all records that are written
	hashes  *os.File
	retired []*os.File // files that have ended and are not known to be on the disk
	out     []byte     // kept for write
	added   []tlog.Hash

	points         sync.Mutex
	checkpoints    *os.File
	checkpointsEnd int64
	last           *Checkpoint

	syncing sync.Mutex
	synced  int64        // records that are on the disk
	syncs   atomic.Int64 // how often that was waited for
}

// gathered are bodies of records, one after the other.
type gathered struct {
	bodies []byte
	ends   []int
	ids    []uint64 // counted as they are taken
}

func (g *gathered) add(r *Record, id uint64, known *digests) error {
	bodies, err := r.appendBody(g.bodies, known)
	if err != nil {
		return err
	}
	g.bodies, g.ends, g.ids = bodies, append(g.ends, len(bodies)), append(g.ids, id)
	return nil
}

// join appends another's records.
func (g *gathered) join(other gathered) {
	for i, end := range other.ends {
		g.ends, g.ids = append(g.ends, len(g.bodies)+end), append(g.ids, other.ids[i])
	}
	g.bodies = append(g.bodies, other.bodies...)
}

// drop takes one record out.
func (g *gathered) drop(id uint64) {
	i := slices.Index(g.ids, id)
	if i < 0 {
		return
	}
	start := 0
	if i > 0 {
		start = g.ends[i-1]
	}
	size := g.ends[i] - start
	g.bodies = slices.Delete(g.bodies, start, g.ends[i])
	g.ends, g.ids = slices.Delete(g.ends, i, i+1), slices.Delete(g.ids, i, i+1)
	for ; i < len(g.ends); i++ {
		g.ends[i] -= size
	}
}

// reset empties it. Room that is more than usual is given back.
func (g *gathered) reset() {
	if cap(g.bodies) > 2*gatherMost {
		*g = gathered{}
	}
	g.bodies, g.ends, g.ids = g.bodies[:0], g.ends[:0], g.ids[:0]
}

// Open opens the log in a folder, and makes one where there is none: folder and files are their owner's only. What a crash has
// left is put in order, and a record of kind log_recovered says what was lost; [Folder.Lost] gives it.
func Open(folder string, options Options) (*Folder, error) { return open(folder, options, false) }

func open(folder string, options Options, adopt bool) (_ *Folder, err error) {
	switch options.Durability {
	case "":
		options.Durability = Effects
	case Effects, Always, Batch:
	default:
		return nil, fmt.Errorf("audit: unknown durability %q", options.Durability)
	}
	if options.Rotate <= 0 {
		options.Rotate = defaultRotate
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("audit: open log: %w", err)
	}
	l := &Folder{folder: folder, options: options, lock: lockedfile.MutexAt(filepath.Join(folder, lockFile))}
	if err := l.openKey(); err != nil {
		return nil, err
	}
	// Package lockedfile would make it for everybody, who could then stop the log by locking it.
	file, err := openFile(filepath.Join(folder, lockFile))
	if err != nil {
		return nil, err
	}
	file.Close()
	unlock, err := l.lock.Lock()
	if err != nil {
		return nil, fmt.Errorf("audit: lock log: %w", err)
	}
	defer unlock()
	if err = l.load(adopt); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

func (l *Folder) openKey() error {
	path := l.options.Key
	if path == "" {
		path = filepath.Join(l.folder, KeyFile)
		_, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			if _, err := os.Lstat(filepath.Join(l.folder, PublicKeyFile)); err == nil {
				return fmt.Errorf("audit: the log in %q has a public key, and its private key is neither there nor given", l.folder)
			}
			return nil
		}
	}
	var err error
	l.signer, err = readSigner(path)
	return err
}

// Lost says what the last recovery found missing, in a record of kind log_recovered. It is nil if nothing was.
func (l *Folder) Lost() *Record {
	l.io.Lock()
	defer l.io.Unlock()
	if l.lost.Kind == "" {
		return nil
	}
	lost := l.lost
	return &lost
}

// Signed reports whether checkpoints are signed.
func (l *Folder) Signed() bool { return l.signer != nil }

// needs says what must have happened to a record before Append returns.
func (l *Folder) needs(r *Record) (written, synced bool) {
	if l.options.Durability == Always {
		return true, true
	}
	switch r.Kind {
	case Decision:
		allowed := r.Allow != nil && *r.Allow
		written = allowed && r.Effects != "pure"
		synced = allowed && l.options.Durability == Effects && strings.Contains(r.Effects, "writes")
	case ExecStarted, ExecEnded, SessionReset, SessionSaved, SessionClosed:
		written = true
	}
	return written, synced
}

// Append implements [Log].
func (l *Folder) Append(r *Record) error {
	written, synced := l.needs(r)
	id, now, err := l.take(r, written)
	if err != nil || !now {
		return err
	}
	size, err := l.flushOr(id, id)
	if err != nil || !synced {
		return err
	}
	return l.sync(size)
}

// take takes a record. now says that it has to be written before it counts.
func (l *Folder) take(r *Record, written bool) (id uint64, now bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return 0, false, ErrClosed
	case l.broken != nil:
		return 0, false, l.broken
	}
	if err := l.pending.add(r, l.newest+1, &l.known); err != nil {
		return 0, false, err
	}
	l.newest++
	l.arm()
	size := len(l.pending.bodies)
	if size > gatherLimit && !written && !l.behind {
		l.behind = true
		go l.writeBehind()
	}
	return l.newest, written || l.failed || size > gatherMost, nil
}

// writeBehind writes what has gathered while the sessions go on. If it fails, the next record meets the failure.
func (l *Folder) writeBehind() {
	l.mu.Lock()
	l.behind = false
	newest := l.newest
	l.mu.Unlock()
	l.flush(newest)
}

// arm has tick called soon.
func (l *Folder) arm() {
	if l.armed {
		return
	}
	l.armed = true
	if l.timer == nil {
		l.timer = time.AfterFunc(interval, l.tick)
	} else {
		l.timer.Reset(interval)
	}
}

// tick writes what has gathered and makes a checkpoint. When it cannot, it tries again: the records that wait were promised.
func (l *Folder) tick() {
	l.mu.Lock()
	l.armed = false
	newest, done := l.newest, l.closed || l.broken != nil
	l.mu.Unlock()
	if done {
		return
	}
	_, err := l.flush(newest)
	if err == nil {
		err = l.checkpoint()
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = true
		if !l.closed {
			l.arm()
		}
	}
}

// flush writes the records that were taken, at least up to the one with the given ID, and returns how many the log has then. What it cannot write is tried again: it
// was promised.
func (l *Folder) flush(id uint64) (size int64, err error) { return l.flushOr(id, 0) }

// flushOr is flush for a record that was not promised yet: if it cannot be written, it is dropped.
func (l *Folder) flushOr(id, dropped uint64) (size int64, err error) {
	l.io.Lock()
	defer l.io.Unlock()
	if l.gone {
		return 0, ErrClosed
	}
	if l.written >= id { // somebody else has written it with theirs
		return l.tree.size, nil
	}
	l.mu.Lock()
	batch, newest := l.pending, l.newest
	l.pending, l.spare = l.spare, gathered{}
	err = l.broken
	l.mu.Unlock()

	if err == nil {
		err = l.writeLocked(batch)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		batch.join(l.pending)
		batch.drop(dropped)
		l.pending, l.failed = batch, true
		return 0, err
	}
	l.written, l.failed = newest, false
	batch.reset()
	l.spare = batch
	return l.tree.size, nil
}

func (l *Folder) writeLocked(batch gathered) error {
	unlock, err := l.lock.Lock()
	if err != nil {
		return fmt.Errorf("audit: lock log: %w", err)
	}
	defer unlock()
	if err := l.refresh(); err != nil {
		return err
	}
	return l.write(batch)
}

// write appends records to the last file; the caller holds the lock of the folder and has refreshed. All are written or, after an error, none.
func (l *Folder) write(batch gathered) error {
	if len(batch.ends)+len(l.notes.ends) == 0 {
		return nil
	}
	if l.ended {
		if err := l.advance(); err != nil {
			return err
		}
	}
	before := l.tree.clone()
	out, added := l.out[:0], l.added[:0]
	line := func(body []byte) {
		start := len(out)
		out = append(appendNumber(out, l.tree.size), body...)
		added = l.tree.add(out[start:], added)
		out = append(out, '\n')
	}
	for _, g := range []gathered{l.notes, batch} {
		start := 0
		for _, end := range g.ends {
			line(g.bodies[start:end])
			start = end
		}
	}
	full := l.offset+int64(len(out)) >= l.options.Rotate
	if full {
		next := Record{Kind: LogContinued, Time: time.Now().UTC(), Next: fileName(l.tree.size + 1)}
		body, err := next.appendBody(nil, nil)
		if err != nil {
			return err
		}
		line(body)
	}
	_, err := l.file.WriteAt(out, l.offset)
	if err == nil {
		err = hashFile{l.hashes}.write(before.size, added)
	}
	l.keep(out, added)
	if err != nil {
		l.tree = before
		// What is left of it if this fails, too, is mended when the log is next looked at.
		l.file.Truncate(l.offset)
		return fmt.Errorf("audit: write records: %w", err)
	}
	l.offset += int64(len(out))
	l.notes.reset()
	l.ended = full
	return nil
}

// keep keeps buffers for the next time, if they are of usual size.
func (l *Folder) keep(out []byte, added []tlog.Hash) {
	l.out, l.added = nil, nil
	if cap(out) <= 2*gatherMost {
		l.out = out
	}
	if cap(added) <= gatherMost/tlog.HashSize {
		l.added = added
	}
}

// advance goes on to the next file.
func (l *Folder) advance() error {
	next := l.tree.size
	file, err := openFile(path(l.folder, next))
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		err = syncFolder(l.folder)
	}
	if err != nil {
		file.Close()
		return fmt.Errorf("audit: next file of the log: %w", err)
	}
	l.retired = append(l.retired, l.file)
	l.file, l.info, l.first, l.offset, l.ended = file, info, next, 0, false
	return nil
}

func openFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit: open log: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("audit: open log: %q: %w", path, err)
	}
	return file, nil
}

// sync has the first size records on the disk. Calls that come while one is under way share the next.
func (l *Folder) sync(size int64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if l.synced >= size {
		return nil
	}
	l.io.Lock()
	if l.gone {
		l.io.Unlock()
		return ErrClosed
	}
	file, retired, written := l.file, l.retired, l.tree.size
	l.retired = nil
	l.io.Unlock()

	l.syncs.Add(1)
	for _, old := range retired {
		if err := errors.Join(old.Sync(), old.Close()); err != nil {
			return l.breakDown(err)
		}
	}
	if err := file.Sync(); err != nil {
		return l.breakDown(err)
	}
	l.synced = written
	return nil
}

// breakDown makes the log refuse everything. After a failed sync, nobody knows what is on the disk, and the next sync may
// succeed without it being there.
func (l *Folder) breakDown(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		l.broken = fmt.Errorf("audit: sync log: %w", err)
	}
	return l.broken
}

// checkpoint makes a checkpoint of the records that are written, if there are any that have none. While it waits for the disk, sessions go on.
func (l *Folder) checkpoint() error {
	l.io.Lock()
	covered := l.tree.clone()
	l.io.Unlock()
	if err := l.sync(covered.size); err != nil {
		return err
	}
	l.points.Lock()
	defer l.points.Unlock()
	unlock, err := l.lock.Lock()
	if err != nil {
		return fmt.Errorf("audit: lock log: %w", err)
	}
	before := l.last
	err = l.writeCheckpoint(&covered)
	unlock()
	if err != nil || l.last == before {
		return err
	}
	if err := l.checkpoints.Sync(); err != nil {
		return l.breakDown(err)
	}
	return nil
}

// writeCheckpoint writes a checkpoint of a tree whose records are on the disk; the caller holds the lock of the folder.
func (l *Folder) writeCheckpoint(covered *tree) error {
	if err := l.readCheckpoints(); err != nil {
		return err
	}
	if l.last != nil && l.last.Size >= covered.size && (l.last.Signed() || l.signer == nil) {
		return nil
	}
	c, err := newCheckpoint(l.name, covered, l.signer)
	if err != nil {
		return err
	}
	entry := c.entry()
	if _, err := l.checkpoints.WriteAt(entry, l.checkpointsEnd); err != nil {
		l.checkpoints.Truncate(l.checkpointsEnd)
		return fmt.Errorf("audit: write checkpoint: %w", err)
	}
	l.last, l.checkpointsEnd = c, l.checkpointsEnd+int64(len(entry))
	return nil
}

// Checkpoint makes a checkpoint of all records so far and returns it.
func (l *Folder) Checkpoint() (*Checkpoint, error) {
	l.mu.Lock()
	newest, closed := l.newest, l.closed
	l.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if _, err := l.flush(newest); err != nil {
		return nil, err
	}
	if err := l.checkpoint(); err != nil {
		return nil, err
	}
	l.points.Lock()
	defer l.points.Unlock()
	return l.last, nil
}

// Close writes what is pending, makes a last checkpoint and closes the files.
func (l *Folder) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	newest := l.newest
	l.mu.Unlock()
	_, err := l.flush(newest)
	if err == nil {
		err = l.checkpoint()
	}
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.io.Lock()
	defer l.io.Unlock()
	l.points.Lock()
	defer l.points.Unlock()
	l.gone = true
	return errors.Join(err, l.release())
}

func (l *Folder) release() error {
	var errs []error
	for _, file := range append(l.retired, l.file, l.hashes, l.checkpoints) {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	l.retired = nil
	return errors.Join(errs...)
}

// Adopt signs a log that was not signed before: from now on it needs the key. Whoever calls it vouches for the records that are there.
func Adopt(folder string, options Options) (*Checkpoint, error) {
	l, err := open(folder, options, true)
	if err != nil {
		return nil, err
	}
	c, err := l.Checkpoint()
	return c, errors.Join(err, l.Close())
}
