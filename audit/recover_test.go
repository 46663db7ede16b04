package audit_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/audit"
)

// abandon makes a log with a checkpoint of so many records and more behind it, as a process leaves it that is gone at once. It
// returns the files' contents.
func abandon(t *testing.T, covered, more int, options audit.Options) map[string][]byte {
	t.Helper()
	folder := t.TempDir()
	log := open(t, folder, options)
	for call := range covered - 1 {
		add(t, log, record("s", call))
	}
	if _, err := log.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	for call := range more {
		r := record("s", covered+call)
		r.Kind = audit.ExecStarted // written at once
		add(t, log, r)
	}
	files := copyOf(t, folder)
	shut(t, log)
	return files
}

func copyOf(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		files[filepath.Base(name)] = read(t, name)
	}
	return files
}

func restore(t *testing.T, files map[string][]byte) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for name, content := range files {
		write(t, filepath.Join(folder, name), content)
	}
	return folder
}

// goOn opens a log, adds a record and verifies it all.
func goOn(t *testing.T, folder string, options audit.Options) (lost *audit.Record, records []audit.Record, err error) {
	t.Helper()
	log, err := audit.Open(folder, options)
	if err != nil {
		return nil, nil, err
	}
	lost = log.Lost()
	add(t, log, record("after", 1))
	shut(t, log)
	verify(t, folder)
	return lost, recordsOf(t, folder), nil
}

// cuts are the offsets below a length: all of them in a long run, otherwise those near the ends of lines and some between.
func cuts(length int, ends []int) []int {
	var list []int
	for cut := range length {
		near := slices.ContainsFunc(ends, func(end int) bool { return cut >= end-3 && cut <= end+3 })
		if long() || near || cut%37 == 0 || cut == length-1 {
			list = append(list, cut)
		}
	}
	return list
}

