package policies_test

import (
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/policies"
)

// vocabulary is the world of the tests.
func vocabulary() policies.Vocabulary {
	return policies.Vocabulary{
		Families: map[string][]string{
			"http": {"get", "post"},
			"json": {"dumps", "loads"},
			"math": strings.Fields(`acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh
				degrees dist erf erfc exp exp2 expm1 fabs factorial floor fma fmod frexp fsum gamma gcd hypot
				isclose isfinite isinf isnan isqrt lcm ldexp lgamma log log10 log1p log2 modf nextafter perm pow
				prod radians remainder sin sinh sqrt sumprod tan tanh trunc ulp`),
		},
		Modules: slices.Concat(policies.DefaultImports(),
			[]string{"json", "json.decoder", "math", "os", "xml", "xml.etree", "xml.etree.ElementTree"}),
	}
}
