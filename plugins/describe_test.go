package plugins_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities/schema"
	"github.com/postern-sandbox/postern/plugins"
)

const empty = "\x00asm\x01\x00\x00\x00"

const document = "version: v1-draft\ndescription: Greets.\nexports:\n  greet:\n    input: {type: string, contentType: text/plain}\n"

func embed(t testing.TB, module, text string) string {
	t.Helper()
	made, err := plugins.Embed([]byte(module), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(made)
}

func TestEmbed(t *testing.T) {
	real, err := os.ReadFile("../cmd/postern/testdata/modules/escapes.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for name, module := range map[string]string{
		"empty":            empty,
		"real":             string(real),
		"with one already": embed(t, string(real), "old"),
		"other customs":    empty + "\x00\x05\x04name" + "\x00\x01\x00",
	} {
		for _, text := range []string{"", document, strings.Repeat("#", schema.MaxText)} {
			made := embed(t, module, text)
			got, found, err := plugins.Embedded([]byte(made))
			if err != nil || !found || string(got) != text {
				t.Errorf("%s: %.50q, %v, %v", name, got, found, err)
			}
			if again := embed(t, made, text); again != made {
				t.Errorf("%s: embedding twice changes the module", name)
			}
			if name == "empty" && !strings.HasPrefix(made, empty+"\x00") || name == "real" && !bytes.HasPrefix([]byte(made), real) {
				t.Errorf("%s: the rest has changed", name)
			}
		}
	}
	if _, err := plugins.Embed([]byte(empty), make([]byte, schema.MaxText+1)); err == nil {
		t.Error("too long a schema was embedded")
	}
}

func TestMalformedModules(t *testing.T) {
	twice := embed(t, empty, "a")
	twice += twice[len(empty):]
	for module, want := range map[string]string{
		"":                                 "plugins: this is not a WebAssembly module",
		"#!/bin/sh":                        "plugins: this is not a WebAssembly module",
		"\x00asm\x0d\x00\x01\x00":          "plugins: this is a WebAssembly component; Extism takes modules",
		empty + "\x00":                     "plugins: the module's section at offset 0x8 is cut off",
		empty + "\x01\x05abcd":             "plugins: the module's section at offset 0x8 is cut off",
		empty + "\x01\xff\xff\xff\xff\x0f": "plugins: the module's section at offset 0x8 is cut off",
		empty + "\x01\xff\xff\xff\xff\x1f": "plugins: the module's section at offset 0x8 is cut off",
		empty + "\x01\x00\x00\x00":         "plugins: the module's section at offset 0xa has no name",
		empty + "\x00\x02\x05a":            "plugins: the module's section at offset 0x8 has no name",
		twice:                              "plugins: the module has two sections postern:schema",
	} {
		_, found, err := plugins.Embedded([]byte(module))
		if found || err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v\nwant %s", module, found, err, want)
		}
	}
	long := embed(t, empty, strings.Repeat("#", schema.MaxText))
	long = strings.Replace(long, "\x8f\x80\x10", "\x90\x80\x10", 1) + "#"
	if _, _, err := plugins.Embedded([]byte(long)); err == nil || err.Error() != "plugins: the section postern:schema is longer than 256 KiB" {
		t.Error(err)
	}
}

func TestDescribe(t *testing.T) {
	inside := []byte(embed(t, empty, document))
	d, err := plugins.Describe(inside, "", nil)
	if err != nil || d.Doc != "Greets." || len(d.Functions) != 1 || d.Functions[0].Name != "greet" {
		t.Errorf("%v, %v", d, err)
	}
	beside := strings.ReplaceAll(document, "greet", "salute")
	if d, err := plugins.Describe(inside, "schema.yaml", []byte(beside)); err != nil || d.Functions[0].Name != "salute" {
		t.Errorf("the document beside the module did not win: %v, %v", d, err)
	}
	if _, err := plugins.Describe([]byte(empty), "", nil); !errors.Is(err, plugins.ErrNoDescription) || !strings.Contains(err.Error(), "postern plugin build") {
		t.Error(err)
	}
	if _, err := plugins.Describe(inside, "beside.yaml", []byte("version: v2")); err == nil || !strings.HasPrefix(err.Error(), "beside.yaml:1:1: exports is missing") {
		t.Error(err)
	}
	if _, err := plugins.Describe([]byte(embed(t, empty, "exports: []")), "", nil); err == nil || !strings.HasPrefix(err.Error(), "postern:schema:1:1: version is missing") {
		t.Error(err)
	}
	if _, err := plugins.Describe([]byte("x"), "", nil); err == nil {
		t.Error("no module was described")
	}
}

// FuzzEmbedded: whatever the module is, embedding either fails or gives one from which the same text comes back.
func FuzzEmbedded(f *testing.F) {
	f.Add([]byte(empty), []byte(document))
	f.Add([]byte(empty+"\x00\x05\x04name\x01\x00"), []byte{})
	f.Fuzz(func(t *testing.T, module, text []byte) {
		old, found, err := plugins.Embedded(module)
		if found && err == nil && !bytes.Contains(module, old) {
			t.Fatal("a text from nowhere")
		}
		made, err := plugins.Embed(module, text)
		if err != nil {
			return
		}
		got, found, err := plugins.Embedded(made)
		if err != nil || !found || !bytes.Equal(got, text) {
			t.Fatalf("%q, %v, %v", got, found, err)
		}
		plugins.Describe(module, "", nil)
	})
}
