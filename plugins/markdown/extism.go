//go:build wasip1

package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// The part of Extism's ABI that a plugin needs: handles are offsets into the host's memory, which is reached eight bytes at a time.

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u8
func inputByte(offset uint64) uint32

//go:wasmimport extism:host/env input_load_u64
func inputWord(offset uint64) uint64

//go:wasmimport extism:host/env alloc
func alloc(length uint64) uint64

//go:wasmimport extism:host/env store_u8
func storeByte(handle uint64, b uint32)

//go:wasmimport extism:host/env store_u64
func storeWord(handle, word uint64)

//go:wasmimport extism:host/env output_set
func outputSet(handle, length uint64)

//go:wasmimport extism:host/env error_set
func errorSet(handle uint64)

// input reads what the export was called with.
func input() []byte {
	length := inputLength()
	data := make([]byte, length)
	i := uint64(0)
	for ; i+8 <= length; i += 8 {
		binary.LittleEndian.PutUint64(data[i:], inputWord(i))
	}
	for ; i < length; i++ {
		data[i] = byte(inputByte(i))
	}
	return data
}

// share copies data to where the host sees it.
func share(data []byte) (handle uint64) {
	length := uint64(len(data))
	handle = alloc(length)
	i := uint64(0)
	for ; i+8 <= length; i += 8 {
		storeWord(handle+i, binary.LittleEndian.Uint64(data[i:]))
	}
	for ; i < length; i++ {
		storeByte(handle+i, uint32(data[i]))
	}
	return handle
}

// serve is an export: it reads the arguments, calls fn, and sets the answer, which is text when it is a string and otherwise JSON, or the error.
func serve[In, Out any](fn func(In) (Out, error)) int32 {
	answer, err := call(fn)
	if err != nil {
		errorSet(share([]byte(err.Error())))
		return 1
	}
	outputSet(share(answer), uint64(len(answer)))
	return 0
}

func call[In, Out any](fn func(In) (Out, error)) ([]byte, error) {
	var in In
	if err := json.Unmarshal(input(), &in); err != nil {
		return nil, fmt.Errorf("the arguments: %w", err)
	}
	out, err := fn(in)
	if err != nil {
		return nil, err
	}
	if text, ok := any(out).(string); ok {
		return []byte(text), nil
	}
	return json.Marshal(out)
}
