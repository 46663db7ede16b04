package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero/api"
)

// kernel is Extism's kernel module with a memory: a function that is asked for by name is made once. wazero makes a new
// call engine, of 12 KB, each time it is asked, and Extism asks at each call. The functions of one instance are never called two at
// a time.
type kernel struct {
	api.Module
	functions map[string]api.Function
}

// ExportedFunction implements [api.Module].
func (k *kernel) ExportedFunction(name string) api.Function {
	f, known := k.functions[name]
	if !known {
		if f = k.Module.ExportedFunction(name); f != nil {
			k.functions[name] = f
		}
	}
	return f
}

func (k *kernel) call(ctx context.Context, name string, params ...uint64) (result uint64, err error) {
	f := k.ExportedFunction(name)
	if f == nil {
		return 0, fmt.Errorf("host: Extism's kernel lacks %s", name)
	}
	stack := append(make([]uint64, 0, 2), params...)
	err = f.CallWithStack(ctx, stack[:max(len(params), 1)])
	return stack[:1][0], err
}

// drive calls an export of the guest as Plugin.Call does, with what Extism's own host functions look for in the context, but without
// looking up functions again, and without copying an output of any length before somebody has bounded it. It needs an
// instance that has been entered before.
func (in *instance) drive(ctx context.Context, export string, input []byte, bound int) ([]byte, error) {
	code, err := in.invoke(ctx, export, input)
	switch {
	case err != nil:
		return nil, err
	case code != 0:
		return nil, fmt.Errorf("%w: %s returned %d", errNotUnderstood, export, code)
	case in.exchange.there():
		return in.exchangedOutput(bound)
	}
	return in.output(bound)
}

// invoke calls an export with an input, and returns what it returns.
func (in *instance) invoke(ctx context.Context, export string, input []byte) (code int32, err error) {
	function := in.exports[export]
	if function == nil {
		if function = in.module.ExportedFunction(export); function == nil {
			return 0, fmt.Errorf("host: the guest does not export %s", export)
		}
		in.exports[export] = function
	}
	handle, err := in.kernelInput(ctx, input)
	if err != nil {
		return 0, err
	}
	ctx = context.WithValue(ctx, extism.PluginCtxKey("extism"), in.kernel)
	ctx = context.WithValue(ctx, extism.PluginCtxKey("plugin"), in.plugin)
	ctx = context.WithValue(ctx, extism.InputOffsetKey("inputOffset"), handle)
	var stack [1]uint64
	if err := function.CallWithStack(ctx, stack[:]); err != nil {
		return 0, err
	}
	return api.DecodeI32(stack[0]), nil
}

// kernelInput puts the input into Extism's memory, unless the guest finds it in its exchange.
func (in *instance) kernelInput(ctx context.Context, input []byte) (handle uint64, err error) {
	if position, ok := in.kernel.Memory().ReadUint64Le(kernelPosition); !ok || position > 0 {
		if _, err := in.kernel.call(ctx, "reset"); err != nil {
			return 0, err
		}
	}
	if in.exchange.hasRoom(len(input)) {
		return 0, nil
	}
	if len(input) == 0 {
		_, err = in.kernel.call(ctx, "input_set", 0, 0)
		return 0, err
	}
	handle, err = in.kernel.call(ctx, "alloc", uint64(len(input)))
	if err != nil {
		return 0, err
	}
	if handle == 0 || !in.kernel.Memory().Write(uint32(handle), input) {
		return 0, errors.New("host: no room for the input in Extism's memory")
	}
	_, err = in.kernel.call(ctx, "input_set", handle, uint64(len(input)))
	return handle, err
}

// exchangedOutput copies what the guest has put into its exchange.
func (in *instance) exchangedOutput(bound int) ([]byte, error) {
	said, err := in.exchange.take(bound)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return append([]byte(nil), said...), nil
}

// output copies what the guest has set as its output.
func (in *instance) output(bound int) ([]byte, error) {
	header, ok := in.kernel.Memory().Read(kernelOutput, 16)
	if !ok {
		return nil, errCorrupt(kernelOutput)
	}
	handle, length := binary.LittleEndian.Uint64(header), binary.LittleEndian.Uint64(header[8:])
	if length > uint64(bound) {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", errMalformed, length, bound)
	}
	if handle > uint64(in.kernel.Memory().Size()) {
		return nil, fmt.Errorf("%w: outside of Extism's memory", errMalformed)
	}
	view, ok := in.kernel.Memory().Read(uint32(handle), uint32(length))
	if !ok {
		return nil, fmt.Errorf("%w: outside of Extism's memory", errMalformed)
	}
	return append([]byte(nil), view...), nil
}
