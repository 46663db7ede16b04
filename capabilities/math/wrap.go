package math

import (
	"context"
	"math"

	"github.com/postern-sandbox/postern/capabilities"
)

// Exceptions are CPython's, whose rules for when to raise them are in the comments of Modules/mathmodule.c.

func domainError() error { return capabilities.Raise("ValueError", "math domain error") }

func rangeError() error { return capabilities.Raise("OverflowError", "math range error") }

func isFinite(x float64) bool { return x-x == 0 }

func isInf(x float64) bool { return math.IsInf(x, 0) }

// plainFloat is for functions of a float that never raise.
func plainFloat(f func(float64) float64) call {
	return func(_ context.Context, args capabilities.Arguments) (any, error) {
		x, err := asFloat(args.At(0))
		if err != nil {
			return nil, err
		}
		return f(x), nil
	}
}

// oneFloat is for functions that have either singularities or overflow, but not both.
func oneFloat(f func(float64) float64, overflows bool) call {
	return func(_ context.Context, args capabilities.Arguments) (any, error) {
		x, err := asFloat(args.At(0))
		if err != nil {
			return nil, err
		}
		return checkOne(x, f(x), overflows)
	}
}

func checkOne(x, r float64, overflows bool) (any, error) {
	switch {
	case r != r && x == x:
		return nil, domainError()
	case isInf(r) && isFinite(x) && overflows:
		return nil, rangeError()
	case isInf(r) && isFinite(x):
		return nil, domainError()
	}
	return r, nil
}

func floatPair(args capabilities.Arguments) (x, y float64, err error) {
	if x, err = asFloat(args.At(0)); err != nil {
		return 0, 0, err
	}
	y, err = asFloat(args.At(1))
	return x, y, err
}

func twoFloats(f func(x, y float64) float64) call {
	return func(_ context.Context, args capabilities.Arguments) (any, error) {
		x, y, err := floatPair(args)
		if err != nil {
			return nil, err
		}
		r := f(x, y)
		switch {
		case r != r && x == x && y == y:
			return nil, domainError()
		case isInf(r) && isFinite(x) && isFinite(y):
			return nil, rangeError()
		}
		return r, nil
	}
}

func predicate(f func(float64) bool) call {
	return func(_ context.Context, args capabilities.Arguments) (any, error) {
		x, err := asFloat(args.At(0))
		if err != nil {
			return nil, err
		}
		return f(x), nil
	}
}

func gammaCall(_ context.Context, args capabilities.Arguments) (any, error) {
	x, err := asFloat(args.At(0))
	if err != nil {
		return nil, err
	}
	r := gamma(x)
	switch {
	case r != r && x == x || x == 0:
		return nil, domainError()
	case isInf(r) && isFinite(x):
		return nil, rangeError()
	}
	return r, nil
}

func lgammaCall(_ context.Context, args capabilities.Arguments) (any, error) {
	x, err := asFloat(args.At(0))
	if err != nil {
		return nil, err
	}
	r := lgamma(x)
	switch {
	case isFinite(x) && x <= 0 && x == math.Floor(x):
		return nil, domainError()
	case isInf(r) && isFinite(x):
		return nil, rangeError()
	}
	return r, nil
}

func powCall(_ context.Context, args capabilities.Arguments) (any, error) {
	x, y, err := floatPair(args)
	if err != nil {
		return nil, err
	}
	if !isFinite(x) || !isFinite(y) {
		return specialPower(x, y), nil
	}
	r := power(x, y)
	switch {
	case r != r || isInf(r) && x == 0:
		return nil, domainError()
	case isInf(r):
		return nil, rangeError()
	}
	return r, nil
}

// specialPower is x^y when one of them is not finite, as C99 has it.
func specialPower(x, y float64) float64 {
	odd := isFinite(y) && math.Mod(math.Abs(y), 2) == 1
	switch {
	case y == 0 || x == 1:
		return 1
	case x != x:
		return x
	case y != y:
		return y
	case isInf(x) && y > 0 && odd:
		return x
	case isInf(x) && y > 0:
		return math.Inf(1)
	case isInf(x) && odd:
		return math.Copysign(0, x)
	case isInf(x):
		return 0
	case math.Abs(x) == 1:
		return 1
	case math.Abs(x) > 1 == (y > 0):
		return math.Inf(1)
	}
	return 0
}

// logarithm is for log2 and log10, and log without a base. An int may be larger than any float.
func logarithm(f func(float64) float64) call {
	return func(_ context.Context, args capabilities.Arguments) (any, error) {
		return logOfNumber(args.At(0), f)
	}
}

func logOfNumber(v any, f func(float64) float64) (any, error) {
	n, ok := exactInt(v)
	if !ok {
		x, err := asFloat(v)
		if err != nil {
			return nil, err
		}
		return checkOne(x, f(x), false)
	}
	if n.Sign() <= 0 {
		return nil, domainError()
	}
	x, err := bigFloat(n)
	if err != nil {
		m, e := frexpInt(n)
		return f(m) + float64(f(2)*float64(e)), nil
	}
	return f(x), nil
}

func logCall(_ context.Context, args capabilities.Arguments) (any, error) {
	num, err := logOfNumber(args.At(0), log)
	if err != nil || !args.Given(1) {
		return num, err
	}
	den, err := logOfNumber(args.At(1), log)
	if err != nil {
		return nil, err
	}
	if den.(float64) == 0 {
		return nil, capabilities.Raise("ZeroDivisionError", "float division by zero")
	}
	return num.(float64) / den.(float64), nil
}