func TestCutAtEveryOffset(t *testing.T) {
	const covered, more = 3, 3
	whole := abandon(t, covered, more, audit.Options{})
	content := whole["log.jsonl"]
	ends := []int{}
	for i, c := range content {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	if len(ends) != covered+more {
		t.Fatalf("%d lines", len(ends))
	}
	for _, cut := range cuts(len(content), ends) {
		files := map[string][]byte{"checkpoints": whole["checkpoints"], "tree": whole["tree"], "log.jsonl": content[:cut]}
		folder := restore(t, files)
		lost, records, err := goOn(t, folder, audit.Options{})
		if cut < ends[covered-1] {
			// No crash does this: the checkpoint was written when these lines were on the disk.
			if !errors.Is(err, audit.ErrDamaged) {
				t.Fatalf("cut at %d, before the checkpoint: %v", cut, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		left, torn := 0, cut
		for _, end := range ends {
			if end <= cut {
				left, torn = left+1, cut-end
			}
		}
		if lost == nil || lost.LostBytes != int64(torn) || lost.LostRecords != int64(covered+more-left) {
			t.Fatalf("cut at %d: lost %+v; %d records are left, and %d bytes", cut, lost, left, torn)
		}
		if len(records) != left+2 || records[left].Kind != audit.LogRecovered || records[left].LostBytes != int64(torn) {
			t.Fatalf("cut at %d: %d records", cut, len(records))
		}
	}
}

// The other files, cut at every offset, lose nothing: the records are what counts.
func TestOtherFilesCutAtEveryOffset(t *testing.T) {
	const covered, more = 5, 4
	whole := abandon(t, covered, more, audit.Options{})
	for _, cut := range cuts(len(whole["tree"]), nil) {
		files := map[string][]byte{"checkpoints": whole["checkpoints"], "tree": whole["tree"][:cut], "log.jsonl": whole["log.jsonl"]}
		if lost, records, err := goOn(t, restore(t, files), audit.Options{}); err != nil || lost != nil || len(records) != covered+more+1 {
			t.Fatalf("tree cut at %d: %d records, lost %+v, %v", cut, len(records), lost, err)
		}
	}
	first := bytes.Index(whole["checkpoints"], []byte("\n\n\n")) + 3
	for cut := first; cut < len(whole["checkpoints"]); cut += 1 + cut%3 {
		files := map[string][]byte{"checkpoints": whole["checkpoints"][:cut], "tree": whole["tree"], "log.jsonl": whole["log.jsonl"]}
		if lost, records, err := goOn(t, restore(t, files), audit.Options{}); err != nil || lost != nil || len(records) != covered+more+1 {
			t.Fatalf("checkpoints cut at %d: %d records, lost %+v, %v", cut, len(records), lost, err)
		}
	}
}

// A log of which only the beginning of the first write is there begins.
func TestCutWhileItBegins(t *testing.T) {
	whole := abandon(t, 1, 0, audit.Options{})
	for _, cut := range cuts(len(whole["log.jsonl"])+1, nil) {
		folder := restore(t, map[string][]byte{"log.jsonl": whole["log.jsonl"][:cut]})
		if _, _, err := goOn(t, folder, audit.Options{}); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
}

// A crash between the end of a file and the beginning of the next, and one just after it.
func TestCrashWhileRotating(t *testing.T) {
	folder := t.TempDir()
	log := open(t, folder, audit.Options{Rotate: 2000})
	var files map[string][]byte
	for call := range 4 {
		r := record("s", call)
		r.Kind = audit.ExecStarted
		add(t, log, r)
		if call == 2 {
			files = copyOf(t, folder) // the first file has ended
		}
	}
	shut(t, log)
	for name := range copyOf(t, folder) {
		if strings.HasPrefix(name, "log-") {
			files[name] = nil // the next has just begun
		}
	}
	next := ""
	for name := range files {
		if strings.HasPrefix(name, "log-") {
			next = name
		}
	}
	if next == "" || len(files[next]) != 0 {
		t.Fatalf("the log has not just begun a file: %q", next)
	}
	if _, _, err := goOn(t, restore(t, files), audit.Options{}); err != nil {
		t.Error(err)
	}
	delete(files, next)
	if _, _, err := goOn(t, restore(t, files), audit.Options{}); err != nil {
		t.Error(err)
	}
	if content := files["log.jsonl"]; true {
		for cut := len(content) - 100; cut < len(content); cut++ { // within log_continued
			files["log.jsonl"] = content[:cut]
			if lost, _, err := goOn(t, restore(t, files), audit.Options{}); err != nil || lost == nil {
				t.Errorf("cut at %d: lost %+v, %v", cut, lost, err)
			}
		}
		files["log.jsonl"], files[next] = content[:len(content)-100], nil
		if _, _, err := goOn(t, restore(t, files), audit.Options{}); !errors.Is(err, audit.ErrDamaged) {
			t.Errorf("a file that is cut, and is not the last: %v", err)
		}
	}
}

// What a power failure leaves of pages that were not written.
func TestZerosAtTheEnd(t *testing.T) {
	whole := abandon(t, 5, 4, audit.Options{})
	content := bytes.Clone(whole["log.jsonl"])
	for i := len(content) - 700; i < len(content); i++ {
		content[i] = 0
	}
	whole["log.jsonl"] = append(content, make([]byte, 100)...)
	lost, records, err := goOn(t, restore(t, whole), audit.Options{})
	if err != nil || lost == nil || lost.LostBytes < 700 || lost.LostRecords < 1 || len(records) != int(9-lost.LostRecords+2) {
		t.Errorf("lost %+v, %d records, %v", lost, len(records), err)
	}
}

const childVariable = "POSTERN_AUDIT_TEST_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(childVariable); folder != "" {
		load(folder)
		return
	}
	os.Exit(m.Run())
}

// load is the process that is killed: sessions that write all the time. It prints what it was promised, after Append has returned.
func load(folder string) {
	log, err := audit.Open(folder, audit.Options{Rotate: 50_000})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	out := make(chan string)
	for session := range 4 {
		go func() {
			for call := 1; ; call++ {
				r := record(fmt.Sprintf("%d/%d", os.Getpid(), session), call)
				if r.Effects = "pure"; call%5 == 0 {
					r.Effects = "writes"
				}
				if err := log.Append(r); err != nil {
					out <- "error " + err.Error()
				}
				if r.Effects == "writes" {
					out <- fmt.Sprint(r.Session, " ", call)
				}
			}
		}()
	}
	for line := range out {
		fmt.Println(line)
	}
}

// Two processes write to one folder and are killed, again and again. Nothing that either was promised is missing.
func TestKill(t *testing.T) {
	kills := 8
	if long() {
		kills = 100
	}
	folder := t.TempDir()
	promised := map[string]int{} // per session, the last call
	for round := range kills / 2 {
		var children []*exec.Cmd
		var outputs []*bufio.Scanner
		for range 2 {
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), childVariable+"="+folder)
			out, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			children, outputs = append(children, child), append(outputs, bufio.NewScanner(out))
		}
		for i, child := range children {
			// The first promise shows that it is under way; then it dies at some moment of its work.
			outputs[i].Scan()
			hear(t, promised, outputs[i].Text())
			time.Sleep(time.Duration(round%7) * time.Millisecond)
			child.Process.Kill()
			for outputs[i].Scan() {
				hear(t, promised, outputs[i].Text())
			}
			child.Wait()
		}
	}
	shut(t, open(t, folder, audit.Options{}))
	v := verify(t, folder)
	have := map[string]int{}
	for _, r := range recordsOf(t, folder) {
		if r.Kind == audit.Decision {
			if have[r.Session]++; r.Call != have[r.Session] {
				t.Fatalf("session %s: call %d where %d should be", r.Session, r.Call, have[r.Session])
			}
		}
	}
	for session, call := range promised {
		if have[session] < call {
			t.Errorf("session %s: %d calls are recorded, and %d were promised", session, have[session], call)
		}
	}
	t.Logf("%d kills, %d sessions, %d records", kills, len(promised), v.Records)
}

func hear(t *testing.T, promised map[string]int, line string) {
	t.Helper()
	var session string
	var call int
	if _, err := fmt.Sscan(line, &session, &call); err != nil {
		t.Fatalf("the process says %q", line)
	}
	promised[session] = call
}

func TestRecoveredRecordIsReadable(t *testing.T) {
	whole := abandon(t, 2, 1, audit.Options{})
	whole["log.jsonl"] = whole["log.jsonl"][:len(whole["log.jsonl"])-10]
	folder := restore(t, whole)
	if _, _, err := goOn(t, folder, audit.Options{}); err != nil {
		t.Fatal(err)
	}
	var r audit.Record
	if err := json.Unmarshal(lines(t, folder)[2], &r); err != nil || r.Kind != audit.LogRecovered || r.LostBytes == 0 || r.LostRecords != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// Whatever is in a folder: nothing breaks, and a log that verifies can be gone on with and verifies then.
func FuzzFolder(f *testing.F) {
	folder := f.TempDir()
	log := open(f, folder, audit.Options{})
	add(f, log, record("s", 1), record("s", 2))
	shut(f, log)
	f.Add(read(f, filepath.Join(folder, "log.jsonl")), read(f, filepath.Join(folder, "checkpoints")), read(f, filepath.Join(folder, "tree")))
	f.Add([]byte("{}\n"), []byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, lines, checkpoints, hashes []byte) {
		folder := t.TempDir()
		write(t, filepath.Join(folder, "log.jsonl"), lines)
		write(t, filepath.Join(folder, "checkpoints"), checkpoints)
		write(t, filepath.Join(folder, "tree"), hashes)
		_, wrong := audit.Verify(folder, audit.VerifyOptions{})
		audit.Prove(folder, 0, nil)
		log, err := audit.Open(folder, audit.Options{})
		if err != nil && wrong != nil {
			return
		}
		if err != nil {
			t.Fatalf("it verifies, and cannot be opened: %v", err)
		}
		add(t, log, record("s", 3))
		shut(t, log)
		// Opening does not read what is covered by a checkpoint: what was wrong there still is.
		if _, err := audit.Verify(folder, audit.VerifyOptions{}); err != nil && (wrong == nil || !errors.Is(err, audit.ErrDamaged)) {
			t.Fatalf("opened, and then: %v", err)
		}
	})
}
