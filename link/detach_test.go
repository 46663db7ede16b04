package link_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/link/internal/wasm"
)

func linkedToy(t *testing.T) []byte {
	t.Helper()
	linked, err := link.Link(toy.Wasm(), link.Options{Functions: []string{"t_a"}, Meter: true})
	if err != nil {
		t.Fatal(err)
	}
	return linked
}

// A detached module and its memory are what the module itself is after instantiation.
func TestDetachGivesTheInitialMemory(t *testing.T) {
	linked := linkedToy(t)
	detached, err := link.Detach(linked)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := link.Detach(linked); err != nil || !bytes.Equal(again.Module, detached.Module) {
		t.Errorf("a second time: %v, the same bytes: %v", err, err == nil)
	}
	compile := func(module []byte) wazero.CompiledModule {
		r := wazero.NewRuntime(t.Context())
		t.Cleanup(func() { r.Close(t.Context()) })
		c, err := r.CompileModule(t.Context(), module)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before, after := compile(linked), compile(detached.Module)
	exports := after.ExportedFunctions()
	if exports["_initialize"] != nil || exports[link.InitializeFunction] == nil {
		t.Error("_initialize is still exported under its own name")
	}
	if got, want := len(after.ImportedFunctions()), len(before.ImportedFunctions()); got != want {
		t.Errorf("%d imports, want %d", got, want)
	}
	if min := before.ExportedMemories()["memory"].Min(); len(detached.Memory) != int(min)<<16 {
		t.Errorf("memory of %d bytes, want %d pages", len(detached.Memory), min)
	}
	if detached.State < 3 { // clock, entropy, fuel at least
		t.Errorf("%d globals", detached.State)
	}
}

func TestDetachRunsAlike(t *testing.T) {
	module := read(t, "detach")
	detached, err := link.Detach(module)
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntime(t.Context())
	defer r.Close(t.Context())
	m, err := r.Instantiate(t.Context(), detached.Module)
	if err != nil {
		t.Fatal(err)
	}
	m.Memory().Write(0, detached.Memory)
	for export, want := range map[string]uint64{"load": 42, "passive": 7, "bump": 6} {
		if got, err := m.ExportedFunction(export).Call(t.Context()); err != nil || got[0] != want {
			t.Errorf("%s: %v, %v; want %d", export, got, err, want)
		}
	}
	if state := m.ExportedGlobal(link.StateGlobal(0)); detached.State != 1 || state == nil || state.Get() != 6 {
		t.Errorf("%d globals, the first %v", detached.State, state)
	}
}

func TestDetachTellsOfHiddenState(t *testing.T) {
	for name, want := range map[string]bool{"detach": false, "detach-drop": true, "table": true, "costs": true} {
		detached, err := link.Detach(read(t, name))
		if err != nil {
			t.Fatal(name, err)
		}
		if detached.Hidden != want {
			t.Errorf("%s: hidden %v", name, detached.Hidden)
		}
	}
	if detached, err := link.Detach(linkedToy(t)); err != nil || detached.Hidden {
		t.Errorf("toy: hidden, %v", err)
	}
}

// A guest has thousands of data segments, and an instance costs something for each.
func TestDetachLeavesNoSegmentsThatNobodyNames(t *testing.T) {
	detached, err := link.Detach(linkedToy(t))
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Decode(detached.Module)
	if err != nil || m.Data.Count != 0 || m.DataCount != nil {
		t.Errorf("%d segments, %v", m.Data.Count, err)
	}
}

func TestDetachRefuses(t *testing.T) {
	for name, want := range map[string]string{
		"none": "exactly one memory", "imported": "exactly one memory", "start": "start function", "large": "5000 pages",
		"negative": "data segment 0", "beyond": "data segment 0", "variable": "data segment 0",
		"reference": "global 1 is mutable", "vector": "global 0 is mutable",
	} {
		if _, err := link.Detach(read(t, "detach-"+name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := link.Detach([]byte("no module")); err == nil || !strings.Contains(err.Error(), "offset") {
		t.Errorf("no module: %v", err)
	}
}
