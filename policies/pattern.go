package policies

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// A Pattern permits paths or URLs. Patterns match a whole text, character by
// character, and whoever asks brings the text into its canonical form first:
//
//   - any characters but "/" (in the host of a URL: but ".")
//     ?    one of these; not in URLs
//     **   as a whole segment: any number of segments, none too
//
// So "/data/**" matches "/data" and all below it, and "/data/*.csv" the files
// right in it. Everything else stands for itself.
//
// A path is canonical when it has neither empty segments nor "." and "..", and no "/" at
// its end. A URL is canonical when it is SCHEME://HOST[:PORT]/PATH in
// lower-case ASCII up to the path, without a default port, user, query or
// fragment, and with a canonical path, that of the root being "/". What
// follows "?" in a URL is not matched. The pattern "**" alone matches
// everything.
type Pattern struct {
	text  string
	nodes []node

	// What Match needs, made by finish. prefix are the characters that stand for
	// themselves at the beginning, plain their number, and closure, if the
	// nodes behind them are few, what is reached from each without a character.
	prefix  string
	plain   int
	closure []uint64
}

// A node is a state of the pattern's automaton; the state behind the last one
// accepts. Each has at most one edge that takes a character, to the state behind
// it, one that takes a character and stays, and two that take none, given by how far
// they lead; 0 is no edge.
type node struct {
	char rune  // taken by the edge to the next state; 0: none
	one  class // taken by the edge to the next state; 0: none
	loop class // taken by the edge that stays; 0: none
	skip [2]int
}

// A class is a set of characters.
type class uint8

const (
	anyChar     class = iota + 1
	segmentChar       // all but "/"
	labelChar         // all but "/", ".", ":" and "@": a part of a host's name
	hostChar          // all but "/", ":" and "@"
)

func (c class) has(r rune) bool {
	switch c {
	case anyChar:
		return true
	case segmentChar:
		return r != '/'
	case labelChar:
		return r != '/' && r != '.' && r != ':' && r != '@'
	case hostChar:
		return r != '/' && r != ':' && r != '@'
	}
	return false
}

// maxPattern is how long a pattern may be, in bytes.
const maxPattern = 512

// ParsePath reads a pattern of paths.
func ParsePath(text string) (Pattern, error) { return parsePattern(text, parsePath) }

// ParseURL reads a pattern of URLs.
func ParseURL(text string) (Pattern, error) { return parsePattern(text, parseURL) }

func parsePattern(text string, parse func(string) (Pattern, *patternMistake)) (Pattern, error) {
	p, mistake := parse(text)
	if mistake != nil {
		return Pattern{}, fmt.Errorf("policies: pattern %q: %s", text, mistake.message)
	}
	return p, nil
}

// A patternMistake is what is wrong with a pattern, and at which byte.
type patternMistake struct {
	at      int
	message string
	hint    string
}

// String returns the pattern's text.
func (p Pattern) String() string { return p.text }

// all reports whether the pattern matches everything.
func (p Pattern) all() bool { return p.text == "**" }

func (p *Pattern) add(n node) { p.nodes = append(p.nodes, n) }

// literal adds characters that stand for themselves.
func (p *Pattern) literal(text string) {
	for _, r := range text {
		p.add(node{char: r})
	}
}

// run adds any number of characters of a class.
func (p *Pattern) run(c class) { p.add(node{loop: c, skip: [2]int{1}}) }

func parsePath(text string) (Pattern, *patternMistake) {
	p := Pattern{text: text}
	if mistake := checkPattern(text); mistake != nil {
		return p, mistake
	}
	mistake := p.path(text, 0, false)
	p.finish()
	return p, mistake
}

// path adds the segments of a path that begins at an offset of the text. That of
// a URL may end with "/".
func (p *Pattern) path(text string, offset int, url bool) *patternMistake {
	segments := strings.Split(text[offset:], "/")
	separate := false // the next segment begins with "/"
	for i, segment := range segments {
		first, last := i == 0, i == len(segments)-1
		switch {
		case segment == "" && first && !last:
			separate = true
		case segment == "" && last && (url || i == 1 && segments[0] == ""):
			p.literal("/")
		case segment == "":
			return &patternMistake{offset, "has an empty segment", "leave out the second \"/\", or the one at the end"}
		case segment == "." || segment == "..":
			return &patternMistake{offset, quote(segment) + " is not a segment of a canonical path", "write the path without it"}
		case segment == "**" && !first && segments[i-1] == "**":
			return &patternMistake{offset, "\"**\" stands twice in a row", "once is enough"}
		case segment == "**" && first && last:
			p.run(anyChar)
		case segment == "**" && first:
			// Either nothing, or anything up to a "/".
			p.add(node{skip: [2]int{1, 2}})
			p.add(node{char: '/', loop: anyChar})
		case segment == "**" && url && i == 1 && last:
			p.literal("/") // the path of a URL is never empty
			p.run(anyChar)
		case segment == "**":
			p.segments(url)
			separate = true
		default:
			if separate {
				p.literal("/")
			}
			if mistake := p.segment(segment, offset, segmentChar); mistake != nil {
				return mistake
			}
			separate = true
		}
		offset += len(segment) + 1
	}
	return nil
}

