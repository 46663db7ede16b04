package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
)

// long reports whether the tests that take minutes are wanted. .ci/run wants them.
func long() bool { return os.Getenv("POSTERN_LONG_TESTS") != "" }

// makeLog makes a log of about n records with a signed checkpoint after every so many.
func makeLog(t testing.TB, folder string, n, checkpoints int) {
	t.Helper()
	if _, err := audit.GenerateKey(filepath.Join(folder, audit.KeyFile), "test"); err != nil {
		t.Fatal(err)
	}
	log := open(t, folder, audit.Options{Durability: audit.Batch})
	for call := 1; call < n; call++ {
		if call%2 == 1 {
			add(t, log, record("s", call))
		} else {
			add(t, log, outcome("s", call-1))
		}
		if call%checkpoints == 0 {
			if _, err := log.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
	shut(t, log)
}

// A damage does something to the lines of a log and says which record is the first that is wrong.
type damage func(r *rand.Rand, content []byte, starts []int) (changed []byte, first int)

// lineOf gives a line with its line feed.
func lineOf(content []byte, starts []int, i int) []byte {
	if i+1 == len(starts) {
		return content[starts[i]:]
	}
	return content[starts[i]:starts[i+1]]
}

func splice(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var damages = map[string]damage{
	"flip a bit": func(r *rand.Rand, content []byte, starts []int) ([]byte, int) {
		i := r.IntN(len(starts))
		line := lineOf(content, starts, i)
		changed := bytes.Clone(content)
		changed[starts[i]+r.IntN(len(line))] ^= 1 << r.IntN(8)
		return changed, i
	},
	"change a byte": func(r *rand.Rand, content []byte, starts []int) ([]byte, int) {
		i := r.IntN(len(starts))
		at := starts[i] + r.IntN(len(lineOf(content, starts, i)))
		changed := bytes.Clone(content)
		changed[at] += byte(1 + r.IntN(255))
		return changed, i
	},
	"drop": func(r *rand.Rand, content []byte, starts []int) ([]byte, int) {
		i := r.IntN(len(starts))
		return splice(content[:starts[i]], content[starts[i]+len(lineOf(content, starts, i)):]), i
	},
	"swap": func(r *rand.Rand, content []byte, starts []int) ([]byte, int) {
		i := r.IntN(len(starts) - 1)
		j := i + 1 + r.IntN(len(starts)-i-1)
		a, b := lineOf(content, starts, i), lineOf(content, starts, j)
		return splice(content[:starts[i]], b, content[starts[i]+len(a):starts[j]], a, content[starts[j]+len(b):]), i
	},
	"duplicate": func(r *rand.Rand, content []byte, starts []int) ([]byte, int) {
		i, at := r.IntN(len(starts)), r.IntN(len(starts))
		return splice(content[:starts[at]], lineOf(content, starts, i), content[starts[at]:]), func() int {
			if i == at {
				return at + 1 // the first of the two is right
			}
			return at
		}()
	},
	"truncate": func(r *rand.Rand, content []byte, starts []int) ([]byte, int) {
		i := r.IntN(len(starts))
		return content[:starts[i]+r.IntN(len(lineOf(content, starts, i)))], i
	},
}

func TestVerifyNamesTheFirstBadRecord(t *testing.T) {
	folder := t.TempDir()
	makeLog(t, folder, 10_000, 700)
	path := filepath.Join(folder, "log.jsonl")
	content := read(t, path)
	starts := []int{0}
	for i, c := range content[:len(content)-1] {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	verify(t, folder)
	trials := 12
	if long() {
		trials = 1000
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for trial := range trials {
				changed, first := damage(r, content, starts)
				write(t, path, changed)
				_, err := audit.Verify(folder, audit.VerifyOptions{})
				var mismatch *audit.Mismatch
				if !errors.As(err, &mismatch) || !errors.Is(err, audit.ErrDamaged) {
					t.Fatalf("trial %d: record %d is wrong and Verify says %v", trial, first, err)
				}
				if mismatch.Record != int64(first) || mismatch.Through != int64(first) || mismatch.File != "log.jsonl" {
					t.Fatalf("trial %d: record %d is wrong and Verify says %v", trial, first, err)
				}
				if !strings.Contains(err.Error(), fmt.Sprintf("record %d", first)) {
					t.Fatalf("%v does not name record %d", err, first)
				}
			}
		})
	}
}

// Who changes the hashes along with the record cannot change the checkpoint: then the place is between two of these.
func TestVerifyAgainstRewrittenHashes(t *testing.T) {
	folder := t.TempDir()
	makeLog(t, folder, 1000, 100)
	path := filepath.Join(folder, "log.jsonl")
	changed := bytes.Replace(read(t, path), []byte(`"call":455`), []byte(`"call":456`), 1)
	write(t, path, changed)
	add, _, hashes := audit.HashesForTest()
	for line := range bytes.Lines(changed) {
		add(bytes.TrimSuffix(line, []byte("\n")))
	}
	write(t, filepath.Join(folder, "tree"), hashes())
	_, err := audit.Verify(folder, audit.VerifyOptions{})
	var mismatch *audit.Mismatch
	if !errors.As(err, &mismatch) || mismatch.Record > 455 || mismatch.Through < 455 || mismatch.Through-mismatch.Record > 100 {
		t.Errorf("%v", err)
	}
	if _, err := audit.Open(folder, audit.Options{}); !errors.Is(err, audit.ErrDamaged) {
		t.Errorf("opened: %v", err)
	}
}

// Each byte of the other files counts, too.
func TestVerifyOtherFiles(t *testing.T) {
	folder := t.TempDir()
	makeLog(t, folder, 20, 7)
	for _, name := range []string{"checkpoints", "tree"} {
		path := filepath.Join(folder, name)
		content := read(t, path)
		for _, i := range cuts(len(content), nil) {
			changed := bytes.Clone(content)
			changed[i] ^= 0x04
			write(t, path, changed)
			_, err := audit.Verify(folder, audit.VerifyOptions{})
			if !errors.Is(err, audit.ErrDamaged) && !errors.Is(err, audit.ErrSignature) {
				t.Errorf("%s, byte %d of %d changed: %v", name, i, len(content), err)
			}
			if i%3 == 0 {
				write(t, path, content[:i])
				if _, err := audit.Verify(folder, audit.VerifyOptions{}); i > 0 && err == nil && name == "tree" {
					t.Errorf("%s cut to %d of %d: no error", name, i, len(content))
				}
			}
		}
		write(t, path, content)
	}
	verify(t, folder)
	// Signatures taken off: what is left is an unsigned log, which is not what its key promises.
	path := filepath.Join(folder, "checkpoints")
	var stripped []byte
	for line := range bytes.Lines(read(t, path)) {
		if !bytes.HasPrefix(line, []byte("— ")) {
			stripped = append(stripped, line...)
		}
	}
	write(t, path, stripped)
	if _, err := audit.Verify(folder, audit.VerifyOptions{}); !errors.Is(err, audit.ErrSignature) {
		t.Errorf("stripped: %v", err)
	}
}

func TestVerifyAgainstCheckpointKeptElsewhere(t *testing.T) {
	folder := t.TempDir()
	log := open(t, folder, audit.Options{})
	add(t, log, record("s", 1))
	kept, err := log.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	add(t, log, record("s", 2), record("s", 3))
	shut(t, log)
	kept, err = audit.ParseCheckpoint(kept.Note) // as from a file
	if err != nil {
		t.Fatal(err)
	}
	against := audit.VerifyOptions{Checkpoint: kept}
	if _, err := audit.Verify(folder, against); err != nil {
		t.Fatal(err)
	}

	// Everything rewritten, in a folder whose own checkpoints agree: only the one kept elsewhere tells.
	rewrite := func(records ...*audit.Record) error {
		other := t.TempDir()
		forged := open(t, other, audit.Options{})
		add(t, forged, records...)
		shut(t, forged)
		// It can give itself the log's name as well.
		all := lines(t, other)
		all[0] = lines(t, folder)[0]
		write(t, filepath.Join(other, "log.jsonl"), append(bytes.Join(all, []byte("\n")), '\n'))
		audit.ReforgeForTest(t, other, kept.Log)
		verify(t, other)
		_, err := audit.Verify(other, against)
		return err
	}
	if err := rewrite(record("s", 2), record("s", 3)); !errors.Is(err, audit.ErrDamaged) {
		t.Errorf("rewritten: %v", err)
	}
	if err := rewrite(); !errors.Is(err, audit.ErrDamaged) || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("rewritten and shorter: %v", err)
	}
	if err := rewrite(record("s", 1), record("s", 7)); err != nil {
		t.Errorf("the same up to the checkpoint: %v", err)
	}
	if _, err := audit.Verify(func() string { f := t.TempDir(); shut(t, open(t, f, audit.Options{})); return f }(), against); err == nil ||
		!strings.Contains(err.Error(), "another log") {
		t.Errorf("another log: %v", err)
	}
}

func TestVerifyNeedsNoLock(t *testing.T) {
	folder := t.TempDir()
	makeLog(t, folder, 20, 5)
	if err := os.Remove(filepath.Join(folder, "lock")); err != nil {
		t.Fatal(err)
	}
	verify(t, folder)
	if _, err := os.Stat(filepath.Join(folder, "lock")); err == nil {
		t.Error("Verify has made a file")
	}
	if _, err := audit.Verify(t.TempDir(), audit.VerifyOptions{}); err == nil {
		t.Error("an empty folder was verified")
	}
}

func FuzzCheckpoints(f *testing.F) {
	f.Add([]byte("postern-audit/x\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\n"))
	f.Add([]byte("postern-audit/x\n12\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— key AAAA\n\nx\n13\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, torn, err := audit.ParseCheckpoints(data)
		if err != nil {
			return
		}
		var again []byte
		for _, c := range list {
			if parsed, err := audit.ParseCheckpoint(c.Note); err != nil || parsed.Root != c.Root || parsed.Size != c.Size {
				t.Fatalf("%q: %v", c.Note, err)
			}
			again = append(append(again, c.Note...), '\n')
		}
		if !bytes.Equal(append(again, torn...), data) {
			t.Fatalf("%q was read as %q", data, again)
		}
	})
}
