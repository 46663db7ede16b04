package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	gatherLimit   = 64 << 10 // bytes of records that wait to be written together
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
type Folder struct {
	folder  string
	options Options
	signer  *signer // nil: unsigned
	lock    *lockedfile.Mutex

	mu      sync.Mutex
	closed  bool
	failed  bool        // the last attempt to write failed: no record is taken before one succeeds
	broken  error       // nothing will succeed any more
	armed   bool        // the timer runs
	timer   *time.Timer // for tick
	pending gathered    // records that are not written yet
	lost    Record      // of the last recovery

	name   string      // of the log
	file   *os.File    // the last one, of which
	info   fs.FileInfo // is to tell whether it is still there
	first  int64       // is the number of its first record
	offset int64       // is its length
	ended  bool        // says that it ends with log_continued
	tree   tree        // of all records that are written
	hashes *os.File

	checkpoints    *os.File
	checkpointsEnd int64
	last           *Checkpoint

	buffer     []byte // kept for write
	bufferTree []tlog.Hash

	syncing sync.Mutex
	synced  atomic.Int64 // records that are on the disk
	syncs   atomic.Int64 // how often that was waited for
	retired []*os.File   // files that a sync may still use
}

// gathered are bodies of records, one after the other.
type gathered struct {
	bodies []byte
	ends   []int
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
	l.mu.Lock()
	defer l.mu.Unlock()
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
	case ExecStarted, ExecEnded, SessionClosed:
		written = true
	}
	return written, synced
}

// Append implements [Log].
func (l *Folder) Append(r *Record) error {
	written, synced := l.needs(r)
	l.mu.Lock()
	err := l.take(r, written)
	size := l.tree.size
	l.mu.Unlock()
	if err != nil || !synced {
		return err
	}
	return l.sync(size)
}

func (l *Folder) take(r *Record, written bool) error {
	switch {
	case l.closed:
		return ErrClosed
	case l.broken != nil:
		return l.broken
	}
	bodies, err := r.appendBody(l.pending.bodies)
	if err != nil {
		return err
	}
	l.pending.bodies, l.pending.ends = bodies, append(l.pending.ends, len(bodies))
	if written || l.failed || len(bodies) > gatherLimit {
		if err := l.flush(); err != nil {
			// The record that failed is not wanted any more; those before it were promised.
			l.failed = true
			l.pending.drop()
			l.arm()
			return err
		}
	}
	l.failed = false
	l.arm()
	return nil
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
	done := l.closed || l.broken != nil
	var err error
	if !done {
		err = l.flush()
	}
	size := l.tree.size
	l.mu.Unlock()
	if done {
		return
	}
	if err == nil {
		// Most of what is to be waited for is waited for here, where nobody else waits for it.
		err = l.sync(size)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.broken != nil {
		return
	}
	if err == nil {
		err = l.checkpoint()
	}
	if err != nil {
		l.failed = true
		l.arm()
	}
}

// flush writes what is pending.
func (l *Folder) flush() error {
	unlock, err := l.lock.Lock()
	if err != nil {
		return fmt.Errorf("audit: lock log: %w", err)
	}
	defer unlock()
	if err := l.refresh(); err != nil {
		return err
	}
	return l.write()
}

// write appends what is pending to the last file; the caller holds the lock and has refreshed.
func (l *Folder) write() error {
	if len(l.pending.ends) == 0 {
		return nil
	}
	if l.ended {
		if err := l.advance(); err != nil {
			return err
		}
	}
	before := l.tree.clone()
	out, hashes := l.buffer[:0], l.bufferTree[:0]
	line := func(body []byte) {
		start := len(out)
		out = append(appendNumber(out, l.tree.size), body...)
		hashes = l.tree.add(out[start:], hashes)
		out = append(out, '\n')
	}
	start := 0
	for _, end := range l.pending.ends {
		line(l.pending.bodies[start:end])
		start = end
	}
	full := l.offset+int64(len(out)) >= l.options.Rotate
	if full {
		next := Record{Kind: LogContinued, Time: time.Now().UTC(), Next: fileName(l.tree.size + 1)}
		body, err := next.appendBody(nil)
		if err != nil {
			return err
		}
		line(body)
	}
	_, err := l.file.WriteAt(out, l.offset)
	if err == nil {
		err = hashFile{l.hashes}.write(before.size, hashes)
	}
	l.keep(out, hashes)
	if err != nil {
		l.tree = before
		// What is left of it if this fails, too, is mended when the log is next looked at.
		l.file.Truncate(l.offset)
		return fmt.Errorf("audit: write records: %w", err)
	}
	l.offset += int64(len(out))
	l.pending.reset()
	if full {
		l.ended = true
		return l.advance()
	}
	return nil
}

// keep keeps buffers for the next time, if they are of usual size.
func (l *Folder) keep(out []byte, hashes []tlog.Hash) {
	l.buffer, l.bufferTree = nil, nil
	if cap(out) <= 4*gatherLimit {
		l.buffer = out
	}
	if cap(hashes) <= gatherLimit/tlog.HashSize {
		l.bufferTree = hashes
	}
}

// drop takes the last one back.
func (g *gathered) drop() {
	n := len(g.ends)
	if n == 0 {
		return // it was written, and what failed came after it
	}
	g.ends = g.ends[:n-1]
	start := 0
	if n > 1 {
		start = g.ends[n-2]
	}
	g.bodies = g.bodies[:start]
}

func (g *gathered) reset() {
	g.bodies, g.ends = g.bodies[:0], g.ends[:0]
	if cap(g.bodies) > 4*gatherLimit {
		g.bodies = nil
	}
}

// advance goes on to the next file. The one that ended is on the disk before.
func (l *Folder) advance() error {
	if err := l.syncFile(l.file); err != nil {
		return err
	}
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
	if l.synced.Load() >= size {
		return nil
	}
	l.mu.Lock()
	file, written, broken := l.file, l.tree.size, l.broken
	retired := l.retired
	l.retired = nil
	l.mu.Unlock()
	for _, file := range retired {
		file.Close()
	}
	if broken != nil {
		return broken
	}
	l.syncs.Add(1)
	if err := file.Sync(); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.breakDown(err)
	}
	l.synced.Store(max(written, l.synced.Load()))
	return nil
}