// segments adds any number of segments, each with a "/" before it. Those of a URL
// may be empty.
func (p *Pattern) segments(url bool) {
	if url {
		p.add(node{char: '/', skip: [2]int{2}})
		p.run(anyChar)
		return
	}
	p.add(node{char: '/', skip: [2]int{3}})
	p.add(node{one: segmentChar})
	p.add(node{loop: segmentChar, skip: [2]int{-2, 1}})
}

// segment adds what stands between two separators.
func (p *Pattern) segment(text string, offset int, wild class) *patternMistake {
	if i := strings.Index(text, "**"); i >= 0 {
		return &patternMistake{offset + i, "\"**\" is not a whole segment", "write \"*\", or \"**\" between two \"/\""}
	}
	if text == "*" {
		p.add(node{one: wild})
	}
	for _, r := range text {
		switch r {
		case '*':
			p.run(wild)
		case '?':
			p.add(node{one: wild})
		default:
			p.add(node{char: r})
		}
	}
	return nil
}

func checkPattern(text string) *patternMistake {
	if text == "" {
		return &patternMistake{0, "must not be empty", `"**" permits everything`}
	}
	if len(text) > maxPattern {
		return &patternMistake{0, fmt.Sprintf("must not be longer than %d bytes", maxPattern), ""}
	}
	if i := strings.IndexFunc(text, unprintable); i >= 0 {
		return &patternMistake{i, "a pattern cannot have " + character(text, i), ""}
	}
	if i := strings.IndexAny(text, `[]{}\`); i >= 0 && !strings.Contains(text, "://[") {
		return &patternMistake{i, "a pattern cannot have " + character(text, i), "the wildcards are *, ? and **"}
	}
	return nil
}

func parseURL(text string) (Pattern, *patternMistake) {
	p := Pattern{text: text}
	mistake := p.url(text)
	p.finish()
	return p, mistake
}

func (p *Pattern) url(text string) *patternMistake {
	if mistake := checkPattern(text); mistake != nil {
		return mistake
	}
	if p.all() {
		p.run(anyChar)
		return nil
	}
	if i := strings.IndexAny(text, "?#"); i >= 0 {
		return &patternMistake{i, "a URL pattern has no " + character(text, i), "end it before: any query is permitted"}
	}
	const form = "write for example \"https://api.example.com/v1/**\""
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme == "" {
		return &patternMistake{0, "is not a URL", form}
	}
	if i := strings.IndexFunc(scheme, func(r rune) bool { return !isLower(r) && !isDigit(r) && r != '+' && r != '-' }); i >= 0 {
		return &patternMistake{i, "a scheme is written in lower-case letters and has no wildcard", form}
	}
	p.literal(scheme + "://")
	at := len(scheme) + len("://")
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if mistake := p.authority(authority, at, scheme); mistake != nil {
		return mistake
	}
	if path == "" {
		path = "/"
		p.literal(path)
		return nil
	}
	return p.path(text, at+len(authority), true)
}

// authority adds HOST[:PORT].
func (p *Pattern) authority(text string, offset int, scheme string) *patternMistake {
	host, port, hasPort := text, "", false
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		host, port, hasPort = text[:i], text[i+1:], true
	}
	if i := strings.IndexByte(text, '@'); i >= 0 {
		return &patternMistake{offset + i, "a URL pattern has no user", ""}
	}
	if i := strings.IndexFunc(host, func(r rune) bool { return 'A' <= r && r <= 'Z' || r > '~' }); i >= 0 {
		return &patternMistake{offset + i, "a host is written in lower-case ASCII", "write a name in another script in its form with \"xn--\""}
	}
	if host == "" {
		return &patternMistake{offset, "has no host", ""}
	}
	if strings.HasPrefix(host, "[") {
		p.literal(host)
	} else if mistake := p.host(host, offset); mistake != nil {
		return mistake
	}
	if !hasPort {
		return nil
	}
	at := offset + len(host) + 1
	switch {
	case port == "*":
		// The default port is not written in a canonical URL.
		p.add(node{char: ':', skip: [2]int{2}})
		p.add(node{loop: labelChar, skip: [2]int{1}})
	case port == "" || strings.Trim(port, "0123456789") != "" || port[0] == '0' || len(port) > 5:
		return &patternMistake{at, "is not a port", "write a number, or \"*\" for any"}
	case scheme == "https" && port == "443", scheme == "http" && port == "80":
		// The same URL is canonical without it.
	default:
		p.literal(":" + port)
	}
	return nil
}

func (p *Pattern) host(host string, offset int) *patternMistake {
	for i, label := range strings.Split(host, ".") {
		switch {
		case label == "":
			return &patternMistake{offset, "a host has no empty label", ""}
		case label == "**" && i == 0 && len(host) > len(label):
			p.add(node{skip: [2]int{1, 2}})
			p.add(node{char: '.', loop: hostChar})
		case label == "**" && i == 0:
			p.run(hostChar)
		default:
			if i > 0 && !(i == 1 && strings.HasPrefix(host, "**.")) {
				p.literal(".")
			}
			if mistake := p.segment(label, offset, labelChar); mistake != nil {
				mistake.hint = "write \"*\", or \"**\" as the first label"
				return mistake
			}
		}
		offset += len(label) + 1
	}
	return nil
}

// anyHost reports whether a URL pattern lets code choose the host.
func (p Pattern) anyHost() bool {
	_, rest, _ := strings.Cut(p.text, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, ":")
	labels := strings.Split(host, ".")
	return p.all() || strings.Trim(labels[len(labels)-1], "*?") == ""
}

// finish prepares Match.
func (p *Pattern) finish() {
	for p.plain < len(p.nodes) && p.nodes[p.plain].char != 0 && p.nodes[p.plain].skip == [2]int{} && p.nodes[p.plain].loop == 0 {
		p.plain++
	}
	prefix := make([]rune, p.plain)
	for i := range prefix {
		prefix[i] = p.nodes[i].char
	}
	p.prefix = string(prefix)
	rest := p.nodes[p.plain:]
	if len(rest) > 63 {
		return
	}
	p.closure = make([]uint64, len(rest)+1)
	for i := range p.closure {
		p.closure[i] = reached(rest, i, 0)
	}
}

// reached adds to a set of states the one at a place and all that are reached from it without a character.
func reached(nodes []node, at int, set uint64) uint64 {
	if set&(1<<at) != 0 {
		return set
	}
	set |= 1 << at
	if at < len(nodes) {
		for _, to := range nodes[at].skip {
			if to != 0 {
				set = reached(nodes, at+to, set)
			}
		}
	}
	return set
}

// Match reports whether the pattern permits a text in its canonical form.
func (p Pattern) Match(text string) bool {
	text, ok := strings.CutPrefix(text, p.prefix)
	if !ok {
		return false
	}
	nodes := p.nodes[p.plain:]
	if p.closure == nil {
		return matchMany(Pattern{nodes: nodes}, text)
	}
	here := p.closure[0]
	for _, r := range text {
		var next uint64
		for set := here; set != 0; set &= set - 1 {
			at := bits.TrailingZeros64(set)
			if at == len(nodes) {
				continue
			}
			n := &nodes[at]
			if n.loop.has(r) {
				next |= p.closure[at]
			}
			if n.char != 0 && n.char == r || n.one.has(r) {
				next |= p.closure[at+1]
			}
		}
		if here = next; here == 0 {
			return false
		}
	}
	return here&(1<<len(nodes)) != 0
}

// matchMany is Match for patterns of many states.
func matchMany(p Pattern, text string) bool {
	var here, next states
	here.start(p)
	for _, r := range text {
		next.reset()
		for _, at := range here.list {
			if at < len(p.nodes) {
				n := &p.nodes[at]
				if n.loop.has(r) {
					next.add(p, at)
				}
				if n.char != 0 && n.char == r || n.one.has(r) {
					next.add(p, at+1)
				}
			}
		}
		if len(next.list) == 0 {
			return false
		}
		here, next = next, here
	}
	return here.has(len(p.nodes))
}

// MatchAny reports whether one of the patterns permits a text.
func MatchAny(patterns []Pattern, text string) bool {
	return slices.ContainsFunc(patterns, func(p Pattern) bool { return p.Match(text) })
}

// NearestPattern returns the pattern that has most of its beginning in common
// with a text: what to show to whoever was denied. It is empty without patterns.
func NearestPattern(patterns []Pattern, text string) string {
	best, longest := "", -1
	for _, p := range patterns {
		n := 0
		for n < len(text) && n < len(p.text) && text[n] == p.text[n] {
			n++
		}
		if n > longest {
			best, longest = p.text, n
		}
	}
	return best
}

// states is a set of a pattern's states, those that are reached without a character too.
type states struct {
	list []int
	bits []uint64
}

func (s *states) start(p Pattern) {
	s.reset()
	s.add(p, 0)
}

func (s *states) reset() {
	s.list = s.list[:0]
	clear(s.bits)
}

func (s *states) has(at int) bool {
	return at/64 < len(s.bits) && s.bits[at/64]&(1<<(at%64)) != 0
}

func (s *states) add(p Pattern, at int) {
	if s.has(at) {
		return
	}
	for len(s.bits) <= at/64 {
		s.bits = append(s.bits, 0)
	}
	s.bits[at/64] |= 1 << (at % 64)
	s.list = append(s.list, at)
	if at < len(p.nodes) {
		for _, to := range p.nodes[at].skip {
			if to != 0 {
				s.add(p, at+to)
			}
		}
	}
}
