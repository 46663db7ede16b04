package link

import "github.com/postern-sandbox/postern/link/internal/wasm"

// The layout of WASI's subscription and event, in bytes.
const (
	subscriptionUserdata = 0
	subscriptionTag      = 8 // 0: a clock
	subscriptionClock    = 16
	subscriptionTimeout  = 24
	subscriptionFlags    = 40 // bit 0: the timeout is a time, not a duration
	subscriptionSize     = 48

	eventUserdata = 0
	eventError    = 8 // with the type, and what only descriptors have, it is zero for a clock that came due
	eventNbytes   = 16
	eventFlags    = 24
	eventSize     = 32
)

// poll is (*subscriptions, *events, count, *eventCount) -> errno: a sleep in virtual time, to the first deadline of all
// subscriptions. Every one that is due then gives an event. A subscription to anything but a clock makes the
// whole call ENOTSUP: there is nothing to wait for in a guest whose reads never block.
func poll(s stubs) function {
	const (
		subscriptions, events, count, eventCount = 0, 1, 2, 3 // parameters
		left, at, clock, n                       = 4, 5, 6, 7
		wait, time, now                          = 8, 9, 10
	)
	c := wasm.Code{}.Get(count).Do(wasm.OpI32Eqz).
		Block(wasm.OpIf).I32(errnoInval).Do(wasm.OpReturn).End()

	// First, the shortest wait.
	c = c.I64(-1).Set(wait)
	c = eachSubscription(c, subscriptions, count, at, left, func(c wasm.Code) wasm.Code {
		c = c.Get(at).Access(wasm.OpI32Load8U, subscriptionTag).
			Block(wasm.OpIf).I32(errnoNotsup).Do(wasm.OpReturn).End()
		c = c.Get(at).Access(wasm.OpI32Load, subscriptionClock).I32(clockLast).Do(wasm.OpI32GtU).
			Block(wasm.OpIf).I32(errnoInval).Do(wasm.OpReturn).End()
		c = s.remaining(c, at, clock, time, now)
		return smaller(c, wait, time)
	})

	// Then an event for each that has no longer to wait.
	c = eachSubscription(c, subscriptions, count, at, left, func(c wasm.Code) wasm.Code {
		c = s.remaining(c, at, clock, time, now)
		c = c.Get(time).Get(wait).Do(wasm.OpI64LeU).Block(wasm.OpIf)
		c = c.Get(events).Get(at).Access(wasm.OpI64Load, subscriptionUserdata).Access(wasm.OpI64Store, eventUserdata).
			Get(events).I64(0).Access(wasm.OpI64Store, eventError).
			Get(events).I64(0).Access(wasm.OpI64Store, eventNbytes).
			Get(events).I64(0).Access(wasm.OpI64Store, eventFlags)
		c = c.Get(events).I32(eventSize).Do(wasm.OpI32Add).Set(events)
		return c.Get(n).I32(1).Do(wasm.OpI32Add).Set(n).End()
	})
	c = c.Get(eventCount).Get(n).Access(wasm.OpI32Store, 0)
	c = s.sleep(c, wait, time).I32(errnoSuccess)
	return function{
		locals: []byte{wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I64, wasm.I64, wasm.I64},
		code:   c,
	}
}

// eachSubscription runs body for each subscription, with its address in the local at. There is at least one.
func eachSubscription(c wasm.Code, subscriptions, count, at, left uint32, body func(wasm.Code) wasm.Code) wasm.Code {
	c = c.Get(subscriptions).Set(at).Get(count).Set(left).Block(wasm.OpLoop)
	c = body(c)
	return c.Get(at).I32(subscriptionSize).Do(wasm.OpI32Add).Set(at).
		Get(left).I32(1).Do(wasm.OpI32Sub).Index(wasm.OpLocalTee, left).Index(wasm.OpBrIf, 0).End()
}

// remaining sets the local time to how long the subscription at an address has to wait.
func (s stubs) remaining(c wasm.Code, at, clock, time, now uint32) wasm.Code {
	c = c.Get(at).Access(wasm.OpI32Load, subscriptionClock).Set(clock)
	c = c.Get(at).Access(wasm.OpI64Load, subscriptionTimeout).Set(time)
	c = c.Get(at).Access(wasm.OpI32Load16U, subscriptionFlags).I32(1).Do(wasm.OpI32And).Block(wasm.OpIf)
	c = s.now(c, clock).Set(now)
	return c.Get(time).Get(now).Do(wasm.OpI64Sub).
		I64(0).
		Get(time).Get(now).Do(wasm.OpI64GtU, wasm.OpSelect).Set(time).End()
}
