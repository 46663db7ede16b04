package fs

// Canonical is the path that was decided.
func Canonical(decided any) string { return decided.(*target).path }

// Search is where a glob begins, how deep it goes, and whether it matches a name below the root.
func Search(decided any, name string) (start string, depth int, matches bool) {
	s := decided.(*search)
	if s.top() {
		return "", s.depth, false
	}
	return s.start(), s.depth, s.pattern.Match(name)
}
