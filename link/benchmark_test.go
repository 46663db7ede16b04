package link_test

import (
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/link"
)

func BenchmarkLink(b *testing.B) {
	opts := link.Options{Functions: []string{"math_sqrt", "math_log", "http_get"}, Meter: true}
	b.Run("toy", func(b *testing.B) {
		base := toy.Wasm()
		b.SetBytes(int64(len(base)))
		for b.Loop() {
			if _, err := link.Link(base, opts); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("python", func(b *testing.B) {
		base := python(b)
		b.SetBytes(int64(len(base)))
		for b.Loop() {
			if _, err := link.Link(base, opts); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFuel is the worst case: a loop that does next to nothing, a million times.
func BenchmarkFuel(b *testing.B) {
	for name, module := range map[string][]byte{"without": read(b, "costs"), "with": mustMeter(b, read(b, "costs"))} {
		b.Run(name, func(b *testing.B) {
			r := wazero.NewRuntime(b.Context())
			defer r.Close(b.Context())
			m, err := r.Instantiate(b.Context(), module)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				mustCall(b, m, "loop", 1_000_000)
			}
		})
	}
}