// syncFile is Sync for those who hold mu.
func (l *Folder) syncFile(file *os.File) error {
	if err := file.Sync(); err != nil {
		return l.breakDown(err)
	}
	return nil
}

// breakDown makes the log refuse everything. After a failed sync, nobody knows what is on the disk, and the next sync may
// succeed without it being there.
func (l *Folder) breakDown(err error) error {
	if l.broken == nil {
		l.broken = fmt.Errorf("audit: sync log: %w", err)
	}
	return l.broken
}

// checkpoint writes what is pending and makes a checkpoint of all records, if there are any that have none.
func (l *Folder) checkpoint() error {
	unlock, err := l.lock.Lock()
	if err != nil {
		return fmt.Errorf("audit: lock log: %w", err)
	}
	defer unlock()
	if err := l.refresh(); err != nil {
		return err
	}
	if err := l.write(); err != nil {
		return err
	}
	return l.writeCheckpoint()
}

func (l *Folder) writeCheckpoint() error {
	if err := l.readCheckpoints(); err != nil {
		return err
	}
	if l.last != nil && l.last.Size >= l.tree.size && (l.last.Signed() || l.signer == nil) {
		return nil
	}
	if err := l.syncFile(l.file); err != nil {
		return err
	}
	l.synced.Store(max(l.tree.size, l.synced.Load()))
	c, err := newCheckpoint(l.name, &l.tree, l.signer)
	if err != nil {
		return err
	}
	entry := c.entry()
	if _, err := l.checkpoints.WriteAt(entry, l.checkpointsEnd); err != nil {
		l.checkpoints.Truncate(l.checkpointsEnd)
		return fmt.Errorf("audit: write checkpoint: %w", err)
	}
	if err := l.syncFile(l.checkpoints); err != nil {
		return err
	}
	l.last, l.checkpointsEnd = c, l.checkpointsEnd+int64(len(entry))
	return nil
}

// Checkpoint makes a checkpoint of all records so far and returns it.
func (l *Folder) Checkpoint() (*Checkpoint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	if l.broken != nil {
		return nil, l.broken
	}
	if err := l.checkpoint(); err != nil {
		return nil, err
	}
	return l.last, nil
}

// Close writes what is pending, makes a last checkpoint and closes the files.
func (l *Folder) Close() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	err := l.broken
	if err == nil {
		err = l.checkpoint()
	}
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
