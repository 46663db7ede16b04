package math_test

import (
	"context"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
)

func BenchmarkFunctions(b *testing.B) {
	registry, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []any
	}{
		{"sqrt", []any{2.5}},
		{"sin", []any{2.5}},
		{"sin", []any{1e300}},
		{"exp", []any{2.5}},
		{"log", []any{2.5}},
		{"pow", []any{2.5, 3.7}},
		{"atan2", []any{2.5, 3.7}},
		{"erfc", []any{2.5}},
		{"gamma", []any{2.5}},
		{"factorial", []any{int64(20)}},
		{"factorial", []any{int64(25_000)}},
	} {
		f, _ := registry.Lookup("math." + c.name)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Call(context.Background(), &capabilities.Call{Args: c.args}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
