//go:build unix

package mcpclient_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/postern-sandbox/postern/mcpclient"
)

// alive reports whether a process runs. One that has ended and that nobody has waited for does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return runtime.GOOS != "linux"
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// processes are those that a file names.
func processes(t *testing.T, file string, n int) (list []int) {
	t.Helper()
	eventually(t, func() bool {
		list = nil
		text, _ := os.ReadFile(file)
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				list = append(list, pid)
			}
		}
		return len(list) == n && strings.HasSuffix(string(text), "\n")
	})
	return list
}

func gone(t *testing.T, list []int) {
	t.Helper()
	eventually(t, func() bool {
		for _, pid := range list {
			if alive(pid) {
				return false
			}
		}
		return true
	})
}

// servers are those that do not end by themselves, or not alone: by their kind, with how many processes there are.
var stayers = map[string]int{"stubborn": 1, "family": 3}

// When the client closes the connection, nothing of a server is left.
func TestCloseLeavesNothing(t *testing.T) {
	for kind, n := range stayers {
		file := filepath.Join(t.TempDir(), "pids")
		w := connect(t, table("s", kind+" "+file, `functions = ["*"]`))
		list := processes(t, file, n)
		for _, pid := range list {
			if !alive(pid) {
				t.Errorf("%s: %d does not run", kind, pid)
			}
		}
		if err := w.servers.Close(); err != nil {
			t.Error(err)
		}
		gone(t, list)
	}
}

// When a server is killed, what it has started is not left, and a call that waits for it comes back.
func TestKilledServerLeavesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	w := connect(t, table("s", "family "+file, `functions = ["*"]`))
	list := processes(t, file, 3)
	calling := make(chan error)
	go func() {
		_, err := w.call(context.Background(), "s.wait")
		calling <- err
	}()
	w.says(t, "None", "s.none")
	if err := syscall.Kill(list[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-calling; err == nil || !strings.Contains(err.Error(), "the server has ended with signal: killed") {
		t.Errorf("%v", err)
	}
	gone(t, list)
	w.says(t, "None", "s.none")
}

// When this process is killed, nothing of a server is left either.
func TestKilledClientLeavesNothing(t *testing.T) {
	for kind, n := range stayers {
		file := filepath.Join(t.TempDir(), "pids")
		client := exec.Command(os.Args[0])
		client.Env = append(os.Environ(), serverVariable+"=client "+kind+" "+file)
		out, err := client.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || line != "connected <nil>\n" {
			t.Errorf("%q, %v", line, err)
		}
		list := processes(t, file, n)
		if err := client.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		client.Wait()
		gone(t, list)
	}
}

// What ends before the connection is there leaves nothing.
func TestCancelledConnectLeavesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	ctx, cancel := context.WithCancel(t.Context())
	connecting := make(chan error)
	go func() {
		_, err := mcpclient.Connect(ctx, policy(t, table("s", "family "+file, `functions = ["*"]`), table("other", "silent", `functions = ["*"]`)), mcpclient.Config{})
		connecting <- err
	}()
	list := processes(t, file, 3)
	cancel()
	if err := <-connecting; err == nil {
		t.Error("connected")
	}
	gone(t, list)
}
