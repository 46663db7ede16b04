// Package clock is the capability family "clock": the real time, and waiting.
//
// Without it, time in the guest is virtual and the same in each run. With it, Python's own time and datetime tell the time of the host, as far
// as the functions are granted, each time through the gate.
package clock

import (
	"context"
	"math"
	"time"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// Family gives the family. Monotonic time begins when it is made.
func Family() capabilities.Family {
	begun := time.Now()
	function := func(name, signature, doc string, do func(context.Context, capabilities.Arguments) (any, error)) capabilities.Capability {
		return capabilities.New(capabilities.Spec{Family: "clock", Function: name, Signature: signature, Doc: doc, Effects: capabilities.Reads}, do)
	}
	return capabilities.Family{
		Name: "clock",
		Doc:  "The real time",
		Capabilities: []capabilities.Capability{
			function("now", "()", "Return the time as an aware datetime in UTC.", func(context.Context, capabilities.Arguments) (any, error) {
				return time.Now().UTC(), nil
			}),
			function("monotonic", "()", "Return seconds, as a float, on a clock that never goes back.", func(context.Context, capabilities.Arguments) (any, error) {
				return time.Since(begun).Seconds(), nil
			}),
			function("sleep", "(seconds, /)", "Wait, at most until the run's time is over.", sleep),
		},
	}
}

func sleep(ctx context.Context, args capabilities.Arguments) (any, error) {
	wait, err := seconds(args.Get("seconds"))
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// seconds reads a length of time. What is longer than a Duration can say is as long as one can.
func seconds(v any) (time.Duration, error) {
	var n float64
	switch v := v.(type) {
	case int64:
		n = float64(v)
	case float64:
		n = v
	default:
		return 0, capabilities.Raise("TypeError", "seconds must be an int of at most 64 bits or a float, not %s", values.TypeName(v))
	}
	switch {
	case math.IsNaN(n):
		return 0, capabilities.Raise("ValueError", "seconds must not be nan")
	case n < 0:
		return 0, capabilities.Raise("ValueError", "sleep length must be non-negative")
	case n >= float64(math.MaxInt64/time.Second):
		return math.MaxInt64, nil
	}
	return time.Duration(n * float64(time.Second)), nil
}
