package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/postern-sandbox/postern/audit"
)

// recordsOf are the records of a log.
func recordsOf(t testing.TB, folder string) []audit.Record {
	t.Helper()
	var list []audit.Record
	for i, line := range lines(t, folder) {
		var r audit.Record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		if r.Number != int64(i) || r.Version != audit.Version {
			t.Fatalf("line %d says that it is record %d of version %d", i, r.Number, r.Version)
		}
		list = append(list, r)
	}
	return list
}

func TestSessionsShareALog(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "b")
	log := open(t, folder, audit.Options{})
	var wait sync.WaitGroup
	for session := range 8 {
		wait.Go(func() {
			for call := range 500 {
				add(t, log, record(fmt.Sprint(session), call+1))
			}
		})
	}
	wait.Wait()
	shut(t, log)
	next := map[string]int{}
	for _, r := range recordsOf(t, folder)[1:] {
		if next[r.Session]++; r.Call != next[r.Session] {
			t.Fatalf("session %s: call %d where %d should be", r.Session, r.Call, next[r.Session])
		}
	}
	if v := verify(t, folder); v.Records != 4001 || v.Covered != 4001 || v.Signed {
		t.Errorf("%+v", v)
	}
}

func TestOnlyTheOwnerCanRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	folder := filepath.Join(t.TempDir(), "log")
	shut(t, open(t, folder, audit.Options{}))
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", entry.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
}

// Two logs on one folder are what two processes are: each has its own files and its own idea of the tree.
func TestTwoOnOneFolder(t *testing.T) {
	for _, durability := range []audit.Durability{audit.Batch, audit.Effects, audit.Always} {
		t.Run(string(durability), func(t *testing.T) {
			folder := t.TempDir()
			options := audit.Options{Durability: durability, Rotate: 40_000}
			logs := []*audit.Folder{open(t, folder, options), open(t, folder, options)}
			var wait sync.WaitGroup
			for i, log := range logs {
				wait.Go(func() {
					for call := range 300 {
						r := record(fmt.Sprint(i), call+1)
						if call%7 == 0 {
							r.Effects = "writes"
						}
						add(t, log, r)
					}
				})
			}
			wait.Wait()
			shut(t, logs[1])
			add(t, logs[0], record("0", 301))
			shut(t, logs[0])
			next := map[string]int{}
			for _, r := range recordsOf(t, folder) {
				if r.Kind == audit.Decision {
					if next[r.Session]++; r.Call != next[r.Session] {
						t.Fatalf("session %s: call %d where %d should be", r.Session, r.Call, next[r.Session])
					}
				}
			}
			if next["0"] != 301 || next["1"] != 300 {
				t.Errorf("records: %v", next)
			}
			verify(t, folder)
		})
	}
}

func TestRotation(t *testing.T) {
	folder := t.TempDir()
	for part := range 4 { // across openings, too
		log := open(t, folder, audit.Options{Rotate: 10_000})
		for call := range 50 {
			r := record("s", part*50+call+1)
			r.Kind = audit.ExecEnded // written at once
			add(t, log, r)
		}
		shut(t, log)
	}
	names, _ := filepath.Glob(filepath.Join(folder, "log*.jsonl"))
	if len(names) < 10 {
		t.Errorf("%d files", len(names))
	}
	for _, name := range names {
		if size := len(read(t, name)); size > 12_000 {
			t.Errorf("%s has %d bytes", name, size)
		}
	}
	continued := 0
	for _, r := range recordsOf(t, folder) {
		if r.Kind == audit.LogContinued {
			continued++
		}
	}
	if continued != len(names)-1 {
		t.Errorf("%d files and %d records of going on", len(names), continued)
	}
	verify(t, folder)

	// A file that is missing is noticed, and so is one in place of another.
	for i, name := range names {
		aside := name + ".aside"
		os.Rename(name, aside)
		if _, err := audit.Verify(folder, audit.VerifyOptions{}); !errors.Is(err, audit.ErrDamaged) {
			t.Errorf("without %s: %v", name, err)
		}
		write(t, name, read(t, names[(i+1)%len(names)]))
		if _, err := audit.Verify(folder, audit.VerifyOptions{}); !errors.Is(err, audit.ErrDamaged) {
			t.Errorf("another as %s: %v", name, err)
		}
		os.Rename(aside, name)
	}
	verify(t, folder)
}

