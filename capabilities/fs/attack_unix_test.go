//go:build unix

package fs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A file that is not one is neither opened nor waited for.
func TestSpecialFiles(t *testing.T) {
	s := world(t, grant, nil)
	for _, root := range []string{"data", "out"} {
		if err := syscall.Mkfifo(filepath.Join(s.Folder(), root, "fifo"), 0o666); err != nil {
			t.Skip(err)
		}
		if err := os.Symlink("fifo", filepath.Join(s.Folder(), root, "link")); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, path := range []string{"data/fifo", "data/link", "data/fifo/x", "out/fifo", "out/link"} {
			for call, err := range all(t.Context(), s, path) {
				if err == nil && !strings.HasPrefix(call, "fs.glob") && !(path == "out/link" && !strings.HasPrefix(call, "fs.read")) {
					t.Errorf("%s(%q) was done", call, path)
				}
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("waits for the other end of a pipe")
	}
	if got := fmt.Sprint(s.Must(t, "fs.list", "data")); got != "[link]" {
		t.Errorf("%s", got)
	}
}
