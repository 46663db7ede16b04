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
	ctx, x.deadline = x.session.host.deadline(ctx, x.session.host.limits.WallTime)
	defer x.deadline.stop()
	return x.within(ctx, entry, request)
}

// within is run under a deadline that is there already.
func (x *execution) within(ctx context.Context, entry string, request []byte) (*Result, error) {
	s, in, limits := x.session, x.instance, x.session.host.limits
	in.stdio.take()
	output, left, err := in.run(x.context(ctx), entry, request, limits.Fuel, s.host.bounds.output)
	cause := context.Cause(ctx) // not of a time that ends while the host reads what the guest has sent
	usage := Usage{
		Fuel:        limits.Fuel - max(left, 0),
		WallMS:      math.Round(x.deadline.took().Seconds()*1e6) / 1e3,
		MemoryBytes: int64(in.memory.size()),
		HostCalls:   x.calls,
	}
	x.show(true)
	var result *Result
	if err == nil {
		result, err = s.host.readResult(output)
	}
	if err == nil && in.interrupted() {
		// It has heeded the request to stop, and is as good as before. Whose time was over decides what is told.
		if !errors.Is(cause, errWallTime) {
			return nil, fmt.Errorf("host: %s: %w", entry, cause)
		}
	}
	if err == nil && result.Error != nil {
		// The guest reports these, but the host knows whether it can be.
		switch limit := result.Error.Limit; {
		case limit == "wall_time" && !in.interrupted(), limit == "host_calls" && x.calls <= limits.HostCalls:
			result.Error.Limit = ""
		case limit != "":
			result.Error.addFigures(s.host.figures(limit, usage))
		}
	}
	if err != nil {
		in.broken = true
		words := in.stdio.take()
		s.host.logger.Debug("guest stopped", "session", s.id, "error", err, "stdio", words)
		switch {
		case errors.Is(cause, errWallTime):
			result = s.host.limitResult("wall_time", usage)
		case cause != nil:
			return nil, fmt.Errorf("host: %s: %w", entry, cause)
		case left < 0:
			result = s.host.limitResult("fuel", usage)
		default:
			result = crashResult(err, words)
		}
		x.rescue(result)
	} else if words := in.stdio.take(); words != "" {
		s.host.logger.Debug("guest wrote to its stdio", "session", s.id, "stdio", words)
	}
	x.showResult(result)
	result.Usage, result.Policy, result.Guest = usage, s.host.policy.Digest, s.host.guestDigest
	return result, nil
}

// limitResult reports a guest that was stopped by force.
func (h *Host) limitResult(limit string, usage Usage) *Result {
	figures := h.figures(limit, usage)
	return &Result{Error: &Error{Type: LimitExceeded, Message: figures, Limit: limit, Figures: figures, FromHost: true}}
}

// figures says what was used of a limit and what is allowed.
func (h *Host) figures(limit string, usage Usage) string {
	switch limit {
	case "wall_time":
		return fmt.Sprintf("limits.wall_time exceeded: %v of %v", time.Duration(usage.WallMS*float64(time.Millisecond)).Round(time.Millisecond), h.limits.WallTime)
	case "fuel":
		return fmt.Sprintf("limits.fuel exceeded: %d of %d", usage.Fuel, h.limits.Fuel)
	case "memory":
		return fmt.Sprintf("limits.memory exceeded: %d of %d bytes, and more was asked for", usage.MemoryBytes, h.limits.Memory)
	case "result":
		return fmt.Sprintf("limits.result exceeded: more than %d bytes", h.limits.Result)
	case "host_calls":
		return fmt.Sprintf("limits.host_calls exceeded: %d of %d", usage.HostCalls, h.limits.HostCalls)
	case "recursion":
		return fmt.Sprintf("limits.recursion exceeded: more than %d calls deep", h.limits.Recursion)
	}
	return "limits." + limit + " exceeded"
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
