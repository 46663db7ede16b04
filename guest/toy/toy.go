// Package toy is a guest of ten kilobytes that speaks the protocol of docs/abi.md without Python. It exists for tests of
// what links and hosts a guest: it starts at once, and it misbehaves on demand. README.md lists its commands.
package toy

import (
	"bytes"
	_ "embed"
)

//go:embed toy.wasm
var wasm []byte

// Wasm returns a copy of the base guest: a module that is still to be linked.
func Wasm() []byte { return bytes.Clone(wasm) }
