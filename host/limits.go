package host

import "github.com/postern-sandbox/postern/policies"

const (
	kib = 1 << 10
	mib = 1 << 20

	pageSize = 64 * kib

	// minPages is what Extism's kernel needs for its own memory, which has the same maximum as the guest's.
	minPages = 16

	// maxPages is the most that wazero can give one memory whose end still has a 32-bit address.
	maxPages = 1<<16 - 1
)

// bounds are the sizes, in bytes, up to which the host looks at what crosses the boundary. The guest keeps smaller
// ones by itself; these hold when it does not.
type bounds struct {
	input   int // code, variables or arguments of one call into the guest
	request int // of a host call
	answer  int // to a host call
	output  int // the result object of one call into the guest
	kernel  int // all blocks in Extism's memory together
	pages   int // of each memory, in pages of 64 KiB
	vars    int // Extism's variables of a plugin
}

func boundsOf(limits policies.Limits) bounds {
	pages := min(max(limits.Memory/pageSize, minPages), maxPages)
	b := bounds{
		input:   16 * mib,
		request: 16 * mib,
		answer:  16 * mib,
		// The value is counted in its encoded form. Text is counted in UTF-8, and one byte of it can become six
		// in JSON; repr, message and traceback have limits in the guest that are of the order of the result's.
		output: 8*int(limits.Output+limits.Result) + mib,
		pages:  int(pages),
	}
	// The kernel and its first page take their part of a small memory.
	b.input = min(b.input, int(pages)*pageSize-2*pageSize)
	// Requests and answers may each leave a trail of outgrown blocks, each half the size of the next.
	b.kernel = b.input + 2*b.request + 2*b.answer + b.output
	return b
}

// pluginBounds are those of a plugin: its own blocks, together, may take as much as its memory.
func pluginBounds(limits policies.Limits) bounds {
	memory := int(min(limits.Memory, maxPages*pageSize))
	return bounds{
		input: min(16*mib, memory), request: min(16*mib, memory), answer: min(16*mib, memory), output: min(16*mib, memory),
		kernel: memory,
		// What the policy permits, each memory keeps to by itself: so a plugin need not be compiled again for another limit.
		pages: maxPages,
		vars:  mib,
	}
}
