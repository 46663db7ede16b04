package host

import "sync"

// A tail keeps the last bytes of what is written to it. The guest's stdout and stderr as WASI knows them end here: Python's
// own streams cross in the result, and what comes this way is the interpreter's last words.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

// tailSize is how much a tail keeps.
const tailSize = 4 * kib

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if n >= tailSize {
		t.kept = append(t.kept[:0], p[n-tailSize:]...)
		return n, nil
	}
	if over := len(t.kept) + n - tailSize; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	t.kept = append(t.kept, p...)
	return n, nil
}

// take returns what was kept and empties the tail.
func (t *tail) take() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := string(t.kept)
	t.kept = t.kept[:0]
	return text
}
