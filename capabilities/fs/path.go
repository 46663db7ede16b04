package fs

import (
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"
)

// What a path may be. The kernel's own limits are of this order.
const (
	maxPath     = 1024 // bytes
	maxName     = 255  // bytes
	maxSegments = 64
)

// temporary is how the names of files begin that are being written. Code sees no such names.
const temporary = ".postern-tmp-"

// clean brings a path into its canonical form: names with one "/" between them, the first being that of a root. The error says what is wrong
// with it, as a clause.
//
// ".." is refused and not resolved: behind a symbolic link it means something else than it seems to. A trailing "/" and "." are left out.
func clean(text string) (string, error) {
	switch {
	case len(text) > maxPath:
		return "", fmt.Errorf("the path is longer than %d bytes", maxPath)
	case !utf8.ValidString(text):
		return "", fmt.Errorf("%q is not Unicode text", text)
	}
	segments := make([]string, 0, 8)
	for segment := range strings.SplitSeq(text, "/") {
		if segment == "" || segment == "." {
			continue
		}
		if wrong := checkName(segment); wrong != "" {
			return "", fmt.Errorf("%q %s", text, wrong)
		}
		segments = append(segments, segment)
	}
	switch {
	case len(segments) == 0:
		return "", fmt.Errorf("%q names no root", text)
	case len(segments) > maxSegments:
		return "", fmt.Errorf("the path has more than %d names", maxSegments)
	}
	return strings.Join(segments, "/"), nil
}

// checkName says what is wrong with one name of a path, as a verb and what follows.
func checkName(name string) string {
	switch {
	case name == "..":
		return `has "..": write the path without it`
	case len(name) > maxName:
		return fmt.Sprintf("has a name of more than %d bytes", maxName)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }):
		return "has a control character"
	case strings.Contains(name, `\`):
		return `has a "\": names are separated by "/"`
	case strings.HasSuffix(name, " ") || strings.HasSuffix(name, "."):
		return "has a name that ends with a space or a full stop"
	case isDevice(name):
		return "has a name that is a device on some systems"
	case strings.HasPrefix(strings.ToLower(name), temporary):
		return fmt.Sprintf("has a name that begins with %q, which is reserved", temporary)
	case runtime.GOOS == "windows" && strings.ContainsAny(name, `<>:"|`):
		return "has a character that no name on this system has"
	}
	return ""
}

// isDevice reports whether Windows takes a name for that of a device, whatever follows its first full stop or colon. It is refused everywhere, so that a
// policy decides alike on all systems.
func isDevice(name string) bool {
	base := name
	if i := strings.IndexAny(base, ".:"); i >= 0 {
		base = base[:i]
	}
	base = strings.ToUpper(strings.TrimRight(base, " "))
	if slices.Contains([]string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}, base) {
		return true
	}
	number, com := strings.CutPrefix(base, "COM")
	if !com {
		if number, com = strings.CutPrefix(base, "LPT"); !com {
			return false
		}
	}
	return utf8.RuneCountInString(number) == 1 && strings.Contains("0123456789¹²³", number)
}

// A target is what a path means under a scope: the one value on which Decide and the functions act.
type target struct {
	path   string // canonical, "data/a/x.csv"
	root   string // the root's name
	folder string // of the host
	name   string // below the folder, with the host's separators; "." is the folder itself
}

// top reports whether it is a root itself.
func (t *target) top() bool { return t.name == "." }

// parent and base are the two parts of the name.
func (t *target) parent() string { return filepath.Dir(t.name) }
func (t *target) base() string   { return filepath.Base(t.name) }

// above is the path of the folder that it is in.
func (t *target) above() string { return path.Dir(t.path) }
