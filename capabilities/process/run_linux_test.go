package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/values"
)

// TestMain makes this program one that misbehaves when it is run as a command.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "misbehave" {
		misbehave(os.Args[2], os.Args[3:])
		return
	}
	os.Exit(m.Run())
}

func misbehave(how string, args []string) {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGXFSZ, syscall.SIGXCPU)
	switch how {
	case "hang":
		fmt.Println(os.Getpid())
		time.Sleep(time.Hour)
	case "descriptors":
		entries, _ := os.ReadDir("/proc/self/fd")
		for _, e := range entries {
			target, _ := os.Readlink("/proc/self/fd/" + e.Name())
			fmt.Println(e.Name(), target)
		}
	case "child": // leaves a process behind that keeps the streams open
		self, _ := os.Executable()
		child := exec.Command(self, "misbehave", "hang")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		child.Start()
		fmt.Println("child", child.Process.Pid)
	case "write":
		for {
			os.Stdout.WriteString(strings.Repeat("a", 1000))
		}
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Hour)
	case "limits":
		for _, resource := range []int{syscall.RLIMIT_AS, syscall.RLIMIT_FSIZE, syscall.RLIMIT_CORE, syscall.RLIMIT_NOFILE} {
			for i := 0; ; i++ { // they are set when the program has started
				var l syscall.Rlimit
				syscall.Getrlimit(resource, &l)
				if l.Max != ^uint64(0) && l.Max < 1<<40 || i > 1000 {
					fmt.Println(l.Max)
					break
				}
				time.Sleep(time.Millisecond)
			}
		}
	}
}

// scope is a grant of this program. Go's own memory needs address space.
func scope(t *testing.T, more string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("commands = { bad = \"'%s' misbehave {how:name}\" }\nmemory = \"8GiB\"\n%s", self, more)
}

// program gives the path of one of the system's programs.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("this system has no %s", name)
	}
	return path
}

func field(d *values.Dict, name string) any {
	v, _ := d.Get(name)
	return v
}

func TestRun(t *testing.T) {
	commands := fmt.Sprintf(`commands = { cat = "%s", count = "%s -c {text:file}", seq = "%s {n:1..1000}", env = "%s -z '/proc/self/environ'", ls = "%s -a {a:file}", zero = "%s -c 3 /dev/zero", missing = "%s {f:text}" }`,
		program(t, "cat"), program(t, "wc"), program(t, "seq"), program(t, "head"), program(t, "ls"), program(t, "head"), program(t, "ls"))
	for _, test := range []struct {
		command  string
		keywords []any
		stdout   any
		code     int64
	}{
		{"cat", []any{"stdin", "täxt\n"}, "täxt\n", 0},
		{"cat", []any{"stdin", values.Bytes("\xff\x00")}, values.Bytes("\xff\x00"), 0},
		{"cat", nil, "", 0},
		{"count", []any{"text", "12345"}, "5 text\n", 0},
		{"seq", []any{"n", int64(3)}, "1\n2\n3\n", 0},
		{"ls", []any{"a", ""}, "a\n", 0}, // and nothing else of this machine
		{"zero", nil, values.Bytes("\x00\x00\x00"), 0},
		{"missing", []any{"f", "../*; id"}, "", 2},
	} {
		result, err := run(t.Context(), t, commands, test.command, test.keywords...)
		if err != nil {
			t.Errorf("%s: %v", test.command, err)
			continue
		}
		if got := field(result, "stdout"); fmt.Sprintf("%T%v", got, got) != fmt.Sprintf("%T%v", test.stdout, test.stdout) || field(result, "returncode") != test.code {
			t.Errorf("%s: %q, %v, stderr %q; want %q, %d", test.command, got, field(result, "returncode"), field(result, "stderr"), test.stdout, test.code)
		}
	}
	t.Setenv("POSTERN_TEST_SECRET", "the-secret-of-the-host")
	result, err := run(t.Context(), t, commands, "env")
	if err != nil {
		t.Fatal(err)
	}
	for variable := range strings.SplitSeq(strings.Trim(strings.ReplaceAll(fmt.Sprintf("%s", field(result, "stdout")), `\x00`, "\x00"), "\x00"), "\x00") {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.Contains(" PATH HOME TMPDIR PWD LANG LC_ALL TZ ", " "+strings.Trim(name, "b'")+" ") {
			t.Errorf("the program has %q", variable)
		}
	}
}

