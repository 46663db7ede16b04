package link

import (
	"fmt"
	"regexp"
	"slices"
)

// symbolPattern is <family>_<function>. A family's name has no underscore, so the first one ends it.
var symbolPattern = regexp.MustCompile(`^[a-z][a-z0-9]*_[a-z][a-z0-9_]*$`)

// Order checks the symbols of granted functions and returns them in ascending byte order. A function's place in the result
// is its index: the one that the dispatcher of a linked guest knows it by. Symbols that are malformed or there twice are
// errors. The argument is not changed.
func Order(functions []string) ([]string, error) {
	ordered := slices.Sorted(slices.Values(functions))
	for i, f := range ordered {
		if !symbolPattern.MatchString(f) {
			return nil, fmt.Errorf("link: %q is not a symbol: want <family>_<function> in lower case, such as \"math_sqrt\"", f)
		}
		if i > 0 && f == ordered[i-1] {
			return nil, fmt.Errorf("link: function %q is there twice", f)
		}
	}
	return ordered, nil
}

// Index finds a function's index in what Order returned.
func Index(ordered []string, function string) (index int, ok bool) {
	return slices.BinarySearch(ordered, function)
}
