package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tetratelabs/wazero/sys"
)

// run calls the guest under the policy's limits, and makes of whatever happens a result, or an error if the
// caller's context or the host ended it.
func (x *execution) run(ctx context.Context, entry string, request []byte) (*Result, error) {
	s, limits := x.session, x.session.host.limits
	s.instance.stdio.take()
	started := time.Now()
	ctx, x.deadline = s.host.deadline(ctx, limits.WallTime)
	defer x.deadline.stop()

	output, left, err := s.instance.run(x.context(ctx), entry, request, limits.Fuel, s.host.bounds.output)
	usage := Usage{
		Fuel:        limits.Fuel - max(left, 0),
		WallMS:      math.Round((time.Since(started)-x.deadline.waited()).Seconds()*1e6) / 1e3,
		MemoryBytes: s.instance.memory(),
		HostCalls:   x.calls,
	}
	var result *Result
	if err == nil {
		result, err = s.host.readResult(output)
	}
	if err == nil && s.instance.interrupted() {
		// It has heeded the request to stop, and is as good as before. Whose time was over decides what is told.
		if cause := context.Cause(ctx); !errors.Is(cause, errWallTime) {
			return nil, fmt.Errorf("host: %s: %w", entry, cause)
		}
		if result.Error != nil && result.Error.Limit == "wall_time" {
			result.Error.Message = fmt.Sprintf("more than %v passed", limits.WallTime)
		}
	}
	if err == nil && result.Error != nil {
		// The guest reports these, but the host knows whether it can be.
		switch limit := result.Error.Limit; {
		case limit == "wall_time" && !s.instance.interrupted(), limit == "host_calls" && x.calls <= limits.HostCalls:
			result.Error.Limit = ""
		}
	}
	if err != nil {
		s.lost.Store(true)
		words := s.instance.stdio.take()
		s.host.logger.Debug("session lost", "session", s.id, "error", err, "stdio", words)
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, errWallTime):
			result = limitResult("wall_time", fmt.Sprintf("more than %v passed", limits.WallTime))
		case cause != nil:
			return nil, fmt.Errorf("host: %s: %w", entry, cause)
		case left < 0:
			result = limitResult("fuel", fmt.Sprintf("more than %d loop iterations and function calls", limits.Fuel))
		default:
			result = crashResult(err, words)
		}
	} else if words := s.instance.stdio.take(); words != "" {
		s.host.logger.Debug("guest wrote to its stdio", "session", s.id, "stdio", words)
	}
	result.Usage, result.Policy, result.Guest = usage, s.host.policy.Digest, s.host.guestDigest
	return result, nil
}

func limitResult(limit, message string) *Result {
	return &Result{Error: &Error{Type: LimitExceeded, Message: message, Limit: limit, FromHost: true}}
}

// crashResult reports a guest that trapped, exited, or broke the ABI. words are its last ones.
func crashResult(err error, words string) *Result {
	return &Result{Error: &Error{Type: GuestCrashed, Message: crashText(err), Traceback: words, FromHost: true}}
}

// crashText says what happened without the stack traces, of wasm and of Go, that wazero appends.
func crashText(err error) string {
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return fmt.Sprintf("the guest exited with code %d", exit.ExitCode())
	}
	return "the guest stopped: " + oneLine(err.Error())
}
