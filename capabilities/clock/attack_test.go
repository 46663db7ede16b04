package clock_test

import (
	"context"
	"errors"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/clock"
	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/values"
)

func TestTimeIsReal(t *testing.T) {
	s := familytest.New(t, clock.Family(), t.TempDir(), "")
	before := time.Now()
	v, err := s.Call(t.Context(), "clock.now")
	if now, ok := v.(time.Time); err != nil || !ok || now.Before(before) || now.After(time.Now()) || now.Location() != time.UTC {
		t.Errorf("%v, %v", v, err)
	}
	last := -1.0
	for range 100 {
		v, err := s.Call(t.Context(), "clock.monotonic")
		now, ok := v.(float64)
		if err != nil || !ok || now < last || now < 0 {
			t.Fatalf("%v after %v, %v", v, last, err)
		}
		last = now
	}
	begun := time.Now()
	if _, err := s.Call(t.Context(), "clock.sleep", 0.02); err != nil || time.Since(begun) < 20*time.Millisecond {
		t.Errorf("slept %v, %v", time.Since(begun), err)
	}
}

// However long it is asked to, sleep ends with its context.
func TestSleepEndsWithTheContext(t *testing.T) {
	s := familytest.New(t, clock.Family(), t.TempDir(), "")
	for _, seconds := range []any{int64(1000), 1e9, 1e300, math.Inf(1), int64(math.MaxInt64), float64(math.MaxInt64) / 1e9, 9223372036.0, 9223372036.854775807, 9223372037.0} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		_, err := s.Call(ctx, "clock.sleep", seconds)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: %v", seconds, err)
		}
	}
}

func TestHostileArguments(t *testing.T) {
	s := familytest.New(t, clock.Family(), t.TempDir(), "")
	for _, test := range []struct {
		seconds any
		class   string
	}{
		{int64(-1), "ValueError"}, {-1e-300, "ValueError"}, {math.Inf(-1), "ValueError"}, {math.NaN(), "ValueError"}, {int64(math.MinInt64), "ValueError"},
		{new(big.Int).Lsh(big.NewInt(1), 100), "TypeError"}, {"1", "TypeError"}, {nil, "TypeError"}, {true, "TypeError"}, {values.Decimal("1"), "TypeError"}, {values.TimeDelta{Seconds: 1}, "TypeError"}, {values.List{}, "TypeError"},
	} {
		_, err := s.Call(t.Context(), "clock.sleep", test.seconds)
		var raised *capabilities.PythonError
		if !errors.As(err, &raised) || raised.Type != test.class {
			t.Errorf("%v: %v, want %s", test.seconds, err, test.class)
		}
	}
	for _, name := range []string{"clock.now", "clock.monotonic"} {
		if _, err := s.Call(t.Context(), name, int64(1)); err == nil {
			t.Errorf("%s takes no arguments", name)
		}
	}
}
