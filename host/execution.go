package host

import "context"

// An execution is one call into the guest, from exec_started to exec_ended. Host functions find it in their context.
type execution struct {
	session  *Session
	instance *instance // that runs
	journal  journal
	calls    int64 // host calls, refused ones too
	deadline *deadline
	answers  answerBlocks
	outlet   *outlet // nil: nobody wants to see output while the code runs

	unfetched []byte // an answer that there was no room for in the exchange

	caller *execution // whose call of a tool this is; nil for the code of a session

	starting bool // the guest starts: no session is there, and no host function may be called
	serving  bool // a host function runs: what is asked of the kernel is asked by the host
}

type executionKey struct{}

func (x *execution) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, executionKey{}, x)
}

func executionOf(ctx context.Context) *execution {
	x, _ := ctx.Value(executionKey{}).(*execution)
	return x
}
