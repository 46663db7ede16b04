package policies

import (
	"slices"
	"strings"
)

// maxInclusion is how many states of single patterns are looked at to compare two
// policies: a quarter of a second. What people write takes some hundreds; beyond the
// bound a question counts as not decided.
const maxInclusion = 500_000

// beyond looks for a text that the pattern permits and none of the others do. It
// returns the first of the shortest ones. decided is false when the search was
// given up because the budget, from which its work is taken, was used up.
//
// It walks the deterministic automata of all patterns at once, breadth first.
// Characters that no pattern names all behave alike, so one stands for all.
func beyond(p Pattern, others []Pattern, budget *int) (witness string, found, decided bool) {
	if slices.ContainsFunc(others, func(other Pattern) bool { return other.text == p.text || other.all() }) {
		return "", false, true
	}
	all := append([]Pattern{p}, others...)
	for _, one := range all {
		*budget -= 1 + len(one.nodes)/16 // to begin with
	}
	if *budget < 0 {
		return "", false, false
	}
	letters := alphabetOf(all)
	type place struct {
		sets []states // of each pattern
		from int      // the place before
		by   rune     // the character that leads here
	}
	first := place{sets: make([]states, len(all)), from: -1}
	for i := range all {
		first.sets[i].start(all[i])
	}
	queue, seen := []place{first}, map[string]bool{}
	for at := 0; at < len(queue); at++ {
		here := queue[at]
		if here.sets[0].has(len(p.nodes)) && !slices.ContainsFunc(numbers(1, len(all)), func(i int) bool {
			return here.sets[i].has(len(all[i].nodes))
		}) {
			var text []rune
			for i := at; queue[i].from >= 0; i = queue[i].from {
				text = append(text, queue[i].by)
			}
			slices.Reverse(text)
			return string(text), true, true
		}
		for _, r := range letters {
			if *budget -= len(all); *budget < 0 {
				return "", false, false
			}
			next := place{sets: make([]states, len(all)), from: at, by: r}
			var key strings.Builder
			for i := range all {
				step(all[i], &here.sets[i], &next.sets[i], r)
				next.sets[i].key(&key)
			}
			if len(next.sets[0].list) == 0 || seen[key.String()] {
				continue
			}
			seen[key.String()] = true
			queue = append(queue, next)
		}
	}
	return "", false, true
}

// step goes from a set of states to the one behind a character.
func step(p Pattern, from, to *states, r rune) {
	for _, at := range from.list {
		if at == len(p.nodes) {
			continue
		}
		n := &p.nodes[at]
		if n.loop.has(r) {
			to.add(p, at)
		}
		if n.char != 0 && n.char == r || n.one.has(r) {
			to.add(p, at+1)
		}
	}
}

// key appends what identifies a set.
func (s *states) key(b *strings.Builder) {
	words := s.bits
	for len(words) > 0 && words[len(words)-1] == 0 {
		words = words[:len(words)-1]
	}
	b.WriteByte(byte(len(words))) // a pattern has less than 64 * 256 states
	for _, word := range words {
		for range 8 {
			b.WriteByte(byte(word))
			word >>= 8
		}
	}
}

// alphabetOf returns the characters that some pattern tells apart from others, in
// an order that makes witnesses readable.
func alphabetOf(patterns []Pattern) []rune {
	var named []rune
	for _, p := range patterns {
		for _, n := range p.nodes {
			if n.char != 0 {
				named = append(named, n.char)
			}
		}
	}
	named = append(named, '/', '.', ':', '@')
	slices.Sort(named)
	named = slices.Compact(named)
	for other := 'x'; ; other++ {
		if !slices.Contains(named, other) {
			return append([]rune{other}, named...)
		}
	}
}

func numbers(from, to int) []int {
	list := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}