func TestDurability(t *testing.T) {
	decision := func(effects string) *audit.Record {
		r := record("s", 1)
		r.Effects = effects
		return r
	}
	denied := decision("writes")
	denied.Allow = new(bool)
	started := &audit.Record{Kind: audit.ExecStarted}
	for _, test := range []struct {
		durability            audit.Durability
		record                *audit.Record
		what                  string
		writtenAtOnce, synced bool
	}{
		{audit.Effects, decision("pure"), "pure", false, false},
		{audit.Effects, decision("reads"), "reads", true, false},
		{audit.Effects, decision("writes"), "writes", true, true},
		{audit.Effects, decision("reads and writes"), "reads and writes", true, true},
		{audit.Effects, decision("unknown"), "unknown", true, false},
		{audit.Effects, denied, "denied", false, false},
		{audit.Effects, outcome("s", 1), "outcome", false, false},
		{audit.Effects, started, "exec started", true, false},
		{audit.Batch, decision("writes"), "writes", true, false},
		{audit.Batch, decision("pure"), "pure", false, false},
		{audit.Batch, started, "exec started", true, false},
		{audit.Always, decision("pure"), "pure", true, true},
		{audit.Always, started, "exec started", true, true},
	} {
		folder := t.TempDir()
		log := open(t, folder, audit.Options{Durability: test.durability})
		add(t, log, test.record)
		if written := len(lines(t, folder)) == 2; written != test.writtenAtOnce {
			t.Errorf("%s, %s: written at once: %v", test.durability, test.what, written)
		}
		if synced := log.Syncs() == 1; synced != test.synced {
			t.Errorf("%s, %s: synced: %v", test.durability, test.what, synced)
		}
		shut(t, log)
		if got := len(lines(t, folder)); got != 2 {
			t.Errorf("%s, %s: %d lines after Close", test.durability, test.what, got)
		}
	}
	if _, err := audit.Open(t.TempDir(), audit.Options{Durability: "sometimes"}); err == nil {
		t.Error("an unknown durability was taken")
	}
}

// One sync serves all calls that wait for one.
func TestEffectsShareSyncs(t *testing.T) {
	log := open(t, t.TempDir(), audit.Options{})
	defer log.Close()
	const calls = 400
	var wait sync.WaitGroup
	for session := range 8 {
		wait.Go(func() {
			for call := range calls / 8 {
				r := record(fmt.Sprint(session), call)
				r.Effects = "writes"
				add(t, log, r, outcome(fmt.Sprint(session), call))
			}
		})
	}
	wait.Wait()
	if n := log.Syncs(); n > calls {
		t.Errorf("%d syncs for %d effects", n, calls)
	}
}

func TestWhatIsNoLogIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, []byte("text"))
	if _, err := audit.Open(file, audit.Options{}); err == nil {
		t.Error("a file was opened as a folder")
	}
	folder := t.TempDir()
	os.Mkdir(filepath.Join(folder, "log.jsonl"), 0o700)
	if _, err := audit.Open(folder, audit.Options{}); err == nil {
		t.Error("a folder was opened as a file")
	}
}

// A log that is replaced or cut under a process refuses records.
func TestLogTakenAway(t *testing.T) {
	for name, do := range map[string]func(folder string){
		"removed": func(folder string) { os.RemoveAll(folder) },
		"replaced": func(folder string) {
			os.RemoveAll(folder)
			l, err := audit.Open(folder, audit.Options{})
			if err == nil {
				l.Close()
			}
		},
		"cut": func(folder string) { os.Truncate(filepath.Join(folder, "log.jsonl"), 10) },
	} {
		folder := filepath.Join(t.TempDir(), "log")
		log := open(t, folder, audit.Options{})
		add(t, log, &audit.Record{Kind: audit.ExecStarted})
		do(folder)
		for range 2 {
			if err := log.Append(&audit.Record{Kind: audit.ExecStarted}); err == nil {
				t.Errorf("%s: a record was taken", name)
			}
		}
		log.Close()
	}
}

