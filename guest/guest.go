// Package guest is the CPython that Postern runs: a WebAssembly module, its standard library, and the part of the
// library that is Postern's own. All of it is inside the binary; docs/guest.md says how it is built and what is in it.
//
// The package knows nothing of policies, Extism or wazero. Its functions are safe for concurrent use.
package guest

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

//go:embed dist/python.wasm.zst dist/stdlib.zip dist/stdlib.json dist/SHA256SUMS
//go:embed src/lib/*.py src/standins/*.py
var embedded embed.FS

// PythonVersion is the version of the CPython inside.
const PythonVersion = "3.13.5"

// ownSources is where Postern's own modules are kept: as sources, so that what runs is what can be read.
const ownSources = "src/lib"

// standIns is where modules are kept that have only the names, or a few facts, of what the guest lacks. They are there for
// packages, which mention such modules when they are imported; no policy can authorise them.
const standIns = "src/standins"

// wasmLimit bounds the module's size once decompressed, in bytes.
const wasmLimit = 64 << 20

// Wasm decompresses the base module and checks it against the checksum that it was built with. The caller owns the bytes.
func Wasm() ([]byte, error) {
	compressed, err := embedded.ReadFile("dist/python.wasm.zst")
	if err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(wasmLimit))
	if err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	defer decoder.Close()
	wasm, err := decoder.DecodeAll(compressed, nil)
	if err != nil {
		return nil, fmt.Errorf("guest: python.wasm.zst: %w", err)
	}
	want, err := checksum("python.wasm")
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(wasm); hex.EncodeToString(sum[:]) != want {
		return nil, errors.New("guest: python.wasm does not have the checksum that it was built with")
	}
	return wasm, nil
}

// Digest identifies everything that the guest is made of: the module, the standard library and Postern's own modules.
// It has the form "sha256:" and 64 hexadecimal digits. See [Manifest] for what it is the digest of.
func Digest() string { return digest() }

// Manifest returns the text that [Digest] is the SHA-256 of: one line "CHECKSUM  NAME" for each file, as sha256sum prints it.
func Manifest() string { return manifest() }

var digest = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(manifest()))
	return "sha256:" + hex.EncodeToString(sum[:])
})

var manifest = sync.OnceValue(func() string {
	sums, err := embedded.ReadFile("dist/SHA256SUMS")
	if err != nil {
		panic("guest: " + err.Error()) // embedded: the compiler has seen it
	}
	text := bytes.NewBuffer(sums)
	for _, folder := range []string{ownSources, standIns} {
		names, _ := fs.Glob(embedded, folder+"/*.py")
		for _, name := range names {
			source, _ := embedded.ReadFile(name)
			fmt.Fprintf(text, "%x  %s\n", sha256.Sum256(source), strings.TrimPrefix(name, ownSources+"/"))
		}
	}
	return text.String()
})

func checksum(name string) (string, error) {
	for line := range strings.Lines(manifest()) {
		if sum, file, ok := strings.Cut(strings.TrimSpace(line), "  "); ok && file == name {
			return sum, nil
		}
	}
	return "", fmt.Errorf("guest: SHA256SUMS does not name %s", name)
}
