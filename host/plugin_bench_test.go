package host_test

import (
	"fmt"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
)

// A call of a small plugin from Python, there and back.
func BenchmarkTool(b *testing.B) {
	for _, stateful := range []bool{false, true} {
		name := "fresh"
		if stateful {
			name = "stateful"
		}
		b.Run(name, func(b *testing.B) {
			c := toolConfig(b, "hostile", fmt.Sprintf("stateful = %v\n[limits]\nhost_calls = 1_000_000_000\nwall_time = \"1h\"\nfuel = 1_000_000_000_000_000\n", stateful), "quiet", "raw")
			c.Guest, c.Cache, c.Audit = host.Guest{}, "", audit.Discard
			s := session(b, open(b, c))
			exec(b, s, "import x")
			b.ResetTimer()
			if r := exec(b, s, fmt.Sprintf("for _ in range(%d): x.raw('{\"a\": 1}')", b.N)); !r.OK {
				b.Fatal(r.Error)
			}
		})
	}
}
