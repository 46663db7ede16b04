package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/bits"

	extism "github.com/extism/go-sdk"

	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// answerBlocks are the blocks in which answers go to the guest: one of each power of two, reused within one exec,
// because a new one costs a walk through the kernel. Extism frees them with the next call into the guest.
type answerBlocks [maxAnswerBits + 1]uint64 // handles; 0 where there is none yet

const (
	minAnswerBits = 8  // 256 bytes: most answers
	maxAnswerBits = 24 // 16 MiB: bounds.answer
)

// write puts an answer into a block, padded with spaces to the block's length, and returns its handle.
func (b *answerBlocks) write(ctx context.Context, plugin *extism.CurrentPlugin, answer []byte) (uint64, error) {
	class := max(bits.Len(uint(len(answer)-1)), minAnswerBits)
	if class > maxAnswerBits {
		return 0, errTooLarge
	}
	size := 1 << class
	memory := plugin.Memory()
	// The guest should not free an answer, but it can.
	if length, err := blockLength(memory, b[class]); err != nil || int(length) != size {
		handle, err := plugin.AllocWithContext(ctx, uint64(size))
		if err != nil {
			return 0, fmt.Errorf("host: allocate an answer: %w", err)
		}
		if handle == 0 {
			return 0, errors.New("host: no memory for an answer")
		}
		b[class] = handle
	}
	padded := append(answer, bytes.Repeat([]byte{' '}, size-len(answer))...)
	if !memory.Write(uint32(b[class]), padded) {
		return 0, errHandle
	}
	return b[class], nil
}

// appendError appends an exception whose text is the host's own and short.
func appendError(dst []byte, class, message string) []byte {
	return must(values.AppendError(dst, class, message, nil, 4*kib))
}

// appendStop appends the answer for a guest that must stop. What it makes of it is what it makes of an interrupt.
func appendStop(g *granted) []byte {
	return must(values.AppendLimit(nil, "wall_time", g.name+" was stopped: the time of the run is over", kib))
}

func appendDenied(g *granted, policy string, d policies.Decision) []byte {
	verb := "is denied"
	if d.Rule == "" || d.By == "functions" {
		verb = "is not granted"
	}
	message := fmt.Sprintf("%s %s by policy %q: %s", g.name, verb, policy, d.Reason)
	switch {
	case d.Rule == "" || d.By == "functions":
	case d.By == "":
		message += fmt.Sprintf(" ([%s] at %v)", d.Rule, d.Position)
	default:
		message += fmt.Sprintf(" (%s of [%s] at %v)", d.By, d.Rule, d.Position)
	}
	if d.Hint != "" {
		message += "; " + d.Hint
	}
	return must(values.AppendDenied(nil, values.Denied{
		Capability: g.name, Reason: d.Reason, Rule: d.Rule, Position: d.Position.String(), Message: message,
	}, mib))
}

// must is for encodings that fail only through a mistake in this package; serve recovers from it.
func must(answer []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return answer
}
