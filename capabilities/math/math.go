// Package math is the capability family "math": the functions and constants of Python 3.13's module, computed by the host.
//
// Integer functions are exact, and error messages are CPython's. The elementary functions are correctly rounded but for
// very rare cases (less than 0.5001 ulp from the true value), and so within 1 ulp of any good C library; gamma and lgamma are CPython's own
// approximations. All have the same bits on every platform. See docs/capabilities.md for the limits.
package math

import (
	"context"
	"math"

	"github.com/postern-sandbox/postern/capabilities"
)

// Family gives the family. Its functions are pure.
func Family() capabilities.Family {
	f := capabilities.Family{
		Name: "math",
		Doc:  "Mathematical functions",
		Constants: map[string]any{
			"pi": math.Pi, "e": math.E, "tau": 2 * math.Pi, "inf": math.Inf(1), "nan": math.NaN(),
		},
	}
	for _, function := range functions {
		f.Capabilities = append(f.Capabilities, capabilities.New(capabilities.Spec{
			Family: "math", Function: function.name, Signature: function.signature, Doc: function.doc, Effects: capabilities.Pure,
		}, function.call))
	}
	return f
}

type call = func(ctx context.Context, args capabilities.Arguments) (any, error)

var functions = []struct {
	name, signature, doc string
	call                 call
}{
	{"acos", "(x, /)", "Return the arc cosine (measured in radians) of x.", oneFloat(acos, false)},
	{"acosh", "(x, /)", "Return the inverse hyperbolic cosine of x.", oneFloat(acosh, false)},
	{"asin", "(x, /)", "Return the arc sine (measured in radians) of x.", oneFloat(asin, false)},
	{"asinh", "(x, /)", "Return the inverse hyperbolic sine of x.", oneFloat(asinh, false)},
	{"atan", "(x, /)", "Return the arc tangent (measured in radians) of x.", oneFloat(atan, false)},
	{"atan2", "(y, x, /)", "Return the arc tangent (measured in radians) of y/x.", twoFloats(atan2)},
	{"atanh", "(x, /)", "Return the inverse hyperbolic tangent of x.", oneFloat(atanh, false)},
	{"cbrt", "(x, /)", "Return the cube root of x.", oneFloat(cbrt, false)},
	{"ceil", "(x, /)", "Return the ceiling of x as an int.", ceil},
	{"comb", "(n, k, /)", "Number of ways to choose k items from n items without repetition and without order.", comb},
	{"copysign", "(x, y, /)", "Return a float with the magnitude of x but the sign of y.", twoFloats(math.Copysign)},
	{"cos", "(x, /)", "Return the cosine of x (measured in radians).", oneFloat(cos, false)},
	{"cosh", "(x, /)", "Return the hyperbolic cosine of x.", oneFloat(cosh, true)},
	{"degrees", "(x, /)", "Convert angle x from radians to degrees.", plainFloat(degrees)},
	{"dist", "(p, q, /)", "Return the Euclidean distance between two points p and q.", dist},
	{"erf", "(x, /)", "Error function at x.", plainFloat(erf)},
	{"erfc", "(x, /)", "Complementary error function at x.", plainFloat(erfc)},
	{"exp", "(x, /)", "Return e raised to the power of x.", oneFloat(exp, true)},
	{"exp2", "(x, /)", "Return 2 raised to the power of x.", oneFloat(exp2, true)},
	{"expm1", "(x, /)", "Return exp(x)-1, also accurate for x near zero.", oneFloat(expm1, true)},
	{"fabs", "(x, /)", "Return the absolute value of the float x.", oneFloat(math.Abs, false)},
	{"factorial", "(n, /)", "Find n!.", factorial},
	{"floor", "(x, /)", "Return the floor of x as an int.", floor},
	{"fma", "(x, y, z, /)", "Compute (x * y) + z with a single round.", fma},
	{"fmod", "(x, y, /)", "Return fmod(x, y), with the sign of x.", fmod},
	{"frexp", "(x, /)", "Return the mantissa and exponent of x, as pair (m, e).", frexp},
	{"fsum", "(seq, /)", "Return an accurate floating-point sum of values in the iterable seq.", fsum},
	{"gamma", "(x, /)", "Gamma function at x.", gammaCall},
	{"gcd", "(*integers)", "Greatest Common Divisor.", gcd},
	{"hypot", "(*coordinates)", "Multidimensional Euclidean distance from the origin to a point.", hypot},
	{"isclose", "(a, b, *, rel_tol=1e-09, abs_tol=0.0)", "Determine whether two floating-point numbers are close in value.", isClose},
	{"isfinite", "(x, /)", "Return True if x is neither an infinity nor a NaN, and False otherwise.", predicate(isFinite)},
	{"isinf", "(x, /)", "Return True if x is a positive or negative infinity, and False otherwise.", predicate(isInf)},
	{"isnan", "(x, /)", "Return True if x is a NaN (not a number), and False otherwise.", predicate(math.IsNaN)},
	{"isqrt", "(n, /)", "Return the integer part of the square root of the input.", isqrt},
	{"lcm", "(*integers)", "Least Common Multiple.", lcm},
	{"ldexp", "(x, i, /)", "Return x * (2**i).", ldexp},
	{"lgamma", "(x, /)", "Natural logarithm of absolute value of Gamma function at x.", lgammaCall},
	{"log", "(x, base=..., /)", "Return the logarithm of x to the given base, or the natural logarithm.", logCall},
	{"log10", "(x, /)", "Return the base 10 logarithm of x.", logarithm(log10)},
	{"log1p", "(x, /)", "Return the natural logarithm of 1+x (base e), also accurate for x near zero.", oneFloat(log1p, false)},
	{"log2", "(x, /)", "Return the base 2 logarithm of x.", logarithm(log2)},
	{"modf", "(x, /)", "Return the fractional and integer parts of x.", modf},
	{"nextafter", "(x, y, /, *, steps=None)", "Return the floating-point value the given number of steps after x towards y.", nextAfter},
	{"perm", "(n, k=None, /)", "Number of ways to choose k items from n items without repetition and with order.", perm},
	{"pow", "(x, y, /)", "Return x**y (x to the power of y).", powCall},
	{"prod", "(iterable, /, *, start=1)", "Calculate the product of all the elements in the input iterable.", prod},
	{"radians", "(x, /)", "Convert angle x from degrees to radians.", plainFloat(radians)},
	{"remainder", "(x, y, /)", "Difference between x and the closest integer multiple of y.", twoFloats(remainder)},
	{"sin", "(x, /)", "Return the sine of x (measured in radians).", oneFloat(sin, false)},
	{"sinh", "(x, /)", "Return the hyperbolic sine of x.", oneFloat(sinh, true)},
	{"sqrt", "(x, /)", "Return the square root of x.", oneFloat(math.Sqrt, false)},
	{"sumprod", "(p, q, /)", "Return the sum of products of values from two iterables p and q.", sumProd},
	{"tan", "(x, /)", "Return the tangent of x (measured in radians).", oneFloat(tan, false)},
	{"tanh", "(x, /)", "Return the hyperbolic tangent of x.", oneFloat(tanh, false)},
	{"trunc", "(x, /)", "Truncates the Real x to the nearest Integral toward 0.", trunc},
	{"ulp", "(x, /)", "Return the value of the least significant bit of the float x.", plainFloat(ulp)},
}
