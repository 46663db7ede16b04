package bench

import (
	"os"
	"testing"
)

// BenchmarkFigures measures what `postern bench` does, but for the start of a process, for benchstat. A figure's unit is its key.
func BenchmarkFigures(b *testing.B) {
	m := &measurer{ctx: b.Context(), folder: b.TempDir()}
	defer func() {
		if err := m.close(); err != nil {
			b.Error(err)
		}
	}()
	for _, measure := range m.measurements() {
		b.Run(measure.name, func(b *testing.B) {
			if measure.name == "start" {
				b.Skip("postern bench measures it: it needs the command")
			}
			for b.Loop() {
				figures, err := measure.run()
				if err != nil {
					b.Fatal(err)
				}
				for _, f := range figures {
					if f.Runs > 0 {
						b.ReportMetric(f.Median, f.Key)
					}
				}
			}
		})
	}
}

func TestPercentiles(t *testing.T) {
	for _, test := range []struct {
		runs        []float64
		median, p99 float64
	}{
		{[]float64{7}, 7, 7},
		{[]float64{3, 1, 2}, 2, 3},
		{[]float64{4, 3, 2, 1}, 2, 4},
	} {
		if f := figure("k", "", test.runs); f.Median != test.median || f.P99 != test.p99 {
			t.Errorf("%v: %v and %v", test.runs, f.Median, f.P99)
		}
	}
	many := make([]float64, 1000)
	for i := range many {
		many[i] = float64(i + 1)
	}
	if f := figure("k", "", many); f.Median != 500 || f.P99 != 990 {
		t.Errorf("%+v", f)
	}
}

func TestReportIsFlat(t *testing.T) {
	r := &Report{Figures: []Figure{figure("a_us", "", []float64{1.5}), figure("b_ms", "", nil)}, Machine: "m", Versions: `v "1"`}
	text, err := r.MarshalJSON()
	if want := `{"a_us":1.5,"a_us_p99":1.5,"b_ms":null,"b_ms_p99":null,"machine":"m","versions":"v \"1\""}`; err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}

func TestFormat(t *testing.T) {
	for value, want := range map[float64]string{0.12: "0.12", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 1234: "1234"} {
		if got := Format(value); got != want {
			t.Errorf("%v: %s, want %s", value, got, want)
		}
	}
}

// The files of a benchmark are gone when it ends.
func TestNothingIsLeft(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	if _, err := Run(t.Context(), Options{Quick: true, Executable: os.DevNull}); err == nil {
		t.Error("a device is no postern command")
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}
