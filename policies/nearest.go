package policies

import (
	"fmt"
	"slices"
	"strings"
)

// maxNearest is the length, in bytes, up to which a suggestion is looked for:
// no valid name is longer.
const maxNearest = 64

// suggest returns a hint with the valid name that is nearest to a wrong one,
// or, if none is near, the hint otherwise.
func suggest(wrong string, valid []string, otherwise string) string {
	if name, ok := nearest(wrong, valid); ok {
		return fmt.Sprintf("did you mean %q?", name)
	}
	return otherwise
}

// choices is a hint that lists all that is possible.
func choices(intro string, valid []string) string {
	const most = 12
	if len(valid) == 0 {
		return ""
	}
	if len(valid) == 1 && intro == "there are" {
		intro = "there is"
	}
	valid = slices.Sorted(slices.Values(valid))
	if len(valid) > most {
		valid = append(valid[:most:most], "…")
	}
	return intro + " " + strings.Join(valid, ", ")
}

// nearest returns the name that takes the fewest changes, at most one for each
// three characters and one in any case. Of several it takes the first in the
// alphabet.
func nearest(wrong string, valid []string) (string, bool) {
	if len(wrong) > maxNearest {
		return "", false
	}
	best, found := max(1, len(wrong)/3)+1, ""
	folded := strings.ToLower(wrong)
	for _, name := range valid {
		longer, shorter := max(len(name), len(wrong)), min(len(name), len(wrong))
		if longer-shorter > best {
			continue
		}
		d := distance(folded, strings.ToLower(name))
		// With short names a change of every letter is "near". It is not.
		if d < longer && (d < best || d == best && found != "" && name < found) {
			best, found = d, name
		}
	}
	return found, found != ""
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours that make b out of a (optimal string alignment), in bytes.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
