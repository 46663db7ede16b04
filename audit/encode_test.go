package audit_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/audit"
)

// everything is a record in which each field is set.
func everything() *audit.Record {
	yes, left := true, int64(0)
	return &audit.Record{
		Version: audit.Version, Time: time.Date(2025, 1, 31, 12, 0, 0, 120, time.UTC), Kind: audit.Decision,
		Session: "s", Exec: 1, Call: 2, Tool: "t", Within: 3, Policy: "sha256:p", Guest: "sha256:g", Linked: "sha256:l",
		PolicyName: "é \"quoted\" \u2028 \x00\x1f\x7f\b\f\n\r\t \xff end \U0001f600 <&>",
		PolicyFile: "p.toml",
		Versions:   &audit.Versions{Postern: "v1", Go: "go1", Wazero: "w", Extism: "e"},
		Limits:     &audit.Limits{WallTime: time.Second, Fuel: 1, Memory: 2, Output: 3, Result: 4, HostCalls: 5},
		From:       "f", Labels: map[string]string{"z": "last", "a": "\\", "": "empty"}, Tools: []audit.Tool{{Name: "t", Plugin: "sha256:t", Schema: "sha256:s"}, {Name: "\n"}},
		Entry: "exec", InputDigest: "sha256:i", Input: json.RawMessage(`{"code": "1 + 1",` + "\n" + `"x" : [ 1 ]}`),
		Capability: "a.b", Effects: "reads", ArgumentsDigest: "sha256:a", Arguments: json.RawMessage(`{"args":["\ud800"],"kwargs":{}}`),
		Allow: &yes, Reason: "because", Rule: "grant.a", Position: "p.toml:1:2", CallsLeft: &left, Approval: &audit.Approval{Answer: "allow", Session: true, By: "alice", Reason: "none", Waited: 5},
		ResultDigest: "sha256:r", Result: json.RawMessage(`null`), ResultBytes: 4, Answer: json.RawMessage(`{"error":{}}`),
		Redacted: []string{"a.b.c", "a.b.*"}, Error: "E", Detail: "d", Duration: 12, OK: &yes, Limit: "fuel",
		ValueDigest: "sha256:v", StdoutDigest: "sha256:o", StderrDigest: "sha256:e",
		Usage:    &audit.Usage{Fuel: 1, WallMS: 1.5e-7, MemoryBytes: 3, HostCalls: 4},
		Withheld: "import os", Lost: true, Restored: true, Log: "l", Next: "n", LostBytes: 1, LostRecords: 2,
	}
}

// byPackageJSON is what the format is defined by.
func byPackageJSON(t testing.TB, number int64, r audit.Record) string {
	t.Helper()
	r.Number = number
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func TestEverythingIsSet(t *testing.T) {
	r := reflect.ValueOf(*everything())
	for i := range r.NumField() {
		if name := r.Type().Field(i).Name; r.Field(i).IsZero() && name != "Number" {
			t.Errorf("%s is not set: nobody would see that it is not encoded", name)
		}
	}
}

func TestLinesAreThoseOfPackageJSON(t *testing.T) {
	records := []*audit.Record{everything(), record("s", 1), outcome("s", 1), {Version: 1, Kind: audit.SessionClosed}}
	for _, f := range []float64{0, 1, -1.5, 1e20, 1e21, 123456789.125, 1e-6, 9.9e-7, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		records = append(records, &audit.Record{Version: 1, Usage: &audit.Usage{WallMS: f}})
	}
	folder := t.TempDir()
	log := open(t, folder, audit.Options{})
	add(t, log, records...)
	shut(t, log)
	got := lines(t, folder)[1:]
	if len(got) != len(records) {
		t.Fatalf("%d lines, want %d", len(got), len(records))
	}
	for i, r := range records {
		if want := byPackageJSON(t, int64(i+1), *r); string(got[i]) != want {
			t.Errorf("record %d\ngot  %s\nwant %s", i, got[i], want)
		}
	}
}

// Fields are in the line in the order of the type, so that a reader of the type knows the line.
func FuzzLine(f *testing.F) {
	f.Add("text", []byte(`{"args":[]}`), 1.5, int64(7))
	f.Add("\u2029\xed\xa0\x80\\", []byte(" [ ] "), math.Copysign(0, -1), int64(-1))
	f.Fuzz(func(t *testing.T, text string, raw []byte, number float64, integer int64) {
		r := &audit.Record{
			Version: audit.Version, Time: time.Unix(0, integer).UTC(), Kind: audit.Kind(text), Session: text, Detail: text, Redacted: []string{text},
			Labels: map[string]string{text: text}, Arguments: raw, Duration: time.Duration(integer), Usage: &audit.Usage{WallMS: number, Fuel: integer},
		}
		line, err := audit.EncodeForTest(3, r)
		valid := (len(raw) == 0 || json.Valid(raw)) && !math.IsNaN(number) && !math.IsInf(number, 0)
		if (err == nil) != valid {
			t.Fatalf("valid %v, error %v", valid, err)
		}
		if err == nil && string(line) != byPackageJSON(t, 3, *r) {
			t.Fatalf("got  %s\nwant %s", line, byPackageJSON(t, 3, *r))
		}
		if bytes.ContainsRune(line, '\n') {
			t.Fatalf("more than one line: %q", line)
		}
	})
}

func TestWhatIsNotJSONIsRefused(t *testing.T) {
	log := open(t, t.TempDir(), audit.Options{})
	defer log.Close()
	for _, raw := range []string{"{", "1 2", "{}\n{\"n\":2}", "nul"} {
		r := record("s", 1)
		r.Arguments = json.RawMessage(raw)
		if err := log.Append(r); err == nil {
			t.Errorf("%q was taken", raw)
		}
	}
	add(t, log, record("s", 2))
}
