package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// Extism's kernel is a small wasm module that keeps the blocks through which guest and host exchange bytes. This is
// its memory, as of version 1.7 (all numbers little-endian):
//
//	 9  u64  position: bytes in use after the root, blocks and their headers
//	17  u64  length: bytes available after the root
//	33  u64  input's handle, then its length
//	49  u64  output's handle, then its length
//	65       blocks, one after the other, each a header of 12 bytes and its data:
//	         u8 status (0 end, 1 used, 2 free), 3 bytes unused, u32 size, u32 used
//
// A handle is the address of a block's data. The guest can write every byte of this memory, with store_u64, so
// nothing in it can be believed: no length, and not even that walking from block to block comes to an end, because
// the kernel adds 32-bit sizes and a forged one leads back to where it came from. The kernel's code is not
// metered, so such a walk could never be stopped.
const (
	kernelPosition = 9
	kernelOutput   = 49
	kernelBlocks   = 65
	blockHeader    = 12

	blockUsed = 1

	// maxBlocks is how many blocks there may be at once. An exec has a few dozen; each call of the kernel walks them all.
	maxBlocks = 50_000
)

var (
	errHandle   = errors.New("host: not a handle of a block in use")
	errTooLarge = errors.New("host: block too large")

	errKernelFull = errors.New("host: the guest asked for too much of Extism's memory")
)

// readBlock returns the bytes of the block that a handle from the guest stands for, at most max of them. It
// reads the header itself, because the SDK's ReadBytes and Length walk. A forged header only makes other bytes of
// the guest's own into the block. The bytes are a view that ends with the next call into guest or kernel.
func readBlock(memory api.Memory, handle uint64, max int) ([]byte, error) {
	used, err := blockLength(memory, handle)
	if err != nil {
		return nil, err
	}
	if uint64(used) > uint64(max) {
		return nil, errTooLarge
	}
	data, ok := memory.Read(uint32(handle), used)
	if !ok {
		return nil, errHandle
	}
	return data, nil
}

func blockLength(memory api.Memory, handle uint64) (uint32, error) {
	if handle < kernelBlocks+blockHeader || handle > math.MaxUint32 {
		return 0, errHandle
	}
	header, ok := memory.Read(uint32(handle)-blockHeader, blockHeader)
	if !ok || header[0] != blockUsed {
		return 0, errHandle
	}
	return binary.LittleEndian.Uint32(header[8:]), nil
}

// kernelGuard looks over the kernel's memory before the kernel does. It panics where the kernel would walk for
// ever or take more memory than bound; to wazero that is a trap, like any other panic under a wasm function.
// Between the guard and the function that it guards no guest code runs.
type kernelGuard struct {
	bound uint64
}

func (g kernelGuard) Before(ctx context.Context, mod api.Module, def api.FunctionDefinition, params []uint64, _ experimental.StackIterator) {
	if strings.HasPrefix(mod.Name(), mainModule) {
		return // a plugin's own function, which has the name of one of the kernel's
	}
	keepDeadline(ctx)
	position, err := checkKernel(mod.Memory())
	if err != nil {
		panic(err)
	}
	if def.ExportNames()[0] == "alloc" && (params[0] > g.bound || position+params[0] > g.bound) {
		panic(errKernelFull)
	}
}

func (kernelGuard) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}
func (kernelGuard) Abort(context.Context, api.Module, api.FunctionDefinition, error)    {}

// mainModule is what the names of the modules begin with that Extism runs on its kernel. The kernel itself has none.
const mainModule = "main_"

// guardedKernelFunctions are those that walk from block to block, or trust position for the size of a loop.
var guardedKernelFunctions = map[string]bool{"alloc": true, "free": true, "length": true, "reset": true}

// checkKernel returns the number of bytes in use, or an error if the blocks do not follow each other
// within them.
func checkKernel(memory api.Memory) (position uint64, err error) {
	position, ok := memory.ReadUint64Le(kernelPosition)
	size := uint64(memory.Size())
	if !ok || position > size || position+kernelBlocks > size {
		return 0, errCorrupt(kernelPosition)
	}
	end := kernelBlocks + position
	blocks := 0
	for block := uint64(kernelBlocks); block < end; {
		if blocks++; blocks > maxBlocks {
			return 0, errors.New("host: too many blocks in Extism's memory")
		}
		status, ok1 := memory.ReadByte(uint32(block))
		length, ok2 := memory.ReadUint32Le(uint32(block) + 4)
		if !ok1 || !ok2 {
			return 0, errCorrupt(block)
		}
		if status == 0 {
			break // where the kernel stops, too
		}
		block += blockHeader + uint64(length)
		if block > end {
			return 0, errCorrupt(block)
		}
	}
	return position, nil
}

func errCorrupt(at uint64) error {
	return fmt.Errorf("host: Extism's memory is corrupt at %d", at)
}
