package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// A Figure is one thing that was measured.
type Figure struct {
	Key    string  // its name in JSON, which ends with the unit: "warm_exec_us"
	Doc    string  // what was measured
	Median float64 // NaN if it could not be measured here
	P99    float64 // the 99th percentile of the same runs
	Runs   int
}

// A Report is what was measured on one machine.
type Report struct {
	Figures  []Figure
	Machine  string // "linux/amd64, 2 CPUs"
	Versions string // "go1.26.8, wazero v1.12.0, …"
}

// MarshalJSON gives one flat object: for each figure its median under its key and the 99th percentile under the key with "_p99", null for
// what could not be measured; then machine and versions.
func (r *Report) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for _, f := range r.Figures {
		fmt.Fprintf(&b, "%q:%s,%q:%s,", f.Key, number(f.Median), f.Key+"_p99", number(f.P99))
	}
	for i, text := range []struct{ key, value string }{{"machine", r.Machine}, {"versions", r.Versions}} {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(text.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", text.key, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func number(v float64) string {
	if math.IsNaN(v) {
		return "null"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// Format gives a figure's number as people read it, "–" if there is none.
func Format(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return strconv.FormatFloat(v, 'f', max(0, 2-int(math.Log10(max(v, 1)))), 64)
}

// figure makes one of the values of single runs.
func figure(key, doc string, runs []float64) Figure {
	f := Figure{Key: key, Doc: doc, Median: math.NaN(), P99: math.NaN(), Runs: len(runs)}
	if len(runs) > 0 {
		sorted := slices.Sorted(slices.Values(runs))
		f.Median, f.P99 = percentile(sorted, 0.5), percentile(sorted, 0.99)
	}
	return f
}

// percentile is the smallest value that at least a share of all are not above.
func percentile(sorted []float64, share float64) float64 {
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

func geometricMean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(values)))
}
