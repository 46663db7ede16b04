package link_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/postern-sandbox/postern/link"
)

// Numbers of WASI.
const (
	success    = 0
	inval      = 28
	notsup     = 58
	notcapable = 76

	epoch = 1_735_689_600_000_000_000 // 2025-01-01T00:00:00Z
)

// keptByDefault are the WASI imports that stay in every guest.
var keptByDefault = []string{"fd_close", "fd_fdstat_get", "fd_filestat_get", "fd_pread", "fd_prestat_dir_name", "fd_prestat_get",
	"fd_read", "fd_readdir", "fd_seek", "fd_tell", "fd_write", "path_filestat_get", "path_open"}

// wasiGuest runs the module that exports all of WASI, linked. What is kept is served by functions that return 7.
func wasiGuest(t *testing.T, keep ...string) api.Module {
	t.Helper()
	linked := mustLink(t, read(t, "wasi"), link.Options{KeepWASI: keep})
	r := newRuntime(t)
	compiled, err := r.CompileModule(t.Context(), linked)
	if err != nil {
		t.Fatal(err)
	}
	host := r.NewHostModuleBuilder("wasi_snapshot_preview1")
	for _, f := range compiled.ImportedFunctions() {
		_, name, _ := f.Import()
		host.NewFunctionBuilder().WithGoFunction(api.GoFunc(seven), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	if _, err := host.Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := r.Instantiate(t.Context(), linked)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func seven(_ context.Context, stack []uint64) { stack[0] = 7 }

func TestEachWASIFunctionIsKeptOrReplaced(t *testing.T) {
	m := wasiGuest(t)
	exports := m.ExportedFunctionDefinitions()
	if len(exports) != 46 {
		t.Fatalf("%d functions, want the 46 of WASI", len(exports))
	}
	own := []string{"args_get", "args_sizes_get", "environ_get", "environ_sizes_get", "clock_res_get", "clock_time_get",
		"poll_oneoff", "proc_exit", "random_get", "sched_yield"}
	for name, f := range exports {
		if slices.Contains(own, name) {
			continue
		}
		want := uint64(notcapable)
		if slices.Contains(keptByDefault, name) {
			want = 7
		}
		if got := mustCall(t, m, name, make([]uint64, len(f.ParamTypes()))...); got != want {
			t.Errorf("%s gave %d, want %d", name, got, want)
		}
	}
}

func TestKeepWASI(t *testing.T) {
	m := wasiGuest(t, "random_get", "sock_send", "fd_read")
	for name, want := range map[string]uint64{"random_get": 7, "sock_send": 7, "fd_read": 7, "sock_recv": notcapable, "sched_yield": 0} {
		n := len(m.ExportedFunction(name).Definition().ParamTypes())
		if got := mustCall(t, m, name, make([]uint64, n)...); got != want {
			t.Errorf("%s gave %d, want %d", name, got, want)
		}
	}
}

func TestArgumentsAndEnvironmentAreEmpty(t *testing.T) {
	m := wasiGuest(t)
	for _, name := range []string{"args", "environ"} {
		m.Memory().Write(0, bytes.Repeat([]byte{0xff}, 32))
		if got := mustCall(t, m, name+"_sizes_get", 4, 12); got != success {
			t.Errorf("%s_sizes_get gave %d", name, got)
		}
		got, _ := m.Memory().Read(0, 20)
		if want := raw("ffffffff 00000000 ffffffff 00000000 ffffffff"); !bytes.Equal(got, want) {
			t.Errorf("%s_sizes_get wrote %x, want %x", name, got, want)
		}
		if got := mustCall(t, m, name+"_get", 0, 0); got != success {
			t.Errorf("%s_get gave %d", name, got)
		}
	}
	if got := mustCall(t, m, "sched_yield"); got != success {
		t.Errorf("sched_yield gave %d", got)
	}
}

func TestExitTraps(t *testing.T) {
	if _, err := call(t, wasiGuest(t), "proc_exit", 0); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("proc_exit: %v", err)
	}
}

func TestBadPointersTrap(t *testing.T) {
	const end = 65536
	for _, test := range []struct {
		name string
		args []uint64
	}{
		{"args_sizes_get", []uint64{end - 3, 0}},
		{"environ_sizes_get", []uint64{0, 0xffffffff}},
		{"clock_res_get", []uint64{0, end - 7}},
		{"clock_time_get", []uint64{0, 0, 0xfffffff8}},
		{"random_get", []uint64{end - 8, 9}},
		{"random_get", []uint64{0xfffffff8, 16}},
		{"random_get", []uint64{0, 0xffffffff}},
		{"poll_oneoff", []uint64{end - 41, 0, 1, 0}},
		{"poll_oneoff", []uint64{0, end - 31, 1, 0}},
		{"poll_oneoff", []uint64{0, 0, 1, end - 3}},
		{"poll_oneoff", []uint64{0, 0, 0xffffffff, 0}},
	} {
		if _, err := call(t, wasiGuest(t), test.name, test.args...); err == nil || !strings.Contains(err.Error(), "out of bounds") {
			t.Errorf("%s%v: %v, want an access out of bounds", test.name, test.args, err)
		}
	}
}

func now(t *testing.T, m api.Module, clock uint64) uint64 {
	t.Helper()
	if got := mustCall(t, m, "clock_time_get", clock, 1, 128); got != success {
		t.Fatalf("clock_time_get gave %d", got)
	}
	v, _ := m.Memory().ReadUint64Le(128)
	return v
}

func TestClock(t *testing.T) {
	m := wasiGuest(t)
	for n, read := range []struct{ clock, want uint64 }{
		{0, epoch}, {0, epoch + 1e6}, {1, 2e6}, {2, 3e6}, {3, 4e6}, {0, epoch + 5e6},
	} {
		if got := now(t, m, read.clock); got != read.want {
			t.Errorf("look %d, clock %d: %d, want %d", n, read.clock, got, read.want)
		}
	}
	for _, clock := range []uint64{4, 0x80000000, 0xffffffff} {
		if got := mustCall(t, m, "clock_time_get", clock, 1, 128); got != inval {
			t.Errorf("clock %d gave %d, want EINVAL", clock, got)
		}
		if got := mustCall(t, m, "clock_res_get", clock, 128); got != inval {
			t.Errorf("the resolution of clock %d gave %d, want EINVAL", clock, got)
		}
	}
	if got := state(t, m, link.ClockGlobal).Get(); got != 6e6 {
		t.Errorf("the clock's state is %d", got)
	}
	state(t, m, link.ClockGlobal).Set(1e12)
	if got := now(t, m, 0); got != epoch+1e12 {
		t.Errorf("after the host set the clock: %d", got)
	}
	mustCall(t, m, "clock_res_get", 0, 128)
	if got, _ := m.Memory().ReadUint64Le(128); got != 1e6 {
		t.Errorf("the resolution is %d", got)
	}
}

// subscription is a WASI subscription to a clock; tag is 0.
func subscription(userdata uint64, tag byte, clock uint32, timeout uint64, flags uint16) []byte {
	b := make([]byte, 48)
	binary.LittleEndian.PutUint64(b, userdata)
	b[8] = tag
	binary.LittleEndian.PutUint32(b[16:], clock)
	binary.LittleEndian.PutUint64(b[24:], timeout)
	binary.LittleEndian.PutUint64(b[32:], 12345) // precision, of no consequence
	binary.LittleEndian.PutUint16(b[40:], flags)
	return b
}

func TestPoll(t *testing.T) {
	const start = 5_000 // the clock's state before
	for _, test := range []struct {
		name          string
		subscriptions [][]byte
		errno         uint64
		events        []uint64 // the userdata of each
		slept         uint64
	}{
		{"nothing", nil, inval, nil, 0},
		{"sleep", [][]byte{subscription(9, 0, 1, 777, 0)}, success, []uint64{9}, 777},
		{"no sleep", [][]byte{subscription(9, 0, 0, 0, 0)}, success, []uint64{9}, 0},
		{"the shortest of three", [][]byte{subscription(1, 0, 1, 30, 0), subscription(2, 0, 1, 10, 0), subscription(3, 0, 1, 20, 0)},
			success, []uint64{2}, 10},
		{"two at once", [][]byte{subscription(1, 0, 1, 10, 0), subscription(2, 0, 1, 11, 0), subscription(3, 0, 3, 10, 0)},
			success, []uint64{1, 3}, 10},
		{"monotonic deadline", [][]byte{subscription(1, 0, 1, start+50, 1)}, success, []uint64{1}, 50},
		{"real deadline", [][]byte{subscription(1, 0, 0, epoch+start+50, 1)}, success, []uint64{1}, 50},
		{"deadline in the past", [][]byte{subscription(1, 0, 1, start-1, 1)}, success, []uint64{1}, 0},
		{"deadline and duration", [][]byte{subscription(1, 0, 1, start+50, 1), subscription(2, 0, 1, 50, 0), subscription(3, 0, 1, 60, 0)},
			success, []uint64{1, 2}, 50},
		{"other flags mean nothing", [][]byte{subscription(1, 0, 1, 20, 0xfffe)}, success, []uint64{1}, 20},
		{"for ever", [][]byte{subscription(1, 0, 1, math.MaxUint64, 0)}, success, []uint64{1}, 1<<62 - start},
		{"until for ever", [][]byte{subscription(1, 0, 0, math.MaxUint64, 1)}, success, []uint64{1}, 1<<62 - start},
		{"read", [][]byte{subscription(1, 1, 0, 0, 0)}, notsup, nil, 0},
		{"write after a clock", [][]byte{subscription(1, 0, 1, 5, 0), subscription(2, 2, 0, 0, 0)}, notsup, nil, 0},
		{"unknown event", [][]byte{subscription(1, 200, 0, 0, 0)}, notsup, nil, 0},
		{"unknown clock", [][]byte{subscription(1, 0, 4, 0, 0)}, inval, nil, 0},
	} {
		m := wasiGuest(t)
		state(t, m, link.ClockGlobal).Set(start)
		m.Memory().Write(1000, bytes.Join(test.subscriptions, nil))
		m.Memory().Write(2000, bytes.Repeat([]byte{0xff}, 32*len(test.subscriptions)))
		m.Memory().WriteUint32Le(3000, 0)
		if got := mustCall(t, m, "poll_oneoff", 1000, 2000, uint64(len(test.subscriptions)), 3000); got != test.errno {
			t.Errorf("%s: gave %d, want %d", test.name, got, test.errno)
		}
		var want []byte
		for _, userdata := range test.events {
			want = append(binary.LittleEndian.AppendUint64(want, userdata), make([]byte, 24)...)
		}
		n, _ := m.Memory().ReadUint32Le(3000)
		if int(n) != len(test.events) {
			t.Errorf("%s: %d events, want %d", test.name, n, len(test.events))
		} else if got, _ := m.Memory().Read(2000, 32*n); !bytes.Equal(got, want) {
			t.Errorf("%s: events\n%x, want\n%x", test.name, got, want)
		}
		if got := state(t, m, link.ClockGlobal).Get() - start; got != test.slept {
			t.Errorf("%s: slept %d, want %d", test.name, got, test.slept)
		}
	}
}

func TestTheClockNeverGoesBack(t *testing.T) {
	m := wasiGuest(t)
	for range 3 {
		m.Memory().Write(1000, subscription(1, 0, 1, math.MaxUint64, 0))
		before := now(t, m, 1)
		mustCall(t, m, "poll_oneoff", 1000, 2000, 1, 3000)
		if after := now(t, m, 1); after <= before || after < 1<<62 {
			t.Errorf("the clock went from %d to %d", before, after)
		}
	}
}

// TestRandom compares with splitmix64 as published: seeds 0 and 1234567.
func TestRandom(t *testing.T) {
	const fromZero = "afcd1d7b39a820e2f465b9a16a9e786e4f450980185dc406"
	m := wasiGuest(t)
	fill := func(length uint64) string {
		m.Memory().Write(96, bytes.Repeat([]byte{0xee}, 64))
		if got := mustCall(t, m, "random_get", 100, length); got != success {
			t.Fatalf("random_get gave %d", got)
		}
		b, _ := m.Memory().Read(96, 64)
		if !bytes.Equal(b[:4], raw("eeeeeeee")) || !bytes.Equal(b[4+length:12+length], raw("eeeeeeeeeeeeeeee")) {
			t.Fatalf("random_get of %d bytes wrote outside: %x", length, b)
		}
		return hex.EncodeToString(b[4 : 4+length])
	}
	for length := range uint64(25) {
		state(t, m, link.EntropyGlobal).Set(0)
		if got := fill(length); got != fromZero[:2*length] {
			t.Errorf("%d bytes: %s, want %s", length, got, fromZero[:2*length])
		}
	}
	state(t, m, link.EntropyGlobal).Set(0)
	if a, b := fill(8), fill(8); a+b != fromZero[:32] {
		t.Errorf("two calls: %s %s", a, b)
	}
	state(t, m, link.EntropyGlobal).Set(1234567)
	if got, want := fill(8), hex.EncodeToString(binary.LittleEndian.AppendUint64(nil, 6457827717110365317)); got != want {
		t.Errorf("seed 1234567: %s, want %s", got, want)
	}
}
