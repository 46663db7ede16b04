package host

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/postern-sandbox/postern/policies"
)

// FuzzReadResult reads what a guest may send for a result. What is accepted keeps to the limits and says one thing only.
func FuzzReadResult(f *testing.F) {
	const proper = `{"ok":true,"value":[1,{"$tuple":[]}],"repr":"x","is_final_answer":false,"stdout":"o","stderr":"","error":null,"withheld":[]}`
	f.Add([]byte(proper))
	f.Add([]byte(`{"ok":false,"value":null,"repr":null,"is_final_answer":true,"stdout":"","stderr":"e","error":{"type":"E","message":"m",` +
		`"traceback":"t","line":3,"denied":true,"limit":"memory"},"withheld":[{"kind":"import","name":"os"}]}`))
	f.Add([]byte(proper[:40]))
	h := &Host{limits: policies.Limits{Output: 100, Result: 200}.WithDefaults()}
	h.bounds = boundsOf(h.limits)
	f.Fuzz(func(t *testing.T, output []byte) {
		r, err := h.readResult(output)
		if err != nil {
			return
		}
		if !json.Valid(output) {
			t.Errorf("accepted what is not JSON: %q", output)
		}
		if r.OK != (r.Error == nil) || int64(len(r.Stdout)+len(r.Stderr)) > h.limits.Output+noticeRoom || int64(len(r.Value)) > h.limits.Result || len(r.Withheld) > 100 {
			t.Errorf("accepted %+v", r)
		}
		if r.Error != nil && (r.Error.FromHost || r.Error.Limit != "" && !limitsOfGuest[r.Error.Limit]) {
			t.Errorf("accepted %+v", r.Error)
		}
		if _, err := r.Decode(); err != nil {
			t.Errorf("accepted a value that cannot be decoded: %v", err)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("accepted what has no JSON: %v", err)
		}
	})
}

// FuzzKernelMemory lets the guest write what it likes into Extism's memory and name any handle. Looking at it ends, stays inside,
// and reads no more than it may.
func FuzzKernelMemory(f *testing.F) {
	memory := bareMemory(f)
	zeros := make([]byte, memory.Size())
	request := []byte(`{"args":[1],"kwargs":{"a":"b"}}`)
	// In use: a header of 12 bytes and the request, from the first block on.
	header := make([]byte, kernelBlocks)
	header[kernelPosition] = byte(blockHeader + len(request))
	block := append([]byte{blockUsed, 0, 0, 0, byte(len(request)), 0, 0, 0, byte(len(request)), 0, 0, 0}, request...)
	f.Add(append(header, block...), uint64(kernelBlocks+blockHeader))
	f.Add([]byte{}, uint64(0))
	f.Add(header, ^uint64(0))
	f.Fuzz(func(t *testing.T, written []byte, handle uint64) {
		memory.Write(0, zeros)
		memory.Write(0, written[:min(len(written), len(zeros))])
		if position, err := checkKernel(memory); err == nil && position+kernelBlocks > uint64(memory.Size()) {
			t.Errorf("position %d in %d bytes", position, memory.Size())
		}
		const bound = 100
		if data, err := readBlock(memory, handle, bound); err == nil && len(data) > bound {
			t.Errorf("%d bytes, more than %d", len(data), bound)
		}
		request, unread := readBlock(memory, handle, bound)
		if call, arguments, err := readCall(request, unread, bound); err == nil && (call == nil || !json.Valid(arguments)) {
			t.Errorf("arguments %q", arguments)
		}
	})
}

// FuzzExchange puts anything where the guest's exchange is, which is anywhere.
func FuzzExchange(f *testing.F) {
	memory := bareMemory(f)
	zeros := make([]byte, memory.Size())
	f.Add(uint32(8), []byte{1, 0, 0, 0, 100, 0, 0, 0, 5, 0, 0, 0, 200, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0}, []byte("answer"))
	f.Add(uint32(0), bytes.Repeat([]byte{0xff}, exchangeSize), []byte("answer"))
	f.Add(^uint32(0), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, address uint32, fields, answer []byte) {
		memory.Write(0, zeros)
		memory.Write(address, fields)
		e := exchange{memory, address}
		const bound = 100
		e.begin(answer)
		if said, err := e.take(bound); err == nil && len(said) > bound {
			t.Errorf("%d bytes, more than %d", len(said), bound)
		}
		e.put(answer)
		e.hasRoom(len(answer))
	})
}

// bareMemory is the memory of a module that has nothing else.
func bareMemory(f *testing.F) api.Memory {
	// (module (memory (export "memory") 4))
	module := []byte("\x00asm\x01\x00\x00\x00\x05\x03\x01\x00\x04\x07\x0a\x01\x06memory\x02\x00")
	r := wazero.NewRuntime(f.Context())
	f.Cleanup(func() { r.Close(context.Background()) })
	m, err := r.Instantiate(f.Context(), module)
	if err != nil {
		f.Fatal(err)
	}
	return m.Memory()
}