func TestFailureDoesNotLoseWhatWasPromised(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "log")
	log := open(t, folder, audit.Options{})
	add(t, log, record("s", 1)) // gathered
	away := folder + ".away"
	if err := os.Rename(folder, away); err != nil {
		t.Fatal(err)
	}
	refused := record("s", 2)
	refused.Effects = "writes"
	if log.Append(refused) == nil {
		t.Error("taken though it could not be written")
	}
	if log.Append(record("s", 3)) == nil {
		t.Error("a pure call was taken though the log had failed")
	}
	if _, err := log.Checkpoint(); err == nil {
		t.Error("a checkpoint of what could not be written")
	}
	if err := os.Rename(away, folder); err != nil {
		t.Fatal(err)
	}
	add(t, log, record("s", 4))
	shut(t, log)
	var calls []int
	for _, r := range recordsOf(t, folder)[1:] {
		calls = append(calls, r.Call)
	}
	if fmt.Sprint(calls) != "[1 4]" {
		t.Errorf("calls %v", calls)
	}
}

func TestSigned(t *testing.T) {
	folder := t.TempDir()
	public, err := audit.GenerateKey(filepath.Join(folder, audit.KeyFile), "test.example/log")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.GenerateKey(filepath.Join(folder, audit.KeyFile), "other"); err == nil {
		t.Error("a key was replaced")
	}
	for call := range 3 {
		log := open(t, folder, audit.Options{})
		add(t, log, record("s", call+1))
		shut(t, log)
	}
	if v := verify(t, folder); !v.Signed || v.Covered != 4 || v.Last.Verify(public) != nil {
		t.Errorf("%+v", v)
	}
	for _, name := range []string{"", "a b", "a+b", "a\nb"} {
		if _, err := audit.GenerateKey(filepath.Join(t.TempDir(), "k"), name); err == nil {
			t.Errorf("a key was named %q", name)
		}
	}

	other, err := audit.GenerateKey(filepath.Join(t.TempDir(), "k"), "test.example/log")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Verify(folder, audit.VerifyOptions{PublicKey: other}); !errors.Is(err, audit.ErrSignature) {
		t.Errorf("another key of the same name: %v", err)
	}

	key := filepath.Join(folder, audit.KeyFile)
	if runtime.GOOS != "windows" {
		os.Chmod(key, 0o640)
		if _, err := audit.Open(folder, audit.Options{}); err == nil || !strings.Contains(err.Error(), "by others") {
			t.Errorf("a key that others can read: %v", err)
		}
		os.Chmod(key, 0o600)
	}
	// Without its key, a signed log is not gone on with; not if the public key is taken away as well.
	os.Rename(key, key+".away")
	if _, err := audit.Open(folder, audit.Options{}); err == nil {
		t.Error("opened without the key")
	}
	os.Rename(filepath.Join(folder, audit.PublicKeyFile), filepath.Join(folder, "p.away"))
	if _, err := audit.Open(folder, audit.Options{}); err == nil {
		t.Error("opened without the keys")
	}
	log := open(t, folder, audit.Options{Key: key + ".away"})
	shut(t, log)
}

// Whoever rewrites an unsigned history does not get it signed by giving the log a key.
func TestUnsignedLogIsNotSignedByOpening(t *testing.T) {
	folder := t.TempDir()
	shut(t, open(t, folder, audit.Options{}))
	if _, err := audit.GenerateKey(filepath.Join(folder, audit.KeyFile), "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Open(folder, audit.Options{}); !errors.Is(err, audit.ErrSignature) {
		t.Errorf("opened: %v", err)
	}
	c, err := audit.Adopt(folder, audit.Options{})
	if err != nil || !c.Signed() {
		t.Fatalf("%+v, %v", c, err)
	}
	shut(t, open(t, folder, audit.Options{}))
	if v := verify(t, folder); !v.Signed {
		t.Error("not signed")
	}
}

func TestLargeRecords(t *testing.T) {
	folder := t.TempDir()
	log := open(t, folder, audit.Options{})
	for _, size := range []int{1, 60_000, 300_000, 3 << 20} {
		r := record("s", size)
		r.Detail = strings.Repeat("x", size)
		add(t, log, r)
	}
	r := record("s", 0)
	r.Detail = strings.Repeat("x", 33<<20)
	if log.Append(r) == nil {
		t.Error("a record of 33 MiB was taken")
	}
	shut(t, log)
	shut(t, open(t, folder, audit.Options{}))
	if v := verify(t, folder); v.Records != 5 {
		t.Errorf("%d records", v.Records)
	}
	if !bytes.Contains(lines(t, folder)[4], bytes.Repeat([]byte("x"), 3<<20)) {
		t.Error("cut")
	}
}
