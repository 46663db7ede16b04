package policies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// Usage is what one session has used of its policy's quotas, and what was
// answered when a human was asked. The zero Usage is that of a new session. Its
// JSON encoding can be kept and read again, to go on with a session or with a copy
// of it: a copy begins with what the original had used.
//
// It is not safe for concurrent use: a session makes one call at a time.
type Usage struct {
	// Calls counts the allowed calls of each grant, by its family.
	Calls map[string]int64 `json:"calls,omitempty"`

	// Spent is what capabilities have counted against quotas of their own, by
	// what they call them: "fs.max_total".
	Spent map[string]int64 `json:"spent,omitempty"`

	// Answers are those that hold for the rest of the session, by capability:
	// "http.get". True is yes.
	Answers map[string]bool `json:"answers,omitempty"`

	// Tools is what tools have used of their own grants, by their names.
	Tools map[string]*Usage `json:"tools,omitempty"`
}

// Clone returns a copy that shares nothing with the original.
func (u Usage) Clone() Usage {
	c := Usage{Calls: maps.Clone(u.Calls), Spent: maps.Clone(u.Spent), Answers: maps.Clone(u.Answers)}
	for name, tool := range u.Tools {
		*c.Tool(name) = tool.Clone()
	}
	return c
}

// Tool returns what a tool has used of its own grants.
func (u *Usage) Tool(name string) *Usage {
	if u.Tools == nil {
		u.Tools = map[string]*Usage{}
	}
	if u.Tools[name] == nil {
		u.Tools[name] = new(Usage)
	}
	return u.Tools[name]
}

// maxKeptCalls is the largest count that is read. No session gets there, and one that began near the end of int64 would go on
// below zero.
const maxKeptCalls = 1 << 53

// UnmarshalJSON reads what was encoded. A count that no session can have, such as one below zero, which would be a larger quota,
// and what it does not know are errors.
func (u *Usage) UnmarshalJSON(data []byte) error {
	type plain Usage
	var read plain
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		return fmt.Errorf("policies: usage: %w", err)
	}
	for family, n := range read.Calls {
		if n < 0 || n > maxKeptCalls {
			return fmt.Errorf("policies: usage: %d calls of %q", n, family)
		}
	}
	for quota, n := range read.Spent {
		if n < 0 {
			return fmt.Errorf("policies: usage: %d of %q", n, quota)
		}
	}
	if len(read.Calls) > maxValues || len(read.Spent) > maxValues || len(read.Answers) > maxValues || len(read.Tools) > maxValues {
		return errors.New("policies: usage: too large")
	}
	for name, tool := range read.Tools {
		if tool == nil || tool.Tools != nil {
			return fmt.Errorf("policies: usage: tool %q: not what a tool can have used", name)
		}
	}
	*u = Usage(read)
	return nil
}

// Spend counts n, which is not negative, against a quota of which there is most in a session, and
// reports whether that much was left; if not, it counts nothing. A nil Usage has used nothing and counts nothing.
func (u *Usage) Spend(quota string, n, most int64) bool {
	if u == nil {
		return 0 <= n && n <= most
	}
	if n < 0 || n > most-u.Spent[quota] {
		return false
	}
	if u.Spent == nil {
		u.Spent = map[string]int64{}
	}
	u.Spent[quota] += n
	return true
}

func (u *Usage) calls(family string) int64 {
	if u == nil {
		return 0
	}
	return u.Calls[family]
}

func (u *Usage) count(family string) {
	if u == nil {
		return
	}
	if u.Calls == nil {
		u.Calls = map[string]int64{}
	}
	u.Calls[family]++
}

func (u *Usage) answer(capability string) (yes, known bool) {
	if u == nil {
		return false, false
	}
	yes, known = u.Answers[capability]
	return yes, known
}

func (u *Usage) remember(capability string, yes bool) {
	if u == nil {
		return
	}
	if u.Answers == nil {
		u.Answers = map[string]bool{}
	}
	u.Answers[capability] = yes
}

// Rates keeps the times of the calls of all grants that have a rate. Sessions
// that share a policy share it, since a rate protects what is behind the
// capability. The zero Rates is ready to use, and safe for concurrent use.
type Rates struct {
	mu    sync.Mutex
	begun time.Time
	calls map[string]*window
}

// A window holds the times of the last calls, as many as the rate permits: a ring
// whose oldest is at next. Times are since begun and never go back.
type window struct {
	times []time.Duration
	next  int
	last  time.Duration
}

// take counts a call if the rate permits it now, and otherwise says how long it
// will be until it does. With peek nothing is counted.
//
// It is exact: in no stretch of time as long as the rate's are there more calls than it permits.
func (r *Rates) take(family string, rate Rate, now time.Time, peek bool) (wait time.Duration) {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls == nil {
		r.begun, r.calls = now, map[string]*window{}
	}
	w := r.calls[family]
	if w == nil {
		w = new(window)
		r.calls[family] = w
	}
	// Whoever asked the time first need not be here first.
	at := max(now.Sub(r.begun), w.last)
	if int64(len(w.times)) >= rate.Calls {
		if wait := rate.Per - (at - w.times[w.next]); wait > 0 {
			return wait
		}
	}
	switch {
	case peek:
	case int64(len(w.times)) < rate.Calls:
		w.times, w.last = append(w.times, at), at
	default:
		w.times[w.next], w.last = at, at
		w.next = (w.next + 1) % len(w.times)
	}
	return 0
}
