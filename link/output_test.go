package link_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	extism "github.com/extism/go-sdk"
	"github.com/klauspost/compress/zstd"

	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/link"
)

// outputs are modules that link made, by name.
func outputs(t *testing.T) map[string][]byte {
	out := make(map[string][]byte)
	for _, name := range []string{"bare", "dispatch", "wasi"} {
		out[name] = mustLink(t, read(t, name), link.Options{Functions: []string{"a_b", "c_d"}})
		out[name+" without grants"] = mustLink(t, read(t, name), link.Options{})
		out[name+" metered"] = mustLink(t, read(t, name), link.Options{Functions: []string{"a_b", "c_d"}, Meter: true})
	}
	for _, name := range []string{"bare", "costs", "dispatch", "plugin", "start", "table", "wasi"} {
		out[name+" only metered"] = mustMeter(t, read(t, name))
	}
	out["toy"] = mustLink(t, toy.Wasm(), link.Options{Functions: []string{"a_b"}, KeepWASI: []string{"random_get"}, Meter: true})
	return out
}

func TestOutputCompiles(t *testing.T) {
	r := newRuntime(t)
	for name, module := range outputs(t) {
		if _, err := r.CompileModule(t.Context(), module); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOutputIsValidForWabt(t *testing.T) {
	if _, err := exec.LookPath("wasm-validate"); err != nil {
		t.Skip("wasm-validate is not installed (it is part of wabt)")
	}
	for name, module := range outputs(t) {
		validate(t, name, module)
	}
}

func validate(t *testing.T, name string, module []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "module.wasm")
	if err := os.WriteFile(file, module, 0o600); err != nil {
		t.Fatal(err)
	}
	if message, err := exec.Command("wasm-validate", file).CombinedOutput(); err != nil {
		t.Errorf("%s: %s", name, message)
	}
}

// python is the base guest that runs Python.
func python(t testing.TB) []byte {
	t.Helper()
	packed, err := os.ReadFile("../guest/dist/python.wasm.zst")
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	base, err := decoder.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

func TestThePythonGuest(t *testing.T) {
	grants := []string{"math_sqrt", "http_get"}
	linked := mustLink(t, python(t), link.Options{Functions: grants, Meter: true})
	if err := link.Check(linked, grants); err != nil {
		t.Error(err)
	}
	if _, err := newRuntime(t).CompileModule(t.Context(), linked); err != nil {
		t.Error(err)
	}
}

// TestOtherModules meters the modules of the folder that POSTERN_WASM names: each must compile afterwards.
func TestOtherModules(t *testing.T) {
	folder := os.Getenv("POSTERN_WASM")
	if folder == "" {
		t.Skip("POSTERN_WASM names no folder of .wasm files")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.wasm"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no modules in %q (%v)", folder, err)
	}
	r := newRuntime(t)
	for _, file := range files {
		module, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		metered, err := link.Meter(module)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if _, err := r.CompileModule(t.Context(), metered); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestMeteringChangesNothingElse runs the toy with and without fuel.
func TestMeteringChangesNothingElse(t *testing.T) {
	code := "print a\nspin 1000\nvalue 1\nclock\nsleep 3\nrandom 40\ngrow 3"
	request, _ := json.Marshal(map[string]string{"code": code})
	run := func(meter bool) []byte {
		module := mustLink(t, toy.Wasm(), link.Options{Meter: meter})
		plugin, err := extism.NewPlugin(t.Context(), extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: module}}},
			extism.PluginConfig{EnableWasi: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer plugin.Close(t.Context())
		_, output, err := plugin.Call("exec", request)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(output)
	}
	if plain, metered := run(false), run(true); !bytes.Equal(plain, metered) {
		t.Errorf("unmetered %s\nmetered %s", plain, metered)
	}
}
