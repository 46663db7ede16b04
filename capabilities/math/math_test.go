package math_test

import (
	"context"
	"errors"
	gomath "math"
	"math/big"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/values"
)

func call(t *testing.T, ctx context.Context, name string, args ...any) (any, error) {
	t.Helper()
	registry, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		t.Fatal(err)
	}
	c, ok := registry.Lookup("math." + name)
	if !ok {
		t.Fatalf("no function %q", name)
	}
	return c.Call(ctx, &capabilities.Call{Args: args})
}

func power(base, exponent int64) *big.Int {
	return new(big.Int).Exp(big.NewInt(base), big.NewInt(exponent), nil)
}

func list(n int, v any) values.List {
	l := make(values.List, n)
	for i := range l {
		l[i] = v
	}
	return l
}

// TestBounds makes calls that would take for ever, or all memory. They must fail, soon.
func TestBounds(t *testing.T) {
	for _, c := range []struct {
		name string
		args []any
	}{
		{"factorial", []any{int64(1_000_000_000)}},
		{"factorial", []any{int64(gomath.MaxInt64)}},
		{"factorial", []any{int64(26_000)}},
		{"perm", []any{int64(1_000_000_000)}},
		{"perm", []any{int64(1_000_000_000), int64(500_000_000)}},
		{"perm", []any{int64(40_000), int64(39_999)}},
		{"perm", []any{power(10, 99_000), int64(2)}},
		{"perm", []any{power(10, 99_000), int64(gomath.MaxInt64)}},
		{"comb", []any{int64(1_000_000_000), int64(500_000_000)}},
		{"comb", []any{int64(700_000), int64(350_000)}},
		{"comb", []any{power(2, 300_000), power(2, 62)}},
		{"comb", []any{power(2, 300_000), int64(3)}},
		{"lcm", []any{power(2, 300_000), power(3, 200_000)}},
		{"prod", []any{list(10, power(2, 300_000))}},
		{"sumprod", []any{list(10, power(2, 300_000)), list(10, power(2, 300_000))}},
		{"floor", []any{values.Decimal("1E+999999999")}},
		{"prod", []any{values.List{power(10, 50_000), power(10, 50_000)}}},
		{"trunc", []any{values.Decimal("1E+999999999999999999")}},
	} {
		start := time.Now()
		v, err := call(t, context.Background(), c.name, c.args...)
		var raised *capabilities.PythonError
		if !errors.As(err, &raised) || raised.Type != "OverflowError" {
			t.Errorf("%s: got %T, %v, want OverflowError", c.name, v, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v to fail", c.name, took)
		}
	}
}

// TestLargest makes calls whose results just fit.
func TestLargest(t *testing.T) {
	for _, c := range []struct {
		name string
		args []any
	}{
		{"factorial", []any{int64(25_000)}},
		{"perm", []any{int64(25_000), int64(24_999)}},
		{"comb", []any{int64(330_000), int64(165_000)}},
		{"comb", []any{power(10, 1000), int64(60)}},
		{"isqrt", []any{power(10, 99_999)}},
		{"floor", []any{new(big.Int).Sub(power(10, 100_000), big.NewInt(1))}},
	} {
		v, err := call(t, context.Background(), c.name, c.args...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if _, err := values.Append(nil, v, gomath.MaxInt); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for name, args := range map[string][]any{
		"factorial": {int64(25_000)},
		"comb":      {int64(100_000), int64(40_000)},
		"perm":      {int64(20_000), int64(10_000)},
		"fsum":      {list(100_000, 0.5)},
		"prod":      {list(100_000, int64(2))},
		"sumprod":   {list(1000, power(2, 100)), list(1000, int64(2))},
		"gcd":       list(10, power(2, 1000)),
	} {
		if v, err := call(t, ctx, name, args...); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %T, %v", name, v, err)
		}
	}
}

// TestArgumentsAreKept sees that no function changes its arguments.
func TestArgumentsAreKept(t *testing.T) {
	a, b := power(3, 100), power(6, 90)
	items := values.List{a, b, 2.5}
	for _, name := range []string{"gcd", "lcm", "comb", "perm"} {
		call(t, context.Background(), name, b, a)
	}
	for _, name := range []string{"prod", "fsum"} {
		call(t, context.Background(), name, items)
	}
	for _, name := range []string{"dist", "sumprod"} {
		call(t, context.Background(), name, items, items)
	}
	for _, name := range []string{"isqrt", "factorial", "floor"} {
		call(t, context.Background(), name, a)
	}
	if a.Cmp(power(3, 100)) != 0 || b.Cmp(power(6, 90)) != 0 || items[2] != 2.5 {
		t.Error("an argument was changed")
	}
}
