package link_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// sealing is what a guest of testdata was when it had started: its count was 100, and there was a word at 200.
func sealing(t testing.TB) ([]byte, link.Sealing) {
	t.Helper()
	linked := mustLink(t, read(t, "seal"), link.Options{Functions: []string{"t_a"}, Meter: true})
	detached, err := link.Detach(linked)
	if err != nil {
		t.Fatal(err)
	}
	memory := detached.Memory
	binary.LittleEndian.PutUint64(memory[200:], 0x1122334455667788)
	return detached.Module, link.Sealing{
		Memory: memory,
		State:  []uint64{100, 5, 6, math.MaxInt64},
		Files: fstest.MapFS{
			"lib/a.py":    {Data: []byte("the first file")},
			"lib/b/c.py":  {Data: []byte("the second")},
			"lib/b/d.txt": {},
			"lib/ab":      {Data: bytes.Repeat([]byte("0123456789"), 1000)},
		},
		Pages: 5, Fuel: 1000, HostCalls: 3, TooManyCalls: []byte(`{"limit":{}}`),
	}
}

func mustSeal(t testing.TB, module []byte, s link.Sealing) []byte {
	t.Helper()
	sealed, err := link.Seal(module, s)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// An extismHost is a kernel with one block, and what was called.
type extismHost struct {
	block  []byte
	errors []string
	calls  []uint64
}

// instantiateSealed runs a sealed module; its granted function gives back a hundred times its argument.
func instantiateSealed(t testing.TB, module []byte) (api.Module, *extismHost) {
	t.Helper()
	h := new(extismHost)
	r := newRuntime(t)
	kernel := r.NewHostModuleBuilder("extism:host/env")
	kernel.NewFunctionBuilder().WithFunc(func(length uint64) uint64 { h.block = make([]byte, length); return 9000 }).Export("alloc")
	kernel.NewFunctionBuilder().WithFunc(func(at uint64, b uint32) { h.block[at-9000] = byte(b) }).Export("store_u8")
	kernel.NewFunctionBuilder().WithFunc(func(uint64) { h.errors = append(h.errors, string(h.block)) }).Export("error_set")
	user := r.NewHostModuleBuilder(link.UserModule)
	user.NewFunctionBuilder().WithFunc(func(_ context.Context, handle uint64) uint64 { h.calls = append(h.calls, handle); return handle * 100 }).Export("t_a")
	for _, b := range []wazero.HostModuleBuilder{kernel, user} {
		if _, err := b.Instantiate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	m, err := r.InstantiateWithConfig(t.Context(), module, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	return m, h
}

func TestSealedModuleIsWhatTheInstanceWas(t *testing.T) {
	module, s := sealing(t)
	sealed := mustSeal(t, module, s)
	if again := mustSeal(t, module, s); !bytes.Equal(sealed, again) {
		t.Error("sealing is not deterministic")
	}
	m, _ := instantiateSealed(t, sealed)
	for range 2 { // as often as anybody likes
		if _, err := call(t, m, "_initialize"); err != nil {
			t.Fatal(err)
		}
	}
	for want := uint64(101); want < 103; want++ {
		if got := mustCall(t, m, "exec"); got != want {
			t.Errorf("exec gave %d, want %d: the state that it had", got, want)
		}
	}
	memory := m.Memory()
	if word, _ := memory.ReadUint64Le(200); word != 0x1122334455667788 {
		t.Errorf("the word is %#x", word)
	}
	if kept, _ := memory.Read(100000, 4); string(kept) != "kept" {
		t.Errorf("the module's own data is %q", kept)
	}
	if on, _ := memory.ReadUint32Le(16); on != 0 {
		t.Error("the exchange is on, and there is nobody on the other side")
	}
	if said, _ := memory.Read(1025, 18); bytes.Contains(said, []byte("host")) {
		t.Errorf("what the host has said is still there: %q", said)
	}
	if state(t, m, link.ClockGlobal).Get() != 5 || state(t, m, link.EntropyGlobal).Get() != 6 {
		t.Error("clock and entropy are not what they were")
	}
	if _, ok := memory.Grow(2); !ok {
		t.Error("the memory does not grow")
	}
	if _, ok := memory.Grow(1); ok {
		t.Error("the memory grows further than it may")
	}
	exports := m.ExportedFunctionDefinitions()
	if exports["configure"] != nil || m.ExportedGlobal("postern_exchange") != nil || m.ExportedGlobal(link.StateGlobal(0)) != nil {
		t.Error("it exports what is for Postern's host alone")
	}
}

func TestSealedModuleKeepsLimits(t *testing.T) {
	module, s := sealing(t)
	sealed := mustSeal(t, module, s)

	m, h := instantiateSealed(t, sealed)
	for range 2 { // three calls in each call of an export
		if got := mustCall(t, m, "five"); got != 9000 || string(h.block) != `{"limit":{}}` {
			t.Errorf("the call beyond the limit gave %d, %q", got, h.block)
		}
	}
	if want := []uint64{1, 2, 3, 1, 2, 3}; !slices.Equal(h.calls, want) {
		t.Errorf("calls %v, want %v", h.calls, want)
	}

	for export, want := range map[string]string{
		"spin":  "limits.fuel exceeded: an earlier call of this instance used up its 1000; it cannot be used any more: make a new instance",
		"crash": "an earlier call of this instance was stopped or crashed; it cannot be used any more: make a new instance",
	} {
		m, h := instantiateSealed(t, sealed)
		mustCall(t, m, "exec")
		if _, err := call(t, m, export); err == nil || !strings.Contains(err.Error(), "unreachable") {
			t.Errorf("%s: %v", export, err)
		}
		for range 2 {
			if got := mustCall(t, m, "exec"); got != 1 {
				t.Errorf("%s: exec after it gave %d", export, got)
			}
		}
		if len(h.errors) != 2 || h.errors[0] != want || h.errors[1] != want {
			t.Errorf("%s: errors %q, want %q", export, h.errors, want)
		}
	}
}

// What the files are like under a real guest, compared with wazero's own, is tested in conformance/.
func TestSealedFiles(t *testing.T) {
	const noent, perm, badf, notdir, isdir, inval = -44, -63, -8, -54, -31, -28
	module, s := sealing(t)
	m, _ := instantiateSealed(t, mustSeal(t, module, s))
	open := func(path string, folder int) int {
		t.Helper()
		m.Memory().Write(150000, []byte(path))
		return int(int32(mustCall(t, m, "open", 150000, uint64(len(path)), uint64(folder))))
	}
	for _, test := range []struct {
		path string
		want int
	}{
		{"lib", 4}, {"lib/a.py", 5}, {".", 6}, {"lib/b/../a.py", 7}, {"./lib//b/./c.py", 8}, {"lib/b/", 9}, {"lib/../lib/b/../../lib/ab", 10}, {"lib/b/..", 11}, {"lib/a.py/", 12},
		{"", inval}, {"li", noent}, {"lib/a", noent}, {"lib/a.pyx", noent}, {"lib/b/c", noent}, {"lib/a.py/x", noent}, {"zzz", noent}, {"\xff", noent}, {"a\x00b", noent},
		{"..", perm}, {"../lib", perm}, {"/", perm}, {"/lib", perm}, {"lib/../..", perm}, {"x/../../lib", perm}, {"lib/../../lib", perm},
		{strings.Repeat("x", 600), noent}, {strings.Repeat("x/", 300), noent}, {strings.Repeat("./", 20000) + "lib", 13}, {strings.Repeat("x", 70000)[:45000], noent},
	} {
		if got := open(test.path, 3); got != test.want {
			t.Errorf("open %.40q: %d, want %d", test.path, got, test.want)
		}
	}
	// Below folder 4, which is lib.
	for path, want := range map[string]int{"nothing": noent, "..": perm, "b/../..": perm, "../lib": perm} {
		if got := open(path, 4); got != want {
			t.Errorf("open %q below lib: %d, want %d", path, got, want)
		}
	}
	if got := open("b/../b/c.py", 4); got != 14 {
		t.Errorf("open b/c.py below lib: %d", got)
	}
	for folder, want := range map[int]int{5: notdir, 0: notdir, 99: badf, -1: badf, 1 << 30: badf} {
		if got := open("lib", folder); got != want {
			t.Errorf("open below descriptor %d: %d, want %d", folder, got, want)
		}
	}
	read := func(fd, first, second int) (int, string) {
		t.Helper()
		n := int(int32(mustCall(t, m, "read", uint64(fd), uint64(first), uint64(second))))
		data, _ := m.Memory().Read(120000, uint32(max(n, 0)))
		return n, string(data)
	}
	for _, test := range []struct {
		fd, first, second, want int
		data                    string
	}{
		{5, 4, 5, 9, "the first"}, {5, 0, 1, 1, " "}, {5, 100, 100, 4, "file"}, {5, 1, 1, 0, ""},
		{14, 0, 100, 10, "the second"}, {4, 1, 1, isdir, ""}, {0, 5, 5, 0, ""}, {1, 5, 5, badf, ""}, {77, 1, 1, badf, ""},
		{10, 5, 6, 11, "01234567890"},
	} {
		if n, data := read(test.fd, test.first, test.second); n != test.want || data != test.data {
			t.Errorf("read %d %d+%d: %d, %q; want %d, %q", test.fd, test.first, test.second, n, data, test.want, test.data)
		}
	}
	if got := mustCall(t, m, "close", 5); got != 0 {
		t.Errorf("close: %d", got)
	}
	if got := mustCall(t, m, "close", 5); got != 8 {
		t.Errorf("close again: %d", got)
	}
	if got := open("lib/a.py", 3); got != 5 {
		t.Errorf("the descriptor that is free is not the next: %d", got)
	}
	if n, data := read(5, 3, 0); n != 3 || data != "the" {
		t.Errorf("a file that is opened again goes on at its end: %q", data)
	}
}

// A folder's entries come in pieces of any length, each beginning where a cookie says.
func TestSealedFolders(t *testing.T) {
	module, s := sealing(t)
	m, _ := instantiateSealed(t, mustSeal(t, module, s))
	m.Memory().Write(150000, []byte("lib/b"))
	fd := mustCall(t, m, "open", 150000, 5, 3)
	for _, length := range []uint64{24, 28, 30, 64, 1000} {
		var got []string
		for cookie := uint64(0); ; {
			used := int32(mustCall(t, m, "readdir", fd, length, cookie))
			if used < 0 || uint64(used) > length {
				t.Fatalf("length %d, cookie %d: %d", length, cookie, used)
			}
			if used == 0 {
				break
			}
			data, _ := m.Memory().Read(120000, uint32(used))
			next := cookie
			for len(data) >= 24 {
				size := int(binary.LittleEndian.Uint32(data[16:]))
				if len(data) < 24+size {
					break
				}
				next = binary.LittleEndian.Uint64(data)
				got = append(got, fmt.Sprint(string(data[24:24+size]), " ", data[20]))
				data = data[24+size:]
			}
			if next == cookie { // not one fits
				if length >= 30 {
					t.Fatalf("length %d: no entry at %d", length, cookie)
				}
				break
			}
			cookie = next
		}
		if want := []string{". 3", ".. 3", "c.py 4", "d.txt 4"}; length >= 30 && !slices.Equal(got, want) {
			t.Errorf("length %d: %q, want %q", length, got, want)
		}
	}
	for _, test := range []struct {
		fd, length, cookie uint64
		want               int32
	}{{fd, 23, 0, -28}, {fd, 100, 1 << 40, -44}, {fd, 100, math.MaxUint64, -44}, {1, 100, 0, -8}, {50, 100, 0, -8}} {
		if got := int32(mustCall(t, m, "readdir", test.fd, test.length, test.cookie)); got != test.want {
			t.Errorf("readdir %v: %d", test, got)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	module, good := sealing(t)
	unmetered, err := link.Detach(mustLink(t, read(t, "seal"), link.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(change func(*wasm.Module)) []byte {
		m, err := wasm.Decode(module)
		if err != nil {
			t.Fatal(err)
		}
		change(m)
		return m.Encode()
	}
	small := slices.Clone(good.Memory)
	binary.LittleEndian.PutUint32(small[16+16:], 10_000)
	outside := slices.Clone(good.Memory)
	binary.LittleEndian.PutUint32(outside[16+12:], 3<<16)
	for _, test := range []struct {
		name   string
		module []byte
		change func(*link.Sealing)
		want   string
	}{
		{"no module", []byte("none"), nil, "offset"},
		{"not detached", mustLink(t, read(t, "seal"), link.Options{Meter: true}), nil, "not detached"},
		{"sealed already", mustSeal(t, module, good), nil, "not detached"},
		{"not metered", unmetered.Module, nil, "not metered"},
		{"no kernel", edit(func(m *wasm.Module) { m.Imports[0].Name = "length" }), nil, "does not import extism:host/env::alloc"},
		{"another import", edit(func(m *wasm.Module) { m.Imports[3].Module, m.Imports[3].Name = "extism:host/env", "http_request" }), nil, "http_request"},
		{"WASI that stays", edit(func(m *wasm.Module) {
			for i := range m.Imports {
				if m.Imports[i].Name == "fd_close" {
					m.Imports[i].Name = "fd_sync"
				}
			}
		}), nil, "fd_sync"},
		{"no exchange", edit(func(m *wasm.Module) {
			m.Exports = slices.DeleteFunc(m.Exports, func(e wasm.Export) bool { return e.Name == "postern_exchange" })
		}), nil, "no exchange"},
		{"a small room", module, func(s *link.Sealing) { s.Memory = small }, "no exchange"},
		{"a room that is not there", module, func(s *link.Sealing) { s.Memory = outside }, "no exchange"},
		{"half a page", module, func(s *link.Sealing) { s.Memory = s.Memory[:len(s.Memory)-100] }, "whole pages"},
		{"less memory than the module has", module, func(s *link.Sealing) { s.Memory = s.Memory[:2<<16] }, "whole pages"},
		{"less memory than it has may be", module, func(s *link.Sealing) { s.Pages = 2 }, "may have 131072"},
		{"too few globals", module, func(s *link.Sealing) { s.State = s.State[:3] }, "values of 3 globals"},
		{"too many globals", module, func(s *link.Sealing) { s.State = append(slices.Clone(s.State), 1) }, "values of 5 globals"},
		{"no fuel", module, func(s *link.Sealing) { s.Fuel = 0 }, "no limits"},
		{"no number of calls", module, func(s *link.Sealing) { s.HostCalls = -1 }, "no limits"},
		{"a long answer", module, func(s *link.Sealing) { s.TooManyCalls = make([]byte, 2000) }, "2000 bytes"},
		{"a long path", module, func(s *link.Sealing) { s.Files = fstest.MapFS{strings.Repeat("x", 600): {}} }, "too long"},
		{"a file twice", module, func(s *link.Sealing) { s.Mounts = []string{"lib/b"} }, "there twice"},
		{"a mount that is not there", module, func(s *link.Sealing) { s.Mounts = []string{"nothing"} }, "nothing"},
	} {
		s := good
		if test.change != nil {
			test.change(&s)
		}
		if _, err := link.Seal(test.module, s); err == nil || !strings.HasPrefix(err.Error(), "link: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

// FuzzSeal: whatever the module, sealing fails with an error, or gives what can be compiled if the module could.
func FuzzSeal(f *testing.F) {
	module, s := sealing(f)
	f.Add(module)
	s.Files = nil
	r := newRuntime(f)
	f.Fuzz(func(t *testing.T, module []byte) {
		sealed, err := link.Seal(module, s)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "link: ") {
				t.Errorf("error %v", err)
			}
			return
		}
		if m, err := r.CompileModule(t.Context(), module); err == nil {
			m.Close(t.Context())
			m, err := r.CompileModule(t.Context(), sealed)
			if err != nil {
				t.Fatalf("the module compiles, sealed it does not: %v", err)
			}
			m.Close(t.Context())
		}
	})
}
