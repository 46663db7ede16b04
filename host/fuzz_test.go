package host

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

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

// FuzzOutput lets the guest write anything where its output is, and something else between two looks.
func FuzzOutput(f *testing.F) {
	memory := bareMemory(f)
	zeros := make([]byte, memory.Size())
	log := []byte("\x10\x00\x00\x00____________\x00\x00\x00\x00\x08\x00\x00\x00ab\xffcd\xfeef")
	f.Add(uint32(0), log, uint32(20), []byte("\x04\x00\x00\x00"))
	f.Add(uint32(0), log, uint32(16), []byte("\x10\x00\x00\x00"))
	f.Add(^uint32(0), log, ^uint32(0), log)
	f.Fuzz(func(t *testing.T, at uint32, first []byte, then uint32, second []byte) {
		memory.Write(0, zeros)
		memory.Write(at, first)
		const limit = 100
		given, calls := 0, 0
		o := newOutlet(func(stream, text string) {
			if given += len(text); text == "" || !utf8.ValidString(text) || stream != Stdout && stream != Stderr {
				t.Errorf("%s: %q", stream, text)
			}
			calls++
		}, limit, func(any) {})
		l := outputLog{memory, at}
		for range 3 {
			if o.pending(l) > 0 {
				o.look(l)
			}
			memory.Write(then, second)
		}
		if given > limit+noticeRoom || calls > 3*limit+4*noticeRoom {
			t.Errorf("%d bytes in %d calls", given, calls)
		}
	})
}

// FuzzOutputInParts shows a log in two parts and as a whole. Where the host has looked must not be seen, and nothing is lost of a log that is right.
func FuzzOutputInParts(f *testing.F) {
	f.Add([]byte("ab\xffcd\xfeef€\xff😀"), 3)
	f.Add([]byte("\xe2\xff\x82\xfe\x82\xac\xc3\xc3"), 1)
	f.Add([]byte("\xff\xff\xfe\xfe\xf0\x9f\x98"), 5)
	f.Fuzz(func(t *testing.T, log []byte, cut int) {
		if cut < 0 || cut > len(log) {
			return
		}
		shown := func(parts ...[]byte) [2]string {
			var stdout, stderr strings.Builder
			o := newOutlet(func(stream, text string) {
				map[string]*strings.Builder{Stdout: &stdout, Stderr: &stderr}[stream].WriteString(text)
			}, math.MaxInt32, func(any) {})
			for _, part := range parts {
				o.take(part)
			}
			return [2]string{stdout.String(), stderr.String()}
		}
		whole := shown(log)
		if parts := shown(log[:cut], log[cut:]); parts != whole {
			t.Errorf("%q and %q show %q, as a whole %q", log[:cut], log[cut:], parts, whole)
		}
		streams, right := plainStreams(log)
		if right && whole != streams {
			t.Errorf("%q shows %q, want %q", log, whole, streams)
		}
	})
}

// plainStreams reads a log in the plainest way. It is right if each stream is text and each mark changes the stream.
func plainStreams(log []byte) (streams [2]string, right bool) {
	var parts [2][]byte
	right = true
	stream := 0
	for _, b := range log {
		switch {
		case b >= outputMark && int(b)-outputMark == stream:
			right = false
		case b >= outputMark:
			stream = int(b) - outputMark
		default:
			parts[stream] = append(parts[stream], b)
		}
	}
	return [2]string{string(parts[0]), string(parts[1])}, right && utf8.Valid(parts[0]) && utf8.Valid(parts[1])
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
