package policies

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A quantity is a way to write a number: how it is read from a TOML value and
// how it is printed, so that what is printed would be read as the same number.
type quantity struct {
	typ   string // as in "expected a size, found …"
	read  func(v *value) (int64, *complaint)
	print func(int64) string
}

// A complaint says why a value cannot be read: a mistake that does not know
// yet which key it is about. At is the place in the file.
type complaint struct {
	at      int
	message string
	hint    string
}

const (
	countType    = "an integer"
	boolType     = "a boolean"
	sizeType     = `a size such as "64KiB"`
	durationType = `a duration such as "10s"`
)

var (
	counts    = quantity{countType, readCount, printCount}
	sizes     = quantity{sizeType, readSize, printSize}
	durations = quantity{durationType, readDuration, printDuration}
)

// units are the suffixes of sizes, each before those that it ends with.
var units = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", kib}, {"MiB", mib}, {"GiB", gib},
	{"KB", 1_000}, {"MB", 1_000_000}, {"GB", 1_000_000_000},
	{"B", 1},
}

func readCount(v *value) (int64, *complaint) {
	if v.kind != integerKind {
		hint := ""
		if n, err := strconv.ParseInt(v.text, 10, 64); v.kind == stringKind && err == nil {
			hint = fmt.Sprintf("write %d without quotes", n)
		}
		return 0, v.mismatch(countType, hint)
	}
	// The token is valid TOML, so base 0 reads just what TOML allows here.
	n, err := strconv.ParseInt(strings.ReplaceAll(v.text, "_", ""), 0, 64)
	if err != nil {
		return 0, &complaint{at: v.at, message: quote(v.text) + " does not fit into 64 bits"}
	}
	return n, nil
}

func readSize(v *value) (int64, *complaint) {
	switch v.kind {
	case integerKind:
		return readCount(v)
	case stringKind:
	default:
		return 0, v.mismatch(sizeType, "")
	}
	digits := len(v.text) - len(strings.TrimLeft(v.text, "0123456789"))
	number, suffix := v.text[:digits], v.text[digits:]
	if number == "" {
		return 0, &complaint{v.at, quote(v.text) + " is not a size", `write a number and a unit, such as "64KiB"`}
	}
	factor := int64(1)
	if suffix != "" {
		factor = unitBytes(suffix)
	}
	if factor == 0 {
		return 0, &complaint{v.within(digits), quote(suffix) + " is not a unit of size", unitHint(number, suffix)}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/factor {
		return 0, &complaint{at: v.at, message: quote(v.text) + " is more bytes than fit into 64 bits"}
	}
	return n * factor, nil
}

func unitBytes(suffix string) int64 {
	for _, unit := range units {
		if unit.suffix == suffix {
			return unit.bytes
		}
	}
	return 0
}

// unitHint finds the unit that was meant: "kb" is KB, and so is "K" KiB,
// because that is what it means to most programs that accept it.
func unitHint(number, suffix string) string {
	trimmed := strings.TrimSpace(suffix)
	for _, unit := range units {
		meant := strings.EqualFold(unit.suffix, trimmed) || strings.EqualFold(unit.suffix, trimmed+"iB")
		if meant && len(number) <= maxName {
			return fmt.Sprintf("did you mean %q?", number+unit.suffix)
		}
	}
	return "the units are B, KB, MB, GB, KiB, MiB and GiB"
}

func readDuration(v *value) (int64, *complaint) {
	if v.kind != stringKind {
		hint := ""
		if n, mistake := readCount(v); mistake == nil && n > 0 {
			hint = fmt.Sprintf("write \"%ds\" for seconds", n)
		}
		return 0, v.mismatch(durationType, hint)
	}
	if !durationGrammar.MatchString(v.text) {
		return 0, &complaint{v.at, quote(v.text) + " is not a duration", `write a duration such as "500ms", "10s" or "1m30s"`}
	}
	d, err := time.ParseDuration(v.text)
	if err != nil {
		return 0, &complaint{at: v.at, message: quote(v.text) + " is longer than can be measured"}
	}
	return int64(d), nil
}

// durationGrammar is that of time.ParseDuration without signs, lone fractions
// and the 0 that needs no unit.
var durationGrammar = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`)

func printCount(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "_" + digits[i:]
	}
	return digits
}

// printSize uses the largest binary unit that divides the size.
func printSize(n int64) string {
	for _, unit := range []struct {
		suffix string
		bytes  int64
	}{{"GiB", gib}, {"MiB", mib}, {"KiB", kib}} {
		if n != 0 && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// printDuration is time.Duration's own form without the zero parts at its end:
// "24h", not "24h0m0s".
func printDuration(n int64) string {
	text := time.Duration(n).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
