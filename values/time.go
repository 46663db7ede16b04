package values

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// DateTime is a Python datetime.datetime, kept as text since time.Time can hold neither a datetime without a zone nor an
// offset with microseconds.
type DateTime struct {
	// ISO is what isoformat() gives: "2025-01-31T12:00:00", with six decimals when there are microseconds,
	// and an offset such as "+01:00" when the datetime is aware.
	ISO string
	// Zone is the key of a ZoneInfo, such as "Europe/Berlin"; mostly empty.
	Zone string
	// Fold is 1 for the second of two equal wall clock times, otherwise 0.
	Fold int
}

// Date is a Python datetime.date as isoformat() gives it: "2025-01-31".
type Date string

// Time is a Python datetime.time as isoformat() gives it: "12:00:00".
type Time string

// TimeDelta is a Python datetime.timedelta in its normal form: Seconds in 0 … 86399, Microseconds in 0 … 999999, and
// Days, which carries the sign, within ±999999999.
type TimeDelta struct{ Days, Seconds, Microseconds int }

// NewDateTime gives an aware datetime with t's offset from UTC, cut to microseconds.
// The error is for a year outside Python's 1 … 9999.
func NewDateTime(t time.Time) (DateTime, error) {
	if y := t.Year(); y < 1 || y > 9999 {
		return DateTime{}, fmt.Errorf("values: year %d is not in 1 to 9999", y)
	}
	layout := "2006-01-02T15:04:05"
	if t.Nanosecond() >= 1000 {
		layout += ".000000"
	}
	layout += "-07:00"
	if _, offset := t.Zone(); offset%60 != 0 {
		layout += ":00"
	}
	d := DateTime{ISO: t.Format(layout)}
	return d, d.check()
}

// Time gives the datetime as a time.Time, with a fixed offset. For a datetime without a zone, aware is false and t is
// its wall clock read as UTC. The error is for text that is no datetime, and for offsets finer than seconds.
func (d DateTime) Time() (t time.Time, aware bool, err error) {
	if err := d.check(); err != nil {
		return time.Time{}, false, err
	}
	layout, rest := "2006-01-02T15:04:05.999999", d.ISO[len("2006-01-02T15:04:05"):]
	if i := strings.IndexAny(rest, "+-"); i >= 0 {
		aware = true
		switch len(rest) - i {
		case len("+01:00"):
			layout += "-07:00"
		case len("+01:00:00"):
			layout += "-07:00:00"
		default:
			return time.Time{}, false, fmt.Errorf("values: the offset of %q is finer than a second", d.ISO)
		}
	}
	t, err = time.Parse(layout, d.ISO)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("values: %w", err)
	}
	return t, aware, nil
}

// Time gives midnight of the date in UTC.
func (d Date) Time() (time.Time, error) {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return time.Time{}, fmt.Errorf("values: %w", err)
	}
	return t, nil
}

// NewTimeDelta gives the timedelta of a duration, cut down to microseconds.
func NewTimeDelta(d time.Duration) TimeDelta {
	us := int64(d / time.Microsecond)
	if d%time.Microsecond < 0 {
		us--
	}
	const day = 24 * 60 * 60 * 1_000_000
	days := us / day
	if us %= day; us < 0 {
		days, us = days-1, us+day
	}
	return TimeDelta{int(days), int(us / 1_000_000), int(us % 1_000_000)}
}

// Duration gives the timedelta as a duration, and false when it is longer than a duration can be (292 years).
func (d TimeDelta) Duration() (time.Duration, bool) {
	const mostDays = int(math.MaxInt64 / (24 * time.Hour))
	if d.check() != nil || d.Days > mostDays-1 || d.Days < -mostDays {
		return 0, false
	}
	return time.Duration(d.Days)*24*time.Hour + time.Duration(d.Seconds)*time.Second +
		time.Duration(d.Microseconds)*time.Microsecond, true
}

func (d TimeDelta) check() error {
	const most = 999_999_999
	if d.Days < -most || d.Days > most || d.Seconds < 0 || d.Seconds >= 86400 || d.Microseconds < 0 || d.Microseconds >= 1_000_000 {
		return fmt.Errorf("values: timedelta %d, %d, %d is not in its normal form", d.Days, d.Seconds, d.Microseconds)
	}
	return nil
}

func (d DateTime) check() error {
	day, clock, ok := strings.Cut(d.ISO, "T")
	if !ok || Date(day).check() != nil || Time(clock).check() != nil {
		return fmt.Errorf("values: %q is not the isoformat of a datetime", d.ISO)
	}
	if d.Fold != 0 && d.Fold != 1 {
		return fmt.Errorf("values: fold %d is neither 0 nor 1", d.Fold)
	}
	return nil
}

func (d Date) check() error {
	_, err := time.Parse(time.DateOnly, string(d))
	if err != nil || d[:4] == "0000" {
		return fmt.Errorf("values: %q is not the isoformat of a date", string(d))
	}
	return nil
}

// check accepts HH:MM:SS[.ffffff][±HH:MM[:SS[.ffffff]]].
func (t Time) check() error {
	s := string(t)
	rest, ok := cutClock(s, true)
	if ok && rest != "" && (rest[0] == '+' || rest[0] == '-') {
		rest, ok = cutClock(rest[1:], false)
	}
	if !ok || rest != "" {
		return fmt.Errorf("values: %q is not the isoformat of a time", s)
	}
	return nil
}

// cutClock takes HH:MM[:SS[.ffffff]] off the front of s.
func cutClock(s string, seconds bool) (rest string, ok bool) {
	if s, ok = cutNumber(s, 2, 24); !ok || s == "" || s[0] != ':' {
		return s, false
	}
	if s, ok = cutNumber(s[1:], 2, 60); !ok {
		return s, false
	}
	if s == "" || s[0] != ':' {
		return s, !seconds
	}
	if s, ok = cutNumber(s[1:], 2, 60); !ok || s == "" || s[0] != '.' {
		return s, ok
	}
	return cutNumber(s[1:], 6, 1_000_000)
}

// cutNumber takes a number of exactly width digits, below bound, off the front of s.
func cutNumber(s string, width, bound int) (rest string, ok bool) {
	if len(s) < width {
		return s, false
	}
	n := 0
	for _, c := range []byte(s[:width]) {
		if c < '0' || c > '9' {
			return s, false
		}
		n = 10*n + int(c-'0')
	}
	return s[width:], n < bound
}
