package host_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
)

func save(t testing.TB, s *host.Session) []byte {
	t.Helper()
	var saved bytes.Buffer
	if err := s.Save(&saved); err != nil {
		t.Fatal(err)
	}
	return saved.Bytes()
}

func restore(t testing.TB, h *host.Host, saved []byte) *host.Session {
	t.Helper()
	s, err := h.Restore(t.Context(), bytes.NewReader(saved))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSaveAndRestore(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit = log
	a := session(t, open(t, c))
	set(t, a, "x", 1)
	exec(t, a, "grow 2\nsleep 1000\nrandom 100")
	saved := save(t, a)
	if again := save(t, a); !bytes.Equal(again, saved) {
		t.Error("saving twice gives two files")
	}

	// Another host, as in another process: it has started its guest by itself.
	b := restore(t, open(t, c), saved)
	if opened := log.last(audit.SessionOpened); opened.Session != b.ID() || opened.From != a.ID() {
		t.Errorf("opened %+v", opened)
	}
	for _, command := range []string{"get x", "clock", "random 8", "grow 0"} {
		x, y := exec(t, a, command), exec(t, b, command)
		if string(x.Value) != string(y.Value) || x.Usage.MemoryBytes != y.Usage.MemoryBytes {
			t.Errorf("%s: %s and %s", command, x.Value, y.Value)
		}
	}
	if started := log.last(audit.ExecStarted); started.Exec != 6 {
		t.Errorf("the sixth exec of this state is called %d", started.Exec)
	}
	// What was restored is what it falls back to.
	d := restore(t, open(t, c), saved)
	if r := exec(t, d, "trap"); !r.Restored || get(t, d, "x") != "1" {
		t.Errorf("restored %v, x %q", r.Restored, get(t, d, "x"))
	}
}

func TestSaveOfANewSession(t *testing.T) {
	h := open(t, config(t))
	s := restore(t, h, save(t, session(t, h)))
	if r := exec(t, s, "value 1"); !r.OK {
		t.Error(r.Error)
	}
}

func TestRestoreRefuses(t *testing.T) {
	c := config(t)
	h := open(t, c)
	s := session(t, h)
	set(t, s, "x", 1)
	saved := save(t, s)
	refused := func(h *host.Host, file []byte, want error) string {
		t.Helper()
		s, err := h.Restore(t.Context(), bytes.NewReader(file))
		if s != nil || !errors.Is(err, want) {
			t.Fatalf("a file of %d bytes: %v", len(file), err)
		}
		return err.Error()
	}
	for n := range saved {
		refused(h, saved[:n], host.ErrNotSaved)
		changed := bytes.Clone(saved)
		changed[n] ^= 1
		if s, err := h.Restore(t.Context(), bytes.NewReader(changed)); s != nil || !errors.Is(err, host.ErrNotSaved) && !errors.Is(err, host.ErrOtherSession) {
			t.Fatalf("byte %d changed: %v", n, err)
		}
	}

	other := config(t)
	other.Policy.Digest = audit.Digest([]byte("another"))
	if text := refused(open(t, other), saved, host.ErrOtherSession); !strings.Contains(text, other.Policy.Digest) || !strings.Contains(text, c.Policy.Digest) {
		t.Error(text)
	}
	other = config(t)
	other.Guest.Digest = audit.Digest([]byte("another"))
	refused(open(t, other), saved, host.ErrOtherSession)
	other = config(t)
	other.Policy.Grants[0].Functions = other.Policy.Grants[0].Functions[1:]
	refused(open(t, other), saved, host.ErrOtherSession)

	// A smaller limit, under a digest that says it is the same policy.
	exec(t, s, "grow 100")
	saved = save(t, s)
	other = config(t)
	other.Policy.Limits.Memory = 4 << 20
	refused(open(t, other), saved, host.ErrNotSaved)
}

// forge makes a saved session with any delta, under a digest that is right.
func forge(t testing.TB, saved, plain []byte) []byte {
	t.Helper()
	encoder, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	return forgeCompressed(saved, encoder.EncodeAll(plain, nil))
}

func forgeCompressed(saved, compressed []byte) []byte {
	header := string(bytes.Join(bytes.SplitN(saved, []byte("\n"), 3)[:2], []byte("\n")))
	header = header[:strings.Index(header, `"bytes":`)] + `"bytes":` + itoa(len(compressed)) + "}\n"
	file := append([]byte(header), compressed...)
	sum := sha256.Sum256(file)
	return append(file, sum[:]...)
}

// plainDelta reads the delta of a saved session.
func plainDelta(t testing.TB, saved []byte) []byte {
	t.Helper()
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	body := bytes.SplitN(saved, []byte("\n"), 3)[2]
	plain, err := decoder.DecodeAll(body[:len(body)-sha256.Size], nil)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestForgedSessions(t *testing.T) {
	h := open(t, config(t))
	s := session(t, h)
	set(t, s, "x", 1)
	saved := save(t, s)
	plain := plainDelta(t, saved)
	restore(t, h, forge(t, saved, plain)) // the forger knows the format

	globals := int(binary.LittleEndian.Uint32(plain[8:]))
	pages := 12 + 8*globals
	for name, change := range map[string]func(p []byte) []byte{
		"nothing":             func([]byte) []byte { return nil },
		"less memory":         func(p []byte) []byte { binary.LittleEndian.PutUint64(p, 1<<16); return p },
		"no memory":           func(p []byte) []byte { binary.LittleEndian.PutUint64(p, 0); return p },
		"half a page":         func(p []byte) []byte { p[0]++; return p },
		"too much memory":     func(p []byte) []byte { binary.LittleEndian.PutUint64(p, 1<<40); return p },
		"too many globals":    func(p []byte) []byte { binary.LittleEndian.PutUint32(p[8:], 1<<32-1); return p },
		"one global more":     func(p []byte) []byte { binary.LittleEndian.PutUint32(p[8:], uint32(globals+1)); return p },
		"too many pages":      func(p []byte) []byte { binary.LittleEndian.PutUint32(p[pages:], 1<<32-1); return p },
		"a page out of range": func(p []byte) []byte { binary.LittleEndian.PutUint32(p[pages+4:], 1<<32-1); return p },
		"pages out of order":  func(p []byte) []byte { copy(p[pages+4:pages+8], p[pages+8:]); return p },
		"a page is cut":       func(p []byte) []byte { return p[:len(p)-1] },
		"a page too many":     func(p []byte) []byte { return append(p, make([]byte, 4096)...) },
		"a bomb":              func(p []byte) []byte { return append(p, make([]byte, 1<<30)...) },
	} {
		file := forge(t, saved, change(bytes.Clone(plain)))
		if s, err := h.Restore(t.Context(), bytes.NewReader(file)); s != nil || !errors.Is(err, host.ErrNotSaved) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Other contents are not refused: they are the guest's own business, and it crashes in its own sandbox.
	wild := bytes.Clone(plain)
	for i := len(plain) - 8192; i < len(plain); i++ {
		wild[i] ^= byte(i)
	}
	for i := 12; i < pages; i++ {
		wild[i] ^= 0x55 // the globals: stack pointer, clock, entropy, fuel
	}
	s = restore(t, h, forge(t, saved, wild))
	soon(t, func() { exec(t, s, "value 1") })
}

func FuzzRestore(f *testing.F) {
	h := open(f, config(f))
	s := session(f, h)
	if _, err := s.Set(f.Context(), map[string]any{"x": 1}); err != nil {
		f.Fatal(err)
	}
	saved := save(f, s)
	f.Add([]byte(saved), false)
	f.Add(plainDelta(f, saved), true)
	f.Fuzz(func(t *testing.T, data []byte, delta bool) {
		if delta {
			data = forge(t, saved, data)
		}
		s, err := h.Restore(t.Context(), bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, host.ErrNotSaved) && !errors.Is(err, host.ErrOtherSession) {
				t.Error(err)
			}
			return
		}
		defer s.Close()
		soon(t, func() { exec(t, s, "value 1") })
	})
}

// A bomb is frames that do not say how long they are, or one that says too much: both are refused before anything is decompressed.
func TestRestoreRefusesBombs(t *testing.T) {
	h := open(t, config(t))
	s := session(t, h)
	set(t, s, "x", 1)
	saved := save(t, s)
	plain := plainDelta(t, saved)
	var unsized bytes.Buffer
	stream, err := zstd.NewWriter(&unsized)
	if err != nil {
		t.Fatal(err)
	}
	stream.Write(plain[:len(plain)/2])
	stream.Flush()
	stream.Write(plain[len(plain)/2:])
	stream.Close()
	tooLong := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0} // 2^40 bytes
	for name, compressed := range map[string][]byte{"no length": unsized.Bytes(), "a terabyte": tooLong, "nothing": nil} {
		if s, err := h.Restore(t.Context(), bytes.NewReader(forgeCompressed(saved, compressed))); !errors.Is(err, host.ErrNotSaved) {
			t.Errorf("%s: %v", name, err)
			if s != nil {
				s.Close()
			}
		}
	}
}