func TestPrograms(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text")
	if err := os.WriteFile(text, []byte("#!/no/such/interpreter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := run(t.Context(), t, `commands = { c = "/no/such/program" }`, "c")
	familytest.FailsWith(t, err, "FileNotFoundError", "no such file")
	_, err = run(t.Context(), t, `commands = { c = "`+text+`" }`, "c")
	familytest.FailsWith(t, err, "PermissionError", "permission denied")
	_, err = run(t.Context(), t, `commands = { c = "`+folder+`" }`, "c")
	familytest.FailsWith(t, err, "PermissionError", "permission denied")
}

// left waits until a process is gone, and fails if it stays.
func left(t *testing.T, pid int) {
	t.Helper()
	for range 2000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("process %d is still there", pid)
}

func TestLeftovers(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	result, err := run(t.Context(), t, scope(t, ""), "bad", "how", "child")
	if err != nil {
		t.Fatal(err)
	}
	stdout := field(result, "stdout").(string)
	_, number, found := strings.Cut("\n"+stdout, "\nchild ")
	number, _, _ = strings.Cut(number, "\n")
	pid, err := strconv.Atoi(number)
	if err != nil || !found {
		t.Fatalf("stdout %q", stdout)
	}
	left(t, pid)
	folders, _ := filepath.Glob(filepath.Join(os.TempDir(), "postern-process-*"))
	for _, folder := range folders {
		t.Errorf("%s is left", folder)
	}
}

func TestTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := run(ctx, t, scope(t, ""), "bad", "how", "hang"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the error of ctx", err)
	}
	// What waits for more of its stdin than there is ends.
	if result, err := run(t.Context(), t, `commands = { cat = "`+program(t, "cat")+` - -" }`, "cat", "stdin", "x"); err != nil || field(result, "stdout") != "x" {
		t.Errorf("%v, %v", result, err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run(over, t, scope(t, ""), "bad", "how", "hang"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the error of ctx", err)
	}
}

func TestOutput(t *testing.T) {
	_, err := run(t.Context(), t, `commands = { yes = "`+program(t, "yes")+`" }`+"\nmax_output = \"64KiB\"", "yes")
	familytest.FailsWith(t, err, "process.TooLarge", "stdout of the command yes is larger than 65536 bytes")
	exact := fmt.Sprintf("commands = { head = \"%s -c {n:int} /dev/zero\" }\nmax_output = \"1000B\"", program(t, "head"))
	if result, err := run(t.Context(), t, exact, "head", "n", int64(1000)); err != nil || len(field(result, "stdout").(values.Bytes)) != 1000 {
		t.Errorf("%v, %v", result, err)
	}
	_, err = run(t.Context(), t, exact, "head", "n", int64(1001))
	familytest.FailsWith(t, err, "process.TooLarge", "")
	// A program that does not mind the signal, nor the error, is stopped by time.
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := run(ctx, t, scope(t, "max_output = \"64KiB\""), "bad", "how", "write"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the error of ctx", err)
	}
}

func TestMemory(t *testing.T) {
	awk := fmt.Sprintf("commands = { grow = \"%s 'BEGIN {{ s = 1; while (1) s = s s }}'\" }\nmemory = \"64MiB\"", program(t, "awk"))
	result, err := run(t.Context(), t, awk, "grow")
	if err != nil {
		t.Fatal(err)
	}
	if code := field(result, "returncode"); code == int64(0) {
		t.Errorf("returncode %v", code)
	}
}

func TestLimits(t *testing.T) {
	result, err := run(t.Context(), t, scope(t, "max_output = \"64KiB\""), "bad", "how", "limits")
	if err != nil {
		t.Fatal(err)
	}
	if got := field(result, "stdout"); got != fmt.Sprintf("%d\n%d\n%d\n%d\n", 8<<30, 64<<10+1, 0, 256) {
		t.Errorf("limits %q, stderr %q", got, field(result, "stderr"))
	}
	result, err = run(t.Context(), t, scope(t, ""), "bad", "how", "kill")
	if err != nil || field(result, "returncode") != int64(-9) {
		t.Errorf("%v, %v", result, err)
	}
}

// The program does not get what this process has open.
func TestDescriptors(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open, err := syscall.Open(secret, syscall.O_RDONLY, 0) // without O_CLOEXEC, as a library may do
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(open)
	result, err := run(t.Context(), t, scope(t, ""), "bad", "how", "descriptors")
	if err != nil || !strings.Contains(field(result, "stdout").(string), "1 ") || strings.Contains(field(result, "stdout").(string), secret) {
		t.Errorf("descriptors: %v, %v", result, err)
	}
}
