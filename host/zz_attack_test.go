package host_test

import (
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

func wat(t testing.TB, text string) []byte {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.wat"), filepath.Join(dir, "a.wasm")
	os.WriteFile(in, []byte(text), 0o600)
	if b, err := osexec.Command("wat2wasm", in, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("%s", b)
	}
	b, _ := os.ReadFile(out)
	return b
}

func wasmConfig(t testing.TB, wasm []byte, schema, more string) host.Config {
	t.Helper()
	known, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("policy = 1\nname = \"p\"\n[tool.x]\nplugin = \"x.wasm\"\nschema = \"x.yaml\"\nsha256 = %q\n%s", audit.Digest(wasm), more)
	policy, err := policies.Parse("p.toml", []byte(text), policies.Vocabulary{Families: known.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	return host.Config{
		Policy: policy, Capabilities: known, Cache: host.NoCache, Audit: audit.Discard,
		Guest: host.Guest{Wasm: func() ([]byte, error) { return toy.Wasm(), nil }},
		Plugins: func(path string) ([]byte, error) {
			if path == "x.yaml" {
				return []byte(schema), nil
			}
			return wasm, nil
		},
	}
}

func TestAStraight(t *testing.T) {
	n := 200_000
	text := `(module (memory (export "memory") 1) (func $f (param f64) (result f64) local.get 0 ` + strings.Repeat(" f64.sqrt", n) + `)
	(func (export "count") (result i32) (loop (drop (call $f (f64.const 2.5))) (br 0)) (i32.const 0)))`
	c := wasmConfig(t, wat(t, text), rawSchema("count"), "limits = {wall_time = \"200ms\"}\n")
	b := openTools(t, c, "count")
	s := session(t, b.Host)
	began := time.Now()
	done := make(chan string)
	go func() { done <- answer(t, s, 0, "{}") }()
	select {
	case got := <-done:
		t.Log(got, time.Since(began))
	case <-time.After(60 * time.Second):
		t.Errorf("still running after %v", time.Since(began))
	}
}

func TestANames(t *testing.T) {
	for _, name := range []string{"free", "reset", "length", "alloc", "exec", "configure", "call", "set", "postern_exchange", "malloc", "memory_bytes", "store_u64"} {
		text := fmt.Sprintf(`(module 
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff")
  (func $say (param $digit i32) (result i32) (local $handle i64)
    (local.set $handle (call $alloc (i64.const 1)))
    (call $store (local.get $handle) (i32.add (i32.const 48) (local.get $digit)))
    (call $output (local.get $handle) (i64.const 1))
    (i32.const 0))
  (func (export %q) (result i32) (call $say (i32.const 7))))`, name)
		schema := "version: v1-draft\nexports:\n  " + name + ":\n    description: d\n    output: {contentType: application/json, type: integer}\n"
		c := wasmConfig(t, wat(t, text), schema, "")
		b := openTools(t, c, name)
		got := b.call(t, session(t, b.Host), name, "{}")
		if got != `{"ok":7}` {
			t.Errorf("%s: %s", name, got)
		}
	}
}

const sayer = `
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (func $say (param $digit i32) (result i32) (local $handle i64)
    (local.set $handle (call $alloc (i64.const 1)))
    (call $store (local.get $handle) (i32.add (i32.const 48) (local.get $digit)))
    (call $output (local.get $handle) (i64.const 1))
    (i32.const 0))
`

func TestATables(t *testing.T) {
	text := `(module ` + sayer + `
  (memory (export "memory") 1)
  (type $r (func (result i32)))
  (table $t 4 funcref)
  (elem declare func $seven)
  (func $seven (result i32) (i32.const 7))
  (func (export "_initialize") (table.set $t (i32.const 1) (ref.func $seven)))
  (func (export "count") (result i32) (call $say (call_indirect $t (type $r) (i32.const 1)))))`
	c := wasmConfig(t, wat(t, text), rawSchema("count"), "")
	b := openTools(t, c, "count")
	s := session(t, b.Host)
	for range 2 {
		if got := b.call(t, s, "count", "{}"); got != `{"ok":7}` {
			t.Errorf("%s", got)
		}
	}
}

func TestACacheMemory(t *testing.T) {
	text := `(module ` + sayer + `
  (memory (export "memory") 1)
  (global $g (mut i32) (i32.const 0))
  (func (export "_initialize") (global.set $g (i32.ne (memory.grow (i32.const 160)) (i32.const -1))))
  (func (export "count") (result i32) (call $say (global.get $g))))`
	dir := t.TempDir()
	wasm := wat(t, text)
	for _, order := range [][]string{{"1MiB", "64MiB", "1MiB"}, {"64MiB", "1MiB", "64MiB"}} {
		dir := filepath.Join(dir, order[0])
		for _, m := range order {
			c := wasmConfig(t, wasm, rawSchema("count"), "limits = {memory = \""+m+"\"}\n")
			c.Cache = dir
			b := openTools(t, c, "count")
			t.Logf("%s: %s", m, b.call(t, session(t, b.Host), "count", "{}"))
			b.Close()
		}
	}
}

func TestAGlobals(t *testing.T) {
	// externref and funcref globals, v128 globals, mutable
	text := `(module ` + sayer + `
  (memory (export "memory") 1)
  (type $r (func (result i32)))
  (table $t 4 funcref)
  (elem declare func $seven $eight)
  (func $seven (result i32) (i32.const 7))
  (func $eight (result i32) (i32.const 8))
  (global $f (mut funcref) (ref.func $seven))
  (global $v (mut v128) (v128.const i32x4 1 1 1 1))
  (func (export "count") (result i32) (local $n i32)
    (local.set $n (i32x4.extract_lane 3 (global.get $v)))
    (global.set $v (v128.const i32x4 5 5 5 5))
    (call $say (local.get $n)))
  (func (export "quiet") (result i32) (i32.const 0))
  )`
	c := wasmConfig(t, wat(t, text), rawSchema("count"), "")
	h, err := host.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	b := &toolbox{h, []string{"count"}}
	s := session(t, b.Host)
	for range 3 {
		t.Log(b.call(t, s, "count", "{}"))
	}
	text = strings.Replace(text, "(local.set $n (i32x4", "(global.set $f (ref.null func)) (local.set $n (i32x4", 1)
	text = strings.Replace(text, "(global.set $v (v128.const i32x4 5 5 5 5))", "(local.set $n (ref.is_null (global.get $f)))", 1)
	_ = text
}

func TestAFuncGlobals(t *testing.T) {
	text := `(module ` + sayer + `
  (memory (export "memory") 1)
  (elem declare func $seven)
  (func $seven (result i32) (i32.const 7))
  (global $f (mut funcref) (ref.null func))
  (func (export "count") (result i32) (local $n i32)
    (local.set $n (ref.is_null (global.get $f)))
    (global.set $f (ref.func $seven))
    (call $say (local.get $n))))`
	c := wasmConfig(t, wat(t, text), rawSchema("count"), "")
	h, err := host.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	b := &toolbox{h, []string{"count"}}
	s := session(t, b.Host)
	for range 3 {
		t.Log(b.call(t, s, "count", "{}"))
	}
}

func TestAReexport(t *testing.T) {
	for _, im := range []string{
		`(import "wasi_snapshot_preview1" "sched_yield" (func $i (result i32)))`,
		`(import "extism:host/env" "get_log_level" (func $i (result i32)))`,
		`(import "extism:host/env" "reset" (func $i))`,
	} {
		text := `(module ` + im + ` (memory 1) (export "count" (func $i)))`
		c := wasmConfig(t, wat(t, text), rawSchema("count"), "")
		h, err := host.New(t.Context(), c)
		if err != nil {
			t.Log(err)
			continue
		}
		b := &toolbox{h, []string{"count"}}
		t.Log(b.call(t, session(t, h), "count", "{}"))
		h.Close()
	}
}

func TestAInstances(t *testing.T) {
	// tables: 16 of a million, in each instance
	tables := strings.Repeat(" (table 1000000 funcref)", 16)
	text := `(module ` + sayer + tables + ` (memory (export "memory") 1) (func (export "count") (result i32) (table.set 3 (i32.const 5) (ref.null func)) (call $say (i32.const 3))))`
	c := wasmConfig(t, wat(t, text), rawSchema("count"), "stateful = true\nlimits.memory = \"1MiB\"\n")
	b := openTools(t, c, "count")
	for range 5 {
		t.Log(b.call(t, session(t, b.Host), "count", "{}"))
	}
	data, _ := os.ReadFile("/proc/self/status")
	for _, l := range strings.Split(string(data), "\n") {
		if strings.HasPrefix(l, "VmRSS") || strings.HasPrefix(l, "VmHWM") {
			t.Log(l)
		}
	}
}
