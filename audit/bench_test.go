package audit_test

import (
	"testing"

	"github.com/postern-sandbox/postern/audit"
)

// BenchmarkAppend has the two records of a host call in turn, checkpoints included.
func BenchmarkAppend(b *testing.B) {
	for _, durability := range []audit.Durability{audit.Batch, audit.Effects, audit.Always} {
		b.Run(string(durability), func(b *testing.B) {
			log := open(b, b.TempDir(), audit.Options{Durability: durability})
			decision, outcome := record("s", 1), outcome("s", 1)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				r := decision
				if n%2 == 1 {
					r = outcome
				}
				if err := log.Append(r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(log.Syncs())/float64(b.N), "syncs/op")
			shut(b, log)
		})
	}
}

// BenchmarkEffect is a decision that is synced, and its outcome.
func BenchmarkEffect(b *testing.B) {
	log := open(b, b.TempDir(), audit.Options{})
	decision, outcome := record("s", 1), outcome("s", 1)
	decision.Effects = "writes"
	for b.Loop() {
		if err := log.Append(decision); err != nil {
			b.Fatal(err)
		}
		if err := log.Append(outcome); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(log.Syncs())/float64(b.N), "syncs/op")
	shut(b, log)
}

func BenchmarkVerify100000Records(b *testing.B) {
	folder := b.TempDir()
	makeLog(b, folder, 100_000, 1000)
	for b.Loop() {
		verify(b, folder)
	}
}

func BenchmarkOpen(b *testing.B) {
	folder := b.TempDir()
	makeLog(b, folder, 100_000, 1000)
	for b.Loop() {
		shut(b, open(b, folder, audit.Options{}))
	}
}
